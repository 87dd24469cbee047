"""Does the synthetic data know the held-out part?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse, stats

from wareloom.errors import LeakError
from wareloom.run import Run
from wareloom.screening import Screen, Screened
from wareloom.shop import Log, Shop
from wareloom.shop.pairs import follow_counts
from wareloom.shop.schema import REAL

DECOYS = 20
"""Decoy targets drawn for each held-out pair."""


@dataclass(kw_only=True, eq=False)
class Leak(Screen):
    """Stop the job where synthetic data holds more of the held-out pairs than the training part explains.

    A held-out pair is (an item, the held-out item that the same user had next). Pairs that training holds are left out.
    For each of the others decoys are made by giving the item another user's held-out item, so that decoys are as
    popular; pairs and decoys are compared within strata of what training says of them: paths of two steps between the
    two items, their popularity, and their category. Honest data holds held-out pairs about as often as decoys of the
    same stratum.
    """

    tolerance: float = 0.005
    """Share of the held-out pairs by which the excess must pass what decoys explain before it counts."""
    most_pairs: int = 20_000
    """Held-out pairs that are looked at, drawn at random where there are more."""
    p_value: float = 1e-4
    """One-sided Poisson probability of so many agreements under the decoys' rate, below which it counts."""

    def screen(self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None) -> Screened:
        """Raise `LeakError` on a leak, reject nothing otherwise; without a held-out part there is none."""
        if holdout is None or not holdout.has("events") or holdout.rows("events") == 0:
            return Screened(synthetic, report={"looked": False})
        found = self.examine(synthetic, train, holdout, run)
        if found["leak"]:
            raise LeakError(
                f"The synthetic data holds {found['held']:,} of {found['pairs']:,} held-out pairs that training lacks, "
                f"where {found['expected']:.1f} are explained (p = {found['p_value']:.1e}): the synthesizer has seen the "
                "held-out part. Fit it on the training part alone; if it was, and draws on other knowledge, raise this "
                "screen's tolerance."
            )
        return Screened(synthetic, report=found)

    def examine(self, synthetic: Shop, train: Shop, holdout: Shop, run: Run | None = None) -> dict[str, Any]:
        """Return what was found: pairs looked at, held by the synthetic data, expected, p-value, verdict."""
        source, target, items, counts = _held_out_pairs(train, holdout)
        fake = _recoded(Log.of(synthetic), items)
        walked = follow_counts(fake)
        rng = (run or Run()).rng("leak")
        if len(source) > self.most_pairs:
            drawn = np.sort(rng.choice(len(source), self.most_pairs, replace=False))
            source, target = source[drawn], target[drawn]
        mixed = [(source, target)] + [(source, rng.permutation(target)) for _ in range(DECOYS)]
        strata = _strata(counts, train, len(items))
        held, stratum, real = [], [], []
        for number, (a, b) in enumerate(mixed):
            fresh = (_values(counts, a, b) == 0) & (a != b)
            held.append(_values(walked, a[fresh], b[fresh]) > 0)
            stratum.append(strata(a[fresh], b[fresh]))
            real.append(np.full(fresh.sum(), number == 0))
        table = pl.DataFrame({"s": np.concatenate(stratum), "held": np.concatenate(held), "real": np.concatenate(real)})
        rate = table.filter(~pl.col("real")).group_by("s").agg(hits=pl.col("held").sum(), n=pl.len())
        overall = float(rate["hits"].sum()) / max(1.0, float(rate["n"].sum()))
        rows = table.filter("real").join(rate, on="s", how="left").fill_null(0)
        expected = float(((rows["hits"] + overall) / (rows["n"] + 1.0)).sum())
        seen, n = int(rows["held"].sum()), len(rows)
        chance = float(stats.poisson.sf(seen - 1, max(expected, 1e-9))) if seen else 1.0
        leak = chance < self.p_value and seen - expected > max(3.0, self.tolerance * n)
        return {"looked": True, "pairs": n, "held": seen, "expected": expected, "p_value": chance, "leak": leak}


def _recoded(log: Log, items: Any) -> Log:
    """Return `log` in codes of `items`; the screens for the schema have already taken unknown items."""
    code = items.encode(log.items.ids)[log.item]
    keep = code >= 0
    offsets = np.concatenate([[0], np.cumsum(keep)])[log.offsets].astype(np.int64)
    return replace(log, items=items, item=code[keep], weight=log.weight[keep], offsets=offsets)


def _held_out_pairs(train: Shop, holdout: Shop) -> tuple[np.ndarray, np.ndarray, Any, sparse.csr_matrix]:
    """Pairs (item before, held-out item), the items, and what follows what in training."""
    flagged = [
        part.scan("events").with_columns(origin=pl.lit(mark)) for part, mark in ((train, REAL), (holdout, "held out"))
    ]
    both = train.with_tables(events=pl.concat(flagged, how="diagonal_relaxed"))
    log = Log.of(both)
    place = np.flatnonzero(~log.real)
    place = place[place > log.offsets[log.user[place]]]
    pairs = np.unique(np.stack([log.item[place - 1], log.item[place]], axis=1), axis=0)
    counts = follow_counts(Log.of(train), window=3)
    return pairs[:, 0], pairs[:, 1], log.items, counts


def _values(matrix: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Entries of a sparse matrix at (rows, columns)."""
    return np.asarray(matrix[rows, columns]).ravel() if len(rows) else np.zeros(0)


def _strata(counts: sparse.csr_matrix, train: Shop, n: int) -> Any:
    """Return the function that names the stratum of pairs: two-step paths, popularity of both, shared leaf category."""
    chance = sparse.diags_array(1.0 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)) @ counts
    onward = sparse.csr_matrix(chance.T)
    chance = sparse.csr_matrix(chance)
    size = np.log2(1 + np.bincount(counts.indices, weights=counts.data, minlength=n)).astype(int)
    leaf = np.full(n, -1)
    if train.has("items", "category"):
        names = train.table("items")["category"].list.last()
        leaf = names.rank("dense").fill_null(0).to_numpy().astype(int) - 1

    def name(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        paths = np.asarray(chance[a].multiply(onward[b]).sum(axis=1)).ravel()
        step = np.clip(np.floor(np.log2(np.maximum(paths, 2.0**-20))) + 20, 0, 20).astype(int)
        alike = (leaf[a] == leaf[b]) & (leaf[a] >= 0)
        return ((step * 2 + alike) * 16 + np.minimum(size[a] // 2, 15)) * 16 + np.minimum(size[b] // 2, 15)

    return name
