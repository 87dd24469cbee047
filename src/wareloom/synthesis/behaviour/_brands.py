"""The brands of a shop's items, so that a user who keeps to a brand is given others of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl


class Brands(NamedTuple):
    """The items below each parent category, sorted by brand, category and item."""

    of: np.ndarray
    """int32 [items], brand of each item; those without one share one"""
    start: np.ndarray
    """int64 [parents + 1], places in the others"""
    brand: np.ndarray
    """int32 [items]"""
    category: np.ndarray
    """int32 [items]"""
    item: np.ndarray
    """int32 [items]"""
    ends: np.ndarray
    """float64 [items + 1], running sums of the items' events, from 0"""
    below: np.ndarray
    """int32 [items], how many items of its brand stand below each item's parent category"""
    within: np.ndarray
    """int32 [items], and in its category"""


def brand_codes(catalogue: pl.DataFrame) -> np.ndarray:
    """Brand of each item: int32 [items]; all 0 where the shop knows none."""
    if "brand" not in catalogue.columns:
        return np.zeros(len(catalogue), np.int32)
    codes: np.ndarray = catalogue["brand"].fill_null("").rank("dense").cast(pl.Int32).to_numpy() - 1
    return codes


def fit_brands(
    brand: np.ndarray, category: np.ndarray, parent: np.ndarray, times: np.ndarray
) -> Brands:
    """Sort the items by parent category, brand and category.

    `brand`, `category`, `times` (its events): of each item; `parent`: of each category.
    """
    above = parent[category]
    order = np.lexsort((category, brand, above))
    start = np.searchsorted(above[order], np.arange(int(parent.max()) + 2)).astype(np.int64)
    ends = np.concatenate([[0.0], np.cumsum(times[order])])
    return Brands(
        brand,
        start,
        brand[order],
        category[order],
        order.astype(np.int32),
        ends,
        _alike(brand, above),
        _alike(brand, category),
    )


def _alike(brand: np.ndarray, group: np.ndarray) -> np.ndarray:
    """How many items share brand and group with each item: int32 [items]."""
    key = brand.astype(np.int64) * (int(group.max(initial=0)) + 1) + group
    _, place, number = np.unique(key, return_inverse=True, return_counts=True)
    return number[place].astype(np.int32)
