"""The arms of a proof: what each ranker is trained on, all from the training part alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from wareloom.family import MIXERS, SYNTHESIZERS
from wareloom.run import Run
from wareloom.screening import Screened, screen_all
from wareloom.shop import Shop

REAL, REPEATED, NAIVE = "real", "real, repeated", "real + naive"
MIXED, SYNTHETIC = "real + synthetic", "synthetic only"
CONTROLS = (REAL, REPEATED, NAIVE)
"""What real + synthetic has to beat, each of them, before synthesis is said to help."""
ARMS = (*CONTROLS, MIXED, SYNTHETIC)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Synthetic data of one seed, screened, and the naive pool of the same size beside it."""

    screened: Screened
    naive: Shop


@dataclass(frozen=True, kw_only=True)
class Generator:
    """How synthetic data is made, screened and mixed."""

    synthesizer: str = "markov"
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the synthesizer"""
    screens: tuple[str, ...] = ("schema", "impossible", "copies", "leak")
    mixer: str = "ratio"
    mixer_settings: dict[str, Any] = field(default_factory=dict)

    def pool(self, train: Shop, holdout: Shop, users: int, run: Run) -> Pool:
        """Fit on the training part and sample `users` shoppers; only the leak screen sees the held-out part.

        Raises `LeakError` where that screen finds one.
        """
        synthesizer = SYNTHESIZERS.make(self.synthesizer, **self.settings).fit(train, run)
        sampled = synthesizer.sample(users, run)
        screened = screen_all(self.screens, sampled, train, holdout, run)
        naive = SYNTHESIZERS.make("independent").fit(train, run).sample(users, run)
        return Pool(screened=screened, naive=naive)

    def train_on(self, arm: str, train: Shop, pool: Pool, ratio: float, run: Run) -> Shop:
        """Return the training data of an arm; all arms with added data have as much of it."""
        mixer = MIXERS.make(self.mixer, **self.mixer_settings, ratio=ratio)
        if arm == REAL:
            return train
        if arm == REPEATED:
            return mixer.mix(train, repeated(train, ratio), run)
        if arm == NAIVE:
            return mixer.mix(train, pool.naive, run)
        mixed: Shop = mixer.mix(train, pool.screened.kept, run)
        return mixed if arm == MIXED else without_real(mixed)


def repeated(shop: Shop, ratio: float) -> Shop:
    """Return copies of the shop's own users, `ratio` times rounded up, under new ids and marked "repeated"."""
    copies = []
    for copy in range(max(1, -int(-ratio // 1))):
        keys = [name for name in ("user_id", "session_id") if name in shop.columns("events")]
        renamed = [pl.format("repeated-{}/{}", pl.lit(copy), name).alias(name) for name in keys]
        copies.append(shop.scan("events").with_columns(*renamed, origin=pl.lit("repeated")))
    return shop.with_tables(events=pl.concat(copies), users=None)


def without_real(shop: Shop) -> Shop:
    """Return the shop with its synthetic events alone."""
    return shop.with_tables(events=shop.scan("events").filter(pl.col("origin") != REAL))
