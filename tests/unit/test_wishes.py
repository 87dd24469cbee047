"""What a query says of price and person, and rankers of search that heed it, and the history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.language.wishes import Wishes, read_wishes
from wareloom.shop import Requests, Shop

RUN = Run(seed=1, threads=1)


@pytest.mark.parametrize(
    ("query", "wishes"),
    [
        ("red shoes under $50", Wishes("red shoes", None, 50.0)),
        ("red shoes under 50", Wishes("red shoes", None, 50.0)),
        ("lamp less than 30 dollars", Wishes("lamp", None, 30.0)),
        ("tv over $1200", Wishes("tv", 1200.0, None)),
        ("tv from $1200", Wishes("tv", 1200.0, None)),
        ("faucet between 20 and 40 dollars", Wishes("faucet", 20.0, 40.0)),
        ("faucet $20-$40", Wishes("faucet", 20.0, 40.0)),
        ("faucet 20-40 dollars", Wishes("faucet", 20.0, 40.0)),
        ("under cabinet light", Wishes("under cabinet light")),
        ("desk under 40 inch", Wishes("desk under 40 inch")),
        ("battery over 12v", Wishes("battery over 12v")),
        ("shelf 20-40 in", Wishes("shelf 20-40 in")),
        ("手机壳50元以下", Wishes("手机壳", None, 50.0)),
        ("手机壳 100以内", Wishes("手机壳", None, 100.0)),
        ("连衣裙 不超过200元", Wishes("连衣裙", None, 200.0)),
        ("连衣裙100到200元", Wishes("连衣裙", 100.0, 200.0)),
        ("手表1000元以上", Wishes("手表", 1000.0, None)),
        ("给女儿买裙子", Wishes("女童 买裙子", person="girls")),
        ("watch for my wife", Wishes("watch women", person="women")),
        ("bike for my son under 100", Wishes("bike boys", None, 100.0, "boys")),
        ("form for manuals", Wishes("form for manuals")),
        ("under 50", Wishes("under 50", None, 50.0)),
        ("", Wishes("")),
    ],
)
def test_prices_and_people_are_read(query: str, wishes: Wishes) -> None:
    assert read_wishes(query) == wishes


def shop() -> Shop:
    items = pl.DataFrame(
        {
            "item_id": ["a", "b", "c", "d", "e"],
            "title": [
                "red shoes",
                "red shoes leather",
                "red shoes canvas",
                "blue hat",
                "girls red shoes",
            ],
            "price": [80.0, 45.0, None, 10.0, 30.0],
        }
    )
    rows = [(f"u{n}", item) for n in range(20) for item in (("b", "d") if n % 2 else ("c", "a"))]
    events = pl.DataFrame(rows, ["user_id", "item_id"], orient="row").with_columns(
        event=pl.lit("purchase")
    )
    return Shop({"items": items, "events": events})


@pytest.mark.parametrize("name", ["bm25", "fusion"])
def test_what_costs_too_much_stands_below(name: str, tmp_path: Path) -> None:
    own = {"members": ("bm25", "lambdamart")} if name == "fusion" else {}
    made = RANKERS.make(name, wishes=True, **own).fit(shop(), RUN)
    made.save(tmp_path / name)
    for ranker in (made, RANKERS.restore(tmp_path / name)):
        ranked = ranker.rank(
            Requests(queries=["red shoes under 50", "shoes over $60", "shoes for my daughter"]), k=5
        )
        lists = {
            r: rows["item_id"].to_list()
            for (r,), rows in ranked.group_by("request", maintain_order=True)
        }
        assert lists[0].index("a") == 4
        assert set(lists[0][:3]) == {"b", "c", "e"}, "an item without a price stays"
        assert set(lists[1][:2]) == {"a", "c"}
        assert lists[2][0] == "e"
    plain = RANKERS.make(name, **own).fit(shop(), RUN)
    assert plain.rank(Requests(queries=["red shoes under 50"]), k=1)["item_id"].to_list() == ["a"]


def test_a_history_moves_what_the_query_leaves_open(tmp_path: Path) -> None:
    made = RANKERS.make("bm25", personal=0.5, behaviour="transitions").fit(shop(), RUN)
    made.save(tmp_path / "model")
    for ranker in (made, RANKERS.restore(tmp_path / "model")):
        asked = Requests.sessions([["d"], ["c"], []])
        asked = Requests(queries=["red shoes"] * 3, histories=asked.histories)
        first = ranker.rank(asked, k=1).sort("request")["item_id"].to_list()
        assert first[0] == "b"
        assert first[1] == "a"
        scores = ranker.score(asked)
        alone = RANKERS.make("bm25").fit(shop(), RUN).score(Requests(queries=["red shoes"]))
        np.testing.assert_allclose(scores[2], alone[0], rtol=1e-6)
