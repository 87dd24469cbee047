"""The load of the benchmarks ends by the clock, and what was not answered counts against the server."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("uvloop")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import serve_load

    yield serve_load
    for name in ("serve_load", "serve", "_common"):
        sys.modules.pop(name, None)


@contextmanager
def server(answers: int, *, closes: bool = False) -> Iterator[int]:
    """Answers so many requests of each connection, then says nothing more, or closes it."""
    listening = socket.create_server(("127.0.0.1", 0))
    held = list[socket.socket]()

    def talk(one: socket.socket) -> None:
        try:
            for _ in range(answers):
                if not one.recv(4096):
                    return
                one.sendall(ANSWER)
            one.recv(4096)
        except OSError:
            return
        if closes:
            one.close()

    def accept() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            held.append(one)
            threading.Thread(target=talk, args=(one,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
        for one in held:
            one.close()


def asked(n: int) -> bytes:
    return b"POST / HTTP/1.1\r\n\r\n"


def test_a_load_that_nobody_answers_ends_by_the_clock(load: Any) -> None:
    with server(2) as port:
        found = load.loaded(asked, port, 200.0, 0.2, 3, grace=0.1)
    assert [status for _, status in found.took] == [200] * 6
    assert found.missing == 40 - 6
    assert found.p(0.5) == found.seconds, "what is missing took as long as there was"
    assert found.seconds > 0.2 + 0.1 - 1e-6, "and no less: floats of a clock may be a hair below"
    assert load._recovered(found, 200.0) == found.seconds


def test_a_connection_that_is_closed_is_told_and_not_asked_again(load: Any) -> None:
    with server(1, closes=True) as port:
        found = load.loaded(asked, port, 100.0, 0.2, 2, grace=0.1)
    statuses = [status for _, status in found.took]
    assert (statuses.count(200), statuses.count(0)) == (2, 2)
    assert found.missing == 20 - 4


def test_a_load_that_is_answered_misses_nothing(load: Any) -> None:
    with server(1000) as port:
        found = load.loaded(asked, port, 100.0, 0.2, 4)
    assert [status for _, status in found.took] == [200] * 20
    assert not found.missing
