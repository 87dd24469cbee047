"""What was saved of outlines under the names that their arrays had once."""

from __future__ import annotations

import re
from typing import Any

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
    return {_new_name(name): value for name, value in values.items()}


def _new_name(name: str) -> str:
    for pattern, new in OLD:
        if found := re.match(pattern, name):
            name = f"{name[: found.start(1)]}{new[found[1]]}{name[found.end(1) :]}"
            break
    return f"candidates_{name.removeprefix('shelves_')}" if name.startswith("shelves_") else name
