"""Progress: one listener hears of every stage; lines and bars show what it heard."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from wareloom.cli._bars import Bars
from wareloom.core import progress
from wareloom.core.progress import Lines, Stage, clock, how_far, labels, shown_by, spelled, stage
from wareloom.core.run import Run


class Heard(list[tuple[str, int, str, float, dict[str, float]]]):
    """A listener that keeps what it hears."""

    def __call__(self, told: Stage) -> None:
        self.append((told.label, told.depth, told.state, told.done, dict(told.values)))


def test_a_listener_hears_of_every_stage_in_order() -> None:
    heard = Heard()
    with shown_by(heard), Run(quiet=False).task("outer", 2) as advance:
        with Run(quiet=False).task("inner") as within:
            within(3, loss=0.5)
        advance()
    assert heard == [
        ("outer", 0, "begun", 0, {}),
        ("inner", 1, "begun", 0, {}),
        ("inner", 1, "going", 3, {"loss": 0.5}),
        ("inner", 1, "ended", 3, {"loss": 0.5}),
        ("outer", 0, "going", 1, {}),
        ("outer", 0, "ended", 1, {}),
    ]


def test_what_an_error_ends_is_stopped_and_said_by_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    heard = Heard()

    def fail() -> None:
        with stage("outer"), stage("inner"):
            raise RuntimeError("on the way")

    with shown_by(heard), pytest.raises(RuntimeError):
        fail()
    assert [entry[2] for entry in heard] == ["begun", "begun", "stopped", "stopped"]
    with shown_by(Lines()), pytest.raises(RuntimeError):
        fail()
    assert capsys.readouterr().err == ""
    assert labels() == ()


def test_a_quiet_run_tells_nobody_but_what_is_within_knows_where_it_is() -> None:
    heard = Heard()
    with shown_by(heard), Run(quiet=True).task("cell"), Run(quiet=True).task("train"):
        assert labels() == ("cell", "train")
    assert heard == []


def test_the_listener_of_the_inner_block_hears_alone() -> None:
    outer, inner = Heard(), Heard()
    with shown_by(outer), shown_by(inner), stage("work"):
        pass
    with shown_by(outer), stage("later"):
        pass
    assert [entry[0] for entry in inner] == ["work", "work"]
    assert [entry[0] for entry in outer] == ["later", "later"]


def test_lines_are_one_an_outermost_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_by(Lines()):
        for name in ("fit", "sample"):
            with stage(name), stage("within", 5) as advance:
                advance(5)
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"fit: \d+\.\d s\nsample: \d+\.\d s\n", said.err)


def test_a_long_stage_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """With no time between lines, every step is one."""
    with shown_by(Lines(every=0.0)), stage("cells", 4), stage("train", 10) as advance:
        advance(5, loss=0.25)
    first = capsys.readouterr().err.splitlines()[0]
    assert re.fullmatch(r"cells, 0 of 4; train, 5 of 10, \d+:\d\d left, loss 0\.25", first)


def test_the_time_left_is_by_the_steps_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    told = Stage("fit", 8.0, start=100.0)
    assert told.left is None, "nothing is done yet"
    now, told.done = 160.0, 2.0
    assert told.left == pytest.approx(180.0), "a minute for two steps, six to go"
    assert how_far(told) == "fit, 2 of 8, 3:00 left"
    assert Stage("fit").left is None, "nobody knows the total"
    told.done = 9.0
    assert told.left == 0.0, "more than all"


@pytest.mark.parametrize(
    ("seconds", "on_a_clock", "in_words"),
    [
        (0.04, "0:00", "0.0 s"),
        (9.94, "0:10", "9.9 s"),
        (75, "1:15", "75 s"),
        (3723, "1:02:03", "1:02:03"),
    ],
)
def test_durations(seconds: float, on_a_clock: str, in_words: str) -> None:
    assert clock(seconds) == on_a_clock
    assert spelled(seconds) == in_words


def test_bars_show_four_levels_and_go_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    bars = Bars()
    with shown_by(bars), stage("a", 3) as advance, stage("b"), stage("c"), stage("d"), stage("e"):
        advance(2)
        assert bars.progress is not None
        shown = {task.description.strip(): task for task in bars.progress.tasks}
        assert list(shown) == ["a", "b", "c", "d"]
        assert (shown["a"].completed, shown["a"].total) == (2, 3)
        assert shown["b"].total is None
    assert (bars.progress, bars.drawn) == (None, {})


SCRIPT = """
import sys, time
from wareloom.cli import _bars
from wareloom.core.run import Run
with _bars.shown(), Run(quiet=False).task("cells", 4) as advance:
    for _ in range(3):
        advance(1, loss=0.5)
        time.sleep(0.6)
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals")
def test_a_terminal_shows_a_bar_with_total_and_time_left() -> None:
    main, other = os.openpty()
    source = str(Path(progress.__file__).resolve().parents[2])
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "PYTHONPATH": source}
    words = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(words, stderr=other, stdout=other, env=environment) as child:
        os.close(other)
        seen = b""
        while select.select([main], [], [], 60)[0]:
            try:
                chunk = os.read(main, 4096)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
    os.close(main)
    assert child.returncode == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())
    assert re.search(r"cells .*3/4 0:0\d, 0:0\d left loss 0\.5", shown), shown
    assert shown.rstrip().endswith(" s"), "a long stage leaves a line"
