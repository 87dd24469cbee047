"""Events to Kafka, on the mock cluster of its client library: no broker of Kafka itself is asked."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stores import Client, made_store, run
from wareloom.errors import InputError, MissingExtraError, SchemaError
from wareloom.serving.events.compact import compact
from wareloom.serving.events.outbox import sink_at
from wareloom.serving.files.frames import read_records
from wareloom.serving.shoppers.sessions import digest_of
from wareloom.serving.versions.store import Store

TOPIC = "events"


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """The address of a mock cluster, which lives in a producer that writes nothing."""
    kafka = pytest.importorskip("confluent_kafka")
    holder = kafka.Producer(
        {"test.mock.num.brokers": 3, "bootstrap.servers": "none", "log_level": 0}
    )
    told = holder.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{one.host}:{one.port}" for one in told)
    del holder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("made"), "popularity")


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "store")
    return tmp_path / "store"


def read(brokers: str, topic: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Keys and contents of messages."""
    import confluent_kafka

    reader = confluent_kafka.Consumer(
        {"bootstrap.servers": brokers, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    reader.subscribe([topic])
    found, until = [], time.monotonic() + 30
    while len(found) < count and time.monotonic() < until:
        message = reader.poll(0.2)
        if message is not None and message.error() is None:
            found.append(((message.key() or b"").decode(), json.loads(message.value())))
    reader.close()
    return found


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "event": "view_item", "item_id": "i3", "session_id": "s"} | more


def test_events_are_in_the_topic_when_they_are_acknowledged(store: Path, brokers: str) -> None:
    async def work() -> None:
        client = Client(store, events=f"kafka://{brokers}/one")
        await client.post("/events", events=[event(f"e{n}") for n in range(5)])
        await client.post("/events", events=[event("f", session_id=None, user_id="u")])
        assert (await client.ask("DELETE", "/users/u"))[0] == 200
        assert client.app.log.there  # type: ignore[attr-defined]
        await client.app.close()

    run(work())
    found = read(brokers, "one", 7)
    assert sorted(told["id"] for _, told in found if "id" in told) == [
        "e0",
        "e1",
        "e2",
        "e3",
        "e4",
        "f",
    ]
    assert {key for key, told in found if told.get("id", "").startswith("e")} == {"s"}
    assert [told["erased"] for _, told in found if "erased" in told] == [digest_of("u")]


def test_while_no_broker_answers_they_wait_on_the_disk(store: Path, brokers: str) -> None:
    async def gone() -> None:
        client = Client(store, events="kafka://127.0.0.1:1/two")
        for n in range(3):
            await client.post("/events", events=[event(f"e{n}")])
        await client.app.close()

    async def back() -> None:
        client = Client(store, events=f"kafka://{brokers}/two")
        for _ in range(100):
            await client.app.log.roll()
            await client.app.log._looking  # type: ignore[attr-defined]
            if not client.app.log.spooled():
                break
        await client.app.close()

    run(gone())
    waiting = [r for p in (store / "spool").glob("*.log") for r in read_records(p).records]
    assert len(waiting) == 3
    run(back())
    assert not list((store / "spool").glob("*.log"))
    assert sorted(told["id"] for _, told in read(brokers, "two", 3)) == ["e0", "e1", "e2"]


def test_what_is_no_topic_and_what_cannot_be_read_is_said(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="give kafka://"):
        sink_at("kafka://host:9092")
    with pytest.raises(SchemaError, match="is not read from"):
        compact(Store.open(store), "kafka://127.0.0.1:1/events")
    monkeypatch.setitem(__import__("sys").modules, "confluent_kafka", None)
    with pytest.raises(MissingExtraError, match=r"wareloom\[kafka\]"):
        sink_at("kafka://h:1/t")
