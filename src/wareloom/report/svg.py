"""Charts as SVG that keeps its type at any width: places are percentages, text stays text.

What cannot see has the figures as text: rows are a list whose names and values stand outside of the drawing, and a
chart of lines has a sentence a line. Nothing of a shop is marked safe: `Markup.format` escapes what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from wareloom.core.sentences import Say
from wareloom.report.charts import (
    Axis,
    Bars,
    Chart,
    Dots,
    Lines,
    Mark,
    Row,
    Series,
    cut,
    decades,
    limits,
    said,
    span_of,
    ticks,
)

ROOM = 0.04
"""Share of a plot's height left free over and under its lines"""
POINTS = 12
"""Up to so many points of a line are said one by one"""
Place = Callable[[float], float]


def drawn(chart: Chart, say: Say) -> Markup:
    """Return a chart as a figure with its caption."""
    if isinstance(chart, Lines):
        return figure(chart.title, _plot(chart, say))
    if isinstance(chart, Bars):
        return figure(chart.title, _bars(chart))
    return figure(chart.title, _dots(chart, say))


def figure(title: str, body: Markup) -> Markup:
    """Return a figure with its caption."""
    caption = Markup("<figcaption>{}</figcaption>\n").format(title) if title else Markup()
    return Markup("<figure>\n{}{}</figure>").format(caption, body)


def _dots(chart: Dots, say: Say) -> Markup:
    low, high = limits(chart)
    place = _scale(low, high, chart.axis.log)
    at = _ticks(chart.axis, low, high)
    back = Markup()
    if chart.band is not None:
        left, right = (min(max(place(end), 0.0), 100.0) for end in chart.band)
        back += Markup('<rect class="band" x="{}%" width="{}%" height="100%"/>').format(
            _n(left), _n(right - left)
        )
    back += _upright(at, place, "grid")
    if chart.line is not None:
        back += _upright([chart.line], place, "zero")
    lanes = max((len(row.marks) for row in chart.rows), default=1)
    rows = Markup().join(_row(row, _track(row.marks, place, back, lanes)) for row in chart.rows)
    axis = _axis(chart.axis, at, place)
    return _legend(chart.series) + _list(rows, axis, lanes) + _title(chart.axis) + short(chart, say)


def short(chart: Chart, say: Say) -> Markup:
    """Return a note of the rows that the axis does not reach; nothing where it reaches all."""
    over = cut(chart) if isinstance(chart, Dots) else ()
    if not over:
        return Markup()
    names = [say("chart.outlier", name=row.name, value=row.said) for row in over]
    return Markup('<p class="faint">{}</p>\n').format(say("chart.cut", rows=say.listed(names)))


def _bars(chart: Bars) -> Markup:
    values = [mark.value for row in chart.rows for mark in row.marks]
    high = max(values, default=0.0) or 1.0
    place = _scale(0.0, high, False)
    at = _ticks(chart.axis, 0.0, high)
    rows = Markup()
    for row in chart.rows:
        bar = Markup('<rect class="bar tone-{}" x="0" y="22%" height="56%" width="{}%"/>').format(
            row.marks[0].tone, _n(max(place(row.marks[0].value), 0.0))
        )
        rows += _row(row, _upright(at, place, "grid") + bar)
    return _list(rows, _axis(chart.axis, at, place), 1) + _title(chart.axis)


def _list(rows: Markup, axis: Markup, lanes: int) -> Markup:
    wide = " two" if lanes > 1 else ""
    return Markup('<ul class="rows{}">\n{}{}</ul>\n').format(wide, rows, axis)


def _row(row: Row, track: Markup) -> Markup:
    """A row: its name and figures as text, its marks drawn."""
    tone = row.marks[0].tone if row.marks else "s0"
    bold = Markup("<b>{}</b>").format(row.said) if row.said else Markup()
    more = Markup(" <span>{}</span>").format(row.more) if row.more else Markup()
    return Markup(
        '<li class="tone-{}"><span class="name">{}</span><span class="said">{}{}</span>'
        '<svg aria-hidden="true">{}</svg></li>\n'
    ).format(tone, row.name, bold, more, track)


