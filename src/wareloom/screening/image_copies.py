"""Is a picture from scratch a training photo over again? By what an encoder sees and by a perceptual hash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Count, Fraction
from wareloom.preparing.picture_hashes import SIDE, bits_apart, hashes, windows
from wareloom.preparing.picture_sizes import reduced, smaller
from wareloom.screening._encoded import encoded
from wareloom.screening._pictures import Judge, PictureScreen, seen, spread
from wareloom.shop import Shop

CLOSE = 5
"""Real photos, the nearest by the encoder, whose parts are compared"""
BLOCK = 2048
"""Pictures that are compared with all real ones at once"""


@dataclass(kw_only=True, eq=False)
class ImageCopies(PictureScreen):
    """Take pictures from scratch that are a training photo over again, mirrored or not, or without its rim.

    A copy is nearer to a training photo, by the cosine of EfficientNet-Lite0's vectors, than all but one in a thousand
    real photos are to other real ones, and its perceptual hash differs in few bits, too, from that of a photo or of a
    part of one of those that are nearest. Either alone errs: products
    that look alike have near vectors, plain pictures near hashes. Pictures made of a real item's photo, as by
    `image_augment`, say whose they are and pass.
    """

    share: Fraction = 0.001
    """Share of real photos that are as near to another one: the limit of the cosine is that quantile."""
    bits: Count = 4
    """Bits of 64 in which the hashes of a copy differ, at most."""

    def _judge(self, train: Shop, run: Run) -> Judge:
        _, pixels = seen(train, SIDE)
        marks = np.concatenate([hashes(pixels), hashes(pixels[:, :, ::-1])])
        known = dict[int, tuple[np.ndarray, np.ndarray, float]]()

        def judge(shop: Shop) -> list[str | None]:
            # A copy of 32 pixels is near a photo that was made as small, not near the photo itself.
            side = smaller(shop, train)
            if side not in known:
                _, found = encoded(reduced(train, side) if side else train, run)
                mean = found.mean(axis=0)
                real = _unit(found - mean)
                known[side] = mean, real, self._limit(real, run)
            mean, real, limit = known[side]
            places, given = encoded(shop, run)
            _, made = seen(shop, SIDE)
            near = _nearest(_unit(given - mean), real)
            apart = _apart(hashes(made), marks)
            own = _own(shop, train)[places]
            alike = (near > limit) & ~own
            apart = np.minimum(apart, _apart_of_parts(made, pixels, (given - mean, real), alike))
            copied = alike & (apart <= self.bits)
            reason = f"near copy of a training photo: hashes differ in {self.bits} bits or fewer"
            return spread(shop.rows("images"), places, [reason if c else None for c in copied])

        return judge

    def _limit(self, real: np.ndarray, run: Run) -> float:
        """The cosine that one in a thousand photos of one half reaches to the other half."""
        order = run.rng(self.name, "halves").permutation(len(real))
        one, other = np.array_split(order, 2)
        if not len(one) or not len(other):
            return 1.0
        return float(np.quantile(_nearest(real[one], real[other]), 1 - self.share))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-6), dtype=np.float32)


def _apart(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Bits to the nearest hash of the others: int64 [one]."""
    parts = [bits_apart(one[i : i + BLOCK], others).min(axis=1) for i in range(0, len(one), BLOCK)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _apart_of_parts(
    made: np.ndarray,
    pixels: np.ndarray,
    vectors: tuple[np.ndarray, np.ndarray],
    asked: np.ndarray,
) -> np.ndarray:
    """Bits to the nearest part of the real photos that are nearest by the encoder, mirrored or not, of those `asked`.

    Only those few are compared: parts of all photos would fill the memory. 64 for the others.
    """
    found, (given, real) = np.full(len(made), 64, dtype=np.int64), vectors
    for row in np.flatnonzero(asked):
        close = np.argsort(-(real @ _unit(given[row : row + 1])[0]), kind="stable")[:CLOSE]
        both = np.concatenate([pixels[close], pixels[close][:, :, ::-1]])
        own = hashes(made[row : row + 1])
        found[row] = bits_apart(own, windows(both).reshape(-1, 64)).min()
    return found


def _nearest(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The highest cosine of each to any of the others: float32 [one], of unit vectors."""
    parts = [(one[i : i + BLOCK] @ others.T).max(axis=1) for i in range(0, len(one), BLOCK)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _own(shop: Shop, train: Shop) -> np.ndarray:
    """Whether a picture is of an item that the training part has, and so says whose it is: bool [pictures]."""
    known = train.scan("items").select("item_id").unique().collect()["item_id"]
    ids = shop.scan("images").select("item_id", "origin").collect()
    return (ids["item_id"].is_in(known.implode()) & (ids["origin"] != "real")).to_numpy()
