"""Advice on shops of known truth: it says what is so, and nothing that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from advice_shops import TRUTHS, items_only, made, wrong
from wareloom.advising import AdviceSettings, advise
from wareloom.bundle import Bundle
from wareloom.core.run import Run
from wareloom.core.sentences import Say
from wareloom.errors import InputError
from wareloom.recipe import Recipe
from wareloom.report.advice import advice_page
from wareloom.shop import Shop

RUN = Run(seed=1, threads=1)


@pytest.mark.parametrize("name", TRUTHS)
def test_advice_says_what_is_true_of_a_shop(name: str, tmp_path: Path) -> None:
    shop, others = made(name, tmp_path)
    found = advise(shop, AdviceSettings(minutes=9.9, other_shops=others), tmp_path / "advice", RUN)
    assert wrong(name, found.data) == []
    assert (tmp_path / "advice" / "advice.html").is_file()
    chinese = advice_page(found.data, "zh")
    assert Say("zh")("advised.other_sentence") not in chinese, "a sentence has no Chinese"
    assert Recipe.load(tmp_path / "advice" / "recipe.toml").stages[-1] == "make"
    bundle = Bundle.open(tmp_path / "advice" / "bundle")
    assert len(bundle.items) == shop.rows("items")
    assert not (tmp_path / "advice" / ".advice").exists()


def test_a_catalogue_without_behaviour_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no event on one"):
        advise(items_only(), AdviceSettings(), tmp_path / "advice", RUN)


def test_an_empty_shop_is_refused(tmp_path: Path) -> None:
    empty = Shop({"items": items_only().table("items").head(0)})
    with pytest.raises(InputError, match="no items"):
        advise(empty, AdviceSettings(), tmp_path / "advice", RUN)
