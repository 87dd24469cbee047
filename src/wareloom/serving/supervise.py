"""Keep the processes of a store running: begin them, begin one that died anew, end them in time."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

from wareloom.core.files import locked
from wareloom.errors import InputError, OutputError, WorkerError, needed
from wareloom.serving.config import VARIABLE, Settings, handed_on
from wareloom.serving.door import LOOPBACK
from wareloom.serving.keys import Keys
from wareloom.serving.store import Store
from wareloom.serving.version import check_version

PATIENCE = 10.0
"""Seconds after SIGTERM when what still runs is ended"""
QUICK = 5.0
"""A process that ended within so many seconds has hardly begun"""
DEATHS = 3
"""Quick deaths in a row after which no more is begun"""


def serve(
    settings: Settings, workers: int, compact_every: float, say: Callable[[str], None]
) -> None:
    """Serve a store until SIGTERM or SIGINT.

    One server at a time: processes of another one might want sessions of another size. Raises `InputError` for an
    address that others reach where no key is set, `OutputError` where the port is taken,
    and `WorkerError` where processes end as soon as they are begun.
    """
    for module in ("msgspec", "uvicorn", "httptools"):
        needed(module, "serve", "Serving")
    store = Store.open(settings.store)
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
    with locked(store.state / "serving"):
        _serve(settings, workers, compact_every, say)


def _serve(
    settings: Settings, workers: int, compact_every: float, say: Callable[[str], None]
) -> None:
    store, listening = Store(settings.store), _bound(settings.host, settings.port)
    port = listening.getsockname()[1]
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    say(
        f"Serving {store.root} at http://{shown}:{port} by {workers} processes; slots: {', '.join(store.names())}."
    )
    _Workers(settings, workers, compact_every, listening).run()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OutputError(
            f"{host}:{port} cannot be served: {error.strerror}. Choose another --port."
        ) from error


class _Workers:
    """The processes."""

    def __init__(
        self, settings: Settings, count: int, compact_every: float, listening: socket.socket
    ) -> None:
        self.settings, self.every, self.listening = settings, compact_every, listening
        self.ending = False
        self.quick = 0
        self.begun: list[float] = [0.0] * count
        self.processes = [self._begin(n) for n in range(count)]
        self.compactor: subprocess.Popen[bytes] | None = None
        self.compacted = time.monotonic()

    def run(self) -> None:
        """Look after them until a signal comes."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        while not self.ending:
            time.sleep(0.1)
            for n, process in enumerate(self.processes):
                if process.poll() is not None and not self.ending:
                    self._renew(n, process)
            if time.monotonic() - self.compacted > self.every > 0:
                self._compact()
        self._finish()

    def _begin(self, number: int) -> subprocess.Popen[bytes]:
        self.begun[number] = time.monotonic()
        own = dataclasses.replace(self.settings, worker=number)
        file = self.listening.fileno()
        environment = os.environ | {VARIABLE: handed_on(own)}
        return subprocess.Popen(
            [sys.executable, "-m", "wareloom.serving.worker", str(file)],
            pass_fds=[file],
            env=environment,
            # A terminal's Ctrl-C goes to this process alone, which ends the others in order.
            start_new_session=True,
        )

    def _renew(self, number: int, process: subprocess.Popen[bytes]) -> None:
        lived = time.monotonic() - self.begun[number]
        self.quick = self.quick + 1 if lived < QUICK else 0
        if self.quick >= DEATHS or process.returncode == 2:
            self._finish()
            raise WorkerError(
                f"A process that serves ended with {process.returncode} after {lived:.1f} s: see above."
            )
        self.processes[number] = self._begin(number)

    def _compact(self) -> None:
        if self.compactor is None or self.compactor.poll() is not None:
            command = [
                sys.executable,
                "-m",
                "wareloom",
                "compact",
                str(self.settings.store),
                "--quiet",
            ]
            self.compactor = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, start_new_session=True
            )
        self.compacted = time.monotonic()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ending = True

    def _finish(self) -> None:
        every = [*self.processes, *([self.compactor] if self.compactor else [])]
        for process in every:
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + PATIENCE
        for process in every:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.listening.close()
