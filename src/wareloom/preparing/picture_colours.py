"""The colour of a product in its photo, by the names that shops give colours."""

from __future__ import annotations

import numpy as np

COLOURS = {
    "black": (25, 25, 25),
    "grey": (128, 128, 128),
    "white": (240, 240, 240),
    "red": (190, 30, 40),
    "orange": (230, 120, 30),
    "yellow": (235, 210, 60),
    "green": (50, 130, 60),
    "blue": (50, 90, 190),
    "navy": (25, 35, 80),
    "purple": (120, 60, 150),
    "pink": (230, 130, 170),
    "brown": (115, 75, 50),
    "beige": (210, 190, 160),
}
"""Red, green and blue of each, 0 to 255"""
AWAY = 40.0
"""Distance from the border's colour from which a pixel is the product's"""
LEAST = 0.03
"""Share of the pixels below which what is left is no product; then all of the middle is taken for it"""


def colour_of(pixels: np.ndarray) -> tuple[str, float]:
    """Name the colour that most of a product's pixels are nearest to, and the share that are: uint8 [rows, columns, 3].

    The product is what differs from the border, within the middle half; where hardly anything does, the middle itself.
    """
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.float64)
    rows, columns = pixels.shape[:2]
    middle = pixels[rows // 6 : rows - rows // 6, columns // 6 : columns - columns // 6]
    flat = middle.reshape(-1, 3).astype(np.float64)
    own = flat[np.linalg.norm(flat - np.median(rim, axis=0), axis=1) > AWAY]
    if len(own) < LEAST * len(flat):
        own = flat
    table = np.array(list(COLOURS.values()), dtype=np.float64)
    nearest = ((own[:, None, :] - table) ** 2).sum(axis=2).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(table))
    best = int(counts.argmax())
    return list(COLOURS)[best], float(counts[best] / len(own))
