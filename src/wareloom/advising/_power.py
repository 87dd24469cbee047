"""How small an effect so few shoppers could show, before anything is synthesised: by two rankers that differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.advising._data import Worked, parted
from wareloom.advising._look import Look
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.evaluation.ranking import evaluate
from wareloom.stats.power import detectable, requests_needed, spread

METRIC = "ndcg@10"
BLIND = 0.5
"""Lift below which nothing can be told where shoppers are too few"""
WANTED = 0.05
"""Lift that shoppers should be enough for"""
FEW_ITEMS = 3_000
"""Items up to which a ranker that reads their texts is quick"""
FEWEST = 30
"""Requests below which no spread is believed"""


def power_of(worked: Worked, look: Look, run: Run) -> dict[str, Any]:
    """Say what lift could be told on the part that choosing is done on: requests, detectable_lift, needed, too_few.

    The spread is that of the difference between a quick ranker and `popularity`, which is larger than that between a
    ranker with and without synthetic rows: so that "enough" is not said too early.
    """
    found = parted(worked.before, worked.split, worked.ties, run)
    if found is None:
        return {
            "requests": 0,
            "detectable_lift": None,
            "needed": None,
            "too_few": True,
            "base": 0.0,
        }
    parts, task = found
    values = []
    reads = look.has["texts"] and look.rows["items"] <= FEW_ITEMS
    for name in ("popularity", "transitions", *(("text_knn",) if reads else ())):
        model = RANKERS.make(name).fit(parts.train, run)
        values.append(evaluate(model, task, (METRIC,), run).per_request[f"{METRIC}/all"])
    best = max(values[1:], key=lambda each: float(np.nanmean(each)))
    base = float(max(np.nanmean(values[0]), np.nanmean(best)))
    of = spread((best - values[0])[:, None])
    least = detectable(of) / base if base else None
    needed = requests_needed(WANTED * base, of) if base and of.user > 0 else None
    few = of.requests < FEWEST or least is None or least > BLIND
    return {
        "requests": of.requests,
        "detectable_lift": least,
        "needed": needed,
        "wanted": WANTED,
        "too_few": few,
        "base": base,
    }
