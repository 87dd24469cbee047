"""How work under way is told: every stage tells one listener when it begins, moves on and ends.

    with shown_by(print), stage("fit", total=3) as advance:
        advance()
        advance(2, loss=0.4)

Whoever works says `run.task(label, total)`, see `wareloom.core.run`, and knows no display. Whoever shows installs a
listener: the command line its bars, a program a function of its own, and without any there is a line on standard error.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

Advance = Callable[..., None]
"""advance(steps=1, **values): so many steps more are done; the values, such as a loss, are shown beside."""
EVERY = 60.0
"""Seconds between two lines on the same stage, where lines are written"""


@dataclass
class Stage:
    """A piece of work under way, as a listener sees it."""

    label: str
    total: float | None = None
    """How many steps it has; None where nobody knows"""
    depth: int = 0
    """How many stages it stands within"""
    done: float = 0.0
    values: dict[str, float] = field(default_factory=dict)
    """What is told beside, such as a loss"""
    state: Literal["begun", "going", "ended", "stopped"] = "begun"
    """Where it is; what an error or a signal ended is stopped"""
    start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.start

    @property
    def left(self) -> float | None:
        """Seconds that are left if it goes on as it went; None where that cannot be said."""
        if not self.total or not self.done:
            return None
        return self.seconds * max(0.0, self.total - self.done) / self.done


Listener = Callable[[Stage], None]
"""Is called when a stage begins, at each step, and when it ends."""

_listeners: list[Listener] = []
_within: ContextVar[tuple[str, ...]] = ContextVar("wareloom_stages", default=())


@contextlib.contextmanager
def shown_by(listener: Listener) -> Iterator[None]:
    """Let `listener` hear of the stages of the block instead of who heard of them before."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.pop()


@contextlib.contextmanager
def stage(label: str, total: float | None = None, *, shown: bool = True) -> Iterator[Advance]:
    """Tell the listener of a piece of work; yields `advance(steps=1, **values)`. `total`: of its steps.

    One that is not `shown` is told to nobody, but what is within it knows its name.
    """
    tell: Listener = (_listeners[-1] if _listeners else _usual) if shown else _nobody
    labels = _within.get()
    here = Stage(label, total, len(labels))

    def advance(steps: float = 1, **values: float) -> None:
        here.done, here.values, here.state = here.done + steps, values or here.values, "going"
        tell(here)

    token = _within.set((*labels, label))
    whole = False
    tell(here)
    try:
        yield advance
        whole = True
    finally:
        _within.reset(token)
        here.state = "ended" if whole else "stopped"
        tell(here)


def labels() -> tuple[str, ...]:
    """What the stages under way are called, the outermost first."""
    return _within.get()


def _nobody(told: Stage) -> None:
    """Hear of a stage and show nothing."""


class Lines:
    """A listener that writes lines: one for each outermost stage when it ends, and one a minute while it lasts.

    Stages within others are told in the line of the outermost one: a log of a long job stays short.
    """

    def __init__(self, every: float = EVERY) -> None:
        """`every`: seconds between two lines on the same stage."""
        self.every, self.said = every, 0.0
        self.outermost: Stage | None = None

    def __call__(self, told: Stage) -> None:
        """Hear of a stage."""
        if told.depth == 0 and told.state == "begun":
            self.outermost, self.said = told, told.start
        elif told.depth == 0 and told.state == "ended":
            self._write(f"{told.label}: {spelled(told.seconds)}")
        elif told.state == "going" and time.perf_counter() - self.said >= self.every:
            self.said = time.perf_counter()
            whole = self.outermost
            within = [how_far(whole)] if whole is not None and whole is not told else []
            self._write("; ".join([*within, how_far(told)]))

    def _write(self, line: str) -> None:
        if sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)


def how_far(told: Stage) -> str:
    """How far a stage is, in words: "train, 30 of 200, 0:12 left, loss 0.41"."""
    said = [told.label]
    if told.total:
        said.append(f"{told.done:,.0f} of {told.total:,.0f}")
    if told.left is not None:
        said.append(f"{clock(told.left)} left")
    said += [f"{name} {value:.4g}" for name, value in told.values.items()]
    return ", ".join(said)


def spelled(seconds: float) -> str:
    """A duration for people: "0.4 s", "83 s", "1:02:03"."""
    return (
        f"{seconds:.1f} s"
        if seconds < 10
        else f"{seconds:.0f} s"
        if seconds < 120
        else clock(seconds)
    )


def clock(seconds: float) -> str:
    """A duration as on a clock: "0:07", "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


_usual = Lines()
