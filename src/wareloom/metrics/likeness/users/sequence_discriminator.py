"""Can synthetic users be told from real ones by the order of what they choose?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.metrics.likeness.measure import Figure, Measure
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.metrics.likeness.users.discriminators import auc, judged, spread

SECOND = 1_000_000
HALVES = 18
"""Bands of gaps: half powers of ten of seconds; 0 where a gap is unknown."""
SHOWN = 1 / 3
"""Share of the users that are judged; the others are learned from."""


@dataclass(kw_only=True, eq=False)
class SequenceDiscriminator(Measure):
    """Area under the curve of a small GRU that tells synthetic users from real ones; .5 where it cannot.

    It reads the last items of a user, their categories, kinds, and bands of the gaps between them. Two thirds of as
    many users of both kinds are learned from and one third is judged. The floor: other real users in the place of the
    synthetic ones. Interval: DeLong's. Items are those that real users who are not judged chose most, all others are
    one. Needs the extra `neural`; slow, so that it is asked for by name. Cho et al. (2014).
    """

    quick: ClassVar[Mapping[str, Any]] = {"updates": 5, "embedding_size": 4}
    unit: ClassVar[str] = "AUC"

    users: Annotated[int, Ge(10)] = 5_000
    """Users of each kind, at most."""
    history: Annotated[int, Ge(2)] = 50
    """Last events of a user that are read."""
    items: Size = 5_000
    """Items with an embedding of their own."""
    embedding_size: Size = 32
    """Width of embeddings and of the state."""
    updates: Size = 400
    """Steps of the training, on batches of about a thousand events."""

    def _compare(self, trio: Trio, run: Run) -> list[Figure] | str:
        sides = judged(trio, self.users, run)
        counts = sides.known.log.counts()
        code = np.zeros(len(counts), dtype=np.int64)
        top = np.argsort(-counts, kind="stable")[: self.items]
        code[top] = np.where(counts[top] > 0, np.arange(1, len(top) + 1), 0)
        laid = [
            self._laid(sample, code, trio) for sample in (sides.real, sides.again, sides.synthetic)
        ]
        value, variance = self._told(laid[0], laid[2], run)
        floor, of_floor = self._told(laid[0], laid[1], run)
        ends = spread(value, variance), spread(floor, of_floor)
        return [
            Figure(
                name=self.name,
                value=value,
                low=ends[0][0],
                high=ends[0][1],
                floor=floor,
                floor_low=ends[1][0],
                floor_high=ends[1][1],
                unit=self.unit,
                about={"users": len(sides.real), "known_users": len(sides.known)},
            )
        ]

    def _laid(self, sample: Sample, code: np.ndarray, trio: Trio) -> tuple[np.ndarray, np.ndarray]:
        """Columns of the last events, int64 [events, columns], and where each user's begin, int64 [users + 1]."""
        log = sample.log
        columns = [code[log.item], log.event.astype(np.int64)]
        if trio.category is not None:
            columns.append(trio.category[log.item].astype(np.int64) + 1)
        if "times" not in trio.lacks:
            rows, gaps = sample.gaps
            band = np.zeros(len(log), dtype=np.int64)
            band[rows] = 1 + np.clip(
                2 * np.log10(1 + np.maximum(gaps, 0) / SECOND), 0, HALVES - 1
            ).astype(np.int64)
            columns.append(band)
        sizes = np.minimum(log.lengths(), self.history)
        late = sample.place >= np.repeat(log.lengths() - sizes, log.lengths())
        return np.stack(columns, axis=1)[late], np.concatenate([[0], np.cumsum(sizes)])

    def _told(
        self, real: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], run: Run
    ) -> tuple[float, float]:
        """Area over the users that are judged, and its variance."""
        from wareloom.metrics.likeness.users._gru import told

        columns = np.concatenate([real[0], other[0]])
        offsets = np.concatenate([real[1], other[1][1:] + real[1][-1]])
        number = len(real[1]) - 1
        label = np.repeat([0.0, 1.0], [number, len(other[1]) - 1])
        fit = np.concatenate(
            [run.rng("compare", "shown", side).random(number) >= SHOWN for side in range(2)]
        )
        score = told(columns, offsets, label, fit, (self.embedding_size, self.updates), run)
        return auc(score[~fit], label[~fit])
