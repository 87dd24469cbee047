"""What is served of every ranker is what it ranks: the same items in the same order, with the same scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wareloom.core.family import RANKERS
from wareloom.serving.kinds import form_of
from wareloom.serving.published import Served, write_served
from wareloom.shop import Requests
from wareloom.testing.rankers import fitted

RNG = np.random.default_rng(3)
QUERIES = ["", "item 3", "blue item", "no such word", "  "]


def histories(n: int) -> list[list[str]]:
    """Histories of up to twelve events, with repeats, and one of nothing."""
    return [[], *([f"i{i}" for i in RNG.integers(0, 30, RNG.integers(1, 13))] for _ in range(n))]


@pytest.mark.parametrize("name", RANKERS.names())
def test_serves_what_it_ranks(name: str, tmp_path: Path) -> None:
    ranker = fitted(RANKERS.load(name))
    write_served(ranker, tmp_path / "served")
    served = Served.open(tmp_path / "served")
    assert served.form.kind == {"popularity": "table"}.get(form_of(name), form_of(name))
    asked = histories(25)
    for place, history in enumerate(asked):
        query = QUERIES[place % len(QUERIES)]
        request = replace(Requests.sessions([history]), queries=[query])
        for k, repeats in ((10, False), (40, True)):
            wanted = ranker.rank(request, k, exclude_seen=not repeats)
            codes = served.ids.codes(history)
            found, scores = served.top(codes, query, k, repeats=repeats)
            assert [served.ids.text(c) for c in found] == wanted["item_id"].to_list(), history
            np.testing.assert_allclose(scores, wanted["score"].to_numpy(), rtol=1e-6, atol=1e-6)
