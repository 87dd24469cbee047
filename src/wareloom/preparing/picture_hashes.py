"""Perceptual hashes of pictures: near where two look alike pixel by pixel."""

from __future__ import annotations

import numpy as np
from scipy import fft

SIDE = 32
"""Pixels of a side that hashes are taken at"""


def hashes(pixels: np.ndarray) -> np.ndarray:
    """Hash pictures, uint8 [pictures, `SIDE`, `SIDE`, 3]: bool [pictures, 64].

    Signs of the 8 × 8 broadest waves of the luma beside their median (Zauner 2010, pHash).
    """
    luma = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    waves = fft.dctn(luma, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(pixels), 64)
    return np.asarray(waves > np.median(waves[:, 1:], axis=1, keepdims=True))


def bits_apart(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Bits that differ: int64 [one, others], of bool [n, 64] each."""
    a, b = one.astype(np.float32), others.astype(np.float32)
    apart = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(apart.round().astype(np.int64))
