"""Servers that tests start on this machine alone, each in a folder of its own; where one is missing, a skip."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def awake(port: int, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            assert time.monotonic() < until, f"nothing listens at {port}"
            time.sleep(0.03)


class Postgres:
    """A PostgreSQL that may be stopped, killed, halted and started again."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("initdb") or next(
            iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))), None
        )
        if found is None:
            pytest.skip("no initdb: PostgreSQL's programs are not installed")
        self.programs, self.folder, self.port = Path(found).resolve().parent, folder, free_port()
        self.options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.options |= {"check": True, "cwd": "/"}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            user = next((name for name in ("postgres", "nobody") if name in names), None)
            if user is None:
                pytest.skip("initdb refuses root, and there is neither a user postgres nor nobody")
            shutil.chown(folder, user)
            environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "LC_ALL": "C"}
            self.options |= {"user": user, "env": environment}
        words = ["-D", folder / "data", "-U", "shop", "-E", "UTF8", "--no-sync"]
        subprocess.run([self.programs / "initdb", *words], **self.options)
        self.url = f"postgresql://shop@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        # Without fsync, as what is tested is a server that ends, not a machine.
        how = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._control("-w", "-o", how, "-l", self.folder / "log", "start")

    def stop(self) -> None:
        """End it as if it was killed: nobody is waited for."""
        self._control("-m", "immediate", "stop")

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """It is there, and does nothing."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        every = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
        for process in every:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in every:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def ask(self, text: str) -> list[Any]:
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(self.url, autocommit=True) as one:
            done = one.execute(text)
            return done.fetchall() if done.description else []

    def _control(self, *words: Any) -> None:
        subprocess.run(
            [self.programs / "pg_ctl", "-D", self.folder / "data", *words], **self.options
        )


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of its own."""
    pytest.importorskip("psycopg")
    # Not below pytest's folders, which another user may not enter.
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        made = Postgres(folder)
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis(folder: Path, port: int = 0) -> Iterator[int]:
    """A Redis of its own that keeps nothing; its port."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server")
    port = port or free_port()
    words = ["--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL) as process:
        try:
            awake(port)
            yield port
        finally:
            process.terminate()
