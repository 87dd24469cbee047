"""What a measure of pictures compares: training photos, other real photos, and as many synthetic ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, needed
from wareloom.preparing.picture_hashes import SIDE, hashes
from wareloom.preparing.picture_sizes import reduced, smaller
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, decode, labelled
from wareloom.shop.schema import REAL

FEWEST = 20
"""Pictures of each kind below which nothing can be said."""
MOST = 1000
"""Pictures of each kind that are drawn at most: distances between all are held"""
NOTES = {
    True: "Pictures are compared in what EfficientNet-Lite0 sees, learned on ImageNet; another encoder would see "
    "other things.",
    False: "No held-out photos: the floor is taken between two halves of those of REAL, which the synthesizer may have "
    "seen both. Held-out photos make a sharper test.",
}


@dataclass(frozen=True)
class PictureSample:
    """Some pictures."""

    vectors: np.ndarray
    """float32 [pictures, size], of length 1, what the encoder sees less the mean of the training photos"""
    classes: tuple[str | None, ...]
    """The category of each one's item"""
    marks: np.ndarray
    """bool [pictures, 2, 64], perceptual hashes, of the picture and of its mirror image"""

    def select(self, places: np.ndarray) -> PictureSample:
        """Return the sample of some pictures, in the given order."""
        classes = tuple(self.classes[place] for place in places.tolist())
        return PictureSample(self.vectors[places], classes, self.marks[places])

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True)
class PictureTrio:
    """Three samples of as many pictures, and what stands behind them."""

    real: PictureSample
    """Training photos, which the synthesizer has seen: what is compared with"""
    again: PictureSample
    """Other real photos: held-out ones where there are such; how far they are from `real` is the floor"""
    synthetic: PictureSample
    training: PictureSample
    """All training photos, but those of `again` where none were held out"""
    held_out: bool
    sizes: dict[str, int]
    """Pictures of each shop that could be read"""
    notes: list[str] = field(default_factory=list)
    """What one should know of the samples, in plain words"""

    @property
    def size(self) -> int:
        """Pictures of each sample."""
        return len(self.real)

    @cached_property
    def distances(self) -> np.ndarray:
        """Squared distances between all pictures of `real`, `again` and `synthetic`, in this order: float32."""
        both = np.concatenate([s.vectors for s in (self.real, self.again, self.synthetic)])
        length = (both.astype(np.float64) ** 2).sum(axis=1)
        found = length[:, None] + length[None, :] - 2 * (both @ both.T)
        np.fill_diagonal(found, 0.0)
        return np.maximum(found, 0.0).astype(np.float32)

    def places(self, which: int) -> np.ndarray:
        """Rows of `distances` of the first, second or third sample: int64."""
        return np.arange(which * self.size, (which + 1) * self.size)


def has_pictures(shop: Shop) -> bool:
    """Whether a shop has a picture."""
    return bool(shop.rows("images"))


def pictures_apart(real: Shop, synthetic: Shop, *, alone: bool) -> bool:
    """Whether there are pictures to compare: made ones, another shop's photos, or any where pictures stand `alone`.

    A shop whose photos all stand in the real one, as a sample of shoppers' does, has none.
    """
    if not has_pictures(real) or not has_pictures(synthetic):
        return False
    images = synthetic.scan("images")
    if alone or images.select((pl.col("origin") != REAL).any()).collect().item():
        return True
    marks = [
        one.select(pl.col("image").hash()).collect()["image"]
        for one in (images, real.scan("images"))
    ]
    return not bool(marks[0].is_in(marks[1].implode()).all())


def gathered_pictures(
    real: Shop, synthetic: Shop, holdout: Shop | None, run: Run, most: int = MOST
) -> PictureTrio:
    """Look at the pictures of the shops and draw the samples by the run's seed.

    Of SYNTH those count that were made, where there are any. Where these are much smaller than real ones, as networks
    make them, real ones are brought to their size first: an encoder sees a small picture as something else, and a copy
    of 32 pixels is near the photo that was made as small. Raises `InputError` where there are fewer than `FEWEST` of
    a kind, `MissingExtraError` without the encoder.
    """
    made, notes = _own(synthetic, made=True), [NOTES[True]]
    shops = [_own(shop, made=False) for shop in (real, holdout) if shop and has_pictures(shop)]
    if side := smaller(made, shops[0]):
        shops = [reduced(shop, side) for shop in shops]
        notes.append(f"Real photos were brought to {side} pixels, as SYNTH's are, to be compared.")
    whole, *rest = (_looked(shop, run) for shop in shops)
    fake, held = _looked(made, run), rest[0] if rest else None
    size = min(len(fake), min(len(whole), len(held)) if held else len(whole) // 2, most)
    sizes = {"real": len(whole), "synthetic": len(fake)}
    sizes |= {"holdout": len(held)} if held else {}
    if size < FEWEST:
        told = ", ".join(f"{number:,} {name}" for name, number in sizes.items())
        raise InputError(
            f"A comparison takes {FEWEST} pictures of a kind or more, and without a holdout twice as many real ones. "
            f"There are {told}."
        )
    order = run.rng("compare", "real pictures").permutation(len(whole))
    if held:
        again = held.select(run.rng("compare", "held pictures").permutation(len(held))[:size])
        training = whole
    else:
        again, training = (
            whole.select(order[size : 2 * size]),
            whole.select(np.delete(order, np.s_[size : 2 * size])),
        )
    drawn = run.rng("compare", "synthetic pictures").permutation(len(fake))[:size]
    mean = training.vectors.mean(axis=0)
    return PictureTrio(
        real=_centred(whole.select(order[:size]), mean),
        again=_centred(again, mean),
        synthetic=_centred(fake.select(drawn), mean),
        training=_centred(training, mean),
        held_out=held is not None,
        sizes=sizes,
        notes=[*notes, *([] if held else [NOTES[False]])],
    )


def _centred(sample: PictureSample, mean: np.ndarray) -> PictureSample:
    """The sample with its vectors less `mean`, of length 1."""
    moved = sample.vectors - mean
    length = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return PictureSample((moved / length).astype(np.float32), sample.classes, sample.marks)


def _own(shop: Shop, *, made: bool) -> Shop:
    """The shop with its real pictures, or those that were `made`, where there are any."""
    origin = shop.scan("images").select("origin").collect()["origin"]
    own = (origin != REAL if made else origin == REAL).to_numpy()
    if own.any() and not own.all():
        return shop.with_tables(images=shop.table("images").filter(pl.Series(own)))
    return shop


def _looked(shop: Shop, run: Run) -> PictureSample:
    """What the encoder sees of a shop's pictures."""
    needed("torch", "pictures", "Comparing pictures")
    from wareloom.neural.vision import picture_vectors

    places, vectors = picture_vectors(shop, run)
    classes = labelled(shop).collect()["class"].gather(places).to_list()
    small = np.zeros((len(places), SIDE, SIDE, 3), dtype=np.uint8)
    for row, pixels in enumerate(_small(shop)):
        small[row] = pixels
    marks = np.stack([hashes(small), hashes(small[:, :, ::-1])], axis=1)
    return PictureSample(vectors, tuple(classes), marks)


def _small(shop: Shop) -> Iterator[np.ndarray]:
    """Those pictures that can be decoded, small."""
    for data in shop.table("images")["image"]:
        try:
            yield decode(data, SIDE)
        except PictureError:
            continue
