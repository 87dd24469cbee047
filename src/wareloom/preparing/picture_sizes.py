"""How large a shop's pictures are, and the same pictures smaller: an encoder sees a small picture as something else."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, encode, look, opened, parts

LOOKED = 64
"""Pictures by which a shop's size of pictures is told"""
SMALL = 1.5
"""How many times smaller than others pictures have to be, for the others to be made as small to be compared"""


def usual_side(shop: Shop) -> int:
    """The median of the shorter sides of a shop's first pictures, in pixels; 0 where none can be read."""
    sides = []
    for data in shop.scan("images").select("image").head(LOOKED).collect()["image"].to_list():
        try:
            found = look(data)
        except PictureError:
            continue
        sides.append(min(found.width, found.height))
    return int(np.median(sides)) if sides else 0


def smaller(shop: Shop, than: Shop) -> int:
    """The side that pictures of `than` have to be brought to before they are compared with the shop's; 0 for none."""
    side = usual_side(shop)
    return side if 0 < SMALL * side < usual_side(than) else 0


def reduced(shop: Shop, side: int) -> Shop:
    """The shop with each picture's shorter side brought to so many pixels; what cannot be read stays as it is."""
    made = []
    for part in parts(shop):
        for data in part["image"].to_list():
            try:
                picture = opened(data, side=side)
            except PictureError:
                made.append(data)
                continue
            scale = side / min(picture.size)
            size = round(picture.width * scale), round(picture.height * scale)
            made.append(encode(np.asarray(picture.resize(size, 2))))
    images = shop.table("images").with_columns(image=pl.Series(made, dtype=pl.Binary))
    return shop.with_tables(images=images)
