"""In which form each ranker is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wareloom.core.family import RANKERS
from wareloom.serving.forms.kinds import form_of
from wareloom.serving.versions.published import Served, write_served
from wareloom.shop import Requests
from wareloom.testing.rankers import fitted

OWN = {name for name in RANKERS.names() if form_of(name) != "itself"}


def test_some_have_a_form_of_their_own() -> None:
    assert {"transitions", "item_knn", "bm25", "popularity", "stack", "text_knn", "slim"} <= OWN


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_form_is_the_one_that_list_tells_of(name: str, tmp_path: Path) -> None:
    write_served(fitted(RANKERS.load(name)), tmp_path / "served")
    served = Served.open(tmp_path / "served")
    assert served.form.kind == {"popularity": "table"}.get(form_of(name), form_of(name))


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_thousand_requests_are_answered_as_they_are_ranked(name: str, tmp_path: Path) -> None:
    ranker, rng = fitted(RANKERS.load(name)), np.random.default_rng(11)
    write_served(ranker, tmp_path / "served")
    served = Served.open(tmp_path / "served")
    # Networks rank all at once here, and sum in another order; one by one the kit holds them to 1e-6.
    count, close = (100, 1e-5) if ranker.gradient else (1000, 1e-6)
    asked = [rng.integers(0, 30, rng.integers(0, 20)).astype(np.int32) for _ in range(count)]
    words = [f"Item {n}" if served.form.reads and n % 3 else "" for n in range(count)]
    histories = [[served.ids.text(int(code)) for code in codes] for codes in asked]
    wanted = ranker.rank(replace(Requests.sessions(histories), queries=words), 10)
    for n, part in enumerate(wanted.partition_by("request", maintain_order=True)):
        found, scores = served.top(asked[n], words[n], 10)
        assert [served.ids.text(int(code)) for code in found] == part["item_id"].to_list(), n
        np.testing.assert_allclose(scores, part["score"].to_numpy(), rtol=close, atol=close)
    assert wanted["request"].n_unique() == count
