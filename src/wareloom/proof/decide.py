"""The verdict: whether synthesis beats every control, and whether any slice pays for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wareloom.experiment.plan import CONTROLS, MIXED, REAL

BUT = "helps, but"
"""The verdict where synthesis beats every control and a slice falls beyond the guard."""
SUFFICES = "embedding suffices"
"""The verdict where synthesis beats every control, and not what a pretrained encoder gives without any."""
WEIGHTY = 0.1
"""Slices with at least this share of the requests are warned of; a smaller one cannot be judged so finely."""
SAID = {
    "helps": "Synthetic data helps",
    "no evidence": "No evidence that synthetic data helps",
    "hurts": "Synthetic data hurts",
}
FEW = 4
"""Slices whose fall is not excluded that are named; the others are counted"""
Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the verdict is about."""

    ties: str
    metric: str
    controls: Sequence[str] = CONTROLS
    instead: str = ""
    """The arm of an encoder that needs no synthesis, where there is one"""
    guard: float = 0.05
    lower: bool = False
    """Whether a lower value of the metric is the better one; lifts are gains all the same"""
    purpose: str = ""
    """What synthetic data helps to do, such as " to predict clicks\""""


def decide(comparisons: Rows, question: Question) -> dict[str, Any]:
    """Say what the decisive comparisons amount to: synthesis helps where it beats every control.

    To beat all of several controls each at the level α is a test of level α (intersection-union, Berger 1982): nothing
    is to be corrected.
    """
    controls, guard = question.controls, question.guard
    asked = (question.ties, question.metric, MIXED)
    mine = [c for c in comparisons if (c["ties"], c["metric"], c["arm"]) == asked]
    whole = [row for row in mine if row["slice"] == "all" and row["against"] in controls]
    by = {row["against"]: row for row in whole}
    rows = [by[control] for control in controls]
    if all(row["verdict"] == "helps" for row in rows):
        outcome = "helps"
    else:
        outcome = "hurts" if by[REAL]["verdict"] == "hurts" else "no evidence"
    against = by[REAL] if outcome == "hurts" else min(rows, key=_lowest)
    beside = [row for row in mine if row["against"] == REAL and row["slice"] != "all"]
    watched = guarded(beside, by[REAL], guard)
    said = SAID[outcome]
    if outcome == "helps" and watched["falls"]:
        outcome = BUT
    instead = next(
        (c for c in mine if (c["against"], c["slice"]) == (question.instead, "all")), None
    )
    if outcome in ("helps", BUT) and instead is not None and instead["verdict"] != "helps":
        outcome = SUFFICES
    decisive = {
        "ties": question.ties,
        "metric": question.metric,
        "against": against["against"],
        "controls": list(controls),
    }
    sentence = _gained(said, against, watched, question) if question.lower else ""
    if outcome == SUFFICES and instead is not None:
        more = _lifted(said, "helps", against, watched, question)
        sentence = (
            f"{more} An embedding suffices: beside {instead['against']}, which need no synthesis, it stands at "
            f"{sized(instead)} ({between(instead)})."
        )
    return {
        "verdict": outcome,
        "sentence": sentence or _lifted(said, outcome, against, watched, question),
        "decisive": decisive,
        "guard": watched,
    }


def decide_rows(comparisons: Rows, question: Question, against: str) -> dict[str, Any]:
    """Say whether synthetic rows help beyond what the same knowledge gives as direct labels, the arm `against`."""
    asked = (question.ties, question.metric, MIXED, against, "all")
    names = ("ties", "metric", "arm", "against", "slice")
    row = next(row for row in comparisons if tuple(row[name] for name in names) == asked)
    size = f"{question.metric} {sized(row)} ({between(row)})"
    if row["verdict"] == "helps":
        found, said = "rows help", f"Rows help beyond direct labels of the same knowledge: {size}."
    elif row["verdict"] == "hurts":
        found, said = (
            "distil",
            f"Distil, do not synthesise: beside direct labels of the same knowledge, synthetic rows stand at {size}.",
        )
    else:
        found, said = (
            "no evidence",
            "No evidence that rows help beyond direct labels of the same knowledge, which cost less: "
            f"{size}.",
        )
    return {"against": against, "verdict": found, "sentence": said}


