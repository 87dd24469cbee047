"""The figures of a proof, as charts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report.charts import Axis, Dots, Lines, Mark, Row, Series
from wareloom.report.views import percent, span

TONES = {
    "helps": "helps",
    "helps, but": "but",
    "embedding suffices": "but",
    "no evidence": "none",
    "hurts": "hurts",
}
"""The style sheet's class of each verdict"""
LOOKS = {"real": "s4", "synthetic": "s0", "naive": "s1"}
Rows = Sequence[Mapping[str, Any]]


def arms(rows: Rows, baselines: Rows, metric: str, say: Say) -> Dots:
    """Draw every arm and every strong ranker on real data as a dot with its interval, a lane an order of ties."""
    modes = list(dict.fromkeys(row["ties"] for row in rows))
    laid: dict[str, list[Mark]] = {}
    texts: dict[str, Mapping[str, Any]] = {}
    several = len(modes) > 1
    named = [(say.term("arm", row["arm"]), row, "s0") for row in rows if _is(row, metric)]
    named += [
        (say("figure.on_real", ranker=row["ranker"]), row, "s4")
        for row in baselines
        if "refused" not in row and _is(row, metric)
    ]
    for name, row, tone in named:
        lane = f"s{min(modes.index(row['ties']), 3)}" if several else tone
        laid.setdefault(name, []).append(Mark(row["mean"], row["low"], row["high"], lane))
        texts.setdefault(name, row)
    shown = tuple(
        Row(name, tuple(marks), f"{texts[name]['mean']:.4f}", _ends(texts[name], say))
        for name, marks in laid.items()
    )
    ways = tuple((f"s{min(i, 3)}", say.term("ties", mode)) for i, mode in enumerate(modes))
    kinds = (("s0", say("figure.arms")), ("s4", say("figure.rankers")))
    beside = any(tone == "s4" for _, _, tone in named)
    series = ways if several else kinds if beside else ()
    axis = Axis(say("figure.interval", metric=metric))
    return Dots(say("figure.every_arm", metric=metric), shown, axis, series=series)


def against(
    rows: Rows, detectable: float | None, metric: str, say: Say, decisive: str = ""
) -> Dots:
    """Draw the lift over each control, called `name`; the band is what could not be found.

    The axis reaches the `decisive` control; one that lies far out is cut at its edge.
    """
    shown = tuple(
        Row(
            row["name"],
            (Mark(row["lift"], row["lift_low"], row["lift_high"], TONES[row["verdict"]]),),
            percent(row["lift"]),
            say("figure.ends", ends=span(row["lift_low"], row["lift_high"], say)),
            kept=row["against"] == decisive,
        )
        for row in rows
    )
    return Dots(
        say("figure.against"),
        shown,
        Axis(say("figure.lift", metric=metric), "lift"),
        line=0.0,
        band=(-detectable, detectable) if detectable else None,
    )


def curve(rows: Rows, key: str, x_title: str, metric: str, say: Say, *, log: bool = False) -> Lines:
    """Draw a lift with its interval as a band against a number."""
    by = sorted(rows, key=lambda row: float(row[key]))
    line = Series(
        "",
        tuple(row[key] for row in by),
        tuple(row["lift"] for row in by),
        tuple(row["lift_low"] for row in by),
        tuple(row["lift_high"] for row in by),
        dots=True,
    )
    height = Axis(say("figure.lift_over_real", metric=metric), "lift")
    ticks = line.x if len(line.x) <= 6 else ()
    return Lines("", (line,), Axis(x_title, log=log), height, line=0.0, ticks=ticks)


def members(rows: Rows, metric: str, say: Say) -> Dots:
    """Draw what each member of the generator adds to the lift."""
    shown = tuple(_lifted(row["without"], [row], say) for row in rows if row["lift"] is not None)
    return Dots("", shown, Axis(say("figure.member_lift", metric=metric), "lift"), line=0.0)


def slices(rows: Rows, metric: str, arm: str, against: str, say: Say) -> Dots:
    """Draw the lift of `arm` over `against` in every slice, one lane an order of ties."""
    modes = list(dict.fromkeys(row["ties"] for row in rows))
    part = [
        row
        for row in rows
        if (row["metric"], row["arm"], row["against"]) == (metric, arm, against)
        and row["lift"] is not None
    ]
    names = dict.fromkeys(row["slice"] for row in part)
    shown = tuple(
        _lifted(say.term("slice", name), [row for row in part if row["slice"] == name], say, modes)
        for name in names
    )
    ways = tuple((f"s{min(i, 3)}", say.term("ties", mode)) for i, mode in enumerate(modes))
    title = say("figure.lift_over", metric=metric, against=say.term("arm", against))
    return Dots(
        say("figure.slices"),
        shown,
        Axis(title, "lift"),
        line=0.0,
        series=ways if len(ways) > 1 else (),
    )


def popularity(curves: Mapping[str, Any], say: Say) -> Lines:
    """Draw the share of all events that falls on the item of each popularity rank."""
    series = []
    for name, found in curves.items():
        shown = [(r, s) for r, s in zip(found["rank"], found["share"], strict=True) if s > 0]
        xs, ys = tuple(float(r) for r, _ in shown), tuple(float(s) for _, s in shown)
        series.append(Series(say.term("data", name), xs, ys, tone=LOOKS[name]))
    return Lines(
        say("figure.popularity"),
        tuple(series),
        Axis(say("figure.rank"), log=True),
        Axis(say("figure.share_events"), "percent", log=True),
    )


def lengths(curves: Mapping[str, Any], say: Say) -> Lines:
    """Draw the share of users with at least so many events."""
    series = tuple(
        Series(
            say.term("data", name), tuple(found["length"]), tuple(found["users"]), tone=LOOKS[name]
        )
        for name, found in curves.items()
    )
    return Lines(
        say("figure.lengths"),
        series,
        Axis(say("figure.length"), log=True),
        Axis(say("figure.share_users"), "percent", zero=True),
    )


def choice(tried: Rows, real: float | None, metric: str, say: Say) -> Lines:
    """Draw the metric on the validation part against the ratio."""
    points = [(0.0, real), *((entry["ratio"], entry["value"]) for entry in tried)]
    told = sorted((x, y) for x, y in points if y is not None and math.isfinite(y))
    line = Series("", tuple(x for x, _ in told), tuple(y for _, y in told), dots=True)
    ticks = line.x if len(line.x) <= 6 else ()
    return Lines("", (line,), Axis(say("figure.ratio")), Axis(metric), ticks=ticks)


def _lifted(name: str, rows: Rows, say: Say, modes: Sequence[str] = ()) -> Row:
    """A row of lifts, one an order of ties; the first one is said."""
    marks = tuple(
        Mark(
            row["lift"],
            row["lift_low"],
            row["lift_high"],
            f"s{min(modes.index(row['ties']), 3)}" if modes else "s0",
        )
        for row in rows
    )
    ends = say("figure.ends", ends=span(rows[0]["lift_low"], rows[0]["lift_high"], say))
    return Row(name, marks, percent(rows[0]["lift"]), ends)


def _ends(row: Mapping[str, Any], say: Say) -> str:
    if row["low"] is None or row["high"] is None:
        return ""
    pair = say("figure.to", low=f"{row['low']:.4f}", high=f"{row['high']:.4f}")
    return say("figure.ends", ends=pair)


def _is(row: Mapping[str, Any], metric: str) -> bool:
    return bool(row["metric"] == metric and row["slice"] == "all" and row["mean"] is not None)
