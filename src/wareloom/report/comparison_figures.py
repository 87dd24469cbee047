"""The figures of a comparison, as Plotly figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from wareloom.report.figures import FAINT, GRID, INK, SHADES, plain, styled

TONES = {"within": "#1b7f4b", "chance": "#616e7c", "beyond": "#b42318"}
SAID = {
    "within": "Within {tolerance:g} times the floor",
    "chance": "Above it, no further than chance",
    "beyond": "Beyond the floor",
}
NARROW = 21
"""Characters of a figure's name that stand in a line."""
MOST = 30.0
"""Times the floor at which the chart ends."""


def ratios(figures: Sequence[Mapping[str, Any]], tolerance: float) -> go.Figure:
    """Draw each figure's ratio to its floor; the band is what is within it."""
    shown = go.Figure()
    shown.add_vrect(x0=0.1, x1=tolerance, fillcolor=GRID, opacity=0.55, line_width=0, layer="below")
    shown.add_vline(x=1, line_color=INK, line_width=1)
    names = [_label(figure["name"]) for figure in figures][::-1]
    for verdict, tone in TONES.items():
        part = [figure for figure in figures if figure["verdict"] == verdict]
        shown.add_scatter(
            x=[_inside(figure["ratio"]) for figure in part],
            y=[_label(figure["name"]) for figure in part],
            mode="markers",
            marker={"color": tone, "size": 11},
            name=SAID[verdict].format(tolerance=tolerance),
            customdata=[[figured(figure["ratio"])] for figure in part],
            hovertemplate="%{y}: %{customdata[0]} times the floor<extra></extra>",
        )
    ticks = [0.1, 0.3, 1, 3, 10, MOST]
    shown.update_xaxes(
        type="log",
        range=[-1.03, 1.53],
        tickvals=ticks,
        ticktext=[*map(str, ticks[:-1]), f"{MOST:g}+"],
    )
    shown.update_yaxes(categoryorder="array", categoryarray=names, tickfont_size=12)
    each = max(26, 4 + 15 * max((1 + name.count("<br>") for name in names), default=1))
    return styled(shown, "times the floor", 120 + each * len(names))


def curve(found: Mapping[str, Any]) -> go.Figure:
    """Draw real and synthetic: lines, on logarithmic axes where the kind says so, or steps round the clock."""
    figure = go.Figure()
    for name, colour in (("real", FAINT), ("synthetic", SHADES[0])):
        line = {
            "color": colour,
            "width": 2,
            "shape": "hvh" if found["kind"] == "bars" else "linear",
        }
        points = list(zip(found["x"], found[name], strict=True))
        if found["kind"] == "loglog":
            points = [point for point in points if point[1] > 0]
        elif found["kind"] == "log":
            points = [point for point in points if point[0] > 0]
        figure.add_scatter(
            x=[p[0] for p in points], y=[p[1] for p in points], name=name, mode="lines", line=line
        )
    figure.update_xaxes(type="log" if found["kind"].startswith("log") else "linear", dtick=None)
    figure.update_yaxes(
        title=plain(found["y_title"]),
        **({"type": "log"} if found["kind"] == "loglog" else {"rangemode": "tozero"}),
    )
    return styled(figure, found["x_title"], 300)


def figured(value: float | None) -> str:
    """A figure to three digits, a dash where there is none."""
    return "–" if value is None else f"{value:.3g}"


def _label(name: str) -> str:
    """A figure's name in lines that leave room for its dot on a phone, broken behind its signs."""
    laid = [""]
    for part in re.split(r"(?<=[._>])", name):
        if laid[-1] and len(laid[-1]) + len(part) > NARROW:
            laid.append("")
        laid[-1] += part
    return "<br>".join(map(plain, laid))


def _inside(ratio: float | None) -> float:
    return MOST if ratio is None else min(max(ratio, 0.1), MOST)
