"""Ids and their codes, against a dictionary."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from wareloom.shop import Vocabulary
from wareloom.shop.vocabulary import FEW


@pytest.mark.parametrize("asked", [1, 5, 400])
def test_codes_are_places_whether_few_or_many_are_asked(asked: int) -> None:
    ids = [f"i{k}" for k in np.random.default_rng(1).permutation(10 * FEW)]
    place = {name: code for code, name in enumerate(ids)}
    wanted = [*ids[: asked - 1], "unknown", None, *ids[:2]]
    found = Vocabulary(ids).encode(pl.Series(wanted, dtype=pl.String))
    assert found.dtype == np.int32
    assert found.tolist() == [place.get(name, -1) for name in wanted]


def test_nothing_asked_and_nothing_known() -> None:
    assert Vocabulary(["a"]).encode([]).tolist() == []
    assert Vocabulary([]).encode(["a"]).tolist() == [-1]
    assert Vocabulary(["a", "b"]).decode(np.array([1, -1, 0])).to_list() == ["b", None, "a"]
