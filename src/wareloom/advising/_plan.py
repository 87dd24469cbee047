"""The plan: which stages there are, how many of the minutes each may take, and how much memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.advising._candidates import DENSE, KEPT, generators, rankers
from wareloom.advising._data import Worked
from wareloom.advising._halving import LONG, ladder
from wareloom.advising._look import Look
from wareloom.core.memory import GIB

SHARES = {"rankers": 0.3, "generators": 0.2, "proof": 0.38, "bundle": 0.08, "attacks": 0.04}
"""Shares of the seconds that are left after the look"""
LONGER = {"rankers": 0.45, "generators": 0.13, "proof": 0.27, "bundle": 0.11, "attacks": 0.04}
"""The same where networks are tried"""
AN_EVENT, BASE = 700, 0.45
"""Bytes that an event takes while a ranker learns from it, at most; GiB that the libraries take"""
TABLES = 2
"""Tables of items × items that EASE and an ensemble hold at a time, at most"""


def plan_of(worked: Worked, look: Look, seconds: float) -> dict[str, Any]:
    """Return the stages with the seconds each may take, and the memory in GiB that is reckoned with.

    What a stage does not use, those after it may.
    """
    rows, items = worked.before.rows("events"), worked.shop.rows("items")
    tried = [c for c in rankers(look, seconds) if not c.slow or seconds >= LONG]
    named = [c.label for c in tried if not c.network]
    networks = " and ".join(c.label for c in tried if c.network)
    rungs = [f"{share * rows:,.0f}" for share in ladder(rows)]
    does = {
        "rankers": f"{', '.join(named)} on {', then '.join(rungs)} events; then ensembles of them"
        + (f"; then {networks} beside them, with as many epochs as fit" if networks else ""),
        "generators": ", ".join(one.label for one in generators(look, seconds)),
        "proof": "the best of each, on the test part, which is read here alone",
        "bundle": "the best system, learned from all but the test part",
        "attacks": "what a sample of the generator tells of the users it was made from",
    }
    stages = [
        {"stage": name, "seconds": round(share * seconds, 1), "does": does[name]}
        for name, share in (LONGER if networks else SHARES).items()
    ]
    tables = TABLES * 4 * (items if items <= DENSE else KEPT) ** 2
    memory = BASE + (AN_EVENT * rows + tables) / GIB
    return {"stages": stages, "memory_gib": round(memory, 2), "seconds": round(seconds, 1)}


def seconds_of(plan: Mapping[str, Any], stage: str) -> float:
    """How many seconds a stage may take."""
    return float(next(one["seconds"] for one in plan["stages"] if one["stage"] == stage))
