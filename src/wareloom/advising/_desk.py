"""The desk that the work is done at: the folder, the clock, what is finished already, and what is said meanwhile."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wareloom.advising._clock import Clock, OutOfTime
from wareloom.core.memory import GIB
from wareloom.core.run import Run
from wareloom.core.state import read_json, write_whole

WORK = ".advice"
"""The folder, within that of the advice, of what is finished while it is not whole"""


def peak() -> float:
    """The most memory that this process has held, in GiB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


@dataclass
class Desk:
    """One piece of advice while it is worked on."""

    folder: Path
    run: Run
    clock: Clock
    left_out: dict[str, str] = field(default_factory=dict)
    """What did not fit, and why"""

    def __post_init__(self) -> None:
        """Nothing is shown yet."""
        self._shown, self._told = contextlib.ExitStack(), 0.0
        self._moved: Callable[..., None] = lambda *_, **__: None

    @property
    def work(self) -> Path:
        """Where finished pieces lie until the advice is whole."""
        return self.folder / WORK

    @property
    def cells(self) -> Run:
        """The run whose finished cells are kept, and that says nothing by itself."""
        return self.run.with_(cache=self.run.cache or self.work / "cells", quiet=True)

    def kept(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what a stage came to: from an earlier call, or worked out now and kept."""
        path = self.work / f"{name}.json"
        if path.is_file():
            found: dict[str, Any] = read_json(path)
            return found
        found = work()
        write_whole(path, found)
        self.note()
        return found

    def busy(self) -> dict[str, float]:
        """How busy the machine is: see `Clock.busy`; a call that goes on works on the same events."""
        return {"busy": round(self.clock.busy, 1)}

    def note(self) -> None:
        """Write down how many of the seconds are spent, for a call that goes on."""
        write_whole(self.work / "spent.json", {"seconds": round(self.clock.spent, 1)})

    def say(self, line: str) -> None:
        """Say what is being done, and how long there is; in the log, too."""
        left = self.clock.left
        about = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{self.clock.spent:.0f} s: {line}\n")
        if self.run.quiet:
            return
        if sys.stderr.isatty():
            self._shown.close()
            self._shown.enter_context(self.run.task(line))
            self._moved(self.clock.spent - self._told)
            self._told = self.clock.spent
        else:
            print(f"{line} · {about} left", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show for the length of the block a bar of the seconds that are given, with those that are left."""
        hidden = self.run.quiet or not sys.stderr.isatty()
        with self.run.with_(quiet=hidden).task("advice", self.clock.seconds) as self._moved:
            try:
                yield
            finally:
                self._shown.close()

    def tried(self, name: str, seconds: float, work: Callable[[], Any]) -> Any:
        """Return what `work` does within so many seconds; None, and why in `left_out`, where it takes longer."""
        try:
            with self.clock.within(min(seconds, self.clock.left)):
                return work()
        except OutOfTime:
            self.left_out[name] = f"it took longer than the {seconds:.0f} s that there were for it"
            return None

    def clear(self) -> None:
        """Remove what was kept for an interruption."""
        shutil.rmtree(self.work, ignore_errors=True)
