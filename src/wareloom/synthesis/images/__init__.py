"""The base of synthesizers of pictures: what they learn from, and the shop that comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import InputError, near
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps
from wareloom.shop.pictures import PictureError, labelled, opened, parts, squared
from wareloom.synthesis import Condition, Counts, GivenPictures, Of, Synthesizer
from wareloom.synthesis.draws import mark, new_ids

MADE = {
    "image": pl.Binary,
    "class": pl.String,
    "item_id": pl.String,
    "mixed_item_id": pl.String,
    "mixed_weight": pl.Float32,
}
"""What `_make` returns of each picture"""


@dataclass(frozen=True)
class Learned:
    """Real pictures that a synthesizer learns from, decoded."""

    pixels: np.ndarray
    """uint8 [pictures, side, side, 3]"""
    classes: np.ndarray
    """int64 [pictures]: places in the synthesizer's `classes_`"""
    aspect: np.ndarray
    """float32 [pictures]: width by height of the file"""


@dataclass(kw_only=True, eq=False)
class PictureSynthesizer(Synthesizer, ABC):
    """Base of synthesizers of pictures. One implements `_learn` and `_make`.

    `fit(shop)` reads the table images and the items' categories; fit it on the pictures of the training part alone
    (`wareloom read … --set split=train`). `sample(n)` returns a shop of `n` pictures: the table images, with their
    origin and with the purpose "training", and the items that they are of. A picture that was made of a real item's is
    of that item; one from scratch is of an item of its own, whose id is the picture's.
    """

    knows: ClassVar[frozenset[str]] = frozenset({"images"})
    keeps: ClassVar[Keeps] = "counts"
    of: ClassVar[Of] = "pictures"
    counts: ClassVar[Counts] = "pictures"
    takes: ClassVar[type[Condition]] = GivenPictures
    conditions: ClassVar[frozenset[str]] = frozenset({"classes"})
    purpose: ClassVar[str] = "training"
    """What its pictures are for"""

    pictures: Size = 50_000
    """Real pictures that it learns from, at most; drawn at random where there are more."""

    @abstractmethod
    def _learn(self, shop: Shop, chosen: pl.DataFrame, run: Run) -> None:
        """Learn from the pictures at the rows `place` of the table images; `chosen` has place, item_id and class."""

    @abstractmethod
    def _make(self, classes: np.ndarray, run: Run) -> pl.DataFrame:
        """Make a picture of each class (places in `classes_`, int64 [n]); returns the columns of MADE.

        item_id is the real item that a picture was made of, null for one from scratch.
        """

    def different(self, classes: Sequence[str] = ()) -> int | None:
        """Return how many different pictures it can make, of some classes where any are named; None without an end."""
        return None

    def short(self, n: int, classes: Sequence[str] = ()) -> str:
        """Return what is said where `n` pictures are asked for and there are fewer; "" where there are enough."""
        return ""

    def _within(self, classes: np.ndarray, named: Sequence[str]) -> np.ndarray:
        """Keep the wanted classes to what can be made of each; by default all can."""
        return classes

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from a shop's pictures; raises `InputError` where there are none, or none has a class."""
        run = run or Run()
        if not shop.rows("images"):
            raise InputError(
                f"The synthesizer {self.name!r} learns from pictures, and the shop has no table images: read them "
                "(wareloom read FOLDER --as clothing, or --set images=FOLDER beside tables)."
            )
        labels = labelled(shop).filter(pl.col("mixed_weight") == 0).collect()
        known = (
            labels.with_row_index("place").drop_nulls("class").select("place", "item_id", "class")
        )
        if not len(known):
            raise InputError(
                f"The synthesizer {self.name!r} makes pictures of classes, and no item with a picture has a category: "
                "fill the column category of items."
            )
        if len(known) > self.pictures:
            rows = run.rng(self.name, "pictures").choice(len(known), self.pictures, replace=False)
            known = known[np.sort(rows)]
        self._forget()
        counts = known.group_by("class").len().sort("class")
        self.classes_ = counts["class"].to_list()
        self.shares_ = (counts["len"] / len(known)).to_numpy()
        of_item = known["item_id"].unique()
        items = shop.scan("items").filter(pl.col("item_id").is_in(of_item.implode()))
        self.items_, self.meta_ = items.collect(), dict(shop.meta)
        self._learn(shop, known, run)
        self._fitted_on(shop)
        return self

    def sample(self, n: int, run: Run | None = None, given: GivenPictures | None = None) -> Shop:
        """Make `n` pictures; `given.classes` names the only classes there shall be.

        Fewer come where it can make no more different ones (`different`): a warning says so. Raises
        `InputError` for a class that was not learned.
        """
        self._checked(n, given)
        run = run or Run()
        with run.task(f"{self.name}: pictures", n):
            wanted = self._wanted(n, given, run)
            made = self._make(self._within(wanted, given.classes if given else ()), run)
        ids = new_ids(self.origin, len(made), mark(self, n, run, given)).alias("image_id")
        made = made.with_columns(ids).with_columns(
            pl.coalesce("item_id", "image_id").alias("item_id"), own=pl.col("item_id").is_null()
        )
        images = made.select(
            "item_id",
            "image_id",
            "image",
            "mixed_item_id",
            "mixed_weight",
            purpose=pl.lit(self.purpose),
            origin=pl.lit(self.origin),
            weight=pl.lit(1.0),
        )
        used = pl.concat([made["item_id"], made["mixed_item_id"].drop_nulls()]).unique()
        real = self.items_.filter(pl.col("item_id").is_in(used.implode()))
        new = made.filter("own").select(
            "item_id",
            category=pl.concat_list("class"),
            origin=pl.lit(self.origin),
            weight=pl.lit(1.0, dtype=pl.Float32),
        )
        items = pl.concat([real, new], how="diagonal_relaxed") if len(new) else real
        return self._stamped(Shop.trusted({"items": items, "images": images}, self.meta_))

    def _wanted(self, n: int, given: GivenPictures | None, run: Run) -> np.ndarray:
        """The class of each picture: as often as there are real ones, or those that are asked for in turn."""
        if given is None or not given.classes:
            # Whole numbers of each class, the rest by chance: a small sample has every class that is not rare.
            exact = self.shares_ * n
            counts = np.floor(exact).astype(np.int64)
            rest, rng = n - int(counts.sum()), run.rng(self.name, "classes")
            if rest:
                odds = (exact - counts) / (exact - counts).sum()
                more = rng.choice(len(counts), rest, p=odds)
                np.add.at(counts, more, 1)
            return np.asarray(rng.permutation(np.repeat(np.arange(len(counts)), counts)))
        places = []
        for name in given.classes:
            if name not in self.classes_:
                raise InputError(
                    f"Pictures were asked for of the class {name!r}, which was not learned."
                    + near(name, self.classes_)
                )
            places.append(self.classes_.index(name))
        return np.resize(np.array(places, dtype=np.int64), n)

    def _files(self, shop: Shop, chosen: pl.DataFrame) -> Iterator[tuple[dict[str, Any], bytes]]:
        """The rows of `chosen` with the bytes of their pictures, streaming."""
        rows = iter(chosen.sort("place").iter_rows(named=True))
        start, row = 0, next(rows, None)
        for part in parts(shop):
            data = part["image"]
            while row is not None and row["place"] < start + len(part):
                yield row, data[row["place"] - start]
                row = next(rows, None)
            start += len(part)

    def _decoded(self, shop: Shop, chosen: pl.DataFrame, side: int, run: Run) -> Learned:
        """The pictures at `side` × `side`, both sides scaled on their own; `InputError` where none can be read."""
        pixels, classes, aspect = list[np.ndarray](), list[int](), list[float]()
        with run.task(f"{self.name}: real pictures", len(chosen)) as advance:
            for row, data in self._files(shop, chosen):
                advance(1)
                try:
                    picture = opened(data, side=side)
                except PictureError:
                    continue
                pixels.append(squared(picture, side))
                classes.append(self.classes_.index(row["class"]))
                aspect.append(picture.width / picture.height)
        if not pixels:
            raise InputError(
                f"The synthesizer {self.name!r} finds no picture that can be read: give JPEG, PNG or WebP."
            )
        return Learned(
            np.stack(pixels), np.array(classes, dtype=np.int64), np.array(aspect, dtype=np.float32)
        )
