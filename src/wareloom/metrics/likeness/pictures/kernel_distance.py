"""How far the distributions of synthetic and real pictures are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.metrics.likeness.measure import LEVEL, Figure
from wareloom.metrics.likeness.pictures.measure import DEALINGS, PictureMeasure, figure
from wareloom.metrics.likeness.pictures.samples import PictureTrio

Z = 1.96


@dataclass(kw_only=True, eq=False)
class KernelDistance(PictureMeasure):
    """KID: the squared maximum mean discrepancy by the kernel (x·y × 1 + 1)³ (Bińkowski et al. 2018), not biased.

    The mean over subsets of `subset` pictures of each side, at most half of what there is, with its standard deviation
    over subsets (`about`). Vectors have length 1, so that nothing is divided by their size. It may be below 0 by
    chance; the figure is then 0, and `about` has the value itself.
    """

    subset: Size = 100
    """Pictures of each side in a subset, at most; half of them where there are fewer than twice as many."""
    subsets: Size = 50
    """Subsets that are drawn."""

    def compare(self, trio: PictureTrio, run: Run | None = None) -> list[Figure] | str:
        rng = (run or Run()).rng("compare", self.name)
        kernel = (2.0 - trio.distances.astype(np.float64) / 2) ** 3
        one, other, made = (trio.places(which) for which in range(3))
        size = max(2, min(self.subset, trio.size // 2))

        def drawn(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
            values = [
                discrepancy(
                    kernel, rng.choice(a, size, replace=False), rng.choice(b, size, replace=False)
                )
                for _ in range(self.subsets)
            ]
            return float(np.mean(values)), float(np.std(values, ddof=1))

        value, spread = drawn(one, made)
        both, floors = np.concatenate([one, other]), [drawn(one, other)[0]]
        for _ in range(DEALINGS - 1):
            dealt = rng.permutation(both)
            floors.append(drawn(dealt[: trio.size], dealt[trio.size :])[0])
        # A mean over all pictures strays less than one over a subset, by the root of their numbers.
        half = Z * spread * (size / trio.size) ** 0.5
        ends = np.quantile(floors, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        # Photos given for themselves are the sample itself: the discrepancy of a sample and itself, by the same sums.
        copied = float(
            np.mean(
                [
                    discrepancy(kernel, s, s)
                    for s in (rng.choice(one, size, replace=False) for _ in range(self.subsets))
                ]
            )
        )
        about = {
            "kid": value,
            "sd": spread,
            "subset": size,
            "other real photos": float(np.mean(floors)),
            "training photos": copied,
        }
        found = (max(0.0, value), max(0.0, value - half), max(0.0, value + half))
        floor = (
            max(0.0, float(np.mean(floors))),
            max(0.0, float(ends[0])),
            max(0.0, float(ends[1])),
        )
        return [figure(self.name, found, floor, about, unit="squared distance")]


def discrepancy(kernel: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """The squared discrepancy of two samples of one size, rows of `kernel`; no picture is compared with itself."""
    n = len(one)
    within = sum(
        (kernel[np.ix_(rows, rows)].sum() - kernel[rows, rows].sum()) / (n * (n - 1))
        for rows in (one, other)
    )
    return float(within - 2 * kernel[np.ix_(one, other)].mean())
