"""What a page says of comparisons, and of what was asked beyond the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report import proof_figures as figures
from wareloom.report.charts import Chart
from wareloom.report.views import Table, percent, span, table

Rows = Sequence[Mapping[str, Any]]
TERMS = {"arm": "arm", "against": "arm", "slice": "slice", "ties": "ties"}
"""Where the table of sentences has the words of a column"""


@dataclass(frozen=True)
class Explored:
    """Something that was asked beyond the verdict: `kind` is "shares", "ratios", "members" or "longer"."""

    kind: str
    title: str
    figure: Chart | None
    table: Table
    note: str


def compared(rows: Rows, first: tuple[str, ...], say: Say) -> Table:
    """A table of comparisons: the columns `first`, then lift, interval, p-values and verdict."""
    adjusted = any(row["correction"] != "none" for row in rows)
    names = (*first, "lift", "interval", "p", *(["p_adjusted"] * adjusted), "verdict")
    body = [
        (
            *(say.term(TERMS[name], row[name]) if name in TERMS else row[name] for name in first),
            percent(row["lift"]),
            span(row["lift_low"], row["lift_high"], say),
            f"{row['p']:.2g}",
            *([f"{row['p_adjusted']:.2g}"] * adjusted),
            say.term("verdict", row["verdict"]),
        )
        for row in rows
    ]
    return table([say(f"head.{name}") for name in names], body)


def explored(
    found: Mapping[str, list[dict[str, Any]]], metric: str, say: Say
) -> tuple[Explored, ...]:
    """What each thing that was asked came to."""
    parts = []
    if rows := found.get("shares"):
        shown = figures.curve(
            _lifted(rows), "events", say("explored.events"), metric, say, log=True
        )
        shares = compared([r | {"share": f"{r['share']:.0%}"} for r in rows], ("share",), say)
        parts.append(_explored("shares", shown, shares, say))
    if rows := found.get("ratios"):
        shown = figures.curve(_lifted(rows), "ratio", say("explored.ratio"), metric, say)
        ratios = compared([r | {"ratio": f"{r['ratio']:g}"} for r in rows], ("ratio",), say)
        parts.append(_explored("ratios", shown, ratios, say))
    if rows := found.get("members"):
        said = [r | {"lift_less": percent(r["lift_without"])} for r in rows]
        members = compared(said, ("without", "lift_less"), say)
        parts.append(_explored("members", figures.members(rows, metric, say), members, say))
    if rows := found.get("longer"):
        longer = compared(
            [r | {"times": f"{r['times']:g}"} for r in rows], ("against", "times"), say
        )
        parts.append(_explored("longer", None, longer, say))
    return tuple(parts)


def _explored(kind: str, figure: Chart | None, shown: Table, say: Say) -> Explored:
    return Explored(kind, say(f"explored.{kind}"), figure, shown, say(f"explored.{kind}_note"))


def _lifted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that have a lift to draw."""
    return [row for row in rows if row["lift"] is not None]
