"""What is said to be kept of real users: the arithmetic, and a shop's word on disk."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from wareloom.errors import SourceError
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps, least, worst

ALL: tuple[Keeps, ...] = get_args(Keeps)


def sample(origin: str = "markov@1") -> Shop:
    """A shop of one user's purchase, whose row carries `origin`."""
    events = {"user_id": ["u"], "item_id": ["a"], "event": ["purchase"], "origin": [origin]}
    return Shop({"items": pl.DataFrame({"item_id": ["a", "b"]}), "events": pl.DataFrame(events)})


def test_a_mixture_keeps_the_worst_of_its_parts() -> None:
    rank = {"private": 0, "counts": 1, "people": 2}
    for some in product(ALL, repeat=3):
        assert rank[worst(*some)] == max(rank[one] for one in some)
        assert rank[least(*some)] == min(rank[one] for one in some)
    assert worst("private", None) == "people" == worst(None)
    assert worst() == "private"


@pytest.mark.parametrize("keeps", ALL)
def test_a_shop_says_what_it_keeps_from_one_reading_to_the_next(
    keeps: Keeps, tmp_path: Path
) -> None:
    made = sample().keeping(keeps)
    assert made.save(tmp_path / "shop").keeps == keeps
    opened = Shop.open(tmp_path / "shop")
    assert opened.in_memory().keeps == keeps
    assert opened.with_tables(items=opened.scan("items").head(1)).keeps == keeps
    assert opened.keeping(None).fingerprint == opened.fingerprint == made.fingerprint
    assert json.loads((tmp_path / "shop" / "shop.json").read_text())["keeps"] == keeps


def test_a_real_shop_and_an_old_one_say_nothing(tmp_path: Path) -> None:
    assert sample("real").save(tmp_path / "shop").keeps is None
    assert "keeps" not in json.loads((tmp_path / "shop" / "shop.json").read_text())


def test_rows_of_a_real_log_are_not_written_as_counts(tmp_path: Path) -> None:
    made = sample().keeping("counts")
    swapped = made.with_tables(events=sample("real").scan("events"))
    assert swapped.save(tmp_path / "shop").keeps == "people"


@pytest.mark.parametrize("word", ["nothing", 3, None, ["counts"]])
def test_a_word_that_is_none_is_damage(word: Any, tmp_path: Path) -> None:
    sample().keeping("counts").save(tmp_path / "shop")
    place = tmp_path / "shop" / "shop.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"keeps": word}))
    with pytest.raises(SourceError, match=r"shop\.json is damaged: 'keeps"):
        Shop.open(tmp_path / "shop")
