"""Altered copies of real photos: cropped, flipped, turned, lit otherwise, on other backgrounds, mixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Share, Size
from wareloom.errors import SettingError, near, require
from wareloom.preparing.picture_operations import MIXING, OPERATIONS, altered
from wareloom.shop import Shop
from wareloom.shop.pictures import ENHANCED, PictureError, encode, opened
from wareloom.synthesis.images import MADE, PictureSynthesizer


@dataclass(kw_only=True, eq=False)
class ImageAugment(PictureSynthesizer):
    """Altered copies of real photos: crop, flip, rotate, background, colour, blur, noise, erase, mixup and cutmix.

    Which operations leave a class as it is differs by class: a mirrored hat is a hat, a mirrored letter is none. `off`
    has the operations that are not done to photos of a class; `wareloom` measures it (label safety). A photo that was
    mixed of two carries the other's item and share, so that its label is soft. Each picture depends on its own place
    alone, so that the number of threads changes nothing. Shorten and Khoshgoftaar (2019).
    """

    quick: ClassVar[Mapping[str, Any]] = {"side": 24}

    operations: tuple[str, ...] = tuple(OPERATIONS)
    """What may be done to a photo, each by chance; in any order of names, done in one order."""
    mixed: Share = 0.25
    """Share of the pictures that are mixed of two, half by mixup and half by cutmix; 0 mixes none."""
    strength: Share = 1.0
    """Factor of how often each operation is done; 0 copies photos as they are."""
    off: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Operations that are not done to photos of a class, by class: {"hat": ["flip"]}; mixup and cutmix, too."""
    side: Size = 96
    """Pixels of the longer side of the pictures that are made, at most."""

    def _check(self) -> None:
        known = [*OPERATIONS, *MIXING]
        named = [*self.operations, *(one for ones in self.off.values() for one in ones)]
        for one in named:
            if one not in known:
                raise SettingError(
                    f"image_augment: there is no operation {one!r}.{near(one, known)} There are {', '.join(known)}."
                )
        require("image_augment", "side", self.side, self.side >= 8, "8 or more pixels")

    def _learn(self, shop: Shop, chosen: pl.DataFrame, run: Run) -> None:
        rows = [(row["item_id"], row["class"], data) for row, data in self._files(shop, chosen)]
        schema = {"item_id": pl.String, "class": pl.String, "image": pl.Binary}
        self.photos_ = pl.DataFrame(rows, schema=schema, orient="row")

    def _make(self, classes: np.ndarray, run: Run) -> pl.DataFrame:
        code = self.photos_["class"].replace_strict(
            {name: place for place, name in enumerate(self.classes_)}, return_dtype=pl.Int64
        )
        of_class = code.to_numpy()
        source = np.empty(len(classes), dtype=np.int64)
        for one in np.unique(classes):
            rows, places = np.flatnonzero(of_class == one), np.flatnonzero(classes == one)
            source[places] = _in_turn(rows, len(places), run.rng(self.name, "source", int(one)))
        rng = run.rng(self.name, "partners")
        partner = np.where(
            rng.random(len(classes)) < self.mixed, rng.integers(0, len(of_class), len(classes)), -1
        )
        seeds = run.rng(self.name, "pictures made").integers(0, 2**63, len(classes))
        made = [
            self._one(int(source[i]), int(partner[i]), np.random.default_rng(seeds[i]))
            for i in range(len(classes))
        ]
        return pl.DataFrame([one for one in made if one is not None], schema=MADE, orient="row")

    def _one(
        self, source: int, partner: int, rng: np.random.Generator
    ) -> tuple[bytes, str, str, str | None, float] | None:
        """One altered photo; None where its file cannot be read."""
        item, kind = self.photos_["item_id"][source], self.photos_["class"][source]
        pixels = self._pixels(source)
        if pixels is None:
            return None
        pixels = self.altered(pixels, kind, rng)
        mixed, share = None, 0.0
        name = "mixup" if rng.random() < 0.5 else "cutmix"
        if partner >= 0 and name not in self.off.get(kind, ()):
            other = self._pixels(partner, pixels.shape[:2])
            if other is not None:
                pixels, share = MIXING[name](pixels, other, rng)
                mixed = self.photos_["item_id"][partner]
        said = {"Software": f"wareloom {self.origin}", "source": ENHANCED}
        return encode(pixels, "JPEG", said), kind, item, mixed, share

    def altered(self, pixels: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
        """Alter one picture of a class, uint8 [rows, columns, 3], by the operations that are on for it."""
        on = [one for one in self.operations if one not in self.off.get(kind, ())]
        return altered(pixels, rng, on, self.strength)

    def _pixels(self, row: int, shape: tuple[int, int] | None = None) -> np.ndarray | None:
        """A photo brought to `side` (its longer side), or to a shape; None where its file cannot be read."""
        try:
            picture = opened(self.photos_["image"][row], side=self.side)
        except PictureError:
            return None
        if shape is not None:
            return np.asarray(picture.resize((shape[1], shape[0]), 2))
        scale = min(1.0, self.side / max(picture.size))
        if scale < 1:
            size = max(8, round(picture.width * scale)), max(8, round(picture.height * scale))
            picture = picture.resize(size, 2)
        return np.asarray(picture)


def _in_turn(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Take `n` of the rows, each as often as every other to within one, in random order."""
    turns = [rng.permutation(rows) for _ in range(-(-n // len(rows)))]
    return np.concatenate(turns)[:n]