def distils(data: Mapping[str, Any], labels: Row | None) -> bool:
    """Say whether direct labels are what to take: where rows add nothing to them, or where they alone help.

    `labels`: the comparison of direct labels with real data alone, where there is one.
    """
    if data["verdict"] in ("helps", BUT):
        return bool(data.get("rows", {}).get("verdict", "rows help") != "rows help")
    return data["verdict"] != SUFFICES and labels is not None and labels["verdict"] == "helps"


def _lifted(
    said: str, outcome: str, against: Row, watched: dict[str, Any], question: Question
) -> str:
    """The verdict of a metric of which more is better."""
    said += question.purpose
    if outcome == BUT:
        said += f", but {listed([name_of(fall['slice']) for fall in watched['falls']])}"
        said += " falls" if len(watched["falls"]) == 1 else " fall"
    size = f"{question.metric} {sized(against)} against {against['against']}"
    sentence = f"{said}: {size} ({between(against)})."
    if outcome in ("helps", BUT):
        sentence += "".join(f" {warning}" for warning in watched["warnings"])
    return sentence


def _gained(said: str, against: Row, watched: dict[str, Any], question: Question) -> str:
    """The verdict of a metric of which less is better: a gain of a loss is a fall."""
    if against["lift"] is None:
        return ""
    gain, low, high = (100 * against[key] for key in ("lift", "lift_low", "lift_high"))
    way = "better" if gain >= 0 else "worse"
    falls = "".join(f" It is worse in {fall['slice']}." for fall in watched["falls"])
    return (
        f"{said}{question.purpose}: {question.metric} {abs(gain):.2f} % {way} than with "
        f"{against['against']} (95 % interval of the gain {low:+.2f} to {high:+.2f} %, p = {against['p']:.2g}).{falls}"
    )


def guarded(slices: Rows, whole: dict[str, Any], guard: float) -> dict[str, Any]:
    """Look for slices whose metric falls, beside real data alone, by more than the share `guard`.

    A slice falls where its estimate is beyond the guard and its interval below zero; a slice of some weight is warned
    of where its interval reaches beyond the guard. Neither is corrected for the number of slices: the error to be
    feared here is to overlook a fall.
    """
    judged = [row for row in slices if row["lift"] is not None]
    falls = [row for row in judged if row["lift"] < -guard and row["high"] < 0]
    weighty = [row for row in judged if row["requests"] >= WEIGHTY * whole["requests"]]
    unsure = [row for row in weighty if row["lift_low"] < -guard and row not in falls]
    falls, unsure = (
        sorted(rows, key=lambda row: float(row["lift_low"])) for rows in (falls, unsure)
    )
    warnings = []
    if falls:
        lost = [
            f"{name_of(row['slice'])} {signed(row['lift'])} ({signed(row['lift_low'])} to {signed(row['lift_high'])})"
            for row in falls
        ]
        warnings.append(f"Lost: {'; '.join(lost)}.")
    if unsure:
        named = [f"{name_of(row['slice'])} (down to {signed(row['lift_low'])})" for row in unsure]
        named = named if len(named) <= FEW else [*named[:FEW], f"{len(named) - FEW} others"]
        warnings.append(f"A fall of more than {guard:.0%} is not excluded for {listed(named)}.")
    kept = ("slice", "lift", "lift_low", "lift_high", "p", "requests")
    short = [[{name: row[name] for name in kept} for row in rows] for rows in (falls, unsure)]
    return {"guard": guard, "falls": short[0], "not_excluded": short[1], "warnings": warnings}


def _lowest(row: Row) -> float:
    """Where the interval of a difference begins; what has none may be anything."""
    return -math.inf if row["low"] is None else float(row["low"])


def signed(lift: float) -> str:
    """A lift with its sign: "+3.1%", "−0.4%"."""
    return f"{lift:+.1%}".replace("-", "−")


def name_of(part: str) -> str:
    """A slice as a noun: "the head", "known users"."""
    return part if " " in part else f"the {part}"


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sized(row: dict[str, Any]) -> str:
    """The size of a difference: its lift, or the difference itself where there is none."""
    return (
        f"{row['difference']:+.2g}".replace("-", "−")
        if row["lift"] is None
        else signed(row["lift"])
    )


def between(row: dict[str, Any]) -> str:
    """The interval and p-value of a difference."""
    if row["low"] is None:
        return "no interval: one request"
    if row["lift"] is None:
        ends = f"{row['low']:+.2g} to {row['high']:+.2g}".replace("-", "−")
    else:
        ends = f"{signed(row['lift_low'])} to {signed(row['lift_high'])}"
    return f"95 % interval {ends}, p = {row['p']:.2g}"
