"""Kinds of event: how much each counts as something to predict."""

from __future__ import annotations

import numpy as np

from wareloom.errors import SettingError
from wareloom.rankers.named import named_weights
from wareloom.shop.schema import EVENTS, INTERACTIONS

CODES = len(EVENTS) + 1
"""Codes of kinds, 0 for none"""


def kind_weights(ranker: str, events: str) -> np.ndarray | None:
    """Read "view_item=0.2 purchase=1" as float32 [kinds], 0 for those not named; None where it is empty.

    Raises `SettingError` for an unknown kind, one named twice, a weight that is none, or where all are 0.
    """
    if not events.strip():
        return None
    kind, example = "kind of event that chooses an item", "view_item=0.2 purchase=1"
    found = named_weights(f"{ranker}: events", events, INTERACTIONS, kind, example)
    if not any(found.values()):
        raise SettingError(
            f"{ranker}: events is {events!r}; give at least one kind a weight above 0."
        )
    return np.array([found.get(name, 0.0) for name in EVENTS], dtype=np.float32)
