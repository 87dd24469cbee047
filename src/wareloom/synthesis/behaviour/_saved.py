"""What was saved of outlines under the names that their arrays had once."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._dates import UNKNOWN
from wareloom.synthesis.behaviour._outline import ANY, UNPRICED

OLD = (
    (r"shelves_(shelf|aisle|band)_$", {"shelf": "category", "aisle": "parent", "band": "bucket"}),
    (r"shelves_(shelves|next_shelf)_", {"shelves": "categories", "next_shelf": "next_category"}),
    (
        r"outline_(same|shelf|aisle|band|after)_$",
        {
            "same": "same_item",
            "shelf": "same_category",
            "aisle": "parent",
            "band": "bucket",
            "after": "predecessors",
        },
    ),
)
"""Patterns of old names, and what a part of each is called now"""


def with_new_names(values: dict[str, Any]) -> dict[str, Any]:
    """Return what was saved, by the names of today; what has these stays as it is."""
    named = {_new_name(name): value for name, value in values.items()}
    return _unknown(named) | named if "outline_offsets_" in named else named


def _unknown(values: dict[str, Any]) -> dict[str, Any]:
    """What outlines once did not keep, as unknown: brands, prices and dates."""
    items, events = len(values["candidates_category_"]), len(values["outline_bucket_"])
    rows = len(values["candidates_items_indptr_"])
    none = np.zeros(0, np.int32)
    dates = {"start": np.zeros(rows, np.int64), "time": np.zeros(0, np.int64), "item": none}
    dates |= {name: np.full(items, NO_TIME) for name in ("first", "last", "middle")}
    parents = int(values["candidates_parent_"].max()) + 2
    brands = {"of": np.zeros(items, np.int32), "start": np.zeros(parents, np.int64)}
    brands |= {"brand": none, "category": none, "item": none, "ends": np.zeros(1)}
    brands |= {name: np.ones(items, np.int32) for name in ("below", "within")}
    return {
        "candidates_price_": np.full(items, UNPRICED, np.int8),
        **{f"candidates_dates_{name}_": value for name, value in dates.items()},
        **{f"candidates_brands_{name}_": value for name, value in brands.items()},
        "outline_same_brand_": np.full(events, ANY, np.int32),
        "outline_brand_below_": np.ones(events, np.int16),
        "outline_brand_within_": np.ones(events, np.int16),
        "outline_price_": np.full(events, UNPRICED, np.int8),
        "outline_where_": np.full(events, UNKNOWN, np.int8),
        "outline_apart_": np.zeros(events, np.int64),
        "outline_middle_": np.zeros(events, np.int64),
    }


def _new_name(name: str) -> str:
    for pattern, new in OLD:
        if found := re.match(pattern, name):
            name = f"{name[: found.start(1)]}{new[found[1]]}{name[found.end(1) :]}"
            break
    return f"candidates_{name.removeprefix('shelves_')}" if name.startswith("shelves_") else name