def _track(marks: Sequence[Mark], place: Place, back: Markup, lanes: int) -> Markup:
    found = back
    for lane, mark in enumerate(marks):
        y = _n(100 * (lane + 1) / (lanes + 1))
        left, right = map(place, mark.ends)
        if right > left and right > 0 and left < 100:
            ends = _n(max(left, 0.0)), _n(min(right, 100.0))
            found += Markup(
                '<line class="span tone-{}" x1="{}%" x2="{}%" y1="{}%" y2="{}%"/>'
            ).format(mark.tone, *ends, y, y)
        x = place(mark.value)
        if 0 <= x <= 100:
            found += Markup('<circle class="dot tone-{}" cx="{}%" cy="{}%" r="6.5"/>').format(
                mark.tone, _n(x), y
            )
        for beyond, edge, tip in ((left < 0, 0, 7), (right > 100, 100, -7)):
            if beyond:
                found += Markup(
                    '<svg x="{}%" y="{}%"><path class="cut tone-{}" d="M{} -6L0 0L{} 6"/></svg>'
                ).format(edge, y, mark.tone, tip, tip)
    return found


def _upright(at: Sequence[float], place: Place, kind: str) -> Markup:
    return Markup().join(
        Markup('<line class="{}" x1="{}%" x2="{}%" y1="0" y2="100%"/>').format(
            kind, _n(place(value)), _n(place(value))
        )
        for value in at
    )


def _axis(axis: Axis, at: Sequence[float], place: Place) -> Markup:
    return Markup(
        '<li class="axis" aria-hidden="true"><svg aria-hidden="true">{}</svg></li>\n'
    ).format(Markup().join(_below(value, axis, place(value), 15) for value in at))


def _below(value: float, axis: Axis, x: float, y: int) -> Markup:
    """The value of a tick; at the ends it stands within the drawing."""
    anchor = "start" if x < 4 else "end" if x > 96 else "middle"
    return Markup('<text x="{}%" y="{}" text-anchor="{}">{}</text>').format(
        _n(x), y, anchor, said(value, axis.style)
    )


def _title(axis: Axis) -> Markup:
    return Markup('<p class="axis-title">{}</p>\n').format(axis.title) if axis.title else Markup()


def _legend(series: Sequence[tuple[str, str]]) -> Markup:
    if not series:
        return Markup()
    keys = Markup().join(
        Markup(
            '<li><svg aria-hidden="true"><rect class="bar tone-{}" width="100%" height="100%" rx="2"/></svg>{}</li>'
        ).format(tone, name)
        for tone, name in series
    )
    return Markup('<ul class="legend">{}</ul>\n').format(keys)


def _plot(chart: Lines, say: Say) -> Markup:
    """Lines in a drawing that stretches, over ticks that do not."""
    xs = span_of((x for line in chart.series for x in line.x), chart.x)
    heights = [y for line in chart.series for y in (*line.y, *line.low, *line.high)]
    ys = span_of([*heights, *(() if chart.line is None else (chart.line,))], chart.y)
    across, up = _scale(*xs, chart.x.log), _scale(*ys, chart.y.log)

    def down(value: float) -> float:
        return 100 * (1 - ROOM) - up(value) * (1 - 2 * ROOM)

    body = Markup()
    for value in _ticks(chart.y, *ys):
        y = _n(down(value))
        body += Markup('<line class="grid" x1="0" x2="100%" y1="{}%" y2="{}%"/>').format(y, y)
        body += Markup('<text x="-8" y="{}%" dy=".35em" text-anchor="end">{}</text>').format(
            y, said(value, chart.y.style)
        )
    if chart.line is not None:
        y = _n(down(chart.line))
        body += Markup('<line class="zero" x1="0" x2="100%" y1="{}%" y2="{}%"/>').format(y, y)
    body += Markup(
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">{}</svg>'
    ).format(Markup().join(_line(line, across, down) for line in chart.series))
    for line in chart.series:
        for x, y_of in zip(line.x, line.y, strict=True) if line.dots or len(line.x) == 1 else ():
            body += Markup('<circle class="dot tone-{}" cx="{}%" cy="{}%" r="5.5"/>').format(
                line.tone, _n(across(x)), _n(down(y_of))
            )
    below = chart.ticks or _ticks(chart.x, *xs)
    body += Markup('<svg y="100%">{}</svg>').format(
        Markup().join(_below(value, chart.x, across(value), 16) for value in below)
    )
    alt = " ".join(_told(line, chart, say) for line in chart.series)
    named = _legend([(line.tone, line.name) for line in chart.series if line.name])
    height = (
        Markup('<p class="faint first">{}</p>\n').format(chart.y.title)
        if chart.y.title
        else Markup()
    )
    return (
        named
        + height
        + Markup('<svg class="plot" role="img" aria-label="{}">{}</svg>\n').format(alt, body)
        + Markup('<p class="axis-title below">{}</p>\n').format(chart.x.title)
    )


