"""What those who tell synthetic users from real ones share: whom they judge, and how well they told them apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from wareloom.core.run import Run
from wareloom.metrics.likeness.measure import LEVEL
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.shop import Vocabulary


@dataclass(frozen=True)
class Judged:
    """Three samples of one size, and real users of whom none is judged."""

    real: Sample
    again: Sample
    synthetic: Sample
    known: Sample


def boosting(leaves: int, rows: int, seed: int, cores: int) -> dict[str, Any]:
    """Settings of LightGBM's trees that tell two kinds of users apart, the same on any number of cores."""
    return {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": 0.1,
        "min_data_in_leaf": max(1, min(20, rows // 20)),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": cores,
        "seed": seed % 2**31,
        "verbosity": -1,
    }


def judged(trio: Trio, most: int, run: Run) -> Judged:
    """Draw `most` users of each sample at most.

    What is known comes from training users of no sample. Where these are fewer than half a sample's, a third of both
    real samples goes to them instead of being judged: if a judged user's own steps were known, it would seem real.
    """
    users, others = len(trio.real), trio.training.select(trio.rest)
    size = users if 2 * len(others) >= users else users - users // 3
    drawn = [run.rng("compare", "judged", i).permutation(users) for i in range(3)]
    take = min(size, most)
    real, again, fake = (
        s.select(order[:take]) for s, order in zip(trio.samples, drawn, strict=True)
    )
    if size < users:
        spare = [
            s.select(order[size:]) for s, order in zip(trio.samples[:2], drawn[:2], strict=True)
        ]
        others = _joined([others, *spare])
    return Judged(real, again, fake, others)


def _joined(samples: list[Sample]) -> Sample:
    """Put samples behind one another."""
    logs = [sample.log for sample in samples]
    starts = np.cumsum([0, *(len(log) for log in logs)])
    offsets = [log.offsets[:-1] + start for log, start in zip(logs, starts, strict=False)]
    ids = pl.concat([log.users.ids for log in logs])
    log = replace(
        logs[0],
        users=Vocabulary(ids),
        offsets=np.concatenate([*offsets, [starts[-1]]]).astype(np.int64),
        item=np.concatenate([log.item for log in logs]),
        time=np.concatenate([log.time for log in logs]),
        event=np.concatenate([log.event for log in logs]),
        session=np.concatenate([log.session for log in logs]),
        weight=np.concatenate([log.weight for log in logs]),
        real=np.concatenate([log.real for log in logs]),
    )
    return replace(samples[0], log=log, kinds=np.concatenate([sample.kinds for sample in samples]))


def auc(score: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Return the area under the ROC curve and its variance (DeLong, DeLong and Clarke-Pearson 1988)."""
    fake, real = score[label == 1], score[label == 0]
    m, n = len(fake), len(real)
    both, one, other = (stats.rankdata(s) for s in (np.concatenate([fake, real]), fake, real))
    above = (both[:m] - one) / n
    below = 1 - (both[m:] - other) / m
    return float(above.mean()), float(above.var(ddof=1) / m + below.var(ddof=1) / n)


def spread(value: float, variance: float) -> tuple[float, float]:
    """Return the 95 % interval of an area under the curve."""
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * variance**0.5
    return max(0.0, value - half), min(1.0, value + half)
