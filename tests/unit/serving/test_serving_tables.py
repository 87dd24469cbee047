"""From the log to tables: each event once, through the door, whenever the compactor is killed."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stores import Client, made_store
from wareloom.core.files import locked
from wareloom.errors import OutputError
from wareloom.serving.events import compact as compactor
from wareloom.serving.events.compact import compact, whole_shop
from wareloom.serving.events.log import EventLog
from wareloom.serving.events.parts import partitions
from wareloom.serving.events.ubi import events_from, read_ubi, write_ubi
from wareloom.serving.versions.store import Store
from wareloom.shop import Log, Shop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("tables"), "popularity")


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    shutil.copytree(made, tmp_path / "store")
    return Store.open(tmp_path / "store")


def sent(store: Store, *told: dict[str, Any]) -> None:
    """Write events as a process does that then ends."""

    async def work() -> None:
        log = EventLog(store.events)
        await log.append([json.dumps(one).encode() for one in told])
        await log.close()

    asyncio.run(work())


def event(name: str, item: str = "i3", time: int = 1_000_000, **more: Any) -> dict[str, Any]:
    return {"id": name, "event": "view_item", "item_id": item, "user_id": "u", "time": time} | more


def test_a_partition_is_a_shop_with_each_event_once(store: Store) -> None:
    sent(store, event("a"), event("b", "i4", 2_000_000), event("a"), event("a", "i9"))
    sent(store, event("b", "i4", 2_000_000), event("c", "i5", 3_000_000))
    done = compact(store)
    assert (done.events, done.repeated, done.differing, done.rejected, done.torn) == (3, 3, 1, 0, 0)
    shop = whole_shop(store, store.root / "shop")
    log = Log.of(shop)
    assert log.items.decode(log.item).to_list() == ["i3", "i4", "i5"]
    assert not list(store.events.glob("*.log"))
    sent(store, event("c", "i5", 3_000_000), event("d", "i6", 4_000_000))
    done = compact(store)
    assert (done.events, done.repeated) == (1, 1)
    assert whole_shop(store, store.root / "shop").rows("events") == 4
    assert compact(store).partition is None


def test_what_cannot_be_used_is_set_aside_with_a_reason(store: Store) -> None:
    sent(store, event("a"), event("b", "no such item"), event("h", event="hide"))
    done = compact(store)
    assert (done.events, done.rejected) == (1, 1)
    assert done.partition is not None
    import polars as pl

    aside = pl.read_parquet(done.partition / "shop" / "rejected" / "events.parquet")
    assert aside["item_id"].to_list() == ["no such item"]
    assert "items" in aside["reason"][0]
    assert pl.read_parquet(done.partition / "hidden.parquet")["item_id"].to_list() == ["i3"]


def test_only_rejects_are_kept_as_they_came(store: Store) -> None:
    sent(store, event("b", "no such item"))
    done = compact(store)
    assert (done.events, done.rejected) == (0, 1)
    assert done.partition is not None
    assert (done.partition / "refused.parquet").exists()


@pytest.mark.parametrize("step", ["rename", "unlink"])
def test_a_compactor_that_is_killed_doubles_and_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    sent(store, event("a"), event("b", "i4", 2_000_000))
    sent(store, event("c", "i5", 3_000_000))

    class Killed(Exception):
        pass

    def killed(self: Path, *_: object, **__: object) -> None:
        if self.parent.name in ("tables", "events") and (step == "rename" or self.suffix == ".log"):
            raise Killed
        real(self, *_, **__)

    real = getattr(compactor.Path, step)
    monkeypatch.setattr(compactor.Path, step, killed)
    with pytest.raises(Killed):
        compact(store)
    monkeypatch.undo()
    sent(store, event("d", "i6", 4_000_000))
    compact(store)
    assert whole_shop(store, store.root / "shop").rows("events") == 4
    assert not list((store.root / "tables").glob(".part-*.partial"))
    assert partitions(store)


def test_a_torn_tail_is_cut_and_counted(store: Store) -> None:
    sent(store, event("a"), event("b", "i4"))
    path = next(store.events.glob("*.log"))
    path.write_bytes(path.read_bytes()[:-5])
    done = compact(store)
    assert (done.events, done.torn > 0) == (1, True)


def test_two_compactors_do_not_meet(store: Store) -> None:
    (store.root / "tables").mkdir()
    with locked(store.root / "tables"), pytest.raises(OutputError, match="written by another"):
        compact(store)


def test_searches_are_a_table_and_what_followed_names_them(store: Store) -> None:
    asked = {
        "id": "q",
        "event": "search",
        "query": "hair oil",
        "user_id": "u",
        "time": 5,
        "request": "q1",
    }
    sent(store, asked, event("a", request="q1"), event("b", "i4", 2_000_000, request="elsewhere"))
    done = compact(store)
    assert (done.events, done.rejected) == (3, 0)
    shop = whole_shop(store, store.root / "shop")
    assert shop.table("searches")["query"].to_list() == ["hair oil"]
    assert shop.table("events").sort("time")["search_id"].to_list() == ["q1", None]


def test_ubi_goes_round(store: Store) -> None:
    queries = [
        {
            "query_id": "q1",
            "user_query": "hair oil",
            "client_id": "c",
            "timestamp": "2026-11-03T10:00:00Z",
            "query_attributes": {},
        }
    ]
    events = [
        {
            "action_name": "click",
            "client_id": "c",
            "query_id": "q1",
            "timestamp": "2026-11-03T10:00:05+00:00",
            "application": "x",
            "event_attributes": {"object": {"object_id": "i3"}, "position": {"ordinal": 2}},
        },
        {
            "action_name": "purchase",
            "client_id": "c",
            "timestamp": 1793700010000,
            "event_attributes": {"object": {"object_id": "i4"}},
        },
        {"action_name": "logout", "client_id": "c", "timestamp": 1793700010000},
    ]

    async def work() -> None:
        client = Client(store.root)
        told = await client.post("/ubi", queries=queries, events=events)
        assert told == {"accepted": 3, "repeated": 0}
        assert (await client.post("/ubi", events=events)) == {"accepted": 2, "repeated": 2}
        shown = [
            hit["item_id"] for hit in (await client.post("/recommend", user="c", k=30))["hits"]
        ]
        assert not {"i3", "i4"} & set(shown)
        status, told, _ = await client.ask(
            "POST", "/ubi", {"queries": [queries[0] | {"timestamp": "soon"}]}
        )
        assert (status, "'soon' is no time" in told["error"]) == (422, True)
        await client.app.close()

    asyncio.run(work())
    assert compact(store).events == 3
    shops = [Shop.open(part / "shop") for part in partitions(store)]
    write_ubi(store.root / "ubi", shops)
    again = [one for batch in read_ubi(store.root / "ubi") for one in events_from(batch)]
    assert [(e.event, e.item_id, e.user_id, e.position, e.request) for e in again] == [
        ("search", None, "c", None, "q1"),
        ("select_item", "i3", "c", 2, "q1"),
        ("purchase", "i4", "c", None, None),
    ]
    assert again[0].time == 1793700000000000
    assert again[0].query == "hair oil"
