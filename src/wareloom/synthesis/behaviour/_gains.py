"""What each generator is worth in each slice of the items, on held-back events, and the weights that follow."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.rankers.held import FEWEST

ALL = "all"
"""The slice of all items together"""
Weights = dict[str, dict[str, float]]
"""By member and slice; those of a slice add up to 1"""


def gains(
    alone: np.ndarray, joined: dict[str, np.ndarray], slices: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Mean measure with real data alone and with each member's beside it, by slice.

    `alone` and each of `joined` are float64 [held-back events], `slices` bool [held-back events]. The error of a gain
    is that of the mean of paired differences; it does not count that another sample of the member would differ.
    """
    found: dict[str, Any] = {}
    for name, rows in {ALL: np.ones(len(alone), dtype=bool), **slices}.items():
        events, members = int(rows.sum()), {}
        for member, values in joined.items():
            by = (values - alone)[rows]
            members[member] = {
                "measure": float(values[rows].mean()) if events else None,
                "gain": float(by.mean()) if events else None,
                "error": float(by.std(ddof=1) / np.sqrt(events)) if events > 1 else None,
            }
        found[name] = {
            "events": events,
            "real": float(alone[rows].mean()) if events else None,
            "members": members,
        }
    return found


def weigh(found: dict[str, Any], slices: tuple[str, ...]) -> tuple[Weights, list[str]]:
    """Turn gains into weights by member and slice, and say in words where they rest on little.

    A member weighs what its gain exceeds its standard error by. A slice of few events takes what all items together
    say. Where no member gains so, the best by mean has the slice.
    """
    members = list(found[ALL]["members"])
    weights: Weights = {member: {} for member in members}
    notes = []
    for name in slices:
        source = name
        if found[name]["events"] < FEWEST:
            source = ALL
            notes.append(
                f"{name}: {found[name]['events']} held-back events are too few; weighed by all items together"
            )
        rows = found[source]["members"]
        gain = np.array([rows[member]["gain"] for member in members])
        sure = np.maximum(gain - np.array([rows[member]["error"] for member in members]), 0.0)
        if not sure.any():
            best = int(gain.argmax())
            sure[best] = 1.0
            notes.append(
                f"{name}: no member gains more than one standard error over real data alone; all of it goes to "
                f"{members[best]}, the best by mean ({gain[best]:+.4f})"
            )
        for member, value in zip(members, sure / sure.sum(), strict=True):
            weights[member][name] = float(value)
    return weights, notes


def even(members: list[str], slices: tuple[str, ...]) -> Weights:
    """The same weight for each member in every slice."""
    return {member: dict.fromkeys(slices, 1.0 / len(members)) for member in members}


def given(
    asked: dict[str, float | dict[str, float]], members: list[str], slices: tuple[str, ...]
) -> Weights:
    """Weights as they were asked for, made to add up to 1; alike for all in a slice where none of `members` has any."""
    found: Weights = {}
    for member in members:
        value = asked.get(member, 0.0)
        found[member] = {
            s: float(value.get(s, 0.0) if isinstance(value, dict) else value) for s in slices
        }
    for name in slices:
        whole = sum(found[member][name] for member in members)
        for member in members:
            found[member][name] = found[member][name] / whole if whole > 0 else 1.0 / len(members)
    return found
