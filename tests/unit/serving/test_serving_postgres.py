"""Events in PostgreSQL: acknowledged after the commit, each id once, and kept on the disk while it is gone."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from services import Postgres, postgres
from stores import Client, items, made_store, run
from wareloom.errors import InputError, MissingExtraError
from wareloom.serving.events import outbox
from wareloom.serving.events.compact import compact, compact_all, whole_shop
from wareloom.serving.events.log import Away, Full
from wareloom.serving.events.outbox import Outbox, sink_at
from wareloom.serving.events.parts import partitions
from wareloom.serving.files.frames import read_records
from wareloom.serving.versions.store import Store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("made"))


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as one:
        yield one


@pytest.fixture
def database(server: Postgres) -> Postgres:
    server.ask("drop table if exists wareloom_events")
    return server


def event(name: str, item: str = "i3", **more: Any) -> dict[str, Any]:
    return {"id": name, "event": "view_item", "item_id": item, "session_id": "s"} | more


def held(database: Postgres) -> list[str]:
    return [r[0] for r in database.ask("select id from wareloom_events where kind = 0 order by id")]


def spooled(store: Path) -> list[bytes]:
    return [r for p in (store / "spool").glob("*.log") for r in read_records(p).records]


async def until(holds: Callable[[], bool], log: Any) -> None:
    for _ in range(400):
        await log.roll()
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to hold")


def test_what_is_acknowledged_is_committed_and_each_id_is_there_once(
    store: Path, database: Postgres
) -> None:
    async def work() -> None:
        one, two = (Client(store, events=database.url, worker=n) for n in (0, 1))
        batch = [event(f"e{n}", f"i{n}") for n in range(6)]
        told = await one.post("/events", events=batch)
        assert told == {"accepted": 6, "repeated": 0}
        assert held(database) == [f"e{n}" for n in range(6)]
        # The same ids in another order, with others' content, at once from two processes.
        await asyncio.gather(
            *(
                c.post("/events", events=[event(f"e{n}", "i20") for n in ns])
                for c in (one, two)
                for ns in ([5, 1, 7, 3], [3, 8, 1, 5])
                for _ in range(8)
            )
        )
        assert held(database) == [f"e{n}" for n in (0, 1, 2, 3, 4, 5, 7, 8)]
        assert not (store / "spool").exists()
        assert "i4" not in items(await two.post("/recommend", session="s", k=30))
        await one.app.close()
        await two.app.close()

    run(work())
    kept = dict(database.ask("select id, told from wareloom_events where kind = 0"))
    assert json.loads(kept["e5"])["item_id"] == "i5", "the first that came counts"


def test_groups_form_by_themselves(store: Path, database: Postgres) -> None:
    async def work() -> int:
        log = Outbox(sink_at(database.url), store / "spool", most_waiting=1 << 20, most_spooled=1)
        await asyncio.gather(
            *(log.append([json.dumps([event(f"g{n}")]).encode()]) for n in range(300))
        )
        await log.close()
        return log.syncs

    assert run(work()) < 30
    assert len(held(database)) == 300


@pytest.mark.parametrize("how", ["stopped", "halted"])
def test_while_it_is_gone_events_wait_on_the_disk_and_are_sent_on_once(
    store: Path, database: Postgres, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(outbox, "SECONDS", 0.5)
    monkeypatch.setattr(outbox, "AGAIN", 0.1)

    async def gone(client: Client) -> None:
        for n in range(10):
            told = await client.post("/events", events=[event(f"w{n}"), event(f"x{n}", "i5")])
            assert told["accepted"] == 2
        assert "i5" not in items(await client.post("/recommend", session="s", k=30))
        assert len(spooled(store)) >= 9, "a batch whose commit nobody knows of may be in both"
        assert client.app.log.spooled() > 0
        assert b"bytes_spooled 0\n" not in (await client.ask("GET", "/metrics"))[1].encode()

    async def work() -> None:
        client = Client(store, events=database.url)
        await client.post("/events", events=[event("before")])
        if how == "stopped":
            database.stop()
            await gone(client)
            database.start()
        else:
            with database.halted():
                await gone(client)
        await until(lambda: client.app.log.there, client.app.log)
        # An id that waits on the disk and comes again by the short way is there once.
        await client.post("/events", events=[event("w3"), event("after")])
        await until(lambda: not client.app.log.spooled(), client.app.log)
        await client.app.close()

    run(work())
    assert held(database) == sorted(
        ["before", "after", *(f"{c}{n}" for c in "wx" for n in range(10))]
    )
    assert spooled(store) == []


def test_a_server_that_begins_without_it_takes_events_and_the_next_one_sends_them_on(
    store: Path, database: Postgres
) -> None:
    async def work() -> None:
        client = Client(store, events="postgresql://shop@127.0.0.1:1/none")
        await client.post("/events", events=[event("a"), event("b")])
        assert (await client.ask("DELETE", "/users/zoe"))[0] == 503
        await client.app.close()
        assert spooled(store)
        client = Client(store, events=database.url)
        await until(lambda: not client.app.log.spooled(), client.app.log)
        await client.app.close()

    run(work())
    assert held(database) == ["a", "b"]


def test_the_spool_is_bounded_and_what_it_does_not_take_is_refused(
    store: Path, database: Postgres
) -> None:
    async def work() -> None:
        client = Client(store, events="postgresql://u:geheim@127.0.0.1:1/n", most_spooled=2000)
        taken = 0
        for n in range(40):
            status, told, _ = await client.ask("POST", "/events", {"events": [event(f"e{n}")]})
            if status == 202:
                taken += 1
                continue
            assert (status, "2,000 bytes" in told["error"]) == (507, True)
            assert "geheim" not in told["error"]
        assert 5 <= taken <= 20
        assert len(spooled(store)) == taken
        assert (await client.post("/recommend", session="s"))["hits"]
        await client.app.close()

    run(work())


def test_killed_between_commit_and_deletion_nothing_is_doubled(
    store: Path, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(self: Path, **_: Any) -> None:
        raise Killed

    async def spool() -> None:
        client = Client(store, events="postgresql://u@127.0.0.1:1/n")
        await client.post("/events", events=[event("a"), event("b")])
        await client.app.close()

    async def send() -> None:
        log = Outbox(sink_at(database.url), store / "spool", most_waiting=1000, most_spooled=1000)
        with monkeypatch.context() as patch:
            patch.setattr(outbox.Path, "unlink", killed)
            with pytest.raises(Killed):
                await log._look()
        assert held(database) == ["a", "b"]
        assert spooled(store)
        await until(lambda: not spooled(store), log)
        await log.close()

    run(spool())
    run(send())
    assert held(database) == ["a", "b"]


def test_tables_are_made_of_it_each_event_once_also_what_commits_late(
    store: Path, database: Postgres
) -> None:
    opened, items_ = Store.open(store), [f"i{n}" for n in range(30)]

    async def sent(*names: str) -> None:
        client = Client(store, events=database.url)
        await client.post("/events", events=[event(n, items_[int(n[1:])]) for n in names])
        await client.app.close()

    run(sent("e1", "e2", "e3"))
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(database.url) as late:
        late.execute(
            "insert into wareloom_events (kind, id, told) values (0, 'e9', %s)",
            [json.dumps(event("e9", "i9", time=5))],
        )
        run(sent("e4"))
        # It has begun before e4 and is not there yet: e4 may wait for it, nothing may be passed over.
        first = compact(opened, database.url)
        assert first.events in (3, 4)
        late.commit()
    second = compact(opened, database.url)
    assert first.events + second.events == 5
    assert (first.repeated, second.repeated) == (0, 0)
    assert compact(opened, database.url).partition is None
    run(sent("e1", "e5"))
    assert compact(opened, database.url).events == 1
    assert whole_shop(opened, store / "shop").rows("events") == 6


def test_many_rows_become_several_tables(
    store: Path, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wareloom.serving.events import postgres as module

    monkeypatch.setattr(module, "MOST", 4)

    async def work() -> None:
        client = Client(store, events=database.url)
        for n in range(5):
            size = 7 if n == 2 else 3
            await client.post("/events", events=[event(f"e{n}-{m}", f"i{m}") for m in range(size)])
        await client.app.close()

    run(work())
    opened = Store.open(store)
    done = compact_all(opened, database.url)
    assert (done.events, done.repeated, done.more) == (19, 0, False)
    assert len(partitions(opened)) >= 3


def test_a_person_is_deleted_there_on_other_machines_and_from_what_still_waits(
    made: Path, tmp_path: Path, database: Postgres
) -> None:
    person = "zoe-of-example"
    for name in ("one", "two"):
        shutil.copytree(made, tmp_path / name)
    one, two = tmp_path / "one", tmp_path / "two"

    async def work() -> None:
        first, second = (Client(s, events=database.url) for s in (one, two))
        for n, who in enumerate((person, "other", person)):
            await first.post("/events", events=[event(f"e{n}", f"i{n}", user_id=who)])
        assert compact(Store.open(two), database.url).events == 3
        # What a third machine could not send on yet.
        away = Client(two, events="postgresql://u@127.0.0.1:1/n")
        await away.post("/events", events=[event("w", user_id=person), event("v", user_id="other")])
        await away.app.close()
        status, told, _ = await first.ask("DELETE", f"/users/{person}")
        assert (status, told) == (200, {"erased_events": 2})
        await until(lambda: not second.app.log.spooled(), second.app.log)
        await second.post("/events", events=[event("back", user_id=person)])
        await first.app.close()
        await second.app.close()

    run(work())
    assert held(database) == ["back", "e1", "v"]
    assert compact(Store.open(two), database.url).events == 2
    log = pl.concat([pl.read_parquet(p) for p in two.rglob("shop/events.parquet")], how="diagonal")
    assert sorted(log["user_id"].to_list()) == ["other", "other", person]
    assert not [p for p in one.rglob("*") if p.is_file() and person.encode() in p.read_bytes()]


def test_products_of_one_replica_are_shown_by_all_in_one_order(
    made: Path, tmp_path: Path, database: Postgres
) -> None:
    for name in ("one", "two"):
        shutil.copytree(made, tmp_path / name)

    async def work() -> None:
        one, two = (Client(tmp_path / name, events=database.url) for name in ("one", "two"))
        new = {"item_id": "new", "title": "zebra lamp"}
        assert (await one.ask("PUT", "/items", {"items": [new]}))[0] == 200
        assert items(await one.post("/search", query="zebra"))[:1] == ["new"]
        assert "new" not in items(await two.post("/search", query="zebra"))
        stock = two.app.answers.stock

        def known() -> bool:
            stock.refresh()
            return "new" in stock.items

        await until(known, two.app.log)
        assert items(await two.post("/search", query="zebra"))[:1] == ["new"]
        # Both change it, each its own way first: in the end both say the same.
        for client, price in ((one, 1.0), (two, 2.0), (one, 3.0), (two, 4.0)):
            told = {"items": [{"item_id": "new", "price": price}]}
            assert (await client.ask("PUT", "/items", told))[0] == 200
        await two.ask("DELETE", "/items/i3")
        assert "i3" not in items(await two.post("/recommend", k=30))

        def same() -> bool:
            stocks = [client.app.answers.stock for client in (one, two)]
            for own in stocks:
                own.refresh()
            return stocks[0].items == stocks[1].items and "i3" in stocks[0].items

        for _ in range(3):
            await until(same, one.app.log)
            await until(same, two.app.log)
        assert "i3" not in items(await one.post("/recommend", k=30))
        await one.app.close()
        await two.app.close()

    run(work())
    assert compact(Store.open(tmp_path / "one"), database.url).events == 0


def test_addresses_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be kept at mysql"):
        sink_at("mysql://u@h/n")
    with pytest.raises(InputError, match=r"cannot be kept at postgresql://u:\*\*\*@h"):
        sink_at("postgresql://u:geheim@h/n?nonsense=1")
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"wareloom\[replicas\]"):
        sink_at("postgresql://u@h/n")


def test_a_wrong_password_is_not_shown(database: Postgres) -> None:
    sink = sink_at("postgresql://shop:geheim@127.0.0.1:1/n")
    with pytest.raises(Away) as caught:
        sink.open()
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert issubclass(Full, Exception)
