"""What a person may conclude from a proof: four short answers, each with the figures that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report.views import percent, span
from wareloom.report.words import (
    ANYWHERE,
    BUT,
    DIRECT,
    FEATURES,
    LIMIT,
    MIXED,
    NAIVE,
    PLACEBO,
    REAL,
    REPEATED,
    SUFFICES,
    SYNTHETIC,
    called,
    metric_named,
)

CONTROLS = (REAL, REPEATED, NAIVE, PLACEBO, ANYWHERE)
"""Arms that the verdict itself is about, so that none of them is another system"""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """A question with its short answer, its colour and what it rests on."""

    question: str
    answer: str
    tone: str
    why: str


def answers(data: Mapping[str, Any], say: Say) -> tuple[Answer, ...]:
    """What helps, against which control that was decided, whether a better system is known, and who pays for it."""
    return (_helps(data, say), _decided(data, say), _better(data, say), _pays(data, say))


def conclusion(data: Mapping[str, Any]) -> str:
    """Return "rows", "rows alone" (no labels were compared), "labels too", "labels", "embedding", "nothing" or
    "hurts".
    """
    verdict, rows = data["verdict"], data.get("rows")
    if verdict in ("helps", BUT):
        if rows is None:
            return "rows alone"
        return "rows" if rows["verdict"] == "rows help" else "labels too"
    if verdict == SUFFICES:
        return "embedding"
    labels = headline(data).get((DIRECT, REAL))
    if labels is not None and labels["verdict"] == "helps":
        return "labels"
    return "hurts" if verdict == "hurts" else "nothing"


def headline(data: Mapping[str, Any]) -> dict[tuple[str, str], Row]:
    """Return the comparisons on the deciding metric over all requests, by arm and what it is held against."""
    return {
        (row["arm"], row["against"]): row
        for row in data["comparisons"]
        if _decides(row, data["decisive"])
    }


def lift_of(row: Row, say: Say) -> str:
    """A comparison's lift with its interval; the difference itself where there is no lift."""
    if row["lift"] is None:
        return "–" if row["difference"] is None else f"{row['difference']:+.3g}".replace("-", "−")
    ends = span(row["lift_low"], row["lift_high"], say)
    return say("conclude.lift", lift=percent(row["lift"]), ends=ends)


def _helps(data: Mapping[str, Any], say: Say) -> Answer:
    found, by = conclusion(data), headline(data)
    but = dict.fromkeys(("labels too", "labels", "embedding"), "but")
    tone = {"rows": "helps", "rows alone": "helps", **but}.get(
        found, "hurts" if found == "hurts" else "none"
    )
    arm, against = {"labels": (DIRECT, REAL), "embedding": (FEATURES, REAL)}.get(
        found, (MIXED, REAL)
    )
    if found in ("rows", "labels too"):
        against = data["rows"]["against"]
    row = by.get((arm, against))
    why = ""
    if row is not None:
        why = say(
            "conclude.held",
            arm=say.term("arm", arm),
            against=called(against, data, say),
            lift=lift_of(row, say),
        )
    key = found.replace(" ", "_")
    return Answer(say("conclude.what_helps"), say(f"conclude.{key}"), tone, why)


def _decided(data: Mapping[str, Any], say: Say) -> Answer:
    """The control that the verdict hangs on: the one that was beaten by least."""
    against = data["decisive"]["against"]
    row = headline(data)[MIXED, against]
    tone = {"helps": "helps", "hurts": "hurts"}.get(row["verdict"], "none")
    why = say(
        f"conclude.decided_{row['verdict'].replace(' ', '_')}",
        metric=metric_named(data["decisive"]["metric"], say),
        lift=lift_of(row, say),
        p=f"{row['p']:.2g}",
    )
    return Answer(say("conclude.decisive"), called(against, data, say), tone, why)


def _better(data: Mapping[str, Any], say: Say) -> Answer:
    """Whether another arm, or another ranker on real data, is above real + synthetic data."""
    lower = data["better"].get(data["decisive"]["metric"]) == "lower"
    sign, near_end, far_end = (-1, "high", "low") if lower else (1, "low", "high")
    arms = {row["arm"]: row for row in data["arms"] if _decides(row, data["decisive"])}
    beside = (MIXED, SYNTHETIC, LIMIT, *(() if data.get("kind") == "system" else CONTROLS))
    others = [(called(name, data, say), row) for name, row in arms.items() if name not in beside]
    others += [
        (say("figure.on_real", ranker=row["ranker"]), row)
        for row in data["baselines"]
        if "refused" not in row and _decides(row, data["decisive"])
    ]
    others = [each for each in others if each[1].get("ranker") != data["settings"]["ranker"]]
    told = [(name, row) for name, row in others if row["mean"] is not None]
    question, mine = say("conclude.better"), arms[MIXED]
    if not told:
        return Answer(question, say("conclude.better_unknown"), "none", say("conclude.none_tried"))
    best, row = max(told, key=lambda each: sign * float(each[1]["mean"]))
    values = {"name": best, "value": f"{row['mean']:.4f}", "mine": f"{mine['mean']:.4f}"}
    if sign * row["mean"] <= sign * mine["mean"]:
        return Answer(
            question, say("conclude.better_no"), "helps", say("conclude.none_above", **values)
        )
    apart = (
        row[near_end] is not None
        and mine[far_end] is not None
        and sign * row[near_end] > sign * mine[far_end]
    )
    key, tone = ("yes", "but") if apart else ("perhaps", "none")
    return Answer(
        question, say(f"conclude.better_{key}"), tone, say(f"conclude.above_{key}", **values)
    )


def _pays(data: Mapping[str, Any], say: Say) -> Answer:
    guard = data["guard"]
    question = say("conclude.who_pays")
    most = f"{guard['guard']:.0%}"
    for key, tone in (("falls", "hurts"), ("not_excluded", "none")):
        if guard[key]:
            told = [
                say(
                    "conclude.part",
                    name=say.term("slice", row["slice"]),
                    lift=percent(row["lift"]),
                    ends=span(row["lift_low"], row["lift_high"], say),
                )
                for row in guard[key]
            ]
            return Answer(
                question,
                say(f"conclude.{key}"),
                tone,
                say(f"conclude.{key}_why", parts=say.listed(told), most=most),
            )
    return Answer(question, say("conclude.nobody"), "helps", say("conclude.nobody_why", most=most))


def _decides(row: Row, decisive: Row) -> bool:
    asked = (decisive["ties"], decisive["metric"], "all")
    return (row["ties"], row["metric"], row["slice"]) == asked
