"""Keep the processes of a store running: begin them, begin one that died anew, end them in time."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from wareloom.core.files import locked
from wareloom.errors import InputError, OutputError, WorkerError, needed
from wareloom.serving.config import VARIABLE, Settings, handed_on
from wareloom.serving.events.outbox import sink_at
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import check_version
from wareloom.serving.web import worker
from wareloom.serving.web.door import LOOPBACK
from wareloom.serving.web.keys import Keys

PATIENCE = 10.0
"""Seconds after SIGTERM when what still runs is ended"""
QUICK = 5.0
"""A process that ended within so many seconds has hardly begun"""
DEATHS = 3
"""Quick deaths in a row after which no more is begun"""
DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl"""


def serve(
    settings: Settings, workers: int, compact_every: float, say: Callable[[str], None]
) -> None:
    """Serve a store until SIGTERM or SIGINT.

    One server at a time: processes of another one might want sessions of another size. Raises `InputError` for an
    address that others reach where no key is set, `OutputError` where the port is taken,
    and `WorkerError` where processes end as soon as they are begun.
    """
    store = checked(settings)
    with locked(store.state / "serving"):
        _serve(settings, workers, compact_every, say)


def checked(settings: Settings) -> Store:
    """Look whether a store can be served as the settings say, and return it; raises as `serve` does."""
    for module in ("msgspec", "uvicorn", "httptools"):
        needed(module, "serve", "Serving")
    store = _mirrored(settings) if settings.versions else Store.open(settings.store)
    if settings.events:
        sink_at(settings.events)
    if settings.host not in LOOPBACK and not len(Keys(store.root / "keys.json")):
        raise InputError(
            f"{settings.host} can be reached by others, and no key is set: wareloom keys {store.root} --add NAME "
            "makes one, or serve 127.0.0.1."
        )
    if not store.names():
        raise InputError(
            f"{store.root} has no slot: wareloom publish MODEL --slot home --to {store.root}."
        )
    for slot in store.names():
        check_version(store.folder(store.history(slot)[-1].live), whole=True)
    return store


def _mirrored(settings: Settings) -> Store:
    # What talks to buckets is not imported where there is none: processes would carry it along.
    from wareloom.serving.versions.mirror import mirrored

    return mirrored(settings)


def _serve(
    settings: Settings, workers: int, compact_every: float, say: Callable[[str], None]
) -> None:
    store, listening = Store(settings.store), _bound(settings.host, settings.port)
    port = listening.getsockname()[1]
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    worker.prepare()
    processes = _Workers(settings, workers, compact_every, listening)
    say(
        f"Serving {store.root} at http://{shown}:{port} by {workers} processes; slots: {', '.join(store.names())}."
    )
    processes.run()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OutputError(
            f"{host}:{port} cannot be served: {error.strerror}. Choose another --port."
        ) from error


class _Workers:
    """The processes, forked from this one, which has imported all that they need and begun no thread."""

    def __init__(
        self, settings: Settings, count: int, compact_every: float, listening: socket.socket
    ) -> None:
        self.settings, self.every, self.listening = settings, compact_every, listening
        self.ending = False
        self.quick = 0
        self.processes: dict[int, tuple[int, float]] = {}
        """Number and beginning by process"""
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, self._end)
        for number in range(count):
            self._begin(number)
        self.compactor: subprocess.Popen[bytes] | None = None
        self.mirror: subprocess.Popen[bytes] | None = None
        self.compacted = time.monotonic()

    def run(self) -> None:
        """Look after them until a signal comes."""
        while not self.ending:
            time.sleep(0.1)
            for process in [*self.processes]:
                code = _ended(process)
                if code is not None:
                    self._renew(process, code)
            if self.settings.versions and (self.mirror is None or self.mirror.poll() is not None):
                self._follow()
            if time.monotonic() - self.compacted > self.every > 0:
                self._compact()
        self._finish()

    def _begin(self, number: int) -> None:
        own = dataclasses.replace(self.settings, worker=number)
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process == 0:
            self._work(own)
        self.processes[process] = (number, time.monotonic())

    def _work(self, own: Settings) -> NoReturn:
        """What a forked process does; it leaves nothing of this one's to be undone."""
        code = worker.CRASHED
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            # A terminal's Ctrl-C goes to the first process alone, which ends the others in order.
            os.setsid()
            _end_with_parent()
            code = worker.run(own, self.listening)
        finally:
            if code == worker.CRASHED:
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(code)

    def _renew(self, process: int, code: int) -> None:
        number, begun = self.processes.pop(process)
        if self.ending:
            return
        lived = time.monotonic() - begun
        self.quick = self.quick + 1 if lived < QUICK else 0
        if self.quick >= DEATHS or code == worker.WRONG:
            self._finish()
            raise WorkerError(
                f"A process that serves ended with {code} after {lived:.1f} s: see above."
            )
        self._begin(number)

    def _compact(self) -> None:
        if self.compactor is None or self.compactor.poll() is not None:
            words = ["compact", str(self.settings.store), "--quiet"]
            # The address with ${NAME} for the password: a list of processes shows what they were begun with.
            if self.settings.events and sink_at(self.settings.events).readable:
                words += ["--events", self.settings.events]
            self.compactor = subprocess.Popen(
                [sys.executable, "-m", "wareloom", *words],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.compacted = time.monotonic()

    def _follow(self) -> None:
        """Begin the process that keeps versions and slots as the bucket has them."""
        if self.mirror is not None:
            time.sleep(1.0)
        self.mirror = subprocess.Popen(
            [sys.executable, "-m", "wareloom.serving.versions.mirror"],
            env=os.environ | {VARIABLE: handed_on(self.settings)},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ending = True

    def _finish(self) -> None:
        """End all processes: with a signal first, without asking after a while."""
        for process in self.processes:
            _told(process, signal.SIGTERM)
        beside = [one for one in (self.compactor, self.mirror) if one is not None]
        for one in beside:
            one.terminate()
        until = time.monotonic() + PATIENCE
        while self.processes:
            late = time.monotonic() > until
            for process in [*self.processes]:
                if late:
                    _told(process, signal.SIGKILL)
                if _ended(process) is not None:
                    self.processes.pop(process)
            time.sleep(0.02)
        for one in beside:
            one.wait()
        self.listening.close()


def _told(process: int, number: signal.Signals) -> None:
    """Send a process a signal; one that has ended by itself needs none."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _ended(process: int) -> int | None:
    """The exit code of a process, None while it runs; a signal's number below 0."""
    found, status = os.waitpid(process, os.WNOHANG)
    return None if found == 0 else os.waitstatus_to_exitcode(status)


def _end_with_parent() -> None:
    """Let Linux end this process when the one that forked it is gone, however that went."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(DEATH_SIGNAL, signal.SIGTERM)
