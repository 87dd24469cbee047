"""Pictures that are drawn, for what is made of pictures."""

from __future__ import annotations

import colorsys
import io
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import needed
from wareloom.shop import Shop
from wareloom.shop.schema import conform


def encoded(pixels: np.ndarray, kind: str = "PNG", **how: Any) -> bytes:
    """The file of a picture: pixels uint8 [rows, columns, 3]."""
    images, file = needed("PIL.Image", "images", "A drawn picture"), io.BytesIO()
    images.fromarray(pixels).save(file, kind, **how)
    return file.getvalue()


def spot(hue: float, across: float, side: int = 48) -> bytes:
    """A spot of one colour on white; `across` from 0 to 1 says where."""
    row, column = np.indices((side, side)) / side
    inside = (row - 0.5) ** 2 + (column - 0.2 - 0.6 * across) ** 2 < 0.05
    colour = np.array(colorsys.hsv_to_rgb(hue, 0.9, 0.8)) * 255
    return encoded(np.where(inside[:, :, None], colour, 255).astype(np.uint8))


def ring_of_pictures(items: int) -> pl.DataFrame:
    """Item i's spot has the hue i / items, and stands at i / items."""
    return pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(items)],
            "image": [spot(i / items, i / items) for i in range(items)],
        }
    )


SHAPES = ("bar", "disc", "ring", "stripes")
"""Classes of drawn photos, by what is drawn"""


def drawn(shape: str, rng: np.random.Generator, side: int = 32) -> np.ndarray:
    """A shape of any colour, place and size on a ground of any light colour, with noise: uint8 [side, side, 3]."""
    row, column = np.indices((side, side)) / side
    y, x = rng.uniform(0.4, 0.6, 2)
    size, away = rng.uniform(0.2, 0.32), np.hypot(row - y, column - x)
    inside = {
        "bar": (abs(row - y) < size / 3) & (abs(column - x) < 1.3 * size),
        "disc": away < size,
        "ring": (away < size) & (away > 0.6 * size),
        "stripes": (np.floor((row - y) / size * 3) % 2 == 0) & (away < 1.3 * size),
    }[shape]
    ground, colour = rng.uniform(170, 255, 3), rng.uniform(0, 150, 3)
    pixels = np.where(inside[:, :, None], colour, ground) + rng.normal(0, 6, (side, side, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def photo_shop(per_class: int = 12, seed: int = 0, side: int = 32) -> Shop:
    """A shop of drawn photos, one an item, whose category is the shape."""
    rng, rows = np.random.default_rng(seed), list[tuple[str, str, bytes]]()
    for shape in SHAPES:
        rows += [(f"{shape}{i}", shape, encoded(drawn(shape, rng, side))) for i in range(per_class)]
    frame = pl.DataFrame(rows, ["item_id", "class", "image"], orient="row")
    items = frame.select("item_id", pl.concat_list("class").alias("category"))
    images = frame.select("item_id", pl.col("item_id").alias("image_id"), "image")
    tables = {"items": items.lazy(), "images": images.lazy()}
    return Shop.trusted(
        {name: conform(name, frame) for name, frame in tables.items()}, {}
    ).in_memory()


HUES = (0.0, 0.17, 0.35, 0.6, 0.8)
"""Colours of the taste shop: red, yellow, green, blue, purple"""


def taste_shop(users: int = 150, items: int = 80, seed: int = 0, new: float = 0.25) -> Shop:
    """A shop whose users choose by shape and colour alone, which only pictures show; some items come late.

    A user likes one of four shapes and one of five colours and keeps to both three times in four. The last quarter of
    the 40 days has `new` of the items for the first time, and most events there are on these.
    """
    rng, rows = np.random.default_rng(seed), list[tuple[str, str, str, int]]()
    look = np.random.default_rng(99)
    shape, hue = look.integers(0, len(SHAPES), items), look.integers(0, len(HUES), items)
    late = np.arange(items) >= round((1 - new) * items)
    for user in range(users):
        liked = rng.integers(0, len(SHAPES)), rng.integers(0, len(HUES))
        match = (shape == liked[0]).astype(float) * (hue == liked[1])
        for place in range(8):
            day = 5 * place + rng.integers(0, 5)
            there = late if day >= 30 else ~late
            odds = np.where(
                there, 0.25 / there.sum() + 0.75 * match / max(1, (match * there).sum()), 0
            )
            item = rng.choice(items, p=odds / odds.sum())
            rows.append(
                (f"u{user}", f"i{item}", "purchase", int(day * 86_400 + rng.integers(86_400)))
            )
    events = pl.DataFrame(rows, ["user_id", "item_id", "event", "time"], orient="row")
    events = events.with_columns(pl.from_epoch("time").cast(pl.Datetime("us"))).sort("time")
    files = [_tasted(SHAPES[s], HUES[h], look) for s, h in zip(shape, hue, strict=True)]
    catalogue = {
        "items": pl.DataFrame({"item_id": [f"i{i}" for i in range(items)]}),
        "images": pl.DataFrame({"item_id": [f"i{i}" for i in range(items)], "image": files}),
        "events": events,
    }
    tables = {name: conform(name, frame.lazy()) for name, frame in catalogue.items()}
    return Shop.trusted(tables, {"name": "taste"}).in_memory()


def _tasted(shape: str, hue: float, rng: np.random.Generator) -> bytes:
    """A photo of a shape in a colour."""
    plain = drawn(shape, rng, 32).astype(np.float64)
    inside = plain.mean(axis=2) < 160
    colour = np.array(colorsys.hsv_to_rgb(hue, 0.9, 0.75)) * 255
    plain[inside] = colour + rng.normal(0, 6, (int(inside.sum()), 3))
    plain[~inside] = 235 + rng.normal(0, 4, (int((~inside).sum()), 3))
    return encoded(plain.clip(0, 255).astype(np.uint8))
