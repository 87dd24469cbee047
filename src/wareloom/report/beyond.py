"""What a page says of comparisons, and of what was asked beyond the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from wareloom.report import proof_figures as figures
from wareloom.report.figures import drawn
from wareloom.report.views import Table, percent, span, table

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Explored:
    """Something that was asked beyond the verdict: `kind` is "shares", "ratios", "members" or "longer"."""

    kind: str
    figure: Markup
    table: Table


def compared(rows: Rows, first: tuple[str, ...]) -> Table:
    """A table of comparisons: the columns `first`, then lift, interval, p-values and verdict."""
    names = {"ties": "order of ties"}
    adjusted = any(row["correction"] != "none" for row in rows)
    head = (
        *(names.get(name, name) for name in first),
        "lift",
        "95 % interval",
        "p",
        *(["p adjusted"] * adjusted),
    )
    body = [
        (
            *(figures.TIES[row[name]] if name == "ties" else row[name] for name in first),
            percent(row["lift"]),
            span(row["lift_low"], row["lift_high"]),
            f"{row['p']:.2g}",
            *([f"{row['p_adjusted']:.2g}"] * adjusted),
            row["verdict"],
        )
        for row in rows
    ]
    return table((*head, "verdict"), body)


def explored(found: Mapping[str, list[dict[str, Any]]], metric: str) -> tuple[Explored, ...]:
    """What each thing that was asked came to."""
    parts = []
    if rows := found.get("shares"):
        shown = figures.curve(_lifted(rows), "events", "real training events", metric)
        shown.update_xaxes(type="log")
        shares = compared([r | {"share": f"{r['share']:.0%}"} for r in rows], ("share",))
        parts.append(Explored("shares", drawn(shown, "shares"), shares))
    if rows := found.get("ratios"):
        shown = figures.curve(_lifted(rows), "ratio", "synthetic events a real one", metric)
        ratios = compared([r | {"ratio": f"{r['ratio']:g}"} for r in rows], ("ratio",))
        parts.append(Explored("ratios", drawn(shown, "ratios"), ratios))
    if rows := found.get("members"):
        members = compared(
            [r | {"without it": percent(r["lift_without"])} for r in rows],
            ("without", "without it"),
        )
        shown = figures.members(rows, metric)
        parts.append(Explored("members", drawn(shown, "members"), members))
    if rows := found.get("longer"):
        longer = compared([r | {"times": f"{r['times']:g}"} for r in rows], ("against", "times"))
        parts.append(Explored("longer", Markup(), longer))
    return tuple(parts)


def _lifted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that have a lift to draw."""
    return [row for row in rows if row["lift"] is not None]
