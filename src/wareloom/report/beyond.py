"""What a page says of comparisons, and of what was asked beyond the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wareloom.report import figures
from wareloom.report.markup import drawn, faint, percent, section, span, table

Rows = Sequence[Mapping[str, Any]]


def compared(rows: Rows, first: tuple[str, ...]) -> str:
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


def explored(found: Mapping[str, list[dict[str, Any]]], metric: str) -> list[str]:
    """A section for each thing that was asked."""
    parts = []
    if rows := found.get("shares"):
        shown = figures.curve(
            [r for r in rows if r["lift"] is not None], "events", "real training events", metric
        )
        shown.update_xaxes(type="log")
        body = drawn(shown, "shares") + compared(
            [r | {"share": f"{r['share']:.0%}"} for r in rows], ("share",)
        )
        note = (
            "Generator and ranker are fitted anew on a share of the training users, drawn anew with each seed; the "
            "test part stays the same."
        )
        parts.append(section("Lift by the amount of real data", body + faint(note)))
    if rows := found.get("ratios"):
        shown = figures.curve(
            [r for r in rows if r["lift"] is not None],
            "ratio",
            "synthetic events a real one",
            metric,
        )
        body = drawn(shown, "ratios") + compared(
            [r | {"ratio": f"{r['ratio']:g}"} for r in rows], ("ratio",)
        )
        note = (
            "On the validation part, with all seeds: on the test part, it would invite a second choice. The ratio that "
            "was chosen here as the best of several looks better here than it is."
        )
        parts.append(section("Lift by ratio", body + faint(note)))
    if rows := found.get("members"):
        body = drawn(figures.members(rows, metric), "members")
        body += compared(
            [r | {"without it": percent(r["lift_without"])} for r in rows],
            ("without", "without it"),
        )
        note = (
            "The lift with all synthesizers less the lift without one, whose place the others fill, so that the amount "
            "of data is the same. Above zero: its rows add something the others do not."
        )
        parts.append(section("Whose rows did it", body + faint(note)))
    return parts
