"""Ids and their codes, against a dictionary."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from wareloom.shop import Vocabulary
from wareloom.shop.vocabulary import FEW


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("asked", [1, 5, 400])
def test_codes_are_places_whether_few_or_many_are_asked(asked: int, lasting: bool) -> None:
    ids = [f"i{k}" for k in np.random.default_rng(1).permutation(10 * FEW)]
    place = {name: code for code, name in enumerate(ids)}
    wanted = [*ids[: asked - 1], "unknown", None, *ids[:2]]
    found = Vocabulary(ids, lasting=lasting).encode(pl.Series(wanted, dtype=pl.String))
    assert found.dtype == np.int32
    assert found.tolist() == [place.get(name, -1) for name in wanted]


def test_ids_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_last_letter(series: pl.Series) -> pl.Series:
        return pl.Series([ord(text[-1]) if text else 0 for text in series], dtype=pl.UInt64)

    monkeypatch.setattr(pl.Series, "hash", by_last_letter)
    ids = [f"i{k}" for k in np.random.default_rng(2).permutation(10 * FEW)]
    wanted = [ids[0], "x9", ids[7], None, "no", ids[-1]]
    found = Vocabulary(ids, lasting=True).encode(pl.Series(wanted, dtype=pl.String))
    assert found.tolist() == [0, -1, 7, -1, -1, 10 * FEW - 1]


def test_nothing_asked_and_nothing_known() -> None:
    assert Vocabulary(["a"]).encode([]).tolist() == []
    assert Vocabulary([]).encode(["a"]).tolist() == [-1]
    assert Vocabulary(["a", "b"]).decode(np.array([1, -1, 0])).to_list() == ["b", None, "a"]
