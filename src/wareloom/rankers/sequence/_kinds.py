"""Kinds of event: how much each counts as something to predict."""

from __future__ import annotations

import math

import numpy as np

from wareloom.errors import SettingError, near
from wareloom.shop.schema import EVENTS, INTERACTIONS

CODES = len(EVENTS) + 1
"""Codes of kinds, 0 for none"""


def kind_weights(ranker: str, events: str) -> np.ndarray | None:
    """Read "view_item=0.2 purchase=1" as float32 [kinds], 0 for those not named; None where it is empty.

    Raises `SettingError` for an unknown kind, one named twice, a weight that is none, or where all are 0.
    """
    if not events.strip():
        return None
    found: dict[str, float] = {}
    for word in events.replace(",", " ").split():
        name, _, value = word.partition("=")
        if name not in INTERACTIONS:
            raise SettingError(
                f"{ranker}: events is {events!r}, but {name!r} is no kind of event that chooses an item."
                f"{near(name, INTERACTIONS)} Name some of {', '.join(INTERACTIONS)}, as in 'view_item=0.2 purchase=1'."
            )
        if name in found:
            raise SettingError(f"{ranker}: events is {events!r}, which names {name} twice.")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if not (math.isfinite(found[name]) and found[name] >= 0):
            raise SettingError(
                f"{ranker}: events is {events!r}, but {word!r} lacks a weight: give 0 or more, as {name}=1."
            )
    if not any(found.values()):
        raise SettingError(f"{ranker}: events is {events!r}; give at least one kind a weight above 0.")
    return np.array([found.get(name, 0.0) for name in EVENTS], dtype=np.float32)
