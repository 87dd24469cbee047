"""What a proof judged: its arms, their comparisons, what could have been found, and whom it serves worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report import proof_figures as figures
from wareloom.report.beyond import compared
from wareloom.report.charts import Dots
from wareloom.report.views import Table, percent, span, table
from wareloom.report.words import MIXED, REAL, askers

SHARE = "judged@"
"""Begins the names of the shares of the first places that people judged"""
TRAINED = {"search": "judgments", "pictures": "images", "dialogues": "dialogues"}
"""The table that arms are trained on, by kind of proof; of the others events"""
CORRECTIONS = {"holm": "Holm", "benjamini-hochberg": "Benjamini and Hochberg"}
OF_ITEMS = frozenset({"head", "middle", "tail", "cold", "tied users", "users not tied"})
"""Slices by how often an item was had, and by ties"""


@dataclass(frozen=True)
class Training:
    """What each arm was trained on; `updates`: whether the ranker takes gradient updates."""

    table: Table
    ranker: str
    updates: bool


@dataclass(frozen=True)
class Arms:
    """Every arm for the deciding metric, `others` by metric, the rankers `refused` and the arms `left_out`."""

    figure: Dots
    others: tuple[tuple[str, Dots], ...]
    refused: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]
    """Pairs of arms, listed, and the reason"""
    training: Training
    views: Table | None
    """Of search: condensed lists, the whole catalogue and the share that was judged, side by side"""


@dataclass(frozen=True)
class Comparisons:
    """Every pair of arms on the deciding metric; `others`: the decisive pairs on the other metrics, if there are."""

    table: Table
    others: Table | None
    corrections: str


@dataclass(frozen=True)
class Power:
    """What could have been found, with so many of `askers` and so many seeds."""

    table: Table
    requests: str
    askers: str
    seeds: int


@dataclass(frozen=True)
class Slices:
    """The lift in every slice, beside the guard."""

    warnings: tuple[str, ...]
    figure: Dots
    table: Table
    corrections: str
    guard: str
    of_items: bool
    """Whether they are by how often items were had, and by ties"""


def arms(data: Mapping[str, Any], metric: str, say: Say) -> Arms:
    """The arms for the deciding metric, and for each of the others."""
    refused = dict.fromkeys(
        (row["ranker"], row["refused"]) for row in data["baselines"] if "refused" in row
    )
    left_out = data["arms_left_out"]
    reasons = dict.fromkeys(left_out.values())
    return Arms(
        figure=figures.arms(data["arms"], data["baselines"], metric, say),
        others=tuple(
            (other, figures.arms(data["arms"], data["baselines"], other, say))
            for other in data["settings"]["metrics"][1:]
        ),
        refused=tuple((name, say.retold("reason", why)) for name, why in refused),
        left_out=tuple(
            (
                say.listed(
                    [
                        say("judged.quoted", name=say.term("arm", arm))
                        for arm in left_out
                        if left_out[arm] == reason
                    ]
                ),
                say.retold("reason", reason),
            )
            for reason in reasons
        ),
        training=_training(data, say),
        views=_views(data, say),
    )


def comparisons(data: Mapping[str, Any], metric: str, say: Say) -> Comparisons:
    """Every pair of arms on the deciding metric, and the decisive pairs on the others."""
    whole = [r for r in data["comparisons"] if r["slice"] == "all"]
    ties = ("ties",) if len(data["modes"]) > 1 else ()
    # More that was judged is neither better nor worse: it has no comparison.
    others = [
        r
        for r in whole
        if r["metric"] != metric
        and r["ties"] == data["decisive"]["ties"]
        and not r["metric"].startswith(SHARE)
    ]
    return Comparisons(
        table=compared([r for r in whole if r["metric"] == metric], (*ties, "arm", "against"), say),
        others=compared(others, ("metric", "arm", "against"), say) if others else None,
        corrections=_corrections(others, say),
    )


def power(data: Mapping[str, Any], say: Say) -> Power:
    """What could have been found against each control and what it would take to find more."""
    rows = [
        (
            say.term("arm", row["against"]),
            percent(row["detectable_lift"]),
            percent(row["effect_lift"]),
            *(("–" if row["power"] is None else f"{row['power']:.0%}",) if row["named"] else ()),
            _count(row["requests_needed"], row["effect"], say),
            _count(row["seeds_needed"], row["effect"], say),
        )
        for row in data["power"]
    ]
    named = any(row["named"] for row in data["power"])
    who = say.term("askers", askers(data))
    header = (
        "against",
        "found",
        "named_lift" if named else "observed_lift",
        *(("power",) if named else ()),
        "askers_needed",
        "seeds_needed",
    )
    first = data["power"][0]
    told = table([say(f"head.{name}", askers=who) for name in header], rows)
    return Power(told, f"{first['requests']:,}", who, first["seeds"])


def slices(data: Mapping[str, Any], metric: str, say: Say) -> Slices:
    """The lift in every slice, with p-values for the number of slices."""
    ties, guard = data["decisive"]["ties"], data["guard"]
    rows = [
        r
        for r in data["comparisons"]
        if (r["ties"], r["metric"], r["arm"], r["against"]) == (ties, metric, MIXED, REAL)
        and r["slice"] != "all"
    ]
    return Slices(
        warnings=tuple(warnings(guard, say)),
        figure=figures.slices(
            [row for row in data["comparisons"] if row["slice"] != "all"], metric, MIXED, REAL, say
        ),
        table=compared(rows, ("slice", "requests"), say),
        corrections=_corrections(rows, say),
        guard=f"{guard['guard']:.0%}",
        of_items=any(row["slice"] in OF_ITEMS for row in rows),
    )


def warnings(guard: Mapping[str, Any], say: Say) -> list[str]:
    """Say which slices fall, and for which a fall is not excluded."""
    told = []
    for key in ("falls", "not_excluded"):
        parts = [
            say(
                f"judged.{key}_part",
                name=say.term("slice", row["slice"]),
                lift=percent(row["lift"]),
                low=percent(row["lift_low"]),
                ends=span(row["lift_low"], row["lift_high"], say),
            )
            for row in guard[key]
        ]
        if parts:
            told.append(
                say(f"judged.{key}", parts=say.listed(parts), guard=f"{guard['guard']:.0%}")
            )
    return told


def _views(data: Mapping[str, Any], say: Say) -> Table | None:
    """How much of a figure of search rests on what nobody judged; nothing where one of the views was not measured."""
    if data.get("kind") != "search" or not data["settings"]["metrics"]:
        return None
    shares = [m for m in data["settings"]["catalogue_metrics"] if m.startswith(SHARE)]
    condensed = data["settings"]["metrics"][0]
    shown = (condensed, f"{condensed}, all items", *shares[:1])
    means: dict[str, dict[str, str]] = {}
    for row in (*data["arms"], *data["baselines"]):
        if row.get("slice") == "all" and row["ties"] == data["decisive"]["ties"]:
            figure = ".1%" if row["metric"].startswith(SHARE) else ".4f"
            ends = ""
            if row["low"] is not None:
                low, high = f"{row['low']:{figure}}", f"{row['high']:{figure}}"
                ends = " " + say("figure.ends", ends=say("figure.to", low=low, high=high))
            name = (
                say.term("arm", row["arm"])
                if "arm" in row
                else say("figure.on_real", ranker=row["ranker"])
            )
            means.setdefault(name, {})[row["metric"]] = f"{row['mean']:{figure}}{ends}"
    if len(shown) < 3 or any(metric not in told for told in means.values() for metric in shown):
        return None
    header = (
        say("head.arm"),
        say("head.condensed", metric=condensed),
        say("head.whole", metric=condensed),
        say("head.judged"),
    )
    return table(header, ((name, *(told[m] for m in shown)) for name, told in means.items()))


def _training(data: Mapping[str, Any], say: Say) -> Training:
    """What each arm was trained on."""
    rows = [row for row in data["training"] if row["ties"] == data["decisive"]["ties"]]
    what = TRAINED.get(data.get("kind", ""), "events")
    header = [say("head.arm"), say(f"head.{what}_trained")]
    shown = [
        [
            say.term("arm", row["arm"]),
            round(sum(row[what]) / len(row[what])) if what in row else None,
        ]
        for row in rows
    ]
    updates = any("updates" in row for row in rows)
    for key in ("updates", "steps"):
        if any(key in row for row in rows):
            header.append(say(f"head.{key}"))
            for cells, row in zip(shown, rows, strict=True):
                counts = row.get(key)
                cells.append(
                    None if counts is None else ", ".join(f"{count:,}" for count in counts)
                )
    return Training(table(header, shown), data["settings"]["ranker"], updates)


def _corrections(rows: Sequence[Mapping[str, Any]], say: Say) -> str:
    """By whom the p-values were adjusted."""
    names = (CORRECTIONS.get(row["correction"]) for row in rows)
    return say.joined(list(dict.fromkeys(name for name in names if name)))


def _count(needed: int | None, effect: float, say: Say) -> str:
    if effect <= 0:
        return "–"
    return f"{needed:,}" if needed else say("judged.not_alone")
