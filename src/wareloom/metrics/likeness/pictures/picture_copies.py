"""Are synthetic pictures training photos over again?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Count, Fraction
from wareloom.metrics.likeness.measure import Figure, wilson
from wareloom.metrics.likeness.pictures.measure import PictureMeasure, figure
from wareloom.metrics.likeness.pictures.samples import PictureSample, PictureTrio
from wareloom.preparing.picture_hashes import bits_apart

BLOCK = 512
"""Pictures that are compared with all training photos at once"""


@dataclass(kw_only=True, eq=False)
class PictureCopies(PictureMeasure):
    """Share of pictures that are a training photo over again, mirrored or not; floor: that of other real photos.

    A copy is nearer to a training photo, by the cosine of the encoder's vectors, than all but one in a thousand other
    real photos are, and its perceptual hash differs from that of a training photo in few bits. "training photos" is
    what they score themselves. Intervals are Wilson's.
    """

    share: Fraction = 0.001
    """Share of other real photos that are as near to a training photo: the limit of the cosine is that quantile."""
    bits: Count = 4
    """Bits of 64 in which the hashes of a copy differ, at most."""

    def compare(self, trio: PictureTrio, run: Run | None = None) -> list[Figure] | str:
        near = [self._nearest(s, trio.training) for s in (trio.synthetic, trio.again, trio.real)]
        limit = float(np.quantile(near[1][0], 1 - self.share))
        copied = [(cosine > limit) & (apart <= self.bits) for cosine, apart in near]
        found, floor = (
            (float(side.mean()), *wilson(int(side.sum()), len(side))) for side in copied[:2]
        )
        about = {
            "training photos": float(copied[2].mean()),
            "limit": limit,
            "found": int(copied[0].sum()),
        }
        return [figure(self.name, found, floor, about)]

    def _nearest(
        self, sample: PictureSample, training: PictureSample
    ) -> tuple[np.ndarray, np.ndarray]:
        """The highest cosine and the fewest bits to a training photo: float32 and int64 [pictures]."""
        marks = training.marks.reshape(-1, training.marks.shape[-1])
        cosine, apart = [], []
        for start in range(0, len(sample), BLOCK):
            part = slice(start, start + BLOCK)
            cosine.append((sample.vectors[part] @ training.vectors.T).max(axis=1))
            apart.append(bits_apart(sample.marks[part, 0], marks).min(axis=1))
        return np.concatenate(cosine), np.concatenate(apart)
