"""Does the synthetic data know the held-out part?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import polars as pl
from scipy import sparse, stats

from wareloom.core.run import Run
from wareloom.errors import LeakError
from wareloom.screening import Screen, Screened
from wareloom.screening._evidence import Evidence
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.pairs import follow_counts
from wareloom.shop.schema import REAL

DECOYS = 20
"""Decoy targets drawn for each held-out pair."""


class Look(NamedTuple):
    """What is asked of held-out events: int [n], the rows of the events, and their targets, real ones or decoys."""

    holds: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Whether the synthetic data holds each"""
    strata: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
    """Codes of their strata, see `Evidence.strata`"""
    times: float
    """Times what decoys explain from which an excess counts"""


@dataclass(kw_only=True, eq=False)
class Leak(Screen):
    """Stop the job where synthetic data holds more of the held-out pairs than the training part explains.

    A held-out pair is (an item, the held-out item that the same user had next). Pairs that training holds are left out.
    For each of the others decoys are made by giving the item another user's held-out item, one from its company (two
    steps between items that stand near one another in training) and, where items have text, one that reads like it.
    Pairs and decoys are compared within strata of what training says of them: how alike the two read, their category,
    the company that they share, paths of two steps between them, and their popularity; a thin stratum leans on the
    wider one around it. Honest data, of a generator that knows the texts too, holds held-out pairs about as often as
    decoys of the same stratum, and, where items have no texts, up to twice as often: an excess counts from two and a
    half times. The same is asked of runs, (two items, the held-out item that came next), that end in such a pair, so
    that few copied users show. Their strata also hold how often the synthetic data walks the first step, and what
    training says of the first item and the last. Honest data comes to 1.25 times where it holds many; an excess counts
    from one and a half times.
    """

    looks_at: ClassVar[Literal["draws", "sample", "end"]] = "end"

    tolerance: float = 0.005
    """Share of the held-out pairs by which the excess must pass what decoys explain before it counts."""
    most_pairs: int = 20_000
    """Held-out pairs that are looked at, drawn at random where there are more."""
    p_value: float = 1e-4
    """One-sided Poisson probability of so many agreements under the decoys' rate, below which it counts."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Raise `LeakError` on a leak, reject nothing otherwise; without a held-out part there is none."""
        if holdout is None or not holdout.has("events") or holdout.rows("events") == 0:
            return Screened(synthetic, report={"looked": False})
        found = self.examine(synthetic, train, holdout, run)
        if found["leak"]:
            what, worst = ("runs", found["runs"]) if found["runs"]["leak"] else ("pairs", found)
            raise LeakError(
                f"The synthetic data holds {worst['held']:,} of {worst['pairs']:,} held-out {what} that training "
                f"lacks; {worst['expected']:.1f} are explained (p = {worst['p_value']:.1e}): the synthesizer has seen "
                "the held-out part. Fit it on the training part alone; if it was, and draws on other knowledge, raise "
                "this screen's tolerance."
            )
        return Screened(synthetic, report=found)

    def examine(
        self, synthetic: Shop, train: Shop, holdout: Shop, run: Run | None = None
    ) -> dict[str, Any]:
        """Return what was found of pairs (pairs, held, expected, p_value, leak) and, under "runs", the same of runs.

        The outer `leak` is true where either shows one.
        """
        before, source, target, items = _held_out(train, holdout)
        fake = _recoded(Log.of(synthetic), items)
        counts, walked = follow_counts(Log.of(train), window=3), follow_counts(fake)
        run = run or Run()
        rng, of = run.rng("leak"), Evidence(counts, train, run)
        made = _runs(fake)

        pairs = Look(
            holds=lambda rows, aim: _values(walked, source[rows], aim) > 0,
            strata=lambda rows, aim: of.strata(source[rows], aim),
            times=2.5,
        )
        runs = Look(
            holds=lambda rows, aim: np.isin(_code(before[rows], source[rows], aim), made),
            strata=lambda rows, aim: of.strata_of_runs(
                before[rows], _values(walked, before[rows], source[rows]), source[rows], aim
            ),
            times=1.5,
        )
        told = []
        for look, rows in ((pairs, np.arange(len(source))), (runs, np.flatnonzero(before >= 0))):
            if len(rows) > self.most_pairs:
                rows = np.sort(rng.choice(rows, self.most_pairs, replace=False))
            told.append(self._compare(look, rows, (source, target), of, rng))
        return {
            "looked": True,
            **told[0],
            "leak": told[0]["leak"] or told[1]["leak"],
            "runs": told[1],
        }

    def _compare(
        self,
        look: Look,
        rows: np.ndarray,
        pairs: tuple[np.ndarray, np.ndarray],
        of: Evidence,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Count how many of `rows` the synthetic data holds, and how many decoys of the same strata explain."""
        source, target = pairs[0][rows], pairs[1][rows]
        held, strata, real = [], [], []
        for number in range(1 + DECOYS):
            aim = target if number == 0 else of.decoys(source, target, number, rng)
            fresh = (_values(of.counts, source, aim) == 0) & (source != aim)
            held.append(look.holds(rows[fresh], aim[fresh]))
            strata.append(np.stack(look.strata(rows[fresh], aim[fresh])))
            real.append(np.full(fresh.sum(), number == 0))
        there, mine = np.concatenate(held), np.concatenate(real)
        rate = np.full(int(mine.sum()), there[~mine].mean() if (~mine).any() else 0.0)
        for level in np.concatenate(strata, axis=1):
            _, code = np.unique(level, return_inverse=True)
            hits = np.bincount(code[~mine], weights=there[~mine], minlength=code.max(initial=0) + 1)
            n = np.bincount(code[~mine], minlength=len(hits))
            rate = (hits[code[mine]] + rate) / (n[code[mine]] + 1.0)
        expected, seen = float(rate.sum()), int(there[mine].sum())
        chance = float(stats.poisson.sf(seen - 1, max(expected, 1e-9))) if seen else 1.0
        least = max(3.0, self.tolerance * len(rate), (look.times - 1) * expected)
        leak = chance < self.p_value and seen - expected > least
        return {
            "pairs": len(rate),
            "held": seen,
            "expected": expected,
            "p_value": chance,
            "leak": leak,
        }


def _recoded(log: Log, items: Any) -> Log:
    """Return `log` in codes of `items`; the screens for the schema have already taken unknown items."""
    code = items.encode(log.items.ids)[log.item]
    return replace(log, items=items, item=code).keep(code >= 0)


def _held_out(train: Shop, holdout: Shop) -> tuple[np.ndarray, np.ndarray, np.ndarray, Vocabulary]:
    """Codes of the item two before (-1: none), the item before, the held-out item, each triple once; the items."""
    flagged = [
        part.scan("events").with_columns(origin=pl.lit(mark))
        for part, mark in ((train, REAL), (holdout, "held out"))
    ]
    both = train.with_tables(events=pl.concat(flagged, how="diagonal_relaxed"))
    log = Log.of(both)
    place = np.flatnonzero(~log.real)
    first = log.offsets[log.user[place]]
    place, first = place[place > first], first[place > first]
    before = np.where(place - 2 >= first, log.item[np.maximum(place - 2, 0)], -1)
    found = np.unique(np.stack([before, log.item[place - 1], log.item[place]], axis=1), axis=0)
    return found[:, 0], found[:, 1], found[:, 2], log.items


def _runs(log: Log) -> np.ndarray:
    """Codes of all runs of three items of a log."""
    item, offsets = log.item, log.offsets
    if len(item) < 3:
        return np.zeros(0, dtype=np.uint64)
    inside = np.ones(len(item), dtype=bool)
    inside[offsets[:-1][offsets[:-1] < len(item)]] = False
    whole = inside[2:] & inside[1:-1]
    return np.unique(_code(item[:-2], item[1:-1], item[2:])[whole])


def _code(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """One uint64 for three item codes."""
    wide = [x.astype(np.uint64) for x in (a, b, c)]
    return (wide[0] * np.uint64(0x9E3779B97F4A7C15) + wide[1]) * np.uint64(
        0xBF58476D1CE4E5B9
    ) + wide[2]


def _values(matrix: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Entries of a sparse matrix at (rows, columns)."""
    return np.asarray(matrix[rows, columns]).ravel() if len(rows) else np.zeros(0)
