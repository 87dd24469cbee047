"""Pairs and threes of what stands in a row in users' histories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wareloom.metrics.likeness.measure import Counts, counted
from wareloom.metrics.likeness.samples import Sample


def orders(
    samples: Sequence[Sample], codes: Sequence[np.ndarray], number: int
) -> dict[str, Counts]:
    """Count the pairs and threes of `codes`, int64 [events] each and below `number`, of neighbouring events of a user.

    Where no user has three events there are no threes.
    """
    inner = [sample.inner(1) for sample in samples]
    pairs = _counted(
        samples,
        inner,
        [c[rows - 1] * number + c[rows] for c, rows in zip(codes, inner, strict=True)],
    )
    found = {"order_1": pairs}
    third = [sample.inner(2) for sample in samples]
    if all(len(rows) for rows in third):
        keys = []
        for cell, code, rows, sample, before in zip(
            pairs.cells, codes, third, samples, inner, strict=True
        ):
            pair = np.empty(len(sample.log), dtype=np.int64)
            pair[before] = cell
            keys.append(pair[rows - 1] * number + code[rows])
        found["order_2"] = _counted(samples, third, keys)
    return found


def _counted(
    samples: Sequence[Sample], rows: Sequence[np.ndarray], keys: Sequence[np.ndarray]
) -> Counts:
    groups = [sample.group[row] for sample, row in zip(samples, rows, strict=True)]
    return counted(keys, groups, samples[0].groups)
