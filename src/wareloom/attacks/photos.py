"""What pictures tell of the photos that they were learned from: near copies, and a neighbour that is too near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from wareloom.attacks.cases import FEWEST, PARTS
from wareloom.attacks.combining import combined
from wareloom.attacks.people import SAME
from wareloom.attacks.report import AttackReport, Outcome, outcome
from wareloom.core.run import Run
from wareloom.errors import InputError, needed
from wareloom.preparing.picture_hashes import SIDE, bits_apart, hashes
from wareloom.preparing.picture_sizes import reduced, smaller
from wareloom.shop import Shop
from wareloom.shop.pictures import batches
from wareloom.shop.schema import REAL

BITS = 4
"""Bits of 64 in which the hashes of a copy differ, at most"""
BLOCK = 1024
"""Photos that are compared with all others at once"""
NAMES = ("near_copies", "nearest_photo")
"""The attacks on pictures"""
DONE = ("events", "searches", "judgments", "dialogues")


@dataclass(frozen=True)
class Photos:
    """Some photos as an attacker sees them."""

    vectors: np.ndarray
    """float32 [photos, size], of length 1: what the encoder sees, less the mean of SYNTH"""
    marks: np.ndarray
    """bool [photos, 2, 64]: hashes of the photo and of its mirror image"""
    plain: np.ndarray
    """float64 [photos, 5]: light, contrast, warmth, sharpness and the light of the middle"""

    def __len__(self) -> int:
        return len(self.vectors)

    def select(self, rows: np.ndarray) -> Photos:
        """Return some of them, in the given order."""
        return Photos(self.vectors[rows], self.marks[rows], self.plain[rows])


def photos_alone(real: Shop, synth: Shop, holdout: Shop) -> bool:
    """Whether pictures are all that SYNTH has of what a generator learns from, and all sides have some."""
    sides = (real, synth, holdout)
    return all(s.rows("images") for s in sides) and not any(synth.rows(name) for name in DONE)


def photos_beside(real: Shop, synth: Shop, holdout: Shop) -> bool:
    """Whether SYNTH has pictures that were made, and the other sides have photos."""
    if not all(shop.rows("images") for shop in (real, synth, holdout)):
        return False
    made = synth.scan("images").select((pl.col("origin") != REAL).any()).collect().item()
    return bool(made)


def attack_photos(real: Shop, synth: Shop, holdout: Shop, run: Run) -> AttackReport:
    """Tell photos of REAL from photos of the holdout by the pictures of SYNTH alone; a target is a photo.

    `near_copies`: how many bits the hash of the nearest picture is away, less than that of the nearest other photo.
    Beside it stand the shares of members and of others with a near copy: four bits or fewer, nearer than other photos.
    `nearest_photo`: how much nearer a picture of SYNTH is than other photos are, by what EfficientNet-Lite0 sees. Of an
    item one photo is a target, so that targets are independent; all members and all others are, so that a few copies
    among many photos are seen. Figures and intervals are those of attacks on people.
    Real photos are made as small as the pictures first. Raises `InputError` for fewer than `FEWEST` photos of either
    sort, or a holdout that has photos of REAL; `MissingExtraError` without the encoder.
    """
    needed("torch", "pictures", "Attacking pictures")
    notes = _refuse_same(real, holdout)
    if side := smaller(synth, real):
        real, holdout = reduced(real, side), reduced(holdout, side)
        notes.append(f"Real photos were brought to {side} pixels, as SYNTH's are, to be compared.")
    with run.limits(), run.task("photos"):
        members, fake, held = _seen((real, synth, holdout), run)
    first = [_one_an_item(shop, run, name) for shop, name in ((real, "m"), (holdout, "o"))]
    if min(map(len, first)) < FEWEST:
        raise InputError(
            f"An attack on pictures takes photos of {FEWEST} items and of {FEWEST} others or more; REAL has "
            f"{len(first[0]):,}, the holdout {len(first[1]):,}. Hold out more photos (wareloom split SHOP)."
        )
    items = _items(holdout).rank("dense").to_numpy()
    scores: list[list[np.ndarray]] = [[], [], []]
    truth, found = list[np.ndarray](), list[np.ndarray]()
    for part in range(PARTS):
        inside, outside = (rows[part::PARTS] for rows in first)
        targets = joined(members.select(inside), held.select(outside))
        mine = np.arange(len(targets)) < len(inside)
        # Further photos of an item that is a target would be near it: members have none such.
        others = held.select(np.flatnonzero(~np.isin(items, items[outside])))
        near, bits = nearest(targets, fake)
        usual, apart = nearest(targets, others)
        copied = (bits <= BITS) & (bits < apart)
        for own, values in zip(scores, (apart - bits, near - usual, targets.plain), strict=True):
            own.append(np.asarray(values, dtype=np.float64).reshape(len(targets), -1))
        truth.append(mine)
        found.append(copied)
    copies = np.concatenate(found)
    whose = np.concatenate(truth)
    told = [int(copies[whose].sum()), int(copies[~whose].sum())]
    about = _shares(told, int(whose.sum()), int((~whose).sum()))
    outcomes = [
        _judged(name, own, truth, about if name == "near_copies" else {})
        for name, own in zip(NAMES, scores[:2], strict=True)
    ]
    blind = _judged("blind", scores[2], truth, {}, evidence=False)
    users = {"real": len(members), "holdout": len(held), "synthetic": len(fake)}
    users |= {"members": len(first[0]), "others": len(first[1])}
    return AttackReport.of(outcomes, {}, blind, users=users, seed=run.seed, notes=tuple(notes))


def _judged(
    name: str,
    scores: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    about: dict[str, float],
    *,
    evidence: bool = True,
) -> Outcome:
    """What scores tell; each photo has a length of one."""
    ones = [np.ones(len(one), dtype=np.int64) for one in truth]
    return outcome(name, combined(scores, truth), truth, ones, evidence=evidence, about=about)


def _shares(copied: list[int], members: int, others: int) -> dict[str, float]:
    """Shares of members and others with a near copy in SYNTH, with exact intervals (Clopper and Pearson 1934)."""
    found: dict[str, float] = {}
    for name, hits, number in zip(("members", "others"), copied, (members, others), strict=True):
        ends = stats.binomtest(hits, number).proportion_ci(0.95)
        found[f"{name} with a near copy"] = hits / number
        found[f"{name} with a near copy, low"] = float(ends.low)
        found[f"{name} with a near copy, high"] = float(ends.high)
    return found


def _one_an_item(shop: Shop, run: Run, name: str) -> np.ndarray:
    """Places, among the photos that can be read, of one photo of each item, in random order: int64."""
    items = _items(shop)
    order = run.rng("attack", "photos", name).permutation(len(items))
    frame = pl.DataFrame({"item": items.gather(order), "row": order})
    return (
        frame.unique("item", keep="first", maintain_order=True)["row"].to_numpy().astype(np.int64)
    )


def _items(shop: Shop) -> pl.Series:
    """The item of each photo that can be read."""
    places = [places for places, _ in batches(shop, SIDE)]
    items = shop.scan("images").select("item_id").collect()["item_id"]
    return items.gather(np.concatenate(places)) if places else items.clear()


def _refuse_same(real: Shop, holdout: Shop) -> list[str]:
    """Raise `InputError` where photos of the holdout are photos of REAL; say where a few are."""
    files = [shop.scan("images").select("image").collect()["image"] for shop in (real, holdout)]
    same = files[1].is_in(files[0].implode())
    if same.sum() > SAME * len(same):
        raise InputError(
            f"{same.sum():,} of {len(same):,} photos of the holdout are photos of REAL, byte for byte: nobody could "
            "tell them from members. Hold out other photos (wareloom split SHOP), and fit the generator on the rest."
        )
    return [f"{same.sum():,} photos of the holdout are photos of REAL, too."] if same.any() else []


def _seen(shops: Sequence[Shop], run: Run) -> list[Photos]:
    """The photos of REAL, SYNTH and the holdout that can be read."""
    from wareloom.neural.vision import picture_vectors

    vectors = [picture_vectors(shop, run)[1] for shop in shops]
    # By SYNTH, which stands to members and others alike: the mean of either would favour it.
    mean, spread = vectors[1].mean(axis=0), vectors[1].std(axis=0) + np.float32(1e-3)
    found = []
    for shop, own in zip(shops, vectors, strict=True):
        moved = (own - mean) / spread
        length = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
        small = np.concatenate(
            [np.zeros((0, SIDE, SIDE, 3), np.uint8)] + [p for _, p in batches(shop, SIDE)]
        )
        marks = np.stack([hashes(small), hashes(small[:, :, ::-1])], axis=1)
        found.append(Photos((moved / length).astype(np.float32), marks, _plain(small)))
    return found


def _plain(small: np.ndarray) -> np.ndarray:
    """What a small picture says without a look at others: float64 [photos, 5]."""
    x = small.astype(np.float32)
    light = x.mean(axis=3)
    warm = (x[..., 0] - x[..., 2]).mean(axis=(1, 2))
    sharp = np.abs(np.diff(light, axis=2)).mean(axis=(1, 2))
    middle = light[:, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4].mean(axis=(1, 2))
    told = [light.mean(axis=(1, 2)), light.std(axis=(1, 2)), warm, sharp, middle]
    return np.stack(told, axis=1).astype(np.float64)


def joined(one: Photos, other: Photos) -> Photos:
    """The photos of both, one after the other."""
    both = [
        np.concatenate([getattr(one, name), getattr(other, name)])
        for name in ("vectors", "marks", "plain")
    ]
    return Photos(*both)


def nearest(photos: Photos, among: Photos) -> tuple[np.ndarray, np.ndarray]:
    """The highest cosine and the fewest bits to any of `among`, mirrored or not: float32 and int64 [photos]."""
    marks = among.marks.reshape(-1, among.marks.shape[-1])
    cosine, bits = list[np.ndarray](), list[np.ndarray]()
    for start in range(0, len(photos), BLOCK):
        part = slice(start, start + BLOCK)
        cosine.append((photos.vectors[part] @ among.vectors.T).max(axis=1))
        bits.append(bits_apart(photos.marks[part, 0], marks).min(axis=1))
    return np.concatenate(cosine), np.concatenate(bits)
