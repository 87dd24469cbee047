"""Listwise distillation: lists of several grades, the loss against numpy, and encoders that take over an order."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import log_softmax
from scipy.stats import spearmanr

from search_shop import search_shop
from tiny_encoder import tiny_encoder
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.neural import torch
from wareloom.rankers.learned.bi_encoder import BiEncoder
from wareloom.rankers.search.lists import Lists, of_grades
from wareloom.shop import Shop

RUN = Run(seed=1, threads=1)
HOW = {"model": tiny_encoder(), "fields": "title", "validation": 0.0, "epochs": 1}


def fitted(shop: Shop, **settings: Any) -> BiEncoder:
    made = RANKERS.make("bi_encoder", **HOW | {"learning_rate": 0.01} | settings).fit(shop, RUN)
    assert isinstance(made, BiEncoder)
    return made


def test_a_list_has_items_of_every_grade() -> None:
    found = np.arange(100, 200)
    for seed in range(20):
        chosen = of_grades(found, np.array([7, 150]), 8, np.random.default_rng(seed))
        assert chosen[0] in (7, 150)
        assert len(set(chosen.tolist())) == 8
        places = [int(item) - 100 for item in chosen[1:]]
        counts = [sum(a <= p < b for p in places) for a, b in ((0, 10), (10, 30), (30, 100))]
        assert sorted(counts) == [2, 2, 3]
    few = of_grades(np.array([3, 4]), np.array([4]), 8, np.random.default_rng(0))
    assert few.tolist() == [4, 3], "what was not found is not made up"
    assert len(of_grades(np.array([3, 4]), np.array([]), 1, np.random.default_rng(0))) == 1


def test_the_loss_is_the_divergence_of_lists() -> None:
    made = fitted(search_shop(20))
    net, rng = made._net, np.random.default_rng(3)
    titles, said = ["oak table", "lamp", "chair red", "sofa"], rng.normal(size=(2, 2))
    from wareloom.language.encoder import words_of

    batch = {
        "requests": words_of(["table", "red"], made._tokenizer, 16),
        "items": words_of(titles, made._tokenizer, 16),
        "said": torch.from_numpy(said.astype(np.float32)),
    }
    with torch.no_grad():
        found = float(net.order_loss(batch))
    asked, items = made._vectors(["table", "red"]), made._vectors(titles).reshape(2, 2, -1)
    ours = np.einsum("qld,qd->ql", items, asked) / made.temperature_
    theirs, ours = log_softmax(said, axis=1), log_softmax(ours, axis=1)
    assert found == pytest.approx(
        float((np.exp(theirs) * (theirs - ours)).sum(axis=1).mean()), rel=1e-3
    )


def test_an_encoder_takes_over_the_order_that_it_is_told() -> None:
    """A teacher who says the opposite of what the encoder thinks; a share of the way goes a share as far."""
    shop = search_shop(30)
    queries = shop.table("judgments")["query"].unique(maintain_order=True).head(12).to_list()
    agreed = {}
    for strength in (0.3, 1.0):
        made = fitted(shop, strength=strength)
        scores = made.match_all(queries)
        item = np.argsort(-scores, axis=1)[:, :8]
        said = -4 * scores[np.arange(len(queries))[:, None], item] * made.temperature_

        def agreement(made: BiEncoder = made, item: Any = item, said: Any = said) -> float:
            now = made.match_all(queries)
            pairs = zip(now, item, said, strict=True)
            return float(np.mean([spearmanr(row[own], told)[0] for row, own, told in pairs]))

        assert agreement() == pytest.approx(-1.0, abs=0.05)
        updates, before = made.updates_, dict(made.weights_)
        made.learn_order(shop, Lists(queries, item, said), 60, RUN)
        assert made.updates_ == updates + 60
        assert any(not np.array_equal(before[n], value) for n, value in made.weights_.items())
        agreed[strength] = agreement()
    assert agreed[1.0] > 0.2
    assert agreed[1.0] > agreed[0.3]
    frozen = fitted(shop, tuning="none")
    vectors = frozen.vectors_.copy()
    frozen.learn_order(shop, Lists(queries, item, said), 5, RUN)
    np.testing.assert_array_equal(frozen.vectors_, vectors)


def test_two_stages_teach_their_encoder_by_their_reader() -> None:
    shop = search_shop(40)
    reader = {"model": tiny_encoder(), "training_queries": 16, "listed": 4}
    how: dict[str, Any] = {
        "members": ("bm25", "bi_encoder"),
        "member_settings": {"bi_encoder": HOW},
        "fields": "title",
        "reads": 5,
        "reader": reader,
        "min_rows": 5,
        "trees": 5,
    }
    plain, made = (
        RANKERS.make("two_stage", **how, distils=updates).fit(shop, RUN) for updates in (0, 6)
    )
    queries = shop.table("judgments")["query"].unique(maintain_order=True).head(6).to_list()
    for name, same in (("bm25", True), ("bi_encoder", False)):
        one, other = (each.members_[name].match_all(queries) for each in (plain, made))
        assert np.array_equal(one, other) == same
    assert made.members_["bi_encoder"].updates_ == plain.members_["bi_encoder"].updates_ + 6
    for name, value in plain.readers_["reader"].weights_.items():
        np.testing.assert_array_equal(value, made.readers_["reader"].weights_[name])
    bare = shop.with_tables(judgments=None)
    untaught = RANKERS.make("two_stage", **how, distils=6).untaught().fit(bare, RUN)
    fusion = RANKERS.make("fusion", members=how["members"], member_settings=how["member_settings"])
    np.testing.assert_allclose(
        untaught.match_all(queries), fusion.untaught().fit(bare, RUN).match_all(queries), rtol=1e-4
    )
    assert pl.Series(made.match_all(queries)[0]).is_finite().all()


def test_without_a_reader_there_is_nobody_to_learn_from() -> None:
    with pytest.raises(SettingError, match=r"distils.*reads"):
        RANKERS.make("two_stage", distils=5)
