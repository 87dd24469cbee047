"""Perceptual hashes of pictures: near where two look alike pixel by pixel."""

from __future__ import annotations

import numpy as np
from scipy import fft

from wareloom.errors import needed

SIDE = 32
"""Pixels of a side that hashes are taken at"""
KEPT = (0.95, 0.9, 0.85)
"""Shares of a side that parts of pictures keep"""


def hashes(pixels: np.ndarray) -> np.ndarray:
    """Hash pictures, uint8 [pictures, `SIDE`, `SIDE`, 3]: bool [pictures, 64].

    Signs of the 8 × 8 broadest waves of the luma beside their median (Zauner 2010, pHash).
    """
    luma = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    waves = fft.dctn(luma, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(pixels), 64)
    return np.asarray(waves > np.median(waves[:, 1:], axis=1, keepdims=True))


def windows(pixels: np.ndarray) -> np.ndarray:
    """Hash parts of pictures as if each were cut out: uint8 [pictures, `SIDE`, `SIDE`, 3] → bool [pictures, parts, 64].

    A part keeps a share of `KEPT` of each side, at nine places. A photo that lost its rim is near one of them, where
    its hash is far from the whole photo's: of photos of clothes that lost 5 % of each side 14 % are within four bits.
    """
    image, boxes = needed("PIL.Image", "images", "Comparing pictures"), list[tuple[float, ...]]()
    for share in KEPT:
        rest = SIDE * (1 - share)
        boxes += [
            (rest * x, rest * y, rest * x + SIDE * share, rest * y + SIDE * share)
            for x in (0.0, 0.5, 1.0)
            for y in (0.0, 0.5, 1.0)
        ]
    made = np.empty((len(pixels), len(boxes), SIDE, SIDE, 3), dtype=np.uint8)
    for row, one in enumerate(pixels):
        picture = image.fromarray(one)
        for place, box in enumerate(boxes):
            made[row, place] = np.asarray(picture.resize((SIDE, SIDE), 2, box=box))
    return hashes(made.reshape(-1, SIDE, SIDE, 3)).reshape(len(pixels), len(boxes), 64)


def bits_apart(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Bits that differ: int64 [one, others], of bool [n, 64] each."""
    a, b = one.astype(np.float32), others.astype(np.float32)
    apart = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(apart.round().astype(np.int64))
