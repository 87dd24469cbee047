"""JSON lines between a driver and the processes it begins; and how these end when the driver is gone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wareloom.errors import OutputError
from wareloom.experiment.executors._attempt import tail

Said = dict[str, Any]
WATCH = 0.5
"""Seconds between two looks at whether the driver is still there"""
PATIENCE = 5.0
"""Seconds a process gets to end by itself once there is nothing left to do"""


class Child:
    """A process that is begun here: it is told JSON lines, and each one it says is posted, None when it has ended.

    It leads a group of its own, which ends with it: what it began does not outlive it.
    """

    def __init__(
        self,
        module: str,
        first: Said,
        log: Path,
        post: Callable[[Child, Said | None], None],
        environment: dict[str, str] | None = None,
    ) -> None:
        """Begin `python -m module` with a first line; what it writes to standard error goes to the file `log`.

        Raises `OutputError` where that file cannot be written.
        """
        self.log = log
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
        except OSError as error:
            raise OutputError(
                f"Cannot write logs of workers to {log.parent}: {error.strerror or error}."
            ) from error
        # It imports what this process can. Its group is its own: Ctrl-C comes here alone, which then stops it.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, args=(post,), daemon=True)
        self._reader.start()
        self.tell({"parent": os.getpid(), **first})

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def tell(self, value: Said) -> None:
        """Write a line. A process that is gone hears nothing, and its end is posted anyhow."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()

    def hang_up(self) -> None:
        """Say that there is nothing more to do."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self, until: float) -> None:
        """Wait for its end until a moment of `time.monotonic`, then kill it. What it began itself ends, too."""
        self.hang_up()
        # Its answers end when it does. Before it is asked for its exit code nobody else can get its id.
        self._reader.join(max(0.0, until - time.monotonic()))
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                _kill_group(self._process)
        self._process.wait()
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        if not self._reader.is_alive():
            self._process.stdout.close()

    def ended(self) -> str:
        """How it ended, in words, once its end was posted."""
        self.wait(time.monotonic() + PATIENCE)
        code = self._process.returncode
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
        return f"signal {-code}"

    def last_words(self) -> str:
        """The last lines it wrote to standard error."""
        return tail(self.log.read_text(encoding="utf-8", errors="replace"))

    def _read(self, post: Callable[[Child, Said | None], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # A process that is killed may leave half a line.
            if line.endswith(b"\n"):
                post(self, json.loads(line))
        post(self, None)


def stop(children: list[Child], patience: float) -> None:
    """End processes, which get some seconds together to do so by themselves."""
    for child in children:
        child.hang_up()
    until = time.monotonic() + patience
    for child in children:
        child.wait(until)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def log_path(folder: Path, kind: str) -> Path:
    """A new name for the log of a process."""
    return folder / f"{kind}-{os.getpid()}-{uuid.uuid4().hex[:8]}.log"


class Channel:
    """The other end, in a process that a driver began. What libraries print goes to standard error instead."""

    def __init__(self) -> None:
        """Take standard input and output for the driver alone, and end with it."""
        self._told = os.fdopen(os.dup(0), "rb")
        # Never closed: the driver takes its end for this process's.
        self._say = os.fdopen(os.dup(1), "wb", closefd=False)
        self.before_leaving: Callable[[], None] = lambda: None
        """What is still done when the driver is gone"""
        self._writing = threading.Lock()
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        first = next(self.lines(), None)
        if first is None:
            sys.exit(0)
        self.first = first
        threading.Thread(target=self._end_with, args=(first["parent"],), daemon=True).start()

    def lines(self) -> Iterator[Said]:
        """Yield what the driver says, until it has nothing more to say or is gone."""
        for line in self._told:
            if line.endswith(b"\n"):
                yield json.loads(line)

    def say(self, value: Said) -> None:
        """Write a line; a driver that is gone hears nothing."""
        with self._writing, contextlib.suppress(BrokenPipeError):
            self._say.write(json.dumps(value).encode() + b"\n")
            self._say.flush()

    def _end_with(self, parent: int) -> None:
        """Leave when the driver is gone, whatever the main thread is at, with all that was begun here."""
        while os.name != "posix" or os.getppid() == parent:
            time.sleep(WATCH)
        self.before_leaving()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)
