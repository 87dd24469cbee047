"""Charts that answer the pointer, drawn by Plotly: on request, since its script makes a page 5 MB large."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from wareloom.core.sentences import Say
from wareloom.report import svg
from wareloom.report.charts import Axis, Bars, Chart, Dots, Lines, Mark, limits

INK, GRID, BAND = "#6b7684", "rgba(128,138,150,.28)", "rgba(128,138,150,.16)"
"""Colours that read on light and on dark paper"""
TONES = {
    "s0": "#4f7fd6",
    "s1": "#cc6a2b",
    "s2": "#2f9a66",
    "s3": "#9a68d8",
    "s4": "#808b99",
    "helps": "#2f9a66",
    "within": "#2f9a66",
    "but": "#b57a28",
    "none": "#808b99",
    "chance": "#808b99",
    "hurts": "#d2554a",
    "beyond": "#d2554a",
}
NARROW = 26
"""Characters of a name that stand in a line beside its row"""
CONFIG = {"displaylogo": False, "responsive": True, "displayModeBar": False}
FORMATS = {"percent": ".2~%", "lift": "+.1~%", "plain": ""}


def drawn(chart: Chart, name: str, say: Say) -> Markup:
    """Return a chart under an id of its own, `name`, which is the report's and never a shop's.

    Rows keep the figures as text that they have in SVG: who cannot see or point reads the same.
    """
    figure = _lines(chart) if isinstance(chart, Lines) else _rows(chart)
    html = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG)
    # Safe: all that comes from the data stands in Plotly's JSON, whose <, > and / are written as \u003c, \u003e and
    # \u002f, so that nothing ends the script tag; the rest is Plotly's own. Hostile names are held against it by test.
    body = Markup('<div aria-hidden="true">{}</div>').format(Markup(html))
    return svg.figure(chart.title, body + svg.short(chart, say) + svg.told(chart, say))


def library() -> Markup:
    """Plotly's own script, so that a page needs no network."""
    # Safe: a file of the installed library, in which nothing of the data stands.
    return Markup(get_plotlyjs())


def plain(text: str) -> str:
    """Have Plotly show `text` as it stands: it reads tags, entities and, in hover texts, %{…} out of every string."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("%{", "%&#123;")):
        text = text.replace(sign, entity)
    return text


def lines(text: str, most: int) -> str:
    """Break `text` into lines of at most so many characters, which Plotly shows as they stand."""
    return "<br>".join(map(plain, textwrap.wrap(text.replace(" %", "\u00a0%"), most)))


def _rows(chart: Dots | Bars) -> go.Figure:
    figure = go.Figure()
    names = [lines(row.name, NARROW) for row in chart.rows]
    marked = [
        (name, mark) for name, row in zip(names, chart.rows, strict=True) for mark in row.marks
    ]
    named = dict(chart.series) if isinstance(chart, Dots) else {}
    for tone in dict.fromkeys(mark.tone for _, mark in marked):
        part = [(name, mark) for name, mark in marked if mark.tone == tone]
        add = figure.add_bar if isinstance(chart, Bars) else figure.add_scatter
        look: dict[str, Any] = {"orientation": "h"} if isinstance(chart, Bars) else _dots(part)
        figure.update_layout(showlegend=bool(named))
        add(
            x=[mark.value for _, mark in part],
            y=[name for name, _ in part],
            marker={"color": TONES[tone]} | ({} if isinstance(chart, Bars) else {"size": 11}),
            name=plain(named.get(tone, "")),
            showlegend=tone in named,
            **look,
        )
    if isinstance(chart, Dots):
        _ground(figure, chart)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], dtick=1)
    figure.update_xaxes(**_axis(chart.axis))
    return _styled(figure, 90 + 44 * len(chart.rows))


def _dots(part: list[tuple[str, Mark]]) -> dict[str, Any]:
    ends = [mark.ends for _, mark in part]
    error = {
        "type": "data",
        "array": [high - mark.value for (_, high), (_, mark) in zip(ends, part, strict=True)],
        "arrayminus": [mark.value - low for (low, _), (_, mark) in zip(ends, part, strict=True)],
        "thickness": 2,
        "width": 4,
    }
    return {"mode": "markers", "error_x": error}


def _ground(figure: go.Figure, chart: Dots) -> None:
    """The axis' ends, the band and the line."""
    ends = [math.log10(end) for end in limits(chart)] if chart.axis.log else list(limits(chart))
    figure.update_xaxes(range=ends)
    if chart.band is not None:
        figure.add_vrect(
            x0=chart.band[0], x1=chart.band[1], fillcolor=BAND, line_width=0, layer="below"
        )
    if chart.line is not None:
        figure.add_vline(x=chart.line, line_color=INK, line_width=1)


def _lines(chart: Lines) -> go.Figure:
    figure = go.Figure()
    for line in chart.series:
        if line.low and line.high:
            figure.add_scatter(
                x=[*line.x, *line.x[::-1]],
                y=[*line.high, *line.low[::-1]],
                fill="toself",
                fillcolor=BAND,
                line={"width": 0},
                hoverinfo="skip",
                mode="lines",
                showlegend=False,
            )
        figure.add_scatter(
            x=list(line.x),
            y=list(line.y),
            mode="lines+markers" if line.dots else "lines",
            line={"color": TONES[line.tone], "width": 2, "shape": "hvh" if line.step else "linear"},
            name=plain(line.name),
            showlegend=bool(line.name),
        )
    if chart.line is not None:
        figure.add_hline(y=chart.line, line_color=INK, line_width=1)
    given = {"tickvals": list(chart.ticks)} if chart.ticks else {}
    figure.update_xaxes(**_axis(chart.x), **given)
    figure.update_yaxes(**_axis(chart.y), rangemode="tozero" if chart.y.zero else "normal")
    return _styled(figure, 320)


def _axis(axis: Axis) -> dict[str, Any]:
    kind = {"type": "log", "dtick": 1} if axis.log else {}
    return {"title": lines(axis.title, 34), "tickformat": FORMATS[axis.style], **kind}


def _styled(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure the house's type, colours and margins."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 10, "r": 20, "t": 34, "b": 48},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    look = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    figure.update_xaxes(**look)
    figure.update_yaxes(**look)
    return figure
