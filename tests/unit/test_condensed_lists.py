"""Lists with what nobody judged taken out, the whole catalogue, and the share that was judged, all by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from search_shop import search_shop
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.evaluation.judged_items import QueryMeasures, QueryTask, evaluate_queries
from wareloom.proof.prove import prove
from wareloom.proof.search import QueryProofSettings
from wareloom.rankers.search.base import SearchRanker
from wareloom.report import render
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop

RUN = Run(seed=3, threads=1)
ITEMS = ["a", "b", "c", "d", "e", "f"]


@dataclass(kw_only=True, eq=False)
class Planted(SearchRanker):
    """Score the items of the catalogue as the query says: "5 4 3 2 1 0"; pairs by themselves it scores otherwise."""

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        """Nothing."""

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        return np.array([[float(s) for s in query.split()] for query in queries], dtype=np.float32)

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        return -self._match(queries)[query, item].astype(np.float64)


def judged(rows: list[tuple[str, str, float]]) -> Shop:
    items = pl.DataFrame({"item_id": ITEMS, "title": ITEMS})
    table = pl.DataFrame(rows, schema=["query", "item_id", "grade"], orient="row")
    return Shop({"items": items, "judgments": table})


def reached(shop: Shop, known: int = 6, **measures: tuple[str, ...]) -> dict[str, np.ndarray]:
    items = shop.table("items").head(known)
    ranker = Planted().fit(shop.with_tables(items=items, judgments=None), RUN)
    task = QueryTask.of(shop, "test", 2.0, single_grade=True)
    return evaluate_queries(ranker, task, QueryMeasures(**measures), RUN).per_request


def test_one_query_by_hand() -> None:
    # In order: a (nobody judged it), b 1, c (nobody), d 3, e 0, f (nobody). Condensed: b 1, d 3, e 0.
    shop = judged([("6 5 4 3 2 1", "b", 1), ("6 5 4 3 2 1", "d", 3), ("6 5 4 3 2 1", "e", 0)])
    found = reached(
        shop,
        metrics=("ndcg@2", "ndcg@1"),
        catalogue_metrics=("ndcg@2", "ndcg@4", "judged@1", "judged@4", "judged@10", "recall@4"),
    )
    best = 3 + 1 / math.log2(3)
    assert found["ndcg@2/all"][0] == pytest.approx((1 + 3 / math.log2(3)) / best)
    assert found["ndcg@1/all"][0] == pytest.approx(1 / 3)
    assert found["ndcg@2, all items/all"][0] == pytest.approx((1 / math.log2(3)) / best)
    whole = 1 / math.log2(3) + 3 / math.log2(5)
    assert found["ndcg@4/all"][0] == pytest.approx(whole / best)
    assert found["judged@1/all"][0] == 0
    assert found["judged@4/all"][0] == 2 / 4
    assert found["judged@10/all"][0] == 3 / 6, "of the six items that there are"
    assert found["recall@4/all"][0] == 1, "only d is right"


def test_what_nobody_judged_moves_the_catalogue_and_not_the_condensed_list() -> None:
    rows = [("1 9 8 2 3 4", "b", 1), ("1 9 8 2 3 4", "c", 3)]
    behind = [("7 6 5 9 9 9", "b", 1), ("7 6 5 9 9 9", "c", 3)]
    found = reached(judged(rows + behind), metrics=("ndcg@10",), catalogue_metrics=("ndcg@10",))
    first, second = found["ndcg@10/all"]
    assert first == pytest.approx(second)
    first, second = found["ndcg@10, all items/all"]
    assert first > second


def test_an_unknown_item_stands_last() -> None:
    shop = judged([("1 9 8 2 3", "b", 1), ("1 9 8 2 3", "c", 0), ("1 9 8 2 3", "f", 3)])
    measured = {"metrics": ("ndcg@10",), "catalogue_metrics": ("ndcg@10", "judged@10")}
    found = reached(shop, known=5, **measured)
    best = 3 + 1 / math.log2(3)
    assert found["ndcg@10/all"][0] == pytest.approx((1 + 3 / math.log2(4)) / best)
    assert found["ndcg@10, all items/all"][0] == pytest.approx(1 / best), "it is in no list"
    assert found["judged@10/all"][0] == 2 / 5


def test_equal_scores_stand_in_both_views_as_they_do_in_the_list() -> None:
    """With every item judged the condensed list is the list, ties and all."""
    rows = [("1 1 1 1 1 1", item, place % 4.0) for place, item in enumerate(ITEMS)]
    found = reached(judged(rows), metrics=("ndcg@3",), catalogue_metrics=("ndcg@3", "judged@3"))
    assert found["ndcg@3/all"].tolist() == found["ndcg@3, all items/all"].tolist()
    assert found["judged@3/all"].tolist() == [1.0]


def proof_settings(**more: object) -> QueryProofSettings:
    made = Generator(synthesizer="search_shop:TitleQueries", screens=())
    quick: dict[str, object] = {"trees": 20, "min_rows": 5}
    return QueryProofSettings(generator=made, ratios=(1.0,), seeds=1, ranker_settings=quick, **more)  # type: ignore[arg-type]


def test_a_proof_shows_all_three_side_by_side() -> None:
    found = prove(search_shop(60), proof_settings(), RUN)
    assert {"ndcg@10", "ndcg@10, all items", "judged@10"} <= set(found.arms()["metric"])
    rows = {
        row["metric"]: row["mean"]
        for row in found.data["arms"]
        if row["arm"] == "real" and row["slice"] == "all"
    }
    assert 0 < rows["judged@10"] < 1
    assert f"{rows['judged@10']:.0%} of the first 10" in found.data["story"]["finding"]
    page = render(found.data)
    assert "Share judged" in page
    assert f"{rows['judged@10']:.1%}" in page
    others = page.partition("Other metrics")[2].partition("</table>")[0]
    assert "recall@10" in others
    assert "judged@10" not in others, "more that was judged is neither better nor worse"


def test_the_share_judged_decides_nothing() -> None:
    asked = proof_settings(primary="catalogue", catalogue_metrics=("judged@10",))
    with pytest.raises(SettingError, match=r"'judged@10' says what people looked at"):
        prove(search_shop(20), asked, RUN)
