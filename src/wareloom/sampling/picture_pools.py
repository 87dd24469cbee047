"""Synthetic pictures as a proof takes them, with what stands against them: the same photos again, and noisy copies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.preparing.splits import Split
from wareloom.sampling.generator import Generator
from wareloom.sampling.pictures import fill_pictures
from wareloom.screening import made as made_screens
from wareloom.shop import Shop
from wareloom.shop.keeps import worst_said
from wareloom.shop.pictures import PictureError, encode, opened
from wareloom.shop.schema import REAL
from wareloom.synthesis import Synthesizer

NOISE = 12.0
"""Spread of the noise of naive copies, of 255"""
AUGMENT = "image_augment"
"""The synthesizer that alters real photos: what synthesis from scratch has to beat"""


@dataclass(frozen=True, kw_only=True)
class PicturePool:
    """Synthetic pictures of one seed, screened, and the control pools of the same size, drawn when asked for."""

    kept: Shop
    train: Shop
    size: int
    origin: str
    report: dict[str, Any]
    augment: dict[str, Any]
    """Settings of the altered copies"""
    run: Run

    @cached_property
    def repeated(self) -> Shop:
        """The real photos again and again."""
        order = np.concatenate(
            [
                self.run.rng("pictures", "repeat", turn).permutation(self.train.rows("images"))
                for turn in range(-(-self.size // self.train.rows("images")))
            ]
        )[: self.size]
        rows = self.train.table("images")[order].with_columns(origin=pl.lit("repeated"))
        return self.train.with_tables(images=rows)

    @cached_property
    def naive(self) -> Shop:
        """The real photos again, each with noise of its own."""
        rng = self.run.rng("pictures", "noise")
        files = [noisy(data, rng) for data in self.repeated.table("images")["image"]]
        rows = self.repeated.table("images").with_columns(
            image=pl.Series(files, dtype=pl.Binary), origin=pl.lit("naive")
        )
        return self.train.with_tables(images=rows)

    @cached_property
    def augmented(self) -> Shop:
        """Altered copies of the real photos."""
        fitted = SYNTHESIZERS.make(AUGMENT, **self.augment).fit(self.train, self.run)
        drawn: Shop = fitted.sample(self.size, self.run)
        return drawn

    def about(self) -> dict[str, Any]:
        """What `proof.json` says of the sample."""
        labels = self.kept.scan("images").select(pl.col("item_id").n_unique()).collect().item()
        return {
            "pictures": self.kept.rows("images"),
            "items": int(labels),
            "screens": {k: v for k, v in self.report.items() if k != "sampling"},
            "sampling": self.report.get("sampling", {}),
            "origin": self.origin,
            "keeps": self.kept.keeps,
        }


def noisy(data: bytes, rng: np.random.Generator) -> bytes:
    """A picture with noise on each pixel; itself where it cannot be decoded."""
    try:
        pixels = np.asarray(opened(data), dtype=np.float32)
    except PictureError:
        return data
    moved = pixels + rng.normal(0, NOISE, pixels.shape).astype(np.float32)
    return encode(np.clip(moved, 0, 255).round().astype(np.uint8), "JPEG")


def make_picture_pool(
    generator: Generator, parts: Split, train: Shop, size: int, run: Run, augment: dict[str, Any]
) -> PicturePool:
    """Fit the synthesizer on `train` and sample `size` pictures that pass the screens.

    Screens are shown `train` and the validation part, never the test part. Raises `RefusedError` where nothing passes,
    `InputError` where a sample says that it is real.
    """
    if generator.members:
        raise SettingError("A proof of pictures takes one synthesizer of pictures: name one alone.")
    generator.refuse_unpaid("screens" if generator.screens else "size", train)
    fitted: Synthesizer = SYNTHESIZERS.make(generator.synthesizer, **generator.settings)
    screens = made_screens(generator.screens, generator.screen_settings)
    found = fill_pictures(fitted.fit(train, run), size, screens, (train, parts.validation), run)
    made = found.kept
    if (made.table("images")["origin"] == REAL).any():
        raise InputError(f"The synthesizer {fitted.name!r} gives pictures that say they are real.")
    return PicturePool(
        kept=made,
        train=train,
        size=size,
        origin=fitted.origin,
        report=found.report | {"sampling": found.sampling},
        augment=augment,
        run=run,
    )


def joined_pictures(shops: list[Shop]) -> Shop:
    """The pictures of several shops, with the items that they are of, each once."""
    images = pl.concat([shop.scan("images") for shop in shops], how="diagonal_relaxed")
    items = pl.concat([shop.scan("items") for shop in shops], how="diagonal_relaxed")
    once = items.unique("item_id", keep="first", maintain_order=True)
    made = shops[0].with_tables(images=images.collect(), items=once.collect())
    return made.keeping(worst_said([shop.keeps for shop in shops]))


def first_pictures(shop: Shop, count: int) -> Shop:
    """The first `count` pictures, which are in random order as a synthesizer makes them, again where it has fewer."""
    have = shop.rows("images")
    if not 0 < have < count:
        return shop.with_tables(images=shop.scan("images").head(count).collect())
    rows = shop.table("images")[np.resize(np.arange(have), count)]
    return shop.with_tables(images=rows)
