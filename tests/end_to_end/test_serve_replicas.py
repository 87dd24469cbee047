"""Several servers, each with a store of its own, that remember shoppers in one Redis."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from test_serve import pairs, served

from services import free_port, redis
from stores import Client, items, made_store, run
from wareloom.errors import InputError
from wareloom.serving.shoppers.memory import Redis
from wareloom.serving.shoppers.sessions import Sessions, entries_of
from wareloom.serving.wire import KINDS


def test_it_remembers_what_the_file_remembers(tmp_path: Path) -> None:
    async def work(port: int) -> None:
        memory = Redis(f"redis://127.0.0.1:{port}/0", events=4, expiry=3600)
        file = Sessions(tmp_path / "file", events=4)
        bought = KINDS["purchase"]
        for step, (who, ids) in enumerate(
            [("u:a", [1, 2]), ("u:a", [2, 3]), ("s:b", [4, 4]), ("u:a", [5, 6, 7])]
        ):
            rows = entries_of([(10 + n, n, step, bought if n == 1 else 2) for n in ids])
            assert await memory.take({who: rows}, step) == file.take(who, rows, step)
            found = await memory.of([who, "u:none"], step)
            assert found[0]["event"].tolist() == file.of(who, step)["event"].tolist()
            assert len(found[1]) == 0
        assert found[0]["event"].tolist() == [1, 5, 6, 7], "what was bought outlasts the rest"
        await memory.forget(["u:a"])
        assert len((await memory.of(["u:a"], 9))[0]) == 0
        assert len((await memory.of(["s:b"], 9))[0]) == 1
        await memory.close()

    with redis(tmp_path) as port:
        run(work(port))


def test_an_answer_of_one_server_has_seen_the_click_on_another(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    stores = [made_store(tmp_path / name) for name in ("one", "two")]
    with redis(tmp_path) as port:
        options = ("--redis", f"redis://127.0.0.1:{port}/0", "--compact-every", "0")
        with served(stores[0], *options) as (first, _), served(stores[1], *options) as (second, _):
            wrong: list[str] = []
            threads = [
                threading.Thread(target=pairs, args=((first, second), c, 40, 2, wrong))
                for c in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
    for store in stores:
        assert list((store / "events").glob("*.log"))


def test_without_redis_answers_come_from_what_is_asked_and_say_so(tmp_path: Path) -> None:
    store = made_store(tmp_path)

    async def work() -> None:
        client = Client(store, redis=f"redis://127.0.0.1:{free_port()}/0")
        event = {"id": "e", "event": "view_item", "item_id": "i3", "session_id": "a"}
        told = await client.post("/events", events=[event])
        assert told == {"accepted": 1, "repeated": 0, "degraded": ["sessions"]}
        told = await client.post("/recommend", session="a", history=["i3"])
        assert told["degraded"] == ["sessions"]
        assert "i3" not in items(told)
        assert "degraded" not in await client.post("/recommend", history=["i3"])
        assert (await client.ask("DELETE", "/users/a"))[0] == 503
        begun = time.monotonic()
        for _ in range(20):
            await client.post("/recommend", session="a")
        assert time.monotonic() - begun < 20 * 0.25, (
            "a Redis that is gone is not waited for each time"
        )
        await client.app.close()

    run(work())


def test_a_redis_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    store, port = made_store(tmp_path), free_port()

    async def asked(client: Client) -> object:
        until = time.monotonic() + 30
        while (told := await client.post("/recommend", session="a")).get("degraded"):
            assert time.monotonic() < until
            await asyncio.sleep(0.2)
        return told

    async def work() -> None:
        client = Client(store, redis=f"redis://127.0.0.1:{port}/0")
        assert (await client.post("/recommend", session="a"))["degraded"] == ["sessions"]
        with redis(tmp_path, port):
            await asked(client)
            await client.did("i3", "hide", session_id="a")
            assert "i3" not in items(await client.post("/recommend", session="a", k=30))
        assert (await client.post("/recommend", session="a"))["degraded"] == ["sessions"]
        await client.app.close()

    run(work())


def test_redis_costs_a_round_trip_a_request(tmp_path: Path) -> None:
    store, trips = made_store(tmp_path), 0
    carrying: list[asyncio.Task[None] | None] = []

    async def work(port: int) -> list[int]:
        async def carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal trips
            carrying.append(asyncio.current_task())
            back, forth = await asyncio.open_connection("127.0.0.1", port)

            async def answers() -> None:
                while some := await back.read(1 << 16):
                    writer.write(some)
                writer.close()

            answering = asyncio.create_task(answers())
            while some := await reader.read(1 << 16):
                trips += 1
                forth.write(some)
            forth.close()
            await answering

        between = await asyncio.start_server(carried, "127.0.0.1", 0)
        own = between.sockets[0].getsockname()[1]
        client, found = Client(store, redis=f"redis://127.0.0.1:{own}/0"), []
        await client.did("i1", user_id="u", session_id="s")
        for n in range(4):
            before = trips
            await client.did(f"i{n}", user_id="u", session_id="s")
            found.append(trips - before)
            before = trips
            assert "degraded" not in await client.post("/recommend", user="u", session="s")
            found.append(trips - before)
        await client.app.close()
        between.close()
        await asyncio.wait([task for task in carrying if task is not None])
        return found

    with redis(tmp_path) as port:
        found = run(work(port))
    assert set(found) == {1}, "what is sent goes at once, and the bar is two"


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="Sessions cannot be at"):
        Redis("http://example:1", events=5, expiry=60)
