"""Summaries: ten lines at most, aligned, nothing empty, plain in a pipe, coloured and broken on a terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.cli import _summary
from wareloom.cli._summary import MOST, Summary, brief, spark, wide

WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "Zs")), max_size=60)
CELLS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS)


def test_it_is_laid_out_as_it_says() -> None:
    told = Summary("Read export: 2 tables.")
    told.table(("table", "rows"), [("events", 12_345), ("items", 6)])
    told.fact("columns", ["user_id", "item_id"]).fact("nothing", "").fact("none", None)
    told.warn("Times are whole days.").next("wareloom check shop").place("shop")
    assert told.text().splitlines() == [
        "Read export: 2 tables.",
        "table     rows",
        "events  12,345",
        "items        6",
        "columns  user_id, item_id",
        "note     Times are whole days.",
        "folder   shop",
        "next     wareloom check shop",
    ]


def test_columns_without_a_value_are_left_out() -> None:
    told = Summary().table(("name", "rejected", "kept"), [("a", "", 1), ("b", None, 2)])
    assert told.text().splitlines() == ["name  kept", "a        1", "b        2"]
    assert Summary().table(("name",), []).text() == ""


def test_rows_and_notes_that_do_not_fit_are_counted() -> None:
    told = Summary("head").table(("n",), [(i,) for i in range(30)], "user")
    told.note("one", "two").place("folder")
    lines = told.text().splitlines()
    assert len(lines) == MOST
    assert lines[-2] == "… 24 more users and 2 notes: --json has all"
    assert lines[-1] == "folder  folder"


def test_a_warning_keeps_its_place_beside_a_long_table() -> None:
    told = Summary("head").table(("n",), [(i,) for i in range(30)])
    told.warn("A warning.").note("A note.")
    lines = told.text().splitlines()
    assert "note  A warning." in lines
    assert len(lines) <= MOST


def test_the_same_warning_is_said_once() -> None:
    assert Summary().warn("Once.", "", "Once.").text() == "note  Once."


def test_lines_are_broken_at_the_width_of_a_terminal_and_nowhere_in_a_pipe() -> None:
    told = Summary("word " * 40).warn("longer " * 30)
    assert len(told.text().splitlines()) == 2
    assert max(map(len, told.text(80).splitlines())) <= 80


def test_heads_are_cut_before_what_stands_below_them() -> None:
    head = ("metric", "a head that is far too long for it", "mean")
    lines = Summary().table(head, [("ndcg", "0.61 to 0.92" * 3, 0.5)]).text(60).splitlines()
    assert "0.61 to 0.92" * 3 in lines[1]
    assert max(map(len, lines)) <= 60


def test_chinese_titles_are_aligned_by_what_they_take() -> None:
    told = Summary().table(("title", "n"), [("茶杯", 1), ("mug", 22)]).text().splitlines()
    assert [wide(line) for line in told] == [9, 9, 9]


@settings(deadline=None)
@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=30),
    st.lists(WORDS, max_size=6),
    st.sampled_from([None, 80, 120]),
)
def test_no_result_takes_more_than_ten_lines(
    rows: list[tuple[Any, Any, Any]], notes: list[str], width: int | None
) -> None:
    told = Summary("head").table(("a", "b", "c"), rows).warn(*notes).place("x").next("y")
    assert len(told.text(width).split("\n")) <= MOST


class Terminal:
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_summary.sys, "stdout", Terminal())
    width, colour = _summary.console()
    assert (width or 0) >= 80
    assert colour is coloured
    text = Summary("Done.", "good").warn("Mind.").text(width, colour=colour)
    assert ("\x1b" in text) is coloured
    assert re.sub(r"\x1b\[\d+m", "", text) == "Done.\nnote  Mind."


def test_a_pipe_has_neither_width_nor_colour(capsys: pytest.CaptureFixture[str]) -> None:
    assert _summary.console() == (None, False)
    _summary.say(Summary("Done.", "bad"))
    assert capsys.readouterr().out == "Done.\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (12345, "12,345"),
        (0.123456, "0.1235"),
        (2.5e7, "25,000,000"),
        (None, "-"),
        (True, "yes"),
        ([1, "a"], "1, a"),
        ({"a": 1}, "a 1"),
    ],
)
def test_values_are_brief(value: Any, said: str) -> None:
    assert brief(value) == said


def test_a_curve_is_a_line_of_blocks() -> None:
    assert spark([3, 2, 1, 0, 0]) == "█▆▃▁▁"
    assert spark([1.0]) == ""
    assert spark([2.0, float("nan"), 2.0]) == "▁▁"
    assert len(spark(list(range(1000)))) == 24
