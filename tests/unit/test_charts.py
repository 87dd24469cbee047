"""Charts as data and as SVG: where marks stand, what is cut, what who cannot see is told."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wareloom.core.sentences import Say
from wareloom.report.charts import (
    Axis,
    Bars,
    Dots,
    Lines,
    Mark,
    Row,
    Series,
    cut,
    decades,
    limits,
    reach,
    said,
    ticks,
)
from wareloom.report.svg import drawn

SAY = Say()
LIFT = Axis("lift", "lift")


def row(name: str, value: float, low: float, high: float, *, kept: bool = False) -> Row:
    return Row(name, (Mark(value, low, high),), said(value, "lift"), kept=kept)


NEAR = (row("real", 0.05, 0.03, 0.08), row("repeated", -0.02, -0.05, 0.01))
FAR = row("naive", 16.0, 14.0, 18.0)


def parsed(chart: Dots | Bars | Lines) -> ElementTree.Element:
    return ElementTree.fromstring(str(drawn(chart, SAY)))


def test_a_row_far_out_does_not_squeeze_the_others() -> None:
    alone = Dots("", NEAR, LIFT, line=0.0)
    both = Dots("", (*NEAR, FAR), LIFT, line=0.0)
    assert limits(both) != pytest.approx((-1, 19), abs=5)
    low, high = limits(both)
    assert low < -0.05
    assert 0.08 < high < 0.8
    assert cut(both) == (FAR,)
    assert cut(alone) == ()
    text = "".join(parsed(both).itertext())
    assert "Cut at the edge of the axis" in text
    assert "naive (+1,600%)" in text
    assert "Cut at the edge" not in "".join(parsed(alone).itertext())


def test_what_decides_is_never_cut() -> None:
    kept = row("naive", 16.0, 14.0, 18.0, kept=True)
    assert cut(Dots("", (*NEAR, kept), LIFT, line=0.0)) == ()


@given(st.lists(st.tuples(*[st.floats(-30, 30)] * 3), min_size=1, max_size=8))
def test_the_axis_holds_every_row_that_is_not_cut(values: list[tuple[float, ...]]) -> None:
    rows = tuple(row(f"r{i}", *sorted(v)[1::-1], max(v)) for i, v in enumerate(values))
    chart = Dots("", rows, LIFT, line=0.0)
    low, high = limits(chart)
    assert low < high
    for each in rows:
        inside = all(low <= end <= high for mark in each.marks for end in mark.ends)
        assert inside != (each in cut(chart))
    sizes = sorted(max(map(abs, (*r.marks[0].ends, r.marks[0].value))) for r in rows)
    middle = sizes[(len(sizes) - 1) // 2]
    assert reach(rows) <= 8 * middle + 1e-9
    assert all(max(map(abs, each.marks[0].ends)) > 8 * middle for each in cut(chart))


def test_dots_stand_where_their_values_are() -> None:
    chart = Dots("t", (row("a", 0.5, 0.25, 0.75),), Axis("x"), ends=(0.0, 1.0))
    (dot,) = parsed(chart).iter("circle")
    assert dot.attrib["cx"] == "50%"
    span = next(each for each in parsed(chart).iter("line") if "span" in each.attrib["class"])
    assert (span.attrib["x1"], span.attrib["x2"]) == ("25%", "75%")
    log = Dots("t", (row("a", 1.0, 1.0, 1.0),), Axis("x", log=True), ends=(0.01, 100.0))
    assert next(parsed(log).iter("circle")).attrib["cx"] == "50%"


def test_nothing_of_a_cut_row_leaves_the_drawing() -> None:
    ends = Dots("t", (row("a", 5.0, -3.0, 9.0), row("b", 7.0, 6.0, 8.0)), Axis("x"), ends=(0, 1))
    page = parsed(ends)
    assert list(page.iter("circle")) == []
    spans = [each for each in page.iter("line") if "span" in each.attrib["class"]]
    assert [(each.attrib["x1"], each.attrib["x2"]) for each in spans] == [("0%", "100%")]
    assert len([each for each in page.iter("path") if "cut" in each.attrib["class"]]) == 3


def test_rows_are_text_and_lines_have_a_sentence() -> None:
    page = parsed(Dots("The caption", (row("a <b>", 0.5, 0.25, 0.75),), LIFT))
    assert page.tag == "figure"
    assert "".join(next(page.iter("figcaption")).itertext()) == "The caption"
    texts = ["".join(each.itertext()) for each in page.iter("span")]
    assert texts == ["a <b>", "+50%"]
    hidden = [each for each in page.iter() if each.attrib.get("aria-hidden") == "true"]
    unread = {id(text) for each in hidden for text in each.iter("text")}
    assert unread == {id(text) for text in page.iter("text")}, "ticks are not read out"
    line = Lines("A line", (Series("one", (1.0, 2.0), (3.0, 4.0)),), Axis("x"), Axis("y"))
    (shown,) = (each for each in parsed(line).iter("svg") if each.attrib.get("role") == "img")
    assert shown.attrib["aria-label"] == "one: 1: 3, 2: 4."
    none = Lines("A line", (Series("one", (), ()),), Axis("x"), Axis("y"))
    assert "one: no points." in str(drawn(none, SAY))


def test_a_long_line_is_drawn_small() -> None:
    many = tuple(float(i) for i in range(1, 100_001))
    line = Series("", many, tuple(1 / x for x in many))
    page = str(drawn(Lines("", (line,), Axis("", log=True), Axis("", log=True)), SAY))
    assert len(page) < 120_000


def test_bars_begin_at_zero() -> None:
    rows = tuple(Row(str(v), (Mark(v),), str(v)) for v in (200.0, 50.0, 0.0))
    bars = list(parsed(Bars("", rows, Axis(""))).iter("rect"))
    assert [(b.attrib["x"], b.attrib["width"]) for b in bars] == [
        ("0", "100%"),
        ("0", "25%"),
        ("0", "0%"),
    ]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low: float, size: float) -> None:
    high = low + size
    if not low < high:
        return
    found = ticks(low, high)
    assert len(found) <= 7
    slack = 1e-6 * size + 1e-9 * abs(high)
    assert all(low - slack <= each <= high + slack for each in found)
    steps = [b - a for a, b in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3, abs=1e-9) for step in steps)


def test_ticks_of_decades() -> None:
    assert decades(1, 1000) == [1, 10, 100, 1000]
    assert decades(2, 9) == [2, 5]
    assert len(decades(1e-9, 1e9)) <= 7


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        (0.031, "lift", "+3.1%"),
        (-0.004, "lift", "−0.4%"),
        (16.2, "lift", "+1,620%"),
        (-1.0, "lift", "−100%"),
        (0.0, "lift", "0"),
        (0.5, "percent", "50%"),
        (0.00012, "percent", "0.012%"),
        (12345.0, "plain", "12,345"),
        (-0.25, "plain", "−0.25"),
    ],
)
def test_how_values_are_said(value: float, style: str, text: str) -> None:
    assert said(value, style) == text


def test_places_are_percentages_so_that_type_keeps_its_size() -> None:
    page = str(drawn(Dots("", (*NEAR, FAR), LIFT, line=0.0, band=(-0.01, 0.01)), SAY))
    assert "viewBox" not in page
    assert not re.search(r"\b(style|font-size)=", page)


def test_stairs_change_half_way_and_end_level() -> None:
    line = Series("", (0.0, 1.0, 2.0), (1.0, 0.0, 1.0), step=True)
    page = parsed(Lines("", (line,), Axis(), Axis()))
    (path,) = (each for each in page.iter("path") if "line" in each.attrib["class"])
    points = [tuple(map(float, each.split())) for each in path.attrib["d"][1:].split("L")]
    assert [x for x, _ in points] == [0, 25, 25, 50, 75, 75, 100]
    assert points[0][1] == points[1][1] < points[2][1] == points[4][1] > points[5][1]
    assert points[-1][1] == points[-2][1]


def test_a_line_of_one_point_is_seen() -> None:
    one = Lines("", (Series("", (1.0,), (2.0,)),), Axis(), Axis())
    assert len(list(parsed(one).iter("circle"))) == 1
    two = Lines("", (Series("", (1.0, 2.0), (2.0, 3.0)),), Axis(), Axis())
    assert list(parsed(two).iter("circle")) == []
