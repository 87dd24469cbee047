"""Pictures that are drawn, for what is made of pictures."""

from __future__ import annotations

import colorsys
import io
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import needed


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
