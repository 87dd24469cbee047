"""What waits too long is sent away: how much may wait, what is told apart from bytes alone, and what never is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from stores import made_store, run
from wareloom.serving.config import Settings
from wareloom.serving.web import load as load_
from wareloom.serving.web.app import Application
from wareloom.serving.web.load import ANSWER, Load, whole
from wareloom.serving.web.protocol import patient

BODY = b'{"k": 3}'
HEAD = (
    b"POST /recommend HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n" % len(BODY)
)


@pytest.mark.parametrize(
    ("data", "is_whole"),
    [
        (HEAD + BODY, True),
        (HEAD.replace(b"content-length", b"Content-LENGTH") + BODY, True),
        (HEAD, False),
        (HEAD + BODY[:-1], False),
        (HEAD + BODY + b"POST", False),
        (HEAD[:-2], False),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", False),
        (b"DELETE /users/u HTTP/1.1\r\nhost: x\r\n\r\n", True),
        (b"DELETE /users/u HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", False),
        (HEAD.replace(b"length: 8", b"length: +8") + BODY, False),
        (HEAD.replace(b"length: 8", b"length:") + BODY, False),
        (b"", False),
    ],
)
def test_only_a_whole_request_is_sent_away_unparsed(data: bytes, is_whole: bool) -> None:
    assert whole(data) is is_whole


def test_a_slower_answer_has_a_shorter_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(load_.time, "thread_time", lambda: clock[0])
    found = {}
    for cost in (1e-5, 2e-4, 1e-2):
        load = Load()
        for _ in range(100):
            load.take()
            load.begin()
        clock[0] += 100 * cost
        load.measure()
        found[cost] = load.most
    assert found == {1e-5: load_.MOST, 2e-4: 250, 1e-2: load_.FEWEST}


def test_few_answers_say_nothing_of_their_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(load_.time, "thread_time", lambda: clock[0])
    load = Load()
    load.begin()
    clock[0] = 100.0
    load.measure()
    assert load.most == load_.FEWEST
    assert load.waiting == 0


class Wire:
    """A connection to an application under uvicorn's protocol."""

    def __init__(self, place: Path, most: int) -> None:
        self.app = Application(Settings(store=place))
        self.app.load.most = most
        self.app.load.measure = lambda: 0  # type: ignore[method-assign]

    async def start(self) -> None:
        import uvicorn

        how = uvicorn.Config(
            self.app,
            port=0,
            lifespan="off",
            log_level="error",
            http=patient(5.0, self.app.load),
        )
        self.server = uvicorn.Server(how)
        self.task = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.task


async def _read(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    told = dict(line.split(": ", 1) for line in head.lower().split("\r\n")[1:] if ": " in line)
    await reader.readexactly(int(told["content-length"]))
    return int(head[9:12]), told


def _burst(place: Path, count: int, most: int, pieces: bool = False) -> list[Any]:
    """So many requests at once, each on a connection of its own."""

    async def work() -> list[Any]:
        wire = Wire(place, most)
        await wire.start()
        ways = [await asyncio.open_connection("127.0.0.1", wire.port) for _ in range(count)]
        await asyncio.sleep(0.05)
        for _, writer in ways:
            writer.write(HEAD if pieces else HEAD + BODY)
        if pieces:
            await asyncio.sleep(0.05)
            for _, writer in ways:
                writer.write(BODY)
        first = await asyncio.gather(*(_read(reader) for reader, _ in ways))
        assert wire.app.load.waiting == 0
        again = []
        for reader, writer in ways:
            writer.write(HEAD + BODY)
            again.append(await _read(reader))
        refused = wire.app.load.refused
        for _, writer in ways:
            writer.close()
        await wire.stop()
        return [first, again, refused]

    return run(work())


@pytest.mark.parametrize("pieces", [False, True])
def test_a_burst_beyond_the_limit_is_sent_away_and_all_are_answered_after_it(
    tmp_path: Path, pieces: bool
) -> None:
    first, again, refused = _burst(made_store(tmp_path), 40, 4, pieces)
    codes = [status for status, _ in first]
    assert set(codes) == {200, 429}
    assert codes.count(429) == refused
    assert codes.count(200) >= 4
    assert all(told["retry-after"] == "1" for status, told in first if status == 429)
    assert [status for status, _ in again] == [200] * 40


def test_nothing_is_sent_away_below_the_limit(tmp_path: Path) -> None:
    first, _, refused = _burst(made_store(tmp_path), 40, 64)
    assert {status for status, _ in first} == {200}
    assert refused == 0


def test_how_it_is_is_told_under_any_load_and_a_body_is_never_taken_for_a_request(
    tmp_path: Path,
) -> None:
    place = made_store(tmp_path)

    async def work() -> list[int]:
        wire = Wire(place, 0)
        await wire.start()
        found = []
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        found.append((await _read(reader))[0])
        # A body that looks like a request, sent after its head was answered: it is read as the body that it is.
        inner = HEAD + BODY
        head = HEAD.replace(b"length: 8", b"length: %d" % len(inner))
        writer.write(head)
        found.append((await _read(reader))[0])
        writer.write(inner)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        found.append((await _read(reader))[0])
        assert not await _more(reader)
        writer.close()
        await wire.stop()
        return found

    assert run(work()) == [200, 429, 200]


async def _more(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(1), 0.1)
    except TimeoutError:
        return b""


def test_what_is_sent_says_so() -> None:
    head, _, body = ANSWER.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 ")
    assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
