"""What an operator sees: figures, logs, and how a server behaves where its own files are gone or wrong."""

from __future__ import annotations

import hmac
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stores import Client, items, made_store, run
from wareloom.errors import InputError, OutputError
from wareloom.serving import logs
from wareloom.serving.answer import now_us
from wareloom.serving.versions.store import Store
from wareloom.serving.web.counters import BOUNDS, CELLS, Counters
from wareloom.serving.web.keys import Keys


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return made_store(tmp_path)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process says, as `wareloom serve` has it say it."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level, stream = root.level, io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.listen(answers=True)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logs.requests.setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def figures(text: str) -> dict[str, float]:
    """Prometheus' text format, read strictly: each name is described once, before it is used."""
    found, described = dict[str, float](), set[str]()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in described
            assert kind in ("counter", "gauge", "histogram")
            described.add(name)
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[^"\\]*"\})? (\S+)', line)
            assert match, line
            assert (
                re.sub("_(bucket|sum|count)$", "", match[1]) in described or match[1] in described
            )
            assert match[1] + (match[2] or "") not in found
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_figures_tell_versions_caches_and_times(store: Path) -> None:
    async def work() -> dict[str, float]:
        client = Client(store)
        version = (await client.post("/recommend", k=4))["version"]
        for _ in range(3):
            await client.post("/recommend", k=2, filter={"brand": ["Brand 1"]})
        await client.ask("POST", "/recommend", {"k": 0})
        text = (await client.ask("GET", "/metrics"))[1]
        assert f'version="{version}"' in text
        return {name.replace(version, "V"): value for name, value in figures(text).items()}

    found = run(work())
    assert found['wareloom_version_exposures_total{version="V"}'] == 10
    assert found["wareloom_exposures_total"] == 10
    assert found['wareloom_cache_hits_total{cache="filters"}'] == 2
    assert found['wareloom_cache_misses_total{cache="filters"}'] == 1
    assert found["wareloom_errors_total"] == 1
    buckets = [v for name, v in found.items() if name.startswith("wareloom_answer_seconds_bucket")]
    assert len(buckets) == len(BOUNDS) + 1
    assert buckets == sorted(buckets)
    assert found["wareloom_answer_seconds_count"] == found["wareloom_requests_total"] == 5


def test_counts_of_all_processes_add_up_and_tables_never_grow(tmp_path: Path) -> None:
    one, two = Counters(tmp_path / "c", 0), Counters(tmp_path / "c", 1)
    size = (tmp_path / "c").stat().st_size
    for counters in (one, two):
        counters.add_of("version_exposures_total", "a" * 16, 2)
        counters.add_of("version_exposures_total", "b" * 16, 1)
    assert two.totals_of("version_exposures_total") == {"a" * 16: 4, "b" * 16: 2}
    # The same process, begun anew, counts on.
    one = Counters(tmp_path / "c", 0)
    one.add_of("version_exposures_total", "a" * 16, 1)
    assert one.totals_of("version_exposures_total")["a" * 16] == 5
    for n in range(3 * CELLS):
        one.add_of("version_exposures_total", f"{n:016x}", 1)
        one.add_of("version_exposures_total", "a" * 16, 1)
    found = one.totals_of("version_exposures_total")
    assert found["a" * 16] == 5 + 3 * CELLS, "what is counted again and again stays"
    assert len(found) == CELLS + 1
    assert (tmp_path / "c").stat().st_size == size


