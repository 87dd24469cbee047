"""The figures of a comparison, as charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report.charts import Axis, Dots, Lines, Mark, Row, Series

MOST = 30.0
"""Times the floor at which the chart ends"""
LEAST = 0.1


def ratios(figures: Sequence[Mapping[str, Any]], tolerance: float, say: Say) -> Dots:
    """Draw each figure's ratio to its floor; the band is what is within it."""
    rows = tuple(
        Row(
            figure["name"].replace("_", " "),
            (
                Mark(
                    MOST * 2 if figure["ratio"] is None else max(figure["ratio"], LEAST),
                    tone=figure["verdict"],
                ),
            ),
            "–" if figure["ratio"] is None else say("figure.times", ratio=figured(figure["ratio"])),
            say.term("verdict", figure["verdict"]),
        )
        for figure in figures
    )
    series = (
        ("within", say("figure.within", tolerance=f"{tolerance:g}")),
        ("chance", say("figure.chance")),
        ("beyond", say("figure.beyond")),
    )
    return Dots(
        say("figure.times_floor"),
        rows,
        Axis(say("figure.times_axis"), log=True),
        line=1.0,
        band=(LEAST * 0.9, tolerance),
        series=series,
        ends=(LEAST * 0.9, MOST * 1.1),
    )


def curve(found: Mapping[str, Any], name: str, say: Say) -> Lines:
    """Draw real and synthetic: lines, on logarithmic axes where the kind says so, or steps round the clock."""
    series = []
    for kind, tone in (("real", "s4"), ("synthetic", "s0")):
        points = list(zip(found["x"], found[kind], strict=True))
        if found["kind"] == "loglog":
            points = [point for point in points if point[0] > 0 and point[1] > 0]
        elif found["kind"] == "log":
            points = [point for point in points if point[0] > 0]
        xs, ys = tuple(float(x) for x, _ in points), tuple(float(y) for _, y in points)
        line = Series(say.term("data", kind), xs, ys, tone=tone, step=found["kind"] == "bars")
        series.append(line)
    log = found["kind"].startswith("log")
    return Lines(
        name,
        tuple(series),
        Axis(say.retold("axis", found["x_title"]), log=log),
        Axis(say.retold("axis", found["y_title"]), log=found["kind"] == "loglog", zero=True),
    )


def figured(value: float | None) -> str:
    """A figure to three digits, a dash where there is none."""
    return "–" if value is None else f"{value:.3g}"
