"""The minutes that were given: what is left of them, and how work is stopped that would take more."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

LEAST = 0.5
"""Seconds below which no work is begun"""
AGAIN = 1.0
"""Seconds after which the timer rings again, where nothing could be stopped"""
BUSIEST = 4.0
"""How many times longer than alone work is reckoned to take at most"""
COMPILERS = ("numba", "llvmlite")
"""What is not stopped: a kernel that is half compiled cannot be compiled anew in the same process"""


class OutOfTime(BaseException):
    """The work took longer than it was given; no `Exception`, so that no library takes it for a failure of its own."""


class Clock:
    """Counts down the seconds that are given; those of an earlier call that was stopped count, too."""

    def __init__(self, seconds: float, spent: float = 0.0) -> None:
        """`seconds`: given in all; `spent`: of which so many are gone."""
        self.seconds, self._begun = seconds, time.perf_counter() - spent
        self._wall, self._worked = time.perf_counter(), time.process_time()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._begun

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self.seconds - self.spent)

    @property
    def busy(self) -> float:
        """How many times longer than its own processor time this process has taken, 1 to `BUSIEST`.

        More than 1 where the machine is busy with others: what is planned by processor time then takes so much longer.
        """
        worked = time.process_time() - self._worked
        wall = time.perf_counter() - self._wall
        return min(BUSIEST, max(1.0, wall / worked)) if worked > 0.5 else 1.0

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Raise `OutOfTime` in the block where it takes longer than `seconds`.

        By the system's timer, which stops any Python code of the main thread; elsewhere nothing is stopped, and only
        what is begun is decided by the clock.
        """
        if seconds < LEAST:
            raise OutOfTime
        usable = hasattr(signal, "setitimer") and (
            threading.current_thread() is threading.main_thread()
        )
        if not usable:
            yield
            return

        def ring(number: int, frame: FrameType | None) -> None:
            if not _compiling(frame):
                raise OutOfTime

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)


def _compiling(frame: FrameType | None) -> bool:
    """Whether a compiler is among what is being done."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in COMPILERS:
            return True
        frame = frame.f_back
    return False
