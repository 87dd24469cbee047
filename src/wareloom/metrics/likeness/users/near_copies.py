"""How many synthetic users repeat a training user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import polars as pl
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.metrics.likeness.measure import Figure, Measure, wilson
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.shop.runs import run_codes, whole_codes


@dataclass(kw_only=True, eq=False)
class NearCopies(Measure):
    """Share of users that repeat a run of a training user's items, in order; the floor is that of other real users.

    A short user, of fewer than `length` events, is a copy where the whole of it is the whole of a training user. A real
    user that is a training user itself is held beside all others. Intervals are Wilson's.
    """

    unit: ClassVar[str] = "share"

    laws: ClassVar[frozenset[str]] = frozenset({"the floor is of the real users alone"})

    length: Annotated[int, Ge(2)] = 5
    """Items in a row that make a copy."""
    shortest: Size = 3
    """Users with fewer events are too common to be called copies."""

    def _compare(self, trio: Trio, run: Run) -> list[Figure] | str:
        real, fake = (self._judged(sample) for sample in (trio.real, trio.synthetic))
        for side, judged in (("REAL", real), ("SYNTH", fake)):
            if not judged.any():
                return f"no user of {side} has {self.shortest} events"
        known = self._codes(trio.training)
        floor = self._copies(trio.real, known, trio.own)[real]
        found = self._copies(trio.synthetic, known, None)[fake]
        ends = [wilson(int(each.sum()), len(each)) for each in (found, floor)]
        return [
            Figure(
                name=self.name,
                value=float(found.mean()),
                low=ends[0][0],
                high=ends[0][1],
                floor=float(floor.mean()),
                floor_low=ends[1][0],
                floor_high=ends[1][1],
                unit=self.unit,
                about={"users": len(found), "copies": int(found.sum())},
            )
        ]

    def _judged(self, sample: Sample) -> np.ndarray:
        """Whether each user is long enough, bool [users]."""
        return sample.log.lengths() >= self.shortest

    def _codes(self, sample: Sample) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Codes of runs and of whole users, each with its user, and how many users have it: `code`, `user`, `many`."""
        item, offsets = sample.log.item, sample.log.offsets
        runs = pl.DataFrame(
            {"code": run_codes(item, offsets, self.length), "user": sample.user.astype(np.int64)}
        )
        whole = pl.DataFrame({"code": whole_codes(item, offsets), "user": np.arange(len(sample))})
        whole = whole.filter(pl.Series(sample.log.lengths() < self.length))
        many = pl.len().over("code").alias("many")
        return tuple(
            f.filter(pl.col("code") != 0).unique().with_columns(many) for f in (runs, whole)
        )  # type: ignore[return-value]

    def _copies(
        self, sample: Sample, known: tuple[pl.DataFrame, pl.DataFrame], own: np.ndarray | None
    ) -> np.ndarray:
        """Whether each user shares a run, or the whole, with a training user other than itself: bool [users]."""
        copied = np.zeros(len(sample), dtype=bool)
        for mine, theirs in zip(self._codes(sample), known, strict=True):
            enough = (
                theirs.filter(pl.col("many") > (0 if own is None else 1)).select("code").unique()
            )
            copied[mine.join(enough, on="code", how="semi")["user"].to_numpy()] = True
        return copied & self._judged(sample)
