"""SASRec taught privately: what it pays, what it refuses, what is in it, and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import BudgetError, InputError, RefusedError, SourceError
from wareloom.privacy import sgd
from wareloom.privacy.accounting import Gaussian, SampledGaussian
from wareloom.privacy.ledger import Ledger
from wareloom.rankers.sequence.private_sasrec import PrivateSASRec
from wareloom.shop import Log, Requests, Shop
from wareloom.testing.shops import small_shop

RUN = Run(seed=1, threads=1)
SMALL: dict[str, Any] = {
    "public": ("items.title", "items.category"),
    "embedding_size": 8,
    "steps": 2,
    "rate": 0.2,
}


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("WARELOOM_LEDGERS", str(tmp_path / "ledgers"))
    return small_shop()


def ledger_of(shop: Shop, tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledgers", shop.fingerprint)


def test_it_pays_the_ledger_and_is_private(ring: Shop, tmp_path: Path) -> None:
    ledger = ledger_of(ring, tmp_path)
    ledger.allow(3.0, 1e-6)
    made = PrivateSASRec(**SMALL).fit(ring, RUN)
    first, second = ledger.entries()
    assert first.costs == (Gaussian(first.costs[0].mu()),)  # type: ignore[arg-type]
    (cost,) = second.costs
    assert isinstance(cost, SampledGaussian)
    assert (cost.rate, cost.times) == (0.2, 2)
    assert 2.9 < ledger.total().epsilon <= 3.0
    assert made.kept() == "private"
    assert made.stamp_["private"] is True
    assert ring.fingerprint not in str(made.state())
    made.save(tmp_path / "model")
    restored = RANKERS.restore(tmp_path / "model")
    assert restored.kept() == "private"
    asked = Requests.sessions([["i3", "i4"], []])
    np.testing.assert_array_equal(restored.score(asked), made.score(asked))
    # Nothing is left for another.
    with pytest.raises(BudgetError):
        PrivateSASRec(**SMALL).fit(ring, RUN)
    assert len(ledger.entries()) == 2


def test_its_items_are_the_public_ones_not_those_of_the_log(ring: Shop) -> None:
    extra = ring.table("items").head(1).with_columns(
        item_id=pl.lit("i99"), title=pl.lit(None, dtype=pl.String), category=None
    )  # fmt: skip
    nobodys = ring.table("items").head(1).with_columns(item_id=pl.lit("never sold"))
    items = pl.concat([ring.table("items"), extra, nobodys], how="vertical_relaxed")
    events = ring.table("events").with_columns(
        item_id=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("i99")).otherwise("item_id")
    )
    shop = ring.with_tables(items=items, events=events)
    made = PrivateSASRec(**SMALL, noise_seed=1).fit(shop, RUN)
    assert "never sold" in made.items_
    assert "i99" not in made.items_  # nothing public is known of it: some event made it
    assert made.kept() == "counts"


def test_what_it_refuses(ring: Shop, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no privacy budget yet"):
        PrivateSASRec(**SMALL).fit(ring, RUN)
    ledger_of(ring, tmp_path).allow(3.0, 1e-6)
    with pytest.raises(RefusedError, match="given another"):
        PrivateSASRec(**SMALL).fit(ring, RUN, log=Log.of(ring))
    with pytest.raises(InputError, match="was given a log alone"):
        PrivateSASRec(**SMALL).fit(Log.of(ring), RUN)
    with pytest.raises(RefusedError, match="Which items there are is not public"):
        PrivateSASRec(**SMALL | {"public": ()}).fit(ring, RUN)
    with pytest.raises(RefusedError, match="is more than 1 /"):
        PrivateSASRec(**SMALL, shoppers=10**6).fit(ring, RUN)
    with pytest.raises(InputError, match=r"201,\d+ numbers are learned|at most 200,000"):
        PrivateSASRec(**SMALL | {"embedding_size": 128, "layers": 4}, shoppers=60).fit(ring, RUN)
    assert ledger_of(ring, tmp_path).entries() == []


def test_it_learns_where_noise_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgd, "noise_multiplier_of", lambda *_: 1.0)
    shop = small_shop(users=150)
    settings = SMALL | {"embedding_size": 32, "epsilon": 200.0, "noise_seed": 1, "shoppers": 150}

    def rank(**other: Any) -> float:
        made = PrivateSASRec(**settings | other).fit(shop, RUN)
        scores = made.score(
            Requests.sessions([[f"i{i}"] for i in range(28)]), [f"i{i}" for i in range(30)]
        )
        return float(np.mean([(scores[i] > scores[i, i + 1]).sum() for i in range(28)]))

    taught = rank(steps=80, rate=0.5, learning_rate=0.02)
    untaught = rank(steps=1, rate=0.5, learning_rate=1e-9)
    # Text alone knows the arc of the ring, of ten items, and not which item is next.
    assert taught < 0.7 * untaught, (taught, untaught)
