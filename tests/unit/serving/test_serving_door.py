"""Who is let in: hosts, keys, sizes; and what hostile clients send."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from stores import Client, items, made_store, run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.serving.events import log as log_of_events
from wareloom.serving.web.door import bare_host
from wareloom.serving.web.keys import Keys


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("door"))


EVENT = {"id": "e", "event": "view_item", "item_id": "i3", "session_id": "a"}
DEEP = b'{"slot":' + b"[" * 1_000_000
HOSTILE: list[tuple[str, str, Any, int]] = [
    ("no JSON", "/recommend", b"{", 400),
    ("nothing", "/recommend", b"", 400),
    ("no object", "/recommend", b"[]", 422),
    ("not UTF-8", "/recommend", b'{"user":"\xff"}', 400),
    ("deep", "/recommend", DEEP[: 1 << 19], 422),
    ("deep where a field is unknown", "/recommend", b'{"x":' + b"[" * 500_000, 422),
    ("unknown field", "/recommend", {"usr": "u"}, 422),
    ("type", "/recommend", {"k": "ten"}, 422),
    ("k of 0", "/recommend", {"k": 0}, 422),
    ("k of 201", "/recommend", {"k": 201}, 422),
    ("k of 10^40", "/recommend", {"k": 10**40}, 422),
    ("query of 10,000", "/search", {"query": "a" * 10_000}, 422),
    ("empty user", "/recommend", {"user": ""}, 422),
    ("long user", "/recommend", {"user": "u" * 129}, 422),
    ("NUL in a user", "/recommend", {"user": "a\x00b"}, 422),
    ("line in a user", "/recommend", {"user": "a\nb"}, 422),
    ("bidi in a user", "/recommend", {"user": "a\u202eb"}, 422),
    ("lone surrogate", "/recommend", b'{"user":"\\ud800"}', 400),
    ("NUL in a query", "/search", {"query": "a\x00"}, 422),
    ("slot out of the folder", "/recommend", {"slot": "../home"}, 422),
    ("slot unknown", "/recommend", {"slot": "other"}, 422),
    ("page", "/recommend", {"page": "x" * 401}, 422),
    ("time limit", "/recommend", {"timeout_ms": 0}, 422),
    ("no events", "/events", {"events": []}, 422),
    ("1,001 events", "/events", {"events": [EVENT] * 1001}, 422),
    ("nobody's event", "/events", {"events": [{"id": "e", "event": "view_item"}]}, 422),
    ("kind of event", "/events", {"events": [EVENT | {"event": "stolen"}]}, 422),
    ("time before 1970", "/events", {"events": [EVENT | {"time": -1}]}, 422),
    (
        "value that is none",
        "/events",
        b'{"events":[{"id":"e","event":"purchase","user_id":"u","value":NaN}]}',
        400,
    ),
    (
        "infinite value",
        "/events",
        b'{"events":[{"id":"e","event":"purchase","user_id":"u","value":1e999}]}',
        422,
    ),
]


@pytest.mark.parametrize(("what", "path", "body", "status"), HOSTILE, ids=[h[0] for h in HOSTILE])
def test_hostile_bodies_are_refused(
    store: Path, what: str, path: str, body: Any, status: int
) -> None:
    async def work() -> None:
        client = Client(store)
        found, told, _ = await client.ask("POST", path, body)
        assert (found, list(told)) == (status, ["error"]), told
        assert len(told["error"]) < 500
        assert (await client.post("/recommend"))["hits"]
        assert client.app.log.records == 0

    run(work())


@pytest.mark.parametrize(
    "text",
    [
        "'; drop table items; --",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "%00",
        "a" * 512,
        "🧵" * 100,
    ],
)
def test_odd_queries_are_answered(store: Path, text: str) -> None:
    async def work() -> None:
        status, told, headers = await Client(store).ask("POST", "/search", {"query": text})
        assert (status, told["slot"]) == (200, "home")
        assert headers["content-type"] == "application/json"
        assert headers["x-content-type-options"] == "nosniff"

    run(work())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": ""}, 421),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-length": str(1 << 30)}, 413),
        ({"content-length": "-1"}, 413),
    ],
)
def test_headers_are_looked_at_before_a_body(
    store: Path, headers: dict[str, str], status: int
) -> None:
    found, _, _ = run(Client(store).ask("POST", "/recommend", {}, headers))
    assert found == status


def test_an_unknown_field_is_told_the_one_that_was_meant(store: Path) -> None:
    async def work() -> None:
        client = Client(store)
        for path, body, meant in (
            ("/recommend", {"user_id": "u"}, "'user'"),
            ("/search", {"filter": {"brands": ["b"]}}, "'brand'"),
            ("/events", {"events": [EVENT | {"user": "u"}]}, "'user_id'"),
            ("/events", {"events": [EVENT | {"event": "view_itm"}]}, "'view_item'"),
        ):
            status, told, _ = await client.ask("POST", path, body)
            assert status == 422
            assert f"Did you mean {meant}" in told["error"]
        _, told, _ = await client.ask("POST", "/events", {"events": [EVENT | {"event": "xyz"}]})
        assert "It is one of " in told["error"]
        assert "purchase" in told["error"]

    run(work())


def test_paths_and_methods_that_there_are_not(store: Path) -> None:
    async def work() -> None:
        client = Client(store)
        for method, path, status in (
            ("GET", "/recommend", 405),
            ("POST", "/../../etc/passwd", 404),
            ("GET", "/versions", 404),
            ("DELETE", "/users/", 422),
            ("DELETE", "/users/a\x00b", 422),
        ):
            assert (await client.ask(method, path, {}))[0] == status, path

    run(work())


def test_bodies_in_parts_that_are_too_large_or_too_slow(store: Path) -> None:
    async def told(parts: list[bytes], pause: float) -> int:
        client = Client(store, body_seconds=0.2)
        left, sent = list(parts), list[dict[str, Any]]()

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(pause)
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/recommend", "headers": headers}
        await client.app(scope, receive, send)
        return int(sent[0]["status"])

    assert run(told([b"{", b"}"], 0)) == 200
    assert run(told([b" " * 600_000, b" " * 600_000, b"{}"], 0)) == 413
    assert run(told([b"{", b" ", b" ", b" ", b"}"], 0.09)) == 408
    assert run(told([b"{}"], 5.0)) == 408


def test_keys_open_what_their_role_may(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    keys = Keys(store / "keys.json")
    read, write, admin = (keys.add(role, role, 1) for role in ("read", "write", "admin"))
    text = (store / "keys.json").read_text()
    assert not [key for key in (read, write, admin) if key in text or key[3:] in text]
    assert stat.S_IMODE((store / "keys.json").stat().st_mode) == 0o600
    wanted = {"/recommend": 0, "/events": 1, "/users/x": 2, "/slots": 0, "/healthz": -1}

    async def asked(client: Client, path: str, key: str | None) -> int:
        method = {"/users/x": "DELETE", "/slots": "GET", "/healthz": "GET"}.get(path, "POST")
        body = {"events": [EVENT]} if path == "/events" else {}
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return (await client.ask(method, path, body, headers))[0]

    async def work() -> None:
        client = Client(store)
        for path, least in wanted.items():
            for level, key in enumerate((read, write, admin)):
                status = await asked(client, path, key)
                assert (status < 300) == (level >= least), (path, level, status)
                assert status < 300 or status == 403
            for wrong in (None, "", "wl_", read[:-1], read + "A", "é"):
                assert await asked(client, path, wrong) == (401 if least >= 0 else 200)
        assert (await client.ask("GET", "/"))[0] == 404
        keys.revoke("read")
        assert await asked(client, "/recommend", read) == 401
        assert await asked(client, "/recommend", write) == 200

    run(work())


def test_keys_end_and_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(tmp_path / "keys.json")
    key = keys.add("a", "read", 1)
    assert keys.role(key) == "read"
    now = time.time()
    monkeypatch.setattr("wareloom.serving.web.keys.time.time", lambda: now + 2 * 86400)
    assert keys.role(key) is None
    with pytest.raises(InputError, match="a key called 'a' already"):
        keys.add("a", "read", 1)
    with pytest.raises(InputError, match="No key is called 'b'"):
        keys.revoke("b")
    with pytest.raises(SettingError, match="one of read, write, admin"):
        keys.add("c", "root", 1)


def test_a_file_of_keys_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.add("a", "read", 1)
    (tmp_path / "keys.json").chmod(0o644)
    with pytest.raises(SourceError, match="chmod 600"):
        Keys(tmp_path / "keys.json").names()
    (tmp_path / "keys.json").chmod(0o600)
    (tmp_path / "keys.json").write_text('[{"name": 1}]')
    with pytest.raises(SourceError, match="no file of keys"):
        Keys(tmp_path / "keys.json").names()


def test_a_key_that_asks_too_often_is_sent_away(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    key = Keys(store / "keys.json").add("a", "read", 1)

    async def work() -> None:
        client = Client(store, rate=5)
        headers = {"authorization": f"Bearer {key}"}
        told = [(await client.ask("POST", "/recommend", {}, headers)) for _ in range(12)]
        assert {t[0] for t in told} == {200, 429}
        assert next(t for t in told if t[0] == 429)[2]["retry-after"] == "1"

    run(work())


def test_a_full_disk_refuses_events_and_goes_on_answering(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    full = True

    def write(file: int, content: bytes) -> int:
        if full and len(content) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, content)

    async def work() -> None:
        nonlocal full
        client = Client(store)
        monkeypatch.setattr(log_of_events.os, "write", write)
        status, told, _ = await client.ask(
            "POST", "/events", {"events": [EVENT | {"session_id": "full"}]}
        )
        assert (status, "No space left" in told["error"]) == (507, True)
        shown = await client.post("/recommend", session="full", k=30)
        assert "i3" in items(shown), "what was not acknowledged was not taken"
        full = False
        assert (await client.ask("POST", "/events", {"events": [EVENT | {"session_id": "full"}]}))[
            0
        ] == 202
        assert "i3" not in items(await client.post("/recommend", session="full", k=30))

    run(work())


def test_what_can_be_asked_is_described(store: Path) -> None:
    status, told, _ = run(Client(store).ask("GET", "/openapi.json"))
    assert status == 200
    assert told["openapi"].startswith("3.1")
    assert {"/recommend", "/search", "/similar", "/explain", "/events", "/items"} <= set(
        told["paths"]
    )
    limits = told["components"]["schemas"]["Ask"]["properties"]
    assert (limits["k"]["maximum"], limits["query"]["maxLength"]) == (200, 512)
    named = json.dumps(told)
    for name in {part.split('"')[0] for part in named.split("#/components/schemas/")[1:]}:
        assert name in told["components"]["schemas"], name


def test_hosts_without_their_ports() -> None:
    assert [bare_host(h) for h in (b"A.example:80", b"a.example", b"[::1]:80", b"[::1]", b"")] == [
        b"a.example",
        b"a.example",
        b"::1",
        b"::1",
        b"",
    ]
