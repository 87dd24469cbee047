"""What is done to a photo so that it teaches more: each operation alters a picture and leaves what it shows.

An operation takes uint8 [rows, columns, 3] and a generator, and returns a new picture of the same size. Mixing takes
two. Which operations leave the class of a photo alone is measured, not assumed: see `image_augment`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import numpy as np

from wareloom.errors import needed
from wareloom.preparing.picture_masks import masked
from wareloom.shop.pictures import border

LEAST_CROP = 0.7
"""Share of a side that a crop keeps, at least"""
STEEPEST = 15.0
"""Degrees that a picture is turned by, at most"""
Operation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def crop(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep 70 to 100 % of each side, stretched to the whole."""
    height, width = pixels.shape[:2]
    share = rng.uniform(LEAST_CROP, 1.0, 2)
    tall, wide = height * share[0], width * share[1]
    top, left = rng.uniform(0, height - tall), rng.uniform(0, width - wide)
    picture = _image().fromarray(pixels)
    made = picture.resize((width, height), 2, box=(left, top, left + wide, top + tall))
    return np.asarray(made)


def flip(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Left for right."""
    return np.ascontiguousarray(pixels[:, ::-1])


def rotate(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn by 15° at most; the corners take the border's colour."""
    colour = tuple(int(c) for c in border(pixels))
    picture = _image().fromarray(pixels)
    return np.asarray(picture.rotate(rng.uniform(-STEEPEST, STEEPEST), 2, fillcolor=colour))


def colour(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast and saturation by up to 30 %, and the light's warmth by 10 %."""
    bright, contrast, saturation = rng.uniform(0.7, 1.3, 3)
    warm = rng.uniform(-0.1, 0.1)
    light = np.array([0.299, 0.587, 0.114])
    matrix = saturation * np.eye(3) + (1 - saturation) * np.tile(light, (3, 1))
    matrix *= (np.array([1 + warm, 1.0, 1 - warm]) * bright * contrast)[:, None]
    shift = (1 - contrast) * float(pixels.mean()) * bright
    rows = [(*row, shift) for row in matrix]
    picture = _image().fromarray(pixels)
    return np.asarray(picture.convert("RGB", tuple(float(v) for row in rows for v in row)))


def noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal noise with a deviation of 3 to 12 of 255."""
    made = rng.standard_normal(pixels.shape, dtype=np.float32)
    made *= np.float32(rng.uniform(3, 12))
    made += pixels
    return np.clip(made, 0, 255, out=made).astype(np.uint8)


def blur(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A blur of .4 to 1.2 hundredths of the longer side."""
    radius = rng.uniform(0.4, 1.2) / 100 * max(pixels.shape)
    how = needed("PIL.ImageFilter", "images", "Blurring pictures").BoxBlur(radius)
    return np.asarray(_image().fromarray(pixels).filter(how))


def erase(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box of 3 to 20 % of the picture takes one colour by chance (Zhong et al. 2020)."""
    made = pixels.copy()
    top, bottom, left, right = _box(pixels.shape, float(rng.uniform(0.03, 0.2)), rng)
    made[top:bottom, left:right] = rng.integers(0, 256, 3)
    return made


def background(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another background where the border tells what it is: a colour, or a shading of two; else nothing is done."""
    product = masked(pixels)
    if product is None:
        return pixels.copy()
    height, width = pixels.shape[:2]
    one, other = rng.uniform(0, 255, (2, 3))
    along = np.linspace(0, 1, height)[:, None, None]
    scene = np.broadcast_to(one + along * (other - one) * rng.uniform(0, 1), (height, width, 3))
    return np.where(product[:, :, None], pixels, scene.astype(np.uint8))


def mixup(
    pixels: np.ndarray, other: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A mean of two pictures, and the other's share of it, at most half (Zhang et al. 2018)."""
    share = _share(rng)
    made = pixels.astype(np.float32) * (1 - share) + other.astype(np.float32) * share
    return made.round().astype(np.uint8), share


def cutmix(
    pixels: np.ndarray, other: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A box of the other picture in the one, and its share of the area, at most half (Yun et al. 2019)."""
    top, bottom, left, right = _box(pixels.shape, _share(rng), rng)
    made = pixels.copy()
    made[top:bottom, left:right] = other[top:bottom, left:right]
    area = (bottom - top) * (right - left) / (pixels.shape[0] * pixels.shape[1])
    return made, float(area)


OPERATIONS: dict[str, Operation] = {
    "crop": crop,
    "flip": flip,
    "rotate": rotate,
    "background": background,
    "colour": colour,
    "blur": blur,
    "noise": noise,
    "erase": erase,
}
"""What is done to one picture, in the order in which it is done"""
CHANCE = {
    "crop": 0.7,
    "flip": 0.5,
    "rotate": 0.5,
    "background": 0.3,
    "colour": 0.7,
    "blur": 0.15,
    "noise": 0.3,
    "erase": 0.3,
}
"""How often each is done"""
MIXING = {"mixup": mixup, "cutmix": cutmix}


def altered(
    pixels: np.ndarray,
    rng: np.random.Generator,
    names: Collection[str] = tuple(OPERATIONS),
    strength: float = 1.0,
) -> np.ndarray:
    """Alter a picture, uint8 [rows, columns, 3], by those of the operations `names` that chance takes.

    `strength`: factor of how often each is done. What is drawn does not hang on which are named.
    """
    for name, operation in OPERATIONS.items():
        wanted = rng.random() < CHANCE[name] * strength
        if wanted and name in names:
            pixels = operation(pixels, rng)
    return pixels


def _share(rng: np.random.Generator) -> float:
    share = float(rng.beta(1.0, 1.0))
    return min(share, 1 - share)


def _box(
    shape: tuple[int, ...], share: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A box of so large a share of a picture, somewhere within it: top, bottom, left, right."""
    shape_of = float(np.exp(rng.uniform(-0.6, 0.6)))
    tall = int(np.clip(shape[0] * np.sqrt(share * shape_of), 1, shape[0]))
    wide = int(np.clip(share * shape[0] * shape[1] / tall, 1, shape[1]))
    top = int(rng.integers(0, shape[0] - tall + 1))
    left = int(rng.integers(0, shape[1] - wide + 1))
    return top, top + tall, left, left + wide


@cache
def _image() -> Any:
    return needed("PIL.Image", "images", "Augmenting pictures")
