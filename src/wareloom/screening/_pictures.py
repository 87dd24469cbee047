"""The base of screens of pictures: what a picture is taken for, and how many real ones would be taken, too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.screening import Screen, Screened, divide
from wareloom.shop import Shop
from wareloom.shop.pictures import Fit, batches

Judge = Callable[[Shop], list[str | None]]
"""Why each picture of a shop is taken, in the order of its table images; None for one that passes"""
UNREADABLE = "cannot be read"
PASSED = 0.97
"""Share of real held-out pictures that pass, below which a screen says that it is too strict"""


class PictureScreen(Screen, ABC):
    """Base of screens of pictures. One implements `_judge`.

    The report has, where a held-out part with pictures is given, `real_passed`: the share of its real pictures that the
    same screen lets through. A screen that takes many of these is too strict.
    """

    @abstractmethod
    def _judge(self, train: Shop, run: Run) -> Judge:
        """Learn from the real pictures what is usual, and return what says why a picture is taken."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Take pictures with a reason each; a shop without pictures passes whole."""
        if not synthetic.rows("images") or not train.rows("images"):
            seen = synthetic.rows("images")
            told: dict[str, Any] = {"seen": seen, "rejected": 0, "reasons": {}}
            if seen:
                told["looked"] = "the training part has no pictures to compare with"
            return Screened(synthetic, report=told)
        judge = self._judge(train, run or Run())
        reasons = pl.Series("reason", judge(synthetic), dtype=pl.String)
        screened = divide(synthetic, synthetic.table("images").with_columns(reasons), "images")
        if holdout is not None and holdout.rows("images"):
            real = judge(holdout)
            passed = sum(one is None for one in real) / len(real)
            screened.report["real_passed"] = round(passed, 4)
            screened.report["real_seen"] = len(real)
            if passed < PASSED:
                screened.report["warning"] = (
                    f"{self.name} lets only {passed:.1%} of {len(real):,} real held-out pictures pass: it is too strict"
                )
        return Screened(
            _with_items(screened.kept, screened.rejected), screened.rejected, screened.report
        )


def _with_items(shop: Shop, rejected: dict[str, pl.DataFrame]) -> Shop:
    """The shop without the items that were made for a picture alone, where that was taken."""
    taken = rejected.get("images")
    if taken is None or not len(taken):
        return shop
    shown = shop.scan("images").select("item_id").unique().collect()["item_id"]
    gone = (
        taken.filter(pl.col("item_id") == pl.col("image_id"))["item_id"]
        if "image_id" in taken.columns
        else taken["item_id"].clear()
    )
    lost = gone.filter(~gone.is_in(shown.implode()))
    if not len(lost):
        return shop
    return shop.with_tables(
        items=shop.scan("items").filter(~pl.col("item_id").is_in(lost.implode()))
    )


def seen(shop: Shop, side: int, fit: Fit = "stretch") -> tuple[np.ndarray, np.ndarray]:
    """Places of the pictures that can be read, and uint8 [pictures, side, side, 3]; all are held in memory."""
    found = list(batches(shop, side, fit))
    if not found:
        return np.zeros(0, np.int64), np.zeros((0, side, side, 3), np.uint8)
    places, pixels = zip(*found, strict=True)
    return np.concatenate(places), np.concatenate(pixels)


def spread(rows: int, places: np.ndarray, reasons: Sequence[str | None]) -> list[str | None]:
    """Reasons of those that were read, at their places; the rest cannot be read."""
    made: list[str | None] = [UNREADABLE] * rows
    for place, reason in zip(places, reasons, strict=True):
        made[int(place)] = reason
    return made


def grey(pixels: np.ndarray) -> np.ndarray:
    """Luma: float32 [pictures, rows, columns], 0 to 255."""
    return np.asarray(pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32))


def sharpness(pixels: np.ndarray) -> np.ndarray:
    """Variance of the Laplacian of the luma: float64 [pictures]; small where nothing has an edge."""
    light = grey(pixels)
    inner = light[:, 1:-1, 1:-1]
    around = light[:, :-2, 1:-1] + light[:, 2:, 1:-1] + light[:, 1:-1, :-2] + light[:, 1:-1, 2:]
    return np.asarray((around - 4 * inner).var(axis=(1, 2)), dtype=np.float64)
