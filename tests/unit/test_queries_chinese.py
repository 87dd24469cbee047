"""Queries for Chinese titles: what belongs together stays together, what sells is left out, nothing is said twice."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from wareloom.core.run import Run
from wareloom.language.titles import BRAND, DESCRIBES, HEAD, Title, TitleReader
from wareloom.shop import Shop
from wareloom.synthesis.queries._chinese import tidy, whole
from wareloom.synthesis.queries._forms import joined
from wareloom.synthesis.queries.attributes import Attributes

pytest.importorskip("jieba")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["红色", "连衣裙"], "红色连衣裙"),
        (["tasco", "望远镜"], "tasco望远镜"),
        (["发电机", "1512g"], "发电机1512g"),
        (["coco", "chanel", "香水"], "coco chanel香水"),
        (["oak", "table", "3 ft"], "oak table 3 ft"),
    ],
)
def test_nobody_puts_a_space_beside_chinese(words: list[str], text: str) -> None:
    assert joined(words) == text


def test_single_characters_stay_with_the_word_before() -> None:
    title = Title(
        ("红豆", "大", "女", "连衣裙", "38", "码", "套"),
        (BRAND, *[DESCRIBES] * 2, HEAD, *[DESCRIBES] * 3),
    )
    found, odds, made_of = whole(title, np.arange(7.0))
    assert found.words == ("红豆", "大女", "连衣裙", "38码套")
    assert found.roles == (BRAND, DESCRIBES, HEAD, DESCRIBES)
    assert odds.tolist() == [0.0, 2.0, 3.0, 6.0]
    assert made_of == [1, 2, 1, 3]
    english = Title(("oak", "x", "table"), (DESCRIBES, DESCRIBES, HEAD))
    assert whole(english, np.ones(3))[0] is english


def test_no_word_that_another_one_says_again() -> None:
    assert tidy(["防晒霜", "防晒", "喷雾"]) == ["防晒霜", "喷雾"]
    assert tidy(["防晒", "spf50", "防晒霜"]) == ["spf50", "防晒霜"]
    assert tidy(["红豆 男装", "38码"]) == ["红豆男装", "38码"]
    assert tidy(["red", "redder"]) == ["red", "redder"]


def test_what_sells_is_no_head() -> None:
    reader = TitleReader.learn(["红色连衣裙包邮", "蓝色连衣裙新款包邮", "黑色连衣裙正品"])
    title = reader.read("白色连衣裙包邮")
    assert title.words == ("白色", "连衣裙")
    assert title.roles[1] == HEAD


def test_chinese_queries_keep_to_the_length_that_is_asked_for() -> None:
    titles = [
        "红豆秋冬女士加厚羊毛连衣裙 38码 包邮",
        "保湿补水面霜 30ml 正品",
        "儿童运动鞋男童透气网鞋",
    ] * 5
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(15)], "title": titles})
    for length in (1.5, 4.0):
        fitted = Attributes(length=length, typos=0.0).fit(Shop({"items": items}), Run(seed=1))
        queries = fitted.sample(300, Run(seed=2)).table("judgments")["query"]
        assert not queries.str.contains("包邮|正品| |-").any()
        assert not queries.str.contains(r"^.$").any()
    assert queries.str.len_chars().mean() > 6
