"""Where the product is in a photo, told by the colour of the border; no model is asked."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from wareloom.shop.pictures import border

EVEN = 0.85
"""Share of the border that has to be of its colour, for the colour to be a background"""
NEAREST, WIDEST = 14.0, 36.0
"""Distance from the border's colour within which a pixel is background, at least and at most, of 255"""
LEAST, MOST = 0.05, 0.85
"""Share of a picture that a product takes up, at least and at most"""
DOUBTFUL = 0.06
"""Share of a picture whose colour may be about as far from the border's as the reach: more, and the line is chance"""
WHOLE = 0.9
"""Share of a product that its two largest pieces have, at least: a pair of shoes is two"""
FULL = 0.4
"""Share of its box that each of them fills, at least"""


def masked(pixels: np.ndarray) -> np.ndarray | None:
    """Return where the product is, bool [rows, columns]; None where the border does not tell.

    Background is what has the border's colour and hangs together with the border: white within a product stays. The
    reach of that colour is three times the border's own deviation. Uneven borders, products in shreds, products that
    are hardly there or fill the picture, and colours near the background's tell nothing: no mask is better than a wrong
    one, by which a product would lose a part.
    """
    colour = border(pixels).astype(np.float32)
    # Green weighs most and blue least, as the eye has it; a sum of squares is a distance of 255 for black and white.
    weight = np.sqrt(np.array([0.30, 0.50, 0.20], dtype=np.float32))
    away = (pixels.astype(np.float32) - colour) * weight
    distance = np.sqrt(np.einsum("ijk,ijk->ij", away, away))
    rim = np.concatenate([distance[0], distance[-1], distance[:, 0], distance[:, -1]])
    reach = float(np.clip(3 * 1.4826 * np.median(rim), NEAREST, WIDEST))
    if (rim <= reach).mean() < EVEN:
        return None
    if ((distance > 0.7 * reach) & (distance < 1.3 * reach)).mean() > DOUBTFUL:
        return None
    near = distance <= reach
    parts, _ = ndimage.label(near)
    edges = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    outside = np.isin(parts, np.unique(edges[edges > 0]))
    product = ~outside
    # Specks are the camera's noise.
    pieces, number = ndimage.label(product)
    if not number:
        return None
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    product = np.isin(pieces, np.flatnonzero(sizes >= max(4, 0.02 * sizes.max())))
    if not LEAST <= float(product.mean()) <= MOST:
        return None
    largest = np.argsort(-sizes, kind="stable")[:2]
    if sizes[largest].sum() < WHOLE * product.sum():
        return None
    boxes = ndimage.find_objects(pieces)
    for one in largest:
        if sizes[one] >= 0.1 * product.sum() and sizes[one] < FULL * pieces[boxes[one - 1]].size:
            return None
    return product
