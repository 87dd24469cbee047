"""Which operations leave what a photo shows as it is: measured, class by class, on held-out photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from wareloom.classifiers import PictureClassifier
from wareloom.core.family import CLASSIFIERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.preparing.picture_operations import OPERATIONS
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, encode, labelled, opened

KEPT = 0.95
"""Share of a class's photos that have to stay what they are, altered"""


@dataclass(frozen=True)
class LabelSafety:
    """What operations do to classes."""

    rows: tuple[dict[str, Any], ...]
    """class, operation, photos (that were told rightly as they are), kept (the share still told so), on"""

    @property
    def off(self) -> dict[str, tuple[str, ...]]:
        """Operations that are off, by class, as `image_augment` takes them."""
        found: dict[str, tuple[str, ...]] = {}
        for row in self.rows:
            if not row["on"]:
                found[row["class"]] = (*found.get(row["class"], ()), row["operation"])
        return found

    def table(self) -> pl.DataFrame:
        """Columns class, operation, photos, kept, on."""
        return pl.DataFrame(self.rows)

    def __str__(self) -> str:
        if not (off := self.off):
            return "Every operation leaves every class as it is."
        parts = [f"{kind}: {', '.join(names)}" for kind, names in off.items()]
        return f"Off, since photos no longer show their class: {'; '.join(parts)}."


def label_safety(
    train: Shop,
    validation: Shop,
    run: Run | None = None,
    *,
    operations: Sequence[str] = tuple(OPERATIONS),
    classifier: str = "lite0",
    kept: float = KEPT,
) -> LabelSafety:
    """Alter held-out photos by each operation, and ask a classifier of real photos whether they show what they did.

    Only photos count that it tells rightly as they are. An operation is off for a class where fewer than `kept` of
    these are still told so; and where there are none of a class, since nothing is known then. Raises `InputError` where
    no held-out photo has a class.
    """
    run = run or Run()
    made: PictureClassifier = CLASSIFIERS.make(classifier).fit(train, run)
    classes = labelled(validation).collect()["class"].to_list() if validation.rows("images") else []
    if not any(one is not None for one in classes):
        raise InputError("Label safety is measured on held-out photos of items with a category.")
    names = list(made.classes_)
    truth = np.array([names.index(one) if one in names else -1 for one in classes])
    right = (_said(made, validation, run) == truth) & (truth >= 0)
    shop = validation.with_tables(images=validation.table("images").filter(pl.Series(right)))
    truth, rows = truth[right], list[dict[str, Any]]()
    with run.task("label safety", len(operations)) as advance:
        for name in operations:
            same = _said(made, _altered(shop, name, run), run) == truth if len(truth) else truth
            for code, kind in enumerate(names):
                own = same[truth == code]
                share = float(np.mean(own)) if len(own) else 0.0
                row = {"class": kind, "operation": name, "photos": len(own), "kept": share}
                rows.append(row | {"on": share >= kept})
            advance(1)
    return LabelSafety(tuple(rows))


def _said(made: PictureClassifier, shop: Shop, run: Run) -> np.ndarray:
    """The class that each photo is told to be, int64; -1 for one that cannot be decoded."""
    if not shop.rows("images"):
        return np.zeros(0, dtype=np.int64)
    chance = made.predict(shop, run)
    nothing = np.isnan(chance).any(axis=1)
    return np.where(nothing, -1, np.nan_to_num(chance).argmax(axis=1))


def _altered(shop: Shop, name: str, run: Run) -> Shop:
    """The photos, each altered by one operation."""
    rng, files = run.rng("label safety", name), list[bytes]()
    for data in shop.table("images")["image"]:
        try:
            files.append(encode(OPERATIONS[name](np.asarray(opened(data)), rng)))
        except PictureError:
            files.append(data)
    images = shop.table("images").with_columns(image=pl.Series(files, dtype=pl.Binary))
    return shop.with_tables(images=images)
