"""Progress as a terminal shows it: a bar for each stage under way, with its total and the time left."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wareloom.core.progress import Lines, Listener, Stage, clock, shown_by, spelled

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DEEPEST = 4
"""Bars at once: a stage of a job, its cells, one of these, and what that trains or ranks"""
LONG = 1.0
"""Seconds from which an outermost stage leaves a line behind"""


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Show the progress of the block: bars on a terminal, else a line for each outermost stage."""
    bars = Bars() if drawable() else None
    listener: Listener = bars or Lines()
    try:
        with shown_by(listener):
            yield
    finally:
        if bars is not None:
            bars.close()


def drawable() -> bool:
    """Whether standard error is a terminal on which bars can be drawn."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Bars:
    """A listener that draws bars and takes them away again; a long outermost stage leaves one line."""

    def __init__(self) -> None:
        """Draw nothing yet: whoever has no stage loads no library."""
        self.progress: Progress | None = None
        self.drawn: dict[int, TaskID] = {}

    def __call__(self, told: Stage) -> None:
        """Hear of a stage."""
        if told.depth >= DEEPEST and id(told) not in self.drawn:
            return
        if told.state in ("ended", "stopped"):
            self._take(told)
            return
        bar = self._bar(told)
        said = " ".join(f"{name} {value:.4g}" for name, value in told.values.items())
        assert self.progress is not None
        self.progress.update(bar, completed=told.done, values=said)

    def close(self) -> None:
        """Take all bars away."""
        if self.progress is not None:
            self.progress.stop()
        self.progress, self.drawn = None, {}

    def _bar(self, told: Stage) -> TaskID:
        if self.progress is None:
            self.progress = _progress()
            self.progress.start()
        if id(told) not in self.drawn:
            label = "  " * told.depth + told.label
            self.drawn[id(told)] = self.progress.add_task(
                label, total=told.total or None, stage=told, values=""
            )
        return self.drawn[id(told)]

    def _take(self, told: Stage) -> None:
        bar = self.drawn.pop(id(told), None)
        if self.progress is not None and bar is not None:
            self.progress.remove_task(bar)
        if not self.drawn:
            self.close()
        if told.depth == 0 and told.state == "ended" and told.seconds >= LONG:
            print(f"{told.label}: {spelled(told.seconds)}", file=sys.stderr, flush=True)


def _progress() -> Progress:
    """The display: label, bar, steps of all, time gone and left, and what is told beside."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Clock(ProgressColumn):
        """Time gone and left, by what the stage itself knows: steps may take minutes each."""

        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            """The two times of one bar."""
            told: Stage = task.fields["stage"]
            left = told.left
            ahead = "" if left is None else f", {clock(left)} left"
            return Text(f"{clock(told.seconds)}{ahead}", style="progress.remaining")

    class Steps(ProgressColumn):
        """How many steps of how many."""

        def render(self, task: Task) -> Text:
            """The steps of one bar; nothing where their number is not known."""
            total = task.total
            return Text(f"{task.completed:,.0f}/{total:,.0f}" if total else "")

    label = Column(no_wrap=True, overflow="ellipsis", ratio=3)
    return Progress(
        TextColumn("{task.description}", table_column=label, markup=False),
        BarColumn(bar_width=None, table_column=Column(ratio=2, min_width=8)),
        Steps(),
        Clock(),
        TextColumn("{task.fields[values]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
        expand=True,
    )
