"""Chinese search from end to end: titles into queries, and rankers that find the products they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny_encoder import tiny_encoder
from wareloom.family import RANKERS, SYNTHESIZERS
from wareloom.readers import read
from wareloom.run import Run
from wareloom.shop import Shop, Vocabulary

RUN = Run(seed=6, threads=1, quiet=True)


@pytest.fixture(scope="module")
def shop(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("taobao")
    whole = read(real_data / "taobao_ner_zh", to=folder / "shop", as_="bio", run=RUN)
    return whole.with_tables(items=whole.table("items").unique("title", keep="first", maintain_order=True).head(500))


def found(ranker: Any, shop: Shop, judged: Shop, depth: int = 10) -> float:
    """Share of the queries whose product is among the first `depth`."""
    rows = judged.table("judgments")
    scores = ranker.match_all(rows["query"].to_list())
    meant = Vocabulary(shop.table("items")["item_id"]).encode(rows["item_id"])
    above = (scores > scores[np.arange(len(meant)), meant][:, None]).sum(axis=1)
    return float((above < depth).mean())


def test_words_find_the_product_that_was_meant(shop: Shop) -> None:
    queries = SYNTHESIZERS.make("attributes", length=4.0).fit(shop, RUN).sample(300, RUN)
    assert found(RANKERS.make("bm25").fit(shop, RUN), shop, queries) > 0.7
    spelt = RANKERS.make("bm25", spelling=True).fit(shop, RUN)
    assert found(spelt, shop, queries) > 0.7, "correcting leaves Chinese words as they are"


def test_an_encoder_learns_from_queries_that_were_made(shop: Shop) -> None:
    made = SYNTHESIZERS.make("attributes", length=4.0).fit(shop, RUN)
    taught, asked = made.sample(1_500, RUN), made.sample(300, RUN.with_(seed=7))
    how = {"model": tiny_encoder(), "fields": "title", "longest": 48}
    untaught = RANKERS.make("bi_encoder", tuning="none", **how).fit(shop, RUN)
    tuned = RANKERS.make("bi_encoder", tuning="full", learning_rate=0.01, epochs=3, **how)
    assert found(tuned.fit(taught, RUN), shop, asked) > 1.2 * found(untaught, shop, asked)
