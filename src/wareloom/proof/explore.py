"""What is asked beyond the verdict: lift by share of real data and by ratio, and by the members of the generator."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wareloom.evaluation.ranking import Evaluation
from wareloom.proof.arms import MIXED, REAL
from wareloom.proof.bench import Bench, Cell
from wareloom.proof.table import contrast
from wareloom.stats.correction import adjust

Rows = list[dict[str, Any]]


def explore(of: Bench, ratio: float) -> dict[str, Rows]:
    """Do what the settings ask for, on the deciding metric; p-values are Holm's within each of the three."""
    settings, found = of.settings, {}
    if settings.curve:
        found["shares"] = by_share(of, ratio)
    if settings.lift_by_ratio:
        found["ratios"] = by_ratio(of)
    if settings.leave_out:
        found["members"] = by_member(of, ratio)
    for rows in found.values():
        adjust(rows)
    return found


def by_share(of: Bench, ratio: float) -> Rows:
    """Lift over real data alone with a share of the training users, judged on the whole test part.

    Users are drawn anew with each seed; those of a smaller share are among those of a larger one. Generator and ranker
    see the share alone, and both arms take the updates that the real one takes on it.
    """
    rows = []
    for share in of.settings.curve:
        ours, theirs = _seeds(of, MIXED, ratio=ratio, share=share), _seeds(of, REAL, share=share)
        events = float(np.mean([found.training["events"] for found in theirs]))
        rows.append(
            {"share": share, "events": events, **_contrast(of, ours, theirs, "shares", share)}
        )
    return rows


def by_ratio(of: Bench) -> Rows:
    """Lift over real data alone at every ratio, with all seeds, on the validation part.

    The test part is not asked: the ratio could then be chosen anew by what it says, and it would be no test any more.
    The lift at the ratio that was chosen is the best of several here and flatters; the test's figure does not.
    """
    rows = []
    for ratio in sorted(of.settings.ratios):
        theirs = _seeds(of, REAL, part="validation")
        ours = _seeds(of, MIXED, part="validation", ratio=ratio)
        rows.append(
            {"ratio": ratio, "part": "validation", **_contrast(of, ours, theirs, "ratios", ratio)}
        )
    return rows


def by_member(of: Bench, ratio: float) -> Rows:
    """What each member adds: the lift of all less the lift of the others, who fill its place.

    The amount of synthetic data stays the same, so that what is measured is whose rows they are and not how many.
    """
    rows = []
    real, every = _seeds(of, REAL), _seeds(of, MIXED, ratio=ratio)
    name = f"{of.settings.metrics[0]}/all"
    base = float(np.mean([np.nanmean(found.per_request[name]) for found in real]))
    for member in of.settings.generator.named():
        others = _seeds(of, MIXED, ratio=ratio, without=member)
        row = _contrast(of, every, others, "members", member, base=base)
        rows.append(
            {
                "without": member,
                "lift_without": (row["against_mean"] - base) / base if base else None,
                **row,
            }
        )
    return rows


def _seeds(of: Bench, arm: str, *, part: str = "test", **cell: Any) -> list[Evaluation]:
    asked = [Cell(arm=arm, seed=seed, **cell) for seed in range(of.settings.seeds)]
    of.cells.ahead([partial(of.evaluate, each, part) for each in asked])
    return [of.evaluate(each, part) for each in asked]


def _contrast(
    of: Bench,
    ours: list[Evaluation],
    theirs: list[Evaluation],
    kind: str,
    which: float | str,
    base: float | None = None,
) -> dict[str, Any]:
    rng = of.run.rng("bootstrap", "explore", kind, which)
    return contrast(ours, theirs, f"{of.settings.metrics[0]}/all", rng, base)
