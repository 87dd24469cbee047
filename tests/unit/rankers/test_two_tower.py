"""Two towers: pooling against its formula, the clock, items without events."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.neural import torch
from wareloom.rankers.learned.two_tower import clock
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.log import NO_TIME


def quick(**settings: object) -> dict[str, object]:
    return {
        "epochs": 30,
        "embedding_size": 16,
        "hidden_size": 32,
        "dropout": 0.0,
        "batch_size": 512,
        "learning_rate": 0.02,
        "validation": 0.0,
    } | settings


def test_the_clock_is_that_of_the_calendar() -> None:
    times = [datetime(1970, 1, 1, 0, 30), datetime(2024, 2, 29, 23, 59), datetime(1969, 12, 28, 5)]
    codes = pl.Series(times).cast(pl.Datetime("us")).to_physical().to_numpy()
    hour, weekday = clock(np.append(codes, NO_TIME))
    assert hour.tolist() == [*(1 + time.hour for time in times), 0]
    assert weekday.tolist() == [*(25 + time.weekday() for time in times), 0]


@pytest.mark.parametrize("pool", ["recency", "attention"])
def test_histories_are_pooled_by_age_and_heed(pool: str) -> None:
    torch.manual_seed(0)
    tower = RANKERS.make("two_tower", embedding_size=4, pool=pool)._encoder().eval()
    x, when = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    with torch.no_grad():
        found = tower(x, when)
        rate = float(torch.nn.functional.softplus(tower.forget))
        for row in range(2):
            for place in range(5):
                heed = [0.0] * 5 if tower.heed is None else tower.heed(x[row])[:, 0].tolist()
                weight = np.array([np.exp(heed[i] - rate * (place - i)) for i in range(place + 1)])
                pooled = (
                    torch.from_numpy(weight / weight.sum()).float()[:, None] * x[row, : place + 1]
                ).sum(0)
                expected = tower.last(tower.mix(pooled + when[row, place]))
                assert torch.allclose(found[row, place], expected, atol=1e-5)
        assert torch.allclose(tower(x, when[:, -1:], last=True)[:, 0], found[:, -1], atol=1e-6)


def paired(known: int = 4) -> Shop:
    """Users stay with one brand; two items of each brand have no events."""
    rng = np.random.default_rng(0)
    brands = ["red", "green", "blue", "black", "white"]
    items = pl.DataFrame(
        {"item_id": [f"i{i}" for i in range(30)], "brand": [brands[i % 5] for i in range(30)]}
    )
    rows = [
        (f"u{user}", f"i{user % 5 + 5 * int(rng.integers(known))}", "purchase")
        for user in range(300)
        for _ in range(5)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event"], orient="row")
    return Shop({"items": items, "events": events}, {})


@pytest.mark.parametrize("text", ["none", "tfidf"])
def test_an_item_without_events_is_scored_by_its_features(text: str) -> None:
    ranker = RANKERS.make("two_tower", **quick(text=text)).fit(paired(), Run(seed=1))
    cold = [f"i{i}" for i in range(20, 30)]
    scores = ranker.score(
        Requests.sessions([[f"i{brand}", f"i{5 + brand}"] for brand in range(5)]), cold
    )
    best = np.sort(np.argsort(-scores, axis=1)[:, :2], axis=1)
    assert best.tolist() == [[brand, 5 + brand] for brand in range(5)]


def test_cold_items_do_not_depend_on_their_ids() -> None:
    """Two of them that are alike score alike."""
    ranker = RANKERS.make("two_tower", **quick(epochs=2, text="none")).fit(paired(), Run(seed=1))
    scores = ranker.score(Requests.sessions([["i3", "i8"], ["i1"]]), ["i20", "i25", "i0", "i5"])
    np.testing.assert_allclose(scores[:, 0], scores[:, 1], rtol=1e-5)
    assert np.abs(scores[:, 2] - scores[:, 3]).min() > 1e-4


def test_the_hour_of_the_request_counts(tmp_path: Path) -> None:
    """In the morning the lower half of the shop is bought, in the evening the upper."""
    rng, rows = np.random.default_rng(3), []
    for user in range(200):
        for day in range(6):
            late = bool(rng.integers(2))
            time = datetime(2024, 5, 1 + day, 20 if late else 8)
            rows.append((f"u{user}", f"i{int(rng.integers(15)) + 15 * late}", "purchase", time))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event", "time"], orient="row")
    shop = small_shop().with_tables(
        events=events.with_columns(pl.col("time").cast(pl.Datetime("us")))
    )
    ranker = RANKERS.make("two_tower", **quick(text="none")).fit(shop, Run(seed=1))
    histories = Log.of(shop).select(np.arange(20))
    ids = [f"i{i}" for i in range(30)]
    ranker.save(tmp_path)
    ranker = RANKERS.restore(tmp_path)

    def upper(hour: int) -> float:
        at = pl.Series([datetime(2024, 5, 8, hour)]).cast(pl.Datetime("us")).to_physical()[0]
        scores = ranker.score(Requests.of(histories, times=np.full(20, at)), ids)
        return float((np.argsort(-scores, axis=1)[:, :10] >= 15).mean())

    assert upper(8) < 0.1
    assert upper(20) > 0.9


def test_a_log_alone_is_enough() -> None:
    ranker = RANKERS.make("two_tower", **quick(pool="recency")).fit(
        Log.of(small_shop(users=200)), Run(seed=1)
    )
    scores = ranker.score(
        Requests.sessions([[f"i{i}"] for i in range(29)]), [f"i{i}" for i in range(30)]
    )
    assert np.mean([(row > row[i + 1]).sum() for i, row in enumerate(scores)]) < 3


def test_impossible_settings_are_named() -> None:
    with pytest.raises(SettingError, match="two_tower: hidden_size is 0; give 1 or more"):
        RANKERS.make("two_tower", hidden_size=0)
