"""What the public columns of items say: nearest texts, brands, categories. Nothing of the log is looked at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.language.embedders import LEAN
from wareloom.rankers.content.nearest import nearest
from wareloom.shop import Shop
from wareloom.shop.categories import path_codes
from wareloom.shop.texts import FIELDS, item_texts

MOST_CATEGORIES = 64
"""Categories between which steps are counted: each pair of them is a cell with noise."""
RANKS = np.array([0, 1, 2, 4, 8, 16, 32, 64])
"""First place among an item's nearest texts, from 0, of each class of ranks"""
ALIKE = 4
"""Classes of a neighbour: whether it has the same brand (2) and the same leaf category (1)"""


class Catalogue(NamedTuple):
    """Public items as arrays."""

    neighbour: np.ndarray
    """int32 [items, neighbours], the nearest texts first, -1 behind the last"""
    cell: np.ndarray
    """int8 [items, neighbours], class of rank · ALIKE + class of brand and leaf"""
    category: np.ndarray
    """int32 [items], 0 for unknown: the deepest level with at most `MOST_CATEGORIES`"""
    leaf: np.ndarray
    """int32 [items], 0 for unknown"""
    categories: np.ndarray
    """int64 [1], how many categories there are, the unknown one included"""


def catalogue_of(items: pl.DataFrame, neighbours: int, run: Run) -> Catalogue:
    """Arrays of public items; those without text have no neighbours."""
    paths = items["category"] if "category" in items.columns else _none(items, pl.List(pl.String))
    leaf = path_codes(paths) + 1
    category = _category(paths) + 1
    near = _nearest(items, neighbours, run)
    brands = items["brand"] if "brand" in items.columns else _none(items, pl.String)
    brand = (brands.rank("dense").cast(pl.Int64) - 1).fill_null(-1).to_numpy()
    whose = np.maximum(near, 0)
    same_brand = (brand[:, None] == brand[whose]) & (brand >= 0)[:, None]
    same_leaf = (leaf[:, None] == leaf[whose]) & (leaf > 0)[:, None]
    rank = np.searchsorted(RANKS, np.arange(near.shape[1]), side="right") - 1
    cell = rank[None, :] * ALIKE + 2 * same_brand + same_leaf
    count = np.array([int(category.max(initial=0)) + 1])
    return Catalogue(near, cell.astype(np.int8), category, leaf, count)


def _category(paths: pl.Series) -> np.ndarray:
    """Codes at the deepest level that has at most `MOST_CATEGORIES`, -1 for none."""
    best = np.full(len(paths), -1, dtype=np.int32)
    for depth in range(1, 1 + int(paths.list.len().fill_null(0).to_numpy().max(initial=0))):
        codes = path_codes(paths, depth)
        if codes.max(initial=-1) >= MOST_CATEGORIES:
            break
        best = codes
    return best


def _nearest(items: pl.DataFrame, neighbours: int, run: Run) -> np.ndarray:
    """Each item's nearest items by tf-idf of the public text, best first: int32 [items, neighbours]."""
    found = np.full((len(items), neighbours), -1, dtype=np.int32)
    if not set(FIELDS) & set(items.columns):
        return found
    texts = item_texts(Shop.trusted({"items": items}), " ".join(FIELDS[:3]))
    if not any(any(c.isalnum() for c in text) for text in texts):
        return found
    embedder = EMBEDDERS.make("tfidf", **LEAN["tfidf"], ngrams=1).fit(texts, run)
    table = nearest(embedder.vectors(texts, run), neighbours)
    row = np.repeat(np.arange(len(items)), np.diff(table.indptr))
    # Equal ones go by their codes, so that the order is the same on any machine.
    order = np.lexsort((table.indices, -table.data, row))
    place = np.arange(len(row)) - table.indptr[row]
    found[row, place] = table.indices[order]
    return found


def _none(items: pl.DataFrame, kind: pl.DataType | type[pl.DataType]) -> pl.Series:
    return pl.Series([None] * len(items), dtype=kind)
