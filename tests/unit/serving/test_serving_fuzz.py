"""Whatever is sent, nothing fails, and every answer is what the description says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores import Client, made_store, run
from wareloom.serving.wire import Answer, Explained, Kept, Taken, Told

ANSWERS: dict[str, Any] = {
    "/recommend": Answer,
    "/search": Answer,
    "/similar": Answer,
    "/explain": Explained,
    "/events": Taken,
    "/items": Kept,
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
NAMES = st.one_of(st.sampled_from([f"i{n}" for n in range(32)]), st.text(min_size=1, max_size=12))
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "brand": st.lists(st.sampled_from(["Brand 0", "Brand 1", "x"]), max_size=2),
        "category": st.sampled_from(["Ring", "Ring > Arc 1", "", "x"]),
        "price_from": st.floats(0, 40),
        "price_to": st.floats(0, 40),
    },
)
ASKS = st.fixed_dictionaries(
    {},
    optional={
        "slot": st.sampled_from(["home", "other"]),
        "user": NAMES,
        "session": NAMES,
        "query": st.sampled_from(["Item 3", "ring", "zzz", "", " 1/2 in. "]) | st.text(max_size=15),
        "k": st.integers(0, 210),
        "history": st.lists(NAMES, max_size=6),
        "item": NAMES,
        "filter": FILTERS,
        "exclude": st.lists(NAMES, max_size=4),
        "repeats": st.booleans(),
        "explain": st.booleans(),
        "language": st.sampled_from(["en", "zh"]),
        "timeout_ms": st.integers(1, 1000),
        "page": st.text(max_size=10),
    },
)
EVENTS = st.fixed_dictionaries(
    {"id": NAMES, "event": st.sampled_from(["view_item", "purchase", "hide", "search", "x"])},
    optional={
        "item_id": NAMES,
        "user_id": NAMES,
        "session_id": NAMES,
        "time": st.integers(-1, 2**62),
        "query": st.text(max_size=10),
        "value": st.floats(),
    },
)
ITEMS = st.fixed_dictionaries(
    {"item_id": NAMES},
    optional={
        "title": st.text(max_size=20),
        "category": st.lists(st.text(max_size=5), max_size=2),
        "price": st.floats(0, 99),
        "available": st.booleans(),
        "expires": st.integers(0, 2**62),
        "deleted": st.booleans(),
    },
)
BODIES = st.one_of(
    st.tuples(st.sampled_from(["/recommend", "/search", "/similar", "/explain"]), ASKS),
    st.tuples(st.just("/events"), st.fixed_dictionaries({"events": st.lists(EVENTS, max_size=4)})),
    st.tuples(st.just("/items"), st.fixed_dictionaries({"items": st.lists(ITEMS, max_size=3)})),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rules = {"at_most": {"brand": 4}, "pin": [{"item": "i7", "place": 2}]}
    return made_store(tmp_path_factory.mktemp("fuzz"), rules=rules)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(BODIES, st.none() | st.tuples(st.text(max_size=8), ODD)), max_size=8))
def test_nothing_fails_and_every_answer_is_as_described(store: Path, asked: list[Any]) -> None:
    async def work() -> None:
        client = Client(store)
        for (path, body), odd in asked:
            if odd is not None:
                body = {**body, odd[0] if odd[0] else next(iter(body), "k"): odd[1]}
            method = "PUT" if path == "/items" else "POST"
            content = json.dumps(body).encode("utf-8", "surrogatepass")
            status, told, _ = await client.ask(method, path, content)
            assert status in (200, 202, 400, 422), (path, body, told)
            shape = ANSWERS[path] if status < 300 else Told
            found = msgspec.convert(told, shape, strict=True)
            if isinstance(found, Answer):
                assert [hit.rank for hit in found.hits] == list(range(1, len(found.hits) + 1))
                assert len({hit.item_id for hit in found.hits}) == len(found.hits)
                assert len(found.hits) <= body.get("k", 10)
                assert not {hit.item_id for hit in found.hits} & set(body.get("exclude", ()))
        await client.app.close()

    run(work())
