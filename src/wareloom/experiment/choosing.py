"""The choice of ratios, on validation data with the first seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment.plan import REAL, Plan
from wareloom.experiment.study import Cell, Study


def chosen(
    study: Study, plan: Plan, had: Callable[[Sequence[Cell]], list[Evaluation]]
) -> dict[str, Any]:
    """Evaluate each ratio of each arm that has one of its own; nothing is chosen where there are none.

    `had` computes cells. The best value is taken, of equal ones the smallest ratio. Raises `RefusedError` where a
    synthesizer is private: the choice is a look at held-back users.
    """
    headline, ratios, arms = study.settings.headline, study.ratios, plan.weighed
    if len(ratios) > 1:
        study.settings.generator.refuse_unpaid("ratios", study.shop)
    if not ratios:
        return {"ratio": 1.0, "metric": headline, "tried": [], "real": None}
    plain = Cell(arm=REAL, seed=0, part="validation")
    asked = [plain, *(replace(plain, arm=a, ratio=ratio) for a in arms for ratio in ratios)]
    real, *found = (cell.overall[headline] for cell in had(asked))
    sign = -1 if study.better()[headline] == "lower" else 1
    choices = []
    for place in range(len(arms)):
        values = found[place * len(ratios) : (place + 1) * len(ratios)]
        tried = [{"ratio": r, "value": v} for r, v in zip(ratios, values, strict=True)]
        best = max(tried, key=lambda entry: (sign * entry["value"], -entry["ratio"]))
        choices.append({"ratio": best["ratio"], "tried": tried})
    others = dict(zip(arms[1:], choices[1:], strict=True))
    more = {"others": others} if others else {}
    return {**choices[0], "metric": headline, "real": real, **more}


def ratio_of(choice: dict[str, Any], arm: str) -> float:
    """The ratio that was chosen for an arm."""
    return float(choice.get("others", {}).get(arm, choice)["ratio"])
