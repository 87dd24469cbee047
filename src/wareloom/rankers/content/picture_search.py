"""Which items a photo shows: the same photo altered first, then what looks alike and is of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, needed, require
from wareloom.preparing.picture_operations import altered
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, encode, labelled, opened
from wareloom.stats.metric_head import MetricHead, fit_metric_head

TAUGHT = 3_000
"""Photos whose altered copies teach, at most; drawn at random where there are more"""
DIRECTIONS = 512
"""Directions of the vectors that are kept, at most"""
COPIES = 2
"""Altered copies of each photo that teaches"""
PULL = 0.2
"""How much more the directions count in which the classes lie"""
SIDE = 256
"""Pixels of the longer side of a copy, at most: the encoder looks at fewer"""
FOUND = {"photo": pl.Int64, "rank": pl.Int64, "item_id": pl.String, "likeness": pl.Float32}


@dataclass(frozen=True)
class PictureSearch:
    """A catalogue's photos, ready to be asked by a photo.

    The frozen encoder EfficientNet-Lite0 sees what is in a photo (its last stages, their means and deviations over
    places). Photos of the catalogue, or some of them, are altered twice: cropped, mirrored, turned, lit otherwise, put
    on another background, with a hole. What these alterations move in the vectors is made to count little (see
    `fit_metric_head`), so that a photo finds itself; where items have categories, their directions count more.
    """

    items: pl.Series
    """The item of each photo"""
    vectors: np.ndarray
    """float32 [photos, size], of length 1"""
    head: MetricHead

    @classmethod
    def of(cls, shop: Shop, run: Run | None = None, pull: float = PULL) -> PictureSearch:
        """Look at a shop's photos; raises `InputError` where fewer than two can be read.

        Encoding takes a hundredth of a second a photo on one thread, and as much for each altered copy.
        """
        require("PictureSearch", "pull", pull, pull >= 0, "0 or more")
        needed("torch", "pictures", "Finding items by a photo")
        from wareloom.neural.vision import picture_vectors

        run = run or Run()
        places, vectors = picture_vectors(shop, run, wide=True)
        if len(places) < 2:
            raise InputError(
                f"Of {shop.rows('images'):,} pictures {len(places)} can be read: a search takes two or more. Read them "
                "with wareloom read FOLDER --as clothing, or --set images=FOLDER beside tables."
            )
        labels = labelled(shop).collect()[places]
        files = shop.table("images")["image"].gather(places)
        rng = run.rng("picture search", "taught")
        taught = np.sort(rng.permutation(len(places))[:TAUGHT])
        copies, whose = altered_copies(files, taught, rng, run)
        classes = labels["class"].rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
        with run.limits():
            head = taught_head(vectors, classes, copies, whose, pull)
            return cls(labels["item_id"], head.apply(vectors), head)

    def find(self, files: Sequence[bytes], k: int = 10, run: Run | None = None) -> pl.DataFrame:
        """The `k` items whose photos are most like each photo: columns photo (its place), rank, item_id, likeness.

        An item is as like as its likest photo; likeness is a cosine. Raises `InputError` where a photo cannot be read.
        """
        require("PictureSearch.find", "k", k, k >= 1, "1 or more")
        from wareloom.neural.vision import vectors_of

        told = vectors_of(files, run or Run(), wide=True)
        for place, one in enumerate(told):
            if one is None:
                raise InputError(f"Photo {place} cannot be read: give JPEG, PNG or WebP.")
        if not told:
            return pl.DataFrame(schema=FOUND)
        seen = self.head.apply(np.stack([one for one in told if one is not None]))
        frames = []
        for place, row in enumerate(seen):
            like = self.vectors @ row
            frame = pl.DataFrame({"item_id": self.items, "likeness": like})
            best = frame.group_by("item_id", maintain_order=True).agg(pl.col("likeness").max())
            best = best.sort("likeness", descending=True, maintain_order=True).head(k)
            frames.append(
                best.with_columns(photo=pl.lit(place), rank=pl.int_range(1, pl.len() + 1))
            )
        return pl.concat(frames).select(pl.col(name).cast(kind) for name, kind in FOUND.items())


def altered_copies(
    files: pl.Series, rows: np.ndarray, rng: np.random.Generator, run: Run
) -> tuple[np.ndarray, np.ndarray]:
    """Alter the pictures at some rows, and see what comes of it: float32 [copies, size], and whose each is, int64."""
    from wareloom.neural.vision import vectors_of

    whose = np.repeat(rows, COPIES)
    seeds = rng.integers(0, 2**63, len(whose))
    made = [_altered(files[int(row)], int(seed)) for row, seed in zip(whose, seeds, strict=True)]
    told = vectors_of(made, run, wide=True)
    there = np.array([one is not None for one in told])
    return np.stack([one for one in told if one is not None]), whose[there]


def taught_head(
    vectors: np.ndarray,
    classes: np.ndarray,
    copies: np.ndarray,
    whose: np.ndarray,
    pull: float = PULL,
) -> MetricHead:
    """The map that copies teach; `classes`: int64 [photos], -1 where unknown. See `fit_metric_head`."""
    return fit_metric_head(vectors, classes, pull, DIRECTIONS, (copies, whose))


def _altered(data: bytes, seed: int) -> bytes:
    """A photo altered by what chance takes; no picture where it cannot be read."""
    try:
        picture = opened(data, side=SIDE)
    except PictureError:
        return b""
    picture.thumbnail((SIDE, SIDE))
    return encode(altered(np.asarray(picture), np.random.default_rng(seed)), "JPEG")
