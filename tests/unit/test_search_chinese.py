"""Chinese search from end to end: titles into queries, and rankers that find the products they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny_encoder import tiny_encoder
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.readers import read
from wareloom.shop import Shop, Vocabulary

RUN = Run(seed=6, threads=1, quiet=True)


@pytest.fixture(scope="module")
def whole(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    read_in = read(
        real_data / "taobao_ner_zh",
        to=tmp_path_factory.mktemp("taobao") / "shop",
        as_="bio",
        run=RUN,
    )
    return read_in.with_tables(
        items=read_in.table("items").unique("title", keep="first", maintain_order=True)
    )


@pytest.fixture(scope="module")
def shop(whole: Shop) -> Shop:
    return whole.with_tables(items=whole.table("items").head(500))


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


def test_words_that_sound_alike_are_taken_for_one_another(whole: Shop) -> None:
    meant = SYNTHESIZERS.make("attributes").fit(whole, RUN).sample(800, RUN)
    slips = SYNTHESIZERS.make("edits", mix={"homophone": 1.0}).fit(whole, RUN).sample(800, RUN)
    plain, spelt = (
        RANKERS.make("bm25", spelling=wanted).fit(whole, RUN) for wanted in (False, True)
    )
    assert found(spelt, whole, slips, 3) > found(plain, whole, slips, 3) + 0.01
    assert found(spelt, whole, meant, 3) > found(plain, whole, meant, 3) - 0.01


def test_an_encoder_learns_from_queries_that_were_made(shop: Shop) -> None:
    made = SYNTHESIZERS.make("attributes", length=4.0).fit(shop, RUN)
    taught, asked = made.sample(1_500, RUN), made.sample(300, RUN.with_(seed=7))
    how = {"model": tiny_encoder(), "fields": "title", "longest": 48}
    untaught = RANKERS.make("bi_encoder", tuning="none", **how).fit(shop, RUN)
    whole = {"tuning": "full", "learning_rate": 0.01, "epochs": 3, "strength": 1.0}
    tuned = RANKERS.make("bi_encoder", **whole, **how)
    assert found(tuned.fit(taught, RUN), shop, asked) > 1.2 * found(untaught, shop, asked)
