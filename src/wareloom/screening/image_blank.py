"""Does the picture show anything? Blank and blurred ones, beside the real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Fraction, NonNegative, Size
from wareloom.screening._pictures import Judge, PictureScreen, grey, seen, sharpness, spread
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class ImageBlank(PictureScreen):
    """Take pictures of one colour, and those that are less sharp than all but the least sharp real ones.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000) at one size for all: a small picture is not
    called blurred beside large photos, nor a large one sharp.
    """

    share: Fraction = 0.01
    """Share of the real pictures that would be taken: the limit is this quantile of their sharpness."""
    contrast: NonNegative = 3.0
    """Deviation of the brightness below which a picture is blank, of 255."""
    side: Size = 32
    """Pixels of a side at which all are compared."""

    def _judge(self, train: Shop, run: Run) -> Judge:
        _, pixels = seen(train, self.side)
        limit = float(np.quantile(sharpness(pixels), self.share)) if len(pixels) else 0.0

        def judge(shop: Shop) -> list[str | None]:
            places, made = seen(shop, self.side)
            sharp, deep = sharpness(made), grey(made).std(axis=(1, 2))
            reasons: list[str | None] = [
                "blank: one colour"
                if d < self.contrast
                else f"blurred: less sharp than {1 - self.share:.0%} of the real pictures"
                if s < limit
                else None
                for s, d in zip(sharp, deep, strict=True)
            ]
            return spread(shop.rows("images"), places, reasons)

        return judge