def _line(line: Series, across: Place, down: Place) -> Markup:
    found = Markup()
    if line.low and line.high:
        there = [(across(x), down(y)) for x, y in zip(line.x, line.high, strict=True)]
        back = [(across(x), down(y)) for x, y in zip(line.x, line.low, strict=True)][::-1]
        found += Markup('<path class="area tone-{}" d="{}Z"/>').format(
            line.tone, _path([*there, *back], False)
        )
    points = [(across(x), down(y)) for x, y in zip(line.x, line.y, strict=True)]
    return found + Markup('<path class="line tone-{}" d="{}"/>').format(
        line.tone, _path(points, line.step)
    )


def _path(points: Sequence[tuple[float, float]], step: bool) -> str:
    """A path through points in hundredths, whose stairs change half way; none is drawn twice."""
    laid: list[tuple[str, str]] = []
    for place, (x, y) in enumerate(points):
        if step and place:
            before = points[place - 1]
            half = _n((before[0] + x) / 2)
            laid += [(half, _n(before[1])), (half, _n(y))]
        if not laid or laid[-1] != (_n(x), _n(y)):
            laid.append((_n(x), _n(y)))
    return "M" + "L".join(f"{x} {y}" for x, y in laid) if laid else "M0 0"


def _told(line: Series, chart: Lines, say: Say) -> str:
    """A line in words, for who does not see it."""
    points = list(zip(line.x, line.y, strict=True))
    if not points:
        return say("chart.empty", name=line.name or chart.title)
    shown = points if len(points) <= POINTS else [points[0], points[len(points) // 2], points[-1]]
    pairs = [
        say("chart.point", x=said(x, chart.x.style), y=said(y, chart.y.style)) for x, y in shown
    ]
    return say("chart.line", name=line.name or chart.title, points=say.joined(pairs))


def _ticks(axis: Axis, low: float, high: float) -> list[float]:
    return decades(low, high) if axis.log else ticks(low, high)


def _scale(low: float, high: float, log: bool) -> Place:
    """Return where a value lies between the ends, in hundredths."""
    if log:
        first, last = math.log10(low), math.log10(high)
        return lambda value: 100 * (math.log10(max(value, low * 1e-6)) - first) / (last - first)
    return lambda value: 100 * (value - low) / (high - low)


def told(chart: Chart, say: Say) -> Markup:
    """Return what a chart shows as text, for a drawing that has none: the rows, or a sentence a line."""
    if isinstance(chart, Lines):
        texts = [_told(line, chart, say) for line in chart.series]
    else:
        texts = [
            say("chart.row", name=row.name, value=row.said, more=row.more) for row in chart.rows
        ]
    items = Markup().join(Markup("<li>{}</li>").format(text) for text in texts)
    return Markup('<details><summary>{}</summary><ul class="faint">{}</ul></details>\n').format(
        say("chart.text"), items
    )


def _n(value: float) -> str:
    """A number of a drawing: two digits behind the point are a hundredth of a pixel or two."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
