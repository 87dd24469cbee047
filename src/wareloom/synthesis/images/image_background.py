"""A product photo before another background; of the product no pixel is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from scipy import ndimage

from wareloom.core import logging
from wareloom.core.run import Run
from wareloom.core.settings import Text
from wareloom.errors import InputError, SettingError, needed
from wareloom.preparing.picture_masks import masked
from wareloom.shop import Shop
from wareloom.shop.pictures import COMPOSITE, PictureError, border, encode, opened
from wareloom.synthesis.images import MADE, PictureSynthesizer

STRIP = 18
"""Rows below a picture in which it says that its background was made, for a picture of 320 pixels' width"""
COLOURS = {"white": (255, 255, 255), "grey": (238, 238, 238), "black": (16, 16, 16)}

log = logging.get(__name__)


@dataclass(kw_only=True, eq=False)
class ImageBackground(PictureSynthesizer):
    """Product photos before a background of one's own: a colour, a shading, or a photo; the product stays as it is.

    Where the product is, is told by the colour of the border: photos on an even background are taken, others passed
    over and counted. Inside the product's mask every pixel is the photo's own; the pictures are PNG, which keeps them.
    Each says that its background was made: in a strip below, and in its metadata (IPTC's compositeSynthetic). No model
    is needed. No picture comes twice: each photo stands once before each background, and then there are no more.
    """

    purpose: ClassVar[str] = "product"
    quick: ClassVar[Mapping[str, Any]] = {}

    background: Text = "white"
    """What stands behind: white, grey, black, #RRGGBB, two such colours from top to bottom (#EEEEEE-#CCCCCC), or the
    file of a photo."""
    backgrounds: tuple[Text, ...] = ()
    """Others, told likewise, for more pictures than there are photos: all photos before the first, then the next."""
    shadow: bool = True
    """A soft shadow below the product, drawn beside it alone."""
    label: str = "Background made by software"
    """What the strip below the picture says; there is none where it is empty, and the metadata say it still."""

    def _check(self) -> None:
        for one in self._all():
            if not _is_file(one):
                for colour in one.split("-"):
                    _colour(colour)

    def _all(self) -> tuple[str, ...]:
        """All backgrounds, each once."""
        return tuple(dict.fromkeys((self.background, *self.backgrounds)))

    def different(self, classes: Sequence[str] = ()) -> int | None:
        """Return how many different pictures there are: usable photos, of some classes, times backgrounds."""
        return len(self._all()) * sum(self._room(classes).values())

    def short(self, n: int, classes: Sequence[str] = ()) -> str:
        """Return what is said where `n` pictures are asked for and there are fewer; "" where there are enough."""
        photos, scenes = sum(self._room(classes).values()), len(self._all())
        if n <= photos * scenes:
            return ""
        return (
            f"image_background makes {photos * scenes:,} different pictures, not {n:,}: usable photos {photos:,}, "
            f'backgrounds {scenes:,}. Name more backgrounds (--set \'backgrounds=["grey", "#EEEEEE-#CCCCCC"]\').'
        )

    def _room(self, classes: Sequence[str]) -> dict[str, int]:
        """Different photos of each class."""
        counts = self.photos_.group_by("class").len().rows()
        return {kind: int(n) for kind, n in sorted(counts) if not classes or kind in classes}

    def _within(self, classes: np.ndarray, named: Sequence[str]) -> np.ndarray:
        """Take what a class cannot give from the classes that have some left."""
        room = {k: n * len(self._all()) for k, n in self._room(named).items()}
        kept, short = list[int](), 0
        for place in classes:
            kind = self.classes_[place]
            if room.get(kind, 0):
                room[kind] -= 1
                kept.append(int(place))
            else:
                short += 1
        for kind, left in room.items():
            more = min(left, short)
            kept += [self.classes_.index(kind)] * more
            short -= more
        if short:
            log.warning("%s", self.short(len(classes), named))
        return np.array(kept, dtype=np.int64)

    def _learn(self, shop: Shop, chosen: pl.DataFrame, run: Run) -> None:
        self.photos_, self.uneven_ = self._usable(shop, chosen)
        if not len(self.photos_):
            raise InputError(
                f"image_background finds the product in none of {len(chosen):,} photos: it is told by an even border. "
                "Take photos before a plain wall or cloth."
            )
        counts = self.photos_.group_by("class").len().sort("class")
        self.classes_ = counts["class"].to_list()
        self.shares_ = (counts["len"] / len(self.photos_)).to_numpy()
        if self.uneven_:
            log.warning(
                "image_background passes over %s of %s photos, whose border is not even.",
                f"{self.uneven_:,}",
                f"{len(chosen):,}",
            )

    def _usable(self, shop: Shop, chosen: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """The photos whose border tells where the product is, and how many others there are."""
        rows = []
        for row, data in self._files(shop, chosen):
            try:
                if masked(np.asarray(opened(data))) is not None:
                    rows.append((row["item_id"], row["class"], data))
            except PictureError:
                continue
        schema = {"item_id": pl.String, "class": pl.String, "image": pl.Binary}
        found = pl.DataFrame(rows, schema=schema, orient="row")
        # A file that stands twice for an item would come twice.
        return found.unique(["item_id", "image"], maintain_order=True), len(chosen) - len(rows)

    def _make(self, classes: np.ndarray, run: Run) -> pl.DataFrame:
        kinds, made = self.photos_["class"].to_list(), []
        of_class = {kind: [i for i, k in enumerate(kinds) if k == kind] for kind in set(kinds)}
        turn = dict.fromkeys(of_class, 0)
        for place in classes:
            kind = self.classes_[place]
            scene, at = divmod(turn[kind], len(of_class[kind]))
            row = of_class[kind][at]
            turn[kind] += 1
            pixels = np.asarray(opened(self.photos_["image"][row]))
            said = {
                "Software": f"wareloom {self.origin}",
                "Description": f"Photo of item {self.photos_['item_id'][row]}; its background was made by software.",
                "source": COMPOSITE,
            }
            data = encode(self.swapped(pixels, self._all()[scene]), "PNG", said)
            made.append((data, kinds[row], self.photos_["item_id"][row], None, 0.0))
        return pl.DataFrame(made, schema=MADE, orient="row")

    def swapped(self, pixels: np.ndarray, background: str = "") -> np.ndarray:
        """Put a photo, uint8 [rows, columns, 3], before a background; rows of the label's strip come below.

        `background`: `self.background` where none is named.

        Raises `InputError` where the border does not tell where the product is.
        """
        product = masked(pixels)
        if product is None:
            raise InputError(
                "The border of this photo is not even: take it before a plain wall or cloth."
            )
        scene = self._scene(background or self.background, pixels.shape[0], pixels.shape[1])
        if self.shadow:
            scene = _shaded(scene, product)
        # Beside the product the old background shines through a little: weigh it out towards the new one.
        near = ndimage.binary_dilation(product) & ~product
        old = border(pixels)
        rest = np.abs(pixels.astype(np.float64) - old).mean(axis=2, keepdims=True) / 64
        edge = scene + np.clip(rest, 0, 1) * (pixels - scene)
        scene = np.where(near[:, :, None], edge, scene)
        made = np.where(product[:, :, None], pixels, scene.round().clip(0, 255).astype(np.uint8))
        return np.concatenate([made, self._strip(pixels.shape[1])]) if self.label else made

    def _scene(self, named: str, height: int, width: int) -> np.ndarray:
        """A background: float64 [rows, columns, 3]."""
        if _is_file(named):
            picture = opened(Path(named), named, max(height, width))
            fit = needed("PIL.ImageOps", "images", "Reading pictures").fit
            return np.asarray(fit(picture, (width, height), 2), dtype=np.float64)
        colours = [np.array(_colour(one), dtype=np.float64) for one in named.split("-")]
        along = np.linspace(0, 1, height)[:, None, None]
        made = colours[0] + along * (colours[-1] - colours[0])
        return np.broadcast_to(made, (height, width, 3)).copy()

    def _strip(self, width: int) -> np.ndarray:
        """Rows that say that the background was made: uint8 [rows, width, 3]."""
        image, draw, font = (
            needed(f"PIL.{name}", "images", "Writing on pictures")
            for name in ("Image", "ImageDraw", "ImageFont")
        )
        size = max(7, round(STRIP * 0.62 * width / 320))
        type_of = font.load_default(size)
        lines = [""]
        for word in self.label.split():
            longer = f"{lines[-1]} {word}".strip()
            fits = not lines[-1] or type_of.getlength(longer) <= width - 4
            lines = [*lines[:-1], longer] if fits else [*lines, word]
        step = round(size * 1.35)
        made = image.new("RGB", (width, step * len(lines) + 2), "white")
        for row, line in enumerate(lines):
            draw.Draw(made).text((2, row * step), line, fill=(70, 70, 70), font=type_of)
        return np.asarray(made)


def _is_file(background: str) -> bool:
    return Path(background).is_file()


def _colour(text: str) -> tuple[int, ...]:
    if text in COLOURS:
        return COLOURS[text]
    digits = text.removeprefix("#")
    try:
        if len(digits) == 6 and text.startswith("#"):
            return tuple(bytes.fromhex(digits))
    except ValueError:
        pass
    raise SettingError(
        f"image_background: background={text!r} is no colour and no file that is there; give {', '.join(COLOURS)}, "
        "#RRGGBB, or a photo's file."
    )


def _shaded(scene: np.ndarray, product: np.ndarray) -> np.ndarray:
    """A background with the product's soft shadow, a little below and to the right."""
    step = max(1, max(product.shape) // 40)
    cast = ndimage.shift(product.astype(np.float32), (step, step // 2), order=0)
    soft = ndimage.gaussian_filter(cast, 1.5 * step)
    return np.asarray(scene * (1 - 0.25 * soft[:, :, None]))
