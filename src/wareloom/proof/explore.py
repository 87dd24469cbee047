"""What is asked beyond the verdict: lift by share of real data and by ratio, and by the members of the generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment.choosing import ratio_of
from wareloom.experiment.engine import Bench, Engine
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.study import Cell
from wareloom.proof.table import contrast
from wareloom.stats.correction import adjust

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Asking:
    """The cells of one order of ties, seed by seed."""

    engine: Engine
    mode: str

    @property
    def bench(self) -> Bench:
        """Where they are found."""
        return self.engine.benches[self.mode]

    @property
    def settings(self) -> Any:
        """What was asked for."""
        return self.bench.settings

    def seeds(self, arm: str, **cell: Any) -> list[Evaluation]:
        """Evaluate an arm with every seed."""
        asked = [Cell(arm=arm, seed=seed, **cell) for seed in range(self.settings.seeds)]
        self.engine.ahead(self.mode, asked, f"{arm}, tried further")
        return [self.bench.get(each) for each in asked]

    def contrast(
        self,
        arms: tuple[list[Evaluation], list[Evaluation]],
        kind: str,
        which: float | str,
        base: float | None = None,
    ) -> dict[str, Any]:
        """Compare two arms on the deciding metric; `kind` and `which` name what was asked."""
        rng = self.bench.run.rng("bootstrap", "explore", kind, which)
        return contrast(*arms, f"{self.settings.headline}/all", rng, base)


def explore(engine: Engine, mode: str, ratio: float) -> dict[str, Rows]:
    """Do what the settings ask for, on the deciding metric; p-values are Holm's within each of the four.

    Kinds of proof whose settings have none of the four are asked nothing.
    """
    of, found = Asking(engine, mode), dict[str, Rows]()
    if getattr(of.settings, "curve", ()):
        found["shares"] = by_share(of, ratio)
    if getattr(of.settings, "lift_by_ratio", False):
        found["ratios"] = by_ratio(of)
    if getattr(of.settings, "leave_out", False):
        found["members"] = by_member(of, ratio)
    if getattr(of.settings, "longer", 0.0) and of.bench.study.gradient:
        found["longer"] = by_updates(of, ratio)
    for rows in found.values():
        adjust(rows)
    return found


def by_share(of: Asking, ratio: float) -> Rows:
    """Lift over real data alone with a share of the training users, judged on the whole test part.

    Users are drawn anew with each seed; those of a smaller share are among those of a larger one. Generator and ranker
    see the share alone, and both arms take the updates that the real one takes on it.
    """
    rows = []
    for share in of.settings.curve:
        ours, theirs = of.seeds(MIXED, ratio=ratio, share=share), of.seeds(REAL, share=share)
        events = float(np.mean([found.training[of.bench.study.rows] for found in theirs]))
        rows.append(
            {"share": share, "events": events, **of.contrast((ours, theirs), "shares", share)}
        )
    return rows


def by_ratio(of: Asking) -> Rows:
    """Lift over real data alone at every ratio, with all seeds, on the validation part.

    The test part is not asked: the ratio could then be chosen anew by what it says, and it would be no test any more.
    The lift at the ratio that was chosen is the best of several here and flatters; the test's figure does not.
    """
    rows = []
    for ratio in sorted(of.settings.ratios):
        theirs = of.seeds(REAL, part="validation")
        ours = of.seeds(MIXED, part="validation", ratio=ratio)
        rows.append(
            {"ratio": ratio, "part": "validation", **of.contrast((ours, theirs), "ratios", ratio)}
        )
    return rows


def by_updates(of: Asking, ratio: float) -> Rows:
    """Lift over each control, and over direct labels, where all arms take so many times the updates.

    A lift that more training of the other arm would give as well is no lift of the data.
    """
    plan, times = of.bench.plan, of.settings.longer
    ours = of.seeds(MIXED, ratio=ratio, longer=times)
    rows = []
    for against in (*plan.controls, *((plan.rows,) if plan.rows else ())):
        own = ratio_of(of.engine.choose(of.mode), plan.ratio_of(against))
        theirs = of.seeds(against, ratio=own, longer=times)
        row = of.contrast((ours, theirs), "longer", against)
        rows.append({"times": times, "against": against, **row})
    return rows


def by_member(of: Asking, ratio: float) -> Rows:
    """What each member adds: the lift of all less the lift of the others, who fill its place.

    The amount of synthetic data stays the same, so that what is measured is whose rows they are and not how many.
    """
    rows = []
    real, every = of.seeds(REAL), of.seeds(MIXED, ratio=ratio)
    name = f"{of.settings.headline}/all"
    base = float(np.mean([np.nanmean(found.per_request[name]) for found in real]))
    for member in of.settings.generator.named():
        others = of.seeds(MIXED, ratio=ratio, without=member)
        row = of.contrast((every, others), "members", member, base=base)
        rows.append(
            {
                "without": member,
                "lift_without": (row["against_mean"] - base) / base if base else None,
                **row,
            }
        )
    return rows
