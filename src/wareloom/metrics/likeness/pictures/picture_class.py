"""Do synthetic pictures show what they say?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.metrics.likeness.measure import Figure, wilson
from wareloom.metrics.likeness.pictures.measure import PictureMeasure, figure
from wareloom.metrics.likeness.pictures.samples import PictureSample, PictureTrio
from wareloom.stats.multinomial import fit_multinomial


@dataclass(kw_only=True, eq=False)
class PictureClass(PictureMeasure):
    """Share of pictures that a judge fitted on other real photos takes for another class; floor: of training photos.

    The judge is a logistic regression on the encoder's vectors, fitted on the real photos that synthetic ones are not
    made of. A class that it never met is left out. Intervals are Wilson's.
    """

    penalty: Positive = 1e-2
    """Weight of the squared weights beside the mean loss."""

    def compare(self, trio: PictureTrio, run: Run | None = None) -> list[Figure] | str:
        names = sorted({one for one in trio.again.classes if one is not None})
        if len(names) < 2:
            return "real photos are of one class, or of none: items need a category"
        code = {name: place for place, name in enumerate(names)}
        own = np.array([code.get(one or "", -1) for one in trio.again.classes])
        rows = np.flatnonzero(own >= 0)
        weights, bias = fit_multinomial(
            trio.again.vectors[rows],
            np.eye(len(names))[own[rows]],
            np.ones(len(rows)),
            self.penalty,
        )

        def wrong(sample: PictureSample) -> np.ndarray:
            said = (sample.vectors @ weights + bias).argmax(axis=1)
            truth = np.array([code.get(one or "", -1) for one in sample.classes])
            return np.asarray(said != truth)[truth >= 0]

        sides = [wrong(sample) for sample in (trio.synthetic, trio.real)]
        if not len(sides[0]) or not len(sides[1]):
            return "no synthetic picture has a class that real photos have"
        found, floor = ((float(side.mean()), *wilson(int(side.sum()), len(side))) for side in sides)
        about = {
            "synthetic photos": 1 - found[0],
            "other real photos": 1 - floor[0],
            "training photos": 1 - floor[0],
            "classes": len(names),
        }
        return [figure(self.name, found, floor, about)]