def test_what_nobody_expected_is_counted_answered_and_logged_without_what_was_asked(
    store: Path, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> tuple[int, Any, dict[str, str], float]:
        client = Client(store)

        async def broken(*given: Any) -> Any:
            raise KeyError(f"secret words of {given[1].user}")

        monkeypatch.setattr(client.app.answers, "answer", broken)
        found = await client.ask("POST", "/search", {"query": "secret words", "user": "zoe"})
        monkeypatch.undo()
        assert (await client.ask("POST", "/recommend", {}))[0] == 200
        return *found, client.app.counters.total("failures_total")

    status, told, headers, failures = run(work())
    assert (status, failures) == (500, 1)
    request = headers["x-request-id"]
    assert request in told["error"]
    line = next(one for one in lines(said) if one["level"] == "ERROR")
    assert (line["request"], line["error"]) == (request, "KeyError")
    assert any("broken" in place for place in line["at"])
    assert not re.search("secret|zoe", said.getvalue())


def test_lines_of_answers_say_nothing_of_who_asked_for_what(store: Path, said: io.StringIO) -> None:
    async def work() -> list[str]:
        client = Client(store, log_requests=True)
        asked: list[tuple[str, str, Any]] = [
            ("POST", "/search", {"query": "hidden words", "user": "zoe"}),
            ("DELETE", "/users/zoe", None),
            ("GET", "/zoe", None),
            ("POST", "/events", {"events": [{"id": "zoe", "event": "search", "user_id": "zoe"}]}),
        ]
        wrong = {"authorization": "Bearer wl_zoe"}
        return [(await client.ask(*one, headers=wrong))[2]["x-request-id"] for one in asked]

    ids = run(work())
    found = lines(said)
    assert [one["request"] for one in found] == ids
    assert len(set(ids)) == 4
    assert [(one["route"], one["status"]) for one in found] == [
        ("/search", 200),
        ("/users/", 200),
        ("", 404),
        ("/events", 202),
    ]
    assert not re.search("zoe|hidden", said.getvalue())


def test_the_request_of_an_answer_is_that_of_its_log(store: Path) -> None:
    _, told, headers = run(Client(store).ask("POST", "/recommend", {}))
    assert told["request"] == headers["x-request-id"]


def test_what_is_said_is_json_whatever_is_in_it(said: io.StringIO) -> None:
    # Of any library: uvicorn's own loggers are set anew by tests that run a server in this process.
    logging.getLogger("elsewhere").warning('He said "%s"\n\u2028 {', "ö")
    assert lines(said)[0]["said"] == 'He said "ö"\n\u2028 {'


def test_a_key_that_was_the_last_one_leaves_the_door_shut(store: Path) -> None:
    keys = Keys(store / "keys.json")
    key = keys.add("only", "admin", 1)

    async def work() -> None:
        client = Client(store)
        headers = {"authorization": f"Bearer {key}"}
        assert (await client.ask("POST", "/recommend", {}, headers))[0] == 200
        keys.revoke("only")
        for given in (headers, {}):
            assert (await client.ask("POST", "/recommend", {}, given))[0] == 401
            assert (await client.ask("DELETE", "/users/x", None, given))[0] == 401
        assert (await client.ask("GET", "/"))[0] == 404

    run(work())


def test_where_others_reach_it_nobody_is_let_in_without_a_key(store: Path) -> None:
    async def work() -> None:
        client = Client(store, host="0.0.0.0")
        assert (await client.ask("POST", "/recommend", {}))[0] == 401
        assert (await client.ask("GET", "/healthz"))[0] == 200

    run(work())


@pytest.mark.parametrize("wrong", ["others", "damaged"])
def test_keys_that_cannot_be_read_let_nobody_in_and_say_so_in_the_log(
    store: Path, said: io.StringIO, wrong: str
) -> None:
    key = Keys(store / "keys.json").add("a", "read", 1)

    async def work() -> None:
        client = Client(store)
        if wrong == "others":
            (store / "keys.json").chmod(0o644)
        else:
            (store / "keys.json").write_text("[")
        for _ in range(3):
            asked = await client.ask("POST", "/recommend", {}, {"authorization": f"Bearer {key}"})
            assert asked[0] == 503
            assert "keys.json" not in asked[1]["error"]
        assert (await client.ask("GET", "/healthz"))[0] == 200

    run(work())
    (line,) = lines(said)
    assert "keys.json" in line["said"]


def test_a_slot_that_is_deleted_answers_on(store: Path) -> None:
    async def work() -> None:
        client = Client(store)
        before = await client.post("/recommend")
        (store / "slots" / "home.jsonl").unlink()
        assert items(await client.post("/recommend")) == items(before)
        assert (await client.ask("POST", "/recommend", {"slot": "other"}))[0] == 422

    run(work())


def test_a_version_of_a_page_that_was_damaged_says_no_place(store: Path, said: io.StringIO) -> None:
    async def work() -> None:
        page = (await Client(store).post("/recommend", k=3))["page"]
        client = Client(store)
        name = client.app.slots.live("home").id
        client.app.slots._open.clear()
        (store / "versions" / name / "version.json").write_text("{}")
        status, told, _ = await client.ask("POST", "/recommend", {"page": page})
        assert (status, str(store) in told["error"]) == (503, False)

    run(work())
    assert any("version.json" in one["said"] for one in lines(said))


def test_how_it_is_is_told_where_all_else_is_sent_away(store: Path) -> None:
    async def work() -> None:
        client = Client(store, most_running=1)
        client.app.status.running = 5
        assert (await client.ask("POST", "/recommend", {}))[0] == 429
        for method in ("GET", "HEAD"):
            for path in ("/healthz", "/readyz", "/metrics", "/"):
                assert (await client.ask(method, path))[0] == 200, path

    run(work())


def test_a_deletion_that_must_wait_says_so_and_is_no_error_of_who_asks(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def held(*_: Any) -> int:
        raise OutputError("A process still writes to the log of before.")

    monkeypatch.setattr("wareloom.serving.web.app.forgotten", held)
    assert run(Client(store).ask("DELETE", "/users/zoe"))[0] == 503


def test_errors_of_who_asks_are_no_failures(store: Path) -> None:
    with pytest.raises(InputError, match="no slot"):
        Client(store).app.slots.live("other")


def test_a_clock_that_jumps_back_harms_no_id_no_share_and_no_click(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made_store(tmp_path)
    made_store(tmp_path, "popularity", slot="other")
    opened = Store.open(store)
    opened.set_arms("home", {opened.history("other")[-1].live: 0.5})
    clock = [now_us()]
    monkeypatch.setattr("wareloom.serving.web.app.now_us", lambda: clock[0])

    async def work() -> None:
        client, before, requests = Client(store), dict[str, str](), list[str]()
        for turn, jump in enumerate((0, -3_000_000_000, 7_000_000, 0)):
            clock[0] += jump
            for n in range(12):
                told = await client.post("/recommend", user=f"u{n}", k=3)
                requests.append(told["request"])
                assert before.setdefault(f"u{n}", told["version"]) == told["version"]
            await client.did(f"i{turn}", "hide", session_id="s", user_id="u")
            shown = items(await client.post("/recommend", session="s", user="u", k=30))
            assert not {f"i{n}" for n in range(turn + 1)} & set(shown)
        assert len(set(requests)) == len(requests)
        assert len(set(before.values())) == 2
        await client.app.close()

    run(work())


def test_a_key_is_compared_with_every_digest_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, real, compared = Keys(tmp_path / "keys.json"), hmac.compare_digest, 0
    made = [keys.add(f"k{n}", "read", 1) for n in range(5)]

    def counted(one: Any, other: Any) -> bool:
        nonlocal compared
        compared += 1
        return real(one, other)

    monkeypatch.setattr("wareloom.serving.web.keys.hmac.compare_digest", counted)
    for key in (made[0], made[4], "wl_none"):
        compared = 0
        assert (keys.role(key) is None) == (key == "wl_none")
        assert compared == 5, "the first of them would answer sooner than the last"
