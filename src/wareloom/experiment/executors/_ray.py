"""On Ray: one of its own on this machine, or one that runs on several."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from wareloom.core import logging
from wareloom.errors import OutputError, ServiceError, WorkerError, missing_extra
from wareloom.experiment.executors._attempt import again, tail
from wareloom.experiment.executors._channel import PATIENCE, Child, Said, log_path, stop
from wareloom.experiment.executors._line import RETRIES, Job, Line, Task

GATEWAY = "wareloom.experiment.executors._gateway"
WAIT = 60.0
"""Seconds that a Ray gets to start or to answer"""
STARTS = 2
"""Rays that are started for one run at most: the first, and one more where it cannot start or ends"""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What Ray puts into its tracebacks for terminals"""

log = logging.get(__name__)


class _Gone(Exception):
    """There is no Ray, or no longer one; says why."""


class OnRay:
    """Hands each task to Ray as one remote call; a worker of Ray's keeps its last job open.

    The opener's data (a shop's folder) and the store must be reachable from the workers under the same names, and
    Wareloom in the same version importable there: for Rays of several machines a shared folder, or a bucket. A Ray of
    its own ends with the run, whatever becomes of either.
    """

    def __init__(self, address: str, processes: int, logs: Path) -> None:
        """Compute at "ray://host:port", or at "local", a Ray of its own of so many processes.

        Raises `MissingExtraError` where Ray is not installed.
        """
        if importlib.util.find_spec("ray") is None:
            raise missing_extra("ray", "cluster", "Computing on Ray")
        self.address, self.processes, self.logs = address, processes, logs
        self._gate: _Gate | None = None
        self._held = False

    def __enter__(self) -> OnRay:
        """Let several runs share one Ray, until the block ends."""
        self._held = True
        return self

    def __exit__(self, *error: object) -> None:
        """End what is left of it."""
        self._held = False
        self._close()

    def run(self, job: Job, tasks: Sequence[Task], done: Callable[[Task], None]) -> None:
        """See `Executor.run`. Raises `ServiceError` where Ray cannot be started or reached, or ends, twice."""
        line = Line(tasks)
        for left in reversed(range(STARTS)):
            if not line:
                return
            try:
                _pass_through(self._open(), job, line, done)
            except _Gone as error:
                log.warning("Ray is gone (%s)%s", error, "; tried once more" if left else "")
                if not left:
                    raise ServiceError(
                        f"Ray ({self.address}) could not be started or reached, or ended: {error}. What is finished "
                        "is kept; try again, or choose --on local."
                    ) from None
            finally:
                # What others are still at would answer into the next run.
                if self._gate and not (self._held and self._gate.well and not self._gate.running):
                    self._close()

    def _open(self) -> _Gate:
        """Start or reach a Ray, unless one is held."""
        if self._gate is None:
            own = self.address == "local"
            # Names of sockets are short, and lie below.
            short = "/tmp" if Path("/tmp").is_dir() else None
            folder = Path(tempfile.mkdtemp(prefix="wl-ray-", dir=short)) if own else None
            first = {"address": self.address, "processes": self.processes}
            try:
                self._gate = _Gate({**first, "folder": str(folder or "")}, self.logs, folder)
            except OutputError:
                if folder is not None:
                    folder.rmdir()
                raise
            self._gate.wait_until_ready()
        return self._gate

    def _close(self) -> None:
        """End a Ray of its own at once, or take leave of another; of one that went well not even a log is left."""
        gate, self._gate = self._gate, None
        if gate is None:
            return
        stop([gate.child], PATIENCE if gate.well and gate.folder is None else 0.0)
        if gate.well:
            gate.child.log.unlink(missing_ok=True)
        until = time.monotonic() + PATIENCE
        while gate.folder is not None and gate.folder.exists():
            # What was killed may still have been writing.
            shutil.rmtree(gate.folder, ignore_errors=True)
            if time.monotonic() > until:
                break
            time.sleep(0.02)


class _Gate:
    """The process that speaks with Ray, and what is in its hands."""

    def __init__(self, first: Said, logs: Path, folder: Path | None) -> None:
        self.logs, self.folder, self.well = logs, folder, False
        self.events: SimpleQueue[Said | None] = SimpleQueue()
        self.running: dict[str, Task] = {}
        self.child = Child(
            GATEWAY, first, log_path(logs, "ray"), lambda child, said: self.events.put(said)
        )

    def wait_until_ready(self) -> None:
        """Wait until there is a Ray; raises `_Gone`."""
        try:
            self.next(WAIT)
        except Empty:
            raise _Gone(f"no answer within {WAIT:.0f} s") from None
        self.well = True

    def next(self, timeout: float | None = None) -> Said:
        """What it says next; raises `_Gone` where it has failed or ended."""
        said = self.events.get(timeout=timeout)
        self.well = self.well and said is not None and "failed" not in said and "lost" not in said
        if said is None:
            raise _Gone(f"its process ended, {self.child.ended()}; see {self.child.log}")
        if "failed" in said or "lost" in said:
            raise _Gone(f"{said.get('failed') or said['lost']}; see {self.child.log}")
        return said

    def kept(self) -> str:
        """Keep what the workers of a Ray of its own wrote; where it is, in words."""
        if self.folder is None:
            return "its log is with that Ray"
        place = self.child.log.with_suffix("")
        shutil.copytree(
            self.folder / "session_latest" / "logs", place, dirs_exist_ok=True, symlinks=True
        )
        return f"its log is in {place}"


def _pass_through(gate: _Gate, job: Job, line: Line, done: Callable[[Task], None]) -> None:
    """Hand out what is ready and hear what becomes of it, until the line is empty."""
    gate.child.tell({"opener": job.opener, "told": job.told})
    try:
        while line:
            while (task := line.next()) is not None:
                gate.running[task.key] = task
                gate.child.tell({"key": task.key, "call": task.call})
            said = gate.next()
            task = gate.running.pop(said["key"])
            if "raised" in said:
                raise again(said["raised"])
            if "crashed" in said:
                raise WorkerError(
                    f"{task.name} crashed in a worker; {gate.kept()}.\n{tail(COLOURS.sub('', said['crashed']))}"
                )
            if "died" not in said:
                line.done(task, said["seconds"])
                done(task)
            elif not line.lost(task, said["died"]):
                raise WorkerError(
                    f"The worker of {task.name} died {RETRIES + 1} times ({said['died']}); {gate.kept()}."
                )
    except _Gone:
        for task in reversed(gate.running.values()):
            line.back(task)
        raise
