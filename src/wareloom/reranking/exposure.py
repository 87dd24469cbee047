"""Exposure: a least share of the attention for groups of items, at the least loss of relevance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from wareloom.core.settings import NonNegative
from wareloom.errors import InputError, near, require
from wareloom.reranking import Lists, Reranker
from wareloom.reranking.catalogue import Catalogue

STEPS = 30
"""Halvings of the bonus: it is found to a billionth of the range of scores."""
ENOUGH = 1e-9
"""What may be missing of a share, for the sake of rounding."""


@dataclass(kw_only=True, eq=False)
class Exposure(Reranker):
    """Give each group the smallest bonus on its items' scores that brings it its least share of exposure.

    Place r is looked at 1 / log₂(1 + r); a group's share is its places' part of all k. Scores are brought to [0, 1]
    within each list. Ordering by score + bonus is the best order, by the sum of attention × score, of all that give the
    group as much exposure: the Lagrange dual of the linear programme of Singh and Joachims (2018), so that no order is
    drawn at random. A bonus for each list, or one for all lists together, of which the mean then has the share.
    Several groups get theirs in turns. Where the candidates have too few items of a group, it gets what there is.
    """

    faithful: ClassVar[Mapping[str, Any]] = {"shares": {"new": 0.0}}
    moving: ClassVar[Mapping[str, Any]] = {"shares": {"category:Arc 2": 0.3}}

    whole: ClassVar[bool] = True

    shares: dict[str, float] = field(default_factory=lambda: {"new": 0.1})
    """Least share by group: "new", or "brand:NAME" or "category:NAME" (NAME anywhere in the path)."""
    new: NonNegative = 5.0
    """Items of at most this weight of events are new."""
    over: Literal["list", "all"] = "list"
    """Whether each list keeps to the shares, or their mean."""

    def _check(self) -> None:
        require("exposure", "shares", self.shares, len(self.shares) > 0, "one group or more")
        for group, share in self.shares.items():
            kind, colon, name = group.partition(":")
            good = group == "new" or (kind in ("brand", "category") and bool(colon and name))
            wanted = "groups such as new, brand:NAME or category:NAME"
            require("exposure", "shares", group, good, wanted)
            require("exposure", f"shares[{group!r}]", share, 0 <= share <= 1, "a share from 0 to 1")
        fits = sum(self.shares.values()) <= 1 + ENOUGH
        require("exposure", "shares", self.shares, fits, "shares that add up to 1 at most")

    def _rerank(self, lists: Lists, catalogue: Catalogue, k: int) -> np.ndarray:
        here = lists.item >= 0
        score = np.where(here, lists.relevance(), -np.inf)
        held = [
            here & members(group, catalogue, self.new)[np.maximum(lists.item, 0)]
            for group in self.shares
        ]
        bonus = np.zeros((len(held), len(lists), 1))
        for _ in range(1 if len(held) == 1 else 4 * len(held)):
            for g, (own, least) in enumerate(zip(held, self.shares.values(), strict=True)):
                others = score + sum(bonus[o] * held[o] for o in range(len(held)) if o != g)
                bonus[g] = np.maximum(bonus[g], self._smallest(others, own, least, k))
        order = _order(score + (bonus * np.stack(held)).sum(axis=0), k)
        return np.where(np.take_along_axis(here, order, axis=1), order, -1)

    def _smallest(self, score: np.ndarray, own: np.ndarray, least: float, k: int) -> np.ndarray:
        """Return the smallest bonus with which the group has its share, float64 [lists, 1]; the highest where none."""
        spread = np.where(np.isfinite(score), score, 0.0)
        low = np.zeros((len(score), 1))
        high = low + (spread.max() - spread.min() + 1.0)
        enough = self._reached(score, own, low, least, k)
        for _ in range(STEPS + int(np.ceil(np.log2(high.max())))):
            middle = (low + high) / 2
            met = self._reached(score, own, middle, least, k)
            low, high = np.where(met, low, middle), np.where(met, middle, high)
        return np.where(enough, 0.0, high)

    def _reached(
        self, score: np.ndarray, own: np.ndarray, bonus: np.ndarray, least: float, k: int
    ) -> np.ndarray:
        order = _order(np.where(own, score + bonus, score), k)
        share = exposed(
            np.take_along_axis(own, order, axis=1),
            np.isfinite(np.take_along_axis(score, order, axis=1)),
        )
        if self.over == "all":
            share = np.full(share.shape, share.mean())
        met: np.ndarray = (share >= least - ENOUGH)[:, None]
        return met


def exposed(own: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Share of the exposure of each list that falls on `own` places: float64 [lists]."""
    looks = 1.0 / np.log2(2.0 + np.arange(own.shape[1]))
    share: np.ndarray = (own * looks).sum(axis=1) / np.maximum((here * looks).sum(axis=1), 1e-300)
    return share


def members(group: str, catalogue: Catalogue, new: float) -> np.ndarray:
    """Which items are of the group, bool [items]; `InputError` where the shop knows no such brand or category."""
    if group == "new":
        return catalogue.counts <= new
    kind, _, name = group.partition(":")
    items = catalogue.shop.table("items")
    found, known = np.zeros(len(items), dtype=bool), pl.Series(dtype=pl.String)
    if kind in items.columns:
        is_it = (
            pl.col("brand") == name if kind == "brand" else pl.col("category").list.contains(name)
        )
        found = items.select(is_it.fill_null(False)).to_series().to_numpy()
        known = (
            (items["brand"] if kind == "brand" else items["category"].explode())
            .drop_nulls()
            .unique()
        )
    if not found.any():
        raise InputError(
            f"exposure: no item of the shop has the {kind} {name!r}.{near(name, known.to_list())}"
        )
    return found


def _order(score: np.ndarray, k: int) -> np.ndarray:
    """Places of the k highest of each row, equal ones as they stand: int64 [lists, k]."""
    return np.argsort(-score, axis=1, kind="stable")[:, :k]
