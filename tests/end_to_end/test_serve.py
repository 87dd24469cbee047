"""`wareloom serve` as it is run: processes that share what shoppers did, and that may die."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bundles import fitted, written
from stores import branded, made_store
from wareloom.core.family import RERANKERS
from wareloom.serving.config import VARIABLE, Settings, handed_on
from wareloom.serving.events.compact import compact, whole_shop
from wareloom.serving.events.parts import partitions, told_by
from wareloom.serving.files.frames import read_records
from wareloom.serving.versions.publish import publish
from wareloom.serving.versions.store import Store
from wareloom.serving.web import supervise
from wareloom.serving.web.worker import GRACE
from wareloom.shop import Requests

JSON = {"content-type": "application/json"}


class Asked:
    """One connection to a server."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        self.connection.request(method, path, content, JSON | headers)
        answer = self.connection.getresponse()
        text = answer.read()
        kind = answer.headers["content-type"]
        return answer.status, json.loads(text) if kind == "application/json" else text.decode()

    def post(self, path: str, **body: Any) -> Any:
        status, told = self.ask("POST", path, body)
        assert status in (200, 202), told
        return told


@contextlib.contextmanager
def served(store: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server, from its first word until SIGTERM; yields its port."""
    command = [sys.executable, "-m", "wareloom", "serve", str(store), "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, line + process.stderr.read()
        try:
            yield int(found[1]), process
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
            assert process.wait(15) == 0, said


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("served"))


def pairs(ports: tuple[int, int], client: int, count: int, batch: int, wrong: list[str]) -> None:
    """Send an event, ask on another connection, and look whether the answer has seen it."""
    with Asked(ports[0]) as one, Asked(ports[1]) as two:
        for n in range(count):
            who = f"{client}-{batch}-{n // 5}"
            sent = [
                {
                    "id": f"{who}-{n}-{b}",
                    "event": "hide",
                    "item_id": f"i{(3 * n + b) % 30}",
                    "session_id": who,
                }
                for b in range(batch)
            ]
            one.post("/events", events=sent)
            shown = {h["item_id"] for h in two.post("/recommend", session=who, k=30)["hits"]}
            if shown & {event["item_id"] for event in sent} or not shown:
                wrong.append(who)
            one, two = two, one


def test_the_next_answer_has_seen_the_click_over_two_processes(store: Path) -> None:
    with served(store, "--workers", "2", "--compact-every", "0") as (port, _):
        for clients, batch in ((1, 1), (8, 1), (8, 3)):
            wrong: list[str] = []
            work = [
                threading.Thread(target=pairs, args=((port, port), c, 120 // clients, batch, wrong))
                for c in range(clients)
            ]
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
            assert wrong == []
    writers = {path.name.rpartition("-")[2] for path in (store / "events").glob("*.log")}
    assert len(writers) == 2, "both processes took events"


def test_a_process_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    acknowledged: list[str] = []
    with served(store, "--workers", "2", "--compact-every", "0") as (port, process):
        stop = threading.Event()

        def client(number: int) -> None:
            n = 0
            while not stop.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException), Asked(port) as asked:
                    while not stop.is_set():
                        name = f"{number}-{n}"
                        n += 1
                        asked.post(
                            "/events",
                            events=[
                                {
                                    "id": name,
                                    "event": "view_item",
                                    "item_id": "i3",
                                    "session_id": "a",
                                }
                            ],
                        )
                        acknowledged.append(name)

        work = [threading.Thread(target=client, args=(n,)) for n in range(4)]
        for thread in work:
            thread.start()
        for more in (40, 80):
            until(lambda more=more: len(acknowledged) > more)
            os.kill(children(process.pid)[0], signal.SIGKILL)
        until(lambda: len(acknowledged) > 120)
        stop.set()
        for thread in work:
            thread.join()
    records = [r for p in (store / "events").glob("*.log") for r in read_records(p).records]
    held = [event["id"] for event in told_by(records)]
    assert set(acknowledged) <= set(held)
    assert len(held) == len(set(held))
    done = compact(Store.open(store))
    assert done.events == len(held)
    assert done.repeated == 0


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(number) for number in text.split()]


def test_swaps_under_load_fail_no_request(tmp_path: Path) -> None:
    store, shop = made_store(tmp_path), branded()
    written(tmp_path / "popular", fitted("popularity", shop), shop)
    publish(tmp_path / "popular", store, "home")
    opened = Store.open(store)
    versions = {change.live for change in opened.history("home")}
    seen: set[str] = set()
    wrong: list[Any] = []
    with served(store, "--workers", "1", "--compact-every", "0") as (port, _):
        stop = threading.Event()

        def client() -> None:
            with Asked(port) as asked:
                while not stop.is_set():
                    status, told = asked.ask("POST", "/recommend", {"history": ["i3"]})
                    if status != 200 or told["version"] not in versions:
                        wrong.append(told)
                    seen.add(told["version"])

        work = [threading.Thread(target=client) for _ in range(8)]
        for thread in work:
            thread.start()
        until(lambda: bool(seen))
        for _ in range(4):
            for version in sorted(versions):
                opened.set_live("home", version)
                seen.discard(version)
                until(lambda version=version: version in seen)
        target = opened.roll_back("home").live
        with Asked(port) as asked:
            until(lambda: asked.post("/recommend")["version"] == target)
        stop.set()
        for thread in work:
            thread.join()
    assert wrong == []


def test_a_person_is_deleted_from_every_file(tmp_path: Path) -> None:
    store, person = made_store(tmp_path), "zoe-of-example"
    with served(store, "--workers", "2", "--compact-every", "0") as (port, _), Asked(port) as asked:
        for n in range(6):
            who = person if n % 2 else "somebody else"
            asked.post(
                "/events",
                events=[
                    {
                        "id": f"e{n}",
                        "event": "view_item",
                        "item_id": f"i{n}",
                        "user_id": who,
                        "session_id": f"s-{who}",
                    }
                ],
            )
        # What a process holds is finished when the server ends; the next one begins with tables and a log.
    assert compact(Store.open(store)).events == 6
    with served(store, "--workers", "2", "--compact-every", "0") as (port, _), Asked(port) as asked:
        asked.post(
            "/events",
            events=[{"id": "f", "event": "view_item", "item_id": "i9", "user_id": person}],
        )
        before = asked.post("/recommend", user=person)["hits"]
        assert holding(store, person)
        status, told = asked.ask("DELETE", f"/users/{person}")
        assert (status, told) == (200, {"erased_events": 4})
        assert holding(store, person) == []
        assert asked.post("/recommend", user=person)["hits"] != before
    assert whole_shop(Store.open(store), tmp_path / "shop").rows("events") == 3
    assert partitions(Store.open(store))


def holding(folder: Path, text: str) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def test_a_port_in_use_an_open_address_and_an_empty_store_are_said(
    store: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("serve", str(store), "--port", str(port))
    assert f"127.0.0.1:{port} cannot be served" in said
    assert "no key is set" in refused("serve", str(store), "--host", "0.0.0.0", "--port", "0")
    assert "is no store" in refused("serve", str(tmp_path))


def refused(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wareloom", *words], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_commands_say_what_is_live(store: Path) -> None:
    def told(*words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "wareloom", *words, "--json"], capture_output=True, text=True
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    code, live = told("live", str(store))
    assert (code, live["home"]["by"]) == (0, "publish")
    assert told("live", str(store), "--at", "2001-01-01T00:00") == (1, {"home": "nothing yet"})
    code, history = told("live", str(store), "--history")
    assert history["home"][0]["live"] == live["home"]["live"]
    assert told("live", str(store), "--roll-back")[0] == 2


def test_the_page_comes_with_a_policy_and_runs_nothing_inline(store: Path) -> None:
    with served(store, "--compact-every", "0") as (port, _), Asked(port) as asked:
        asked.connection.request("GET", "/")
        answer = asked.connection.getresponse()
        text = answer.read().decode()
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "<script src" in text
        assert not re.search(r"<script>|style=|onclick=", text)
        for name in re.findall(r'(?:src|href)="(/[^"]+)"', text):
            assert asked.ask("GET", name)[0] == 200
        status, told = asked.ask("GET", "/slots")
        assert (status, told["home"]["items"]) == (200, 30)
        assert "wareloom_requests_total" in asked.ask("GET", "/metrics")[1]
        assert asked.ask("GET", "/readyz") == (200, {"ready": True})


@contextlib.contextmanager
def worker(store: Path, **settings: Any) -> Iterator[int]:
    """One process that serves, begun as `wareloom serve` begins it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = handed_on(Settings(store=store, **settings))
        command = [sys.executable, "-m", "wareloom.serving.web.worker", str(listening.fileno())]
        environment = os.environ | {VARIABLE: told}
        with subprocess.Popen(command, pass_fds=[listening.fileno()], env=environment) as process:
            yield listening.getsockname()[1]
            process.send_signal(signal.SIGTERM)
            # uvicorn finishes, and then ends by the signal that asked it to.
            assert process.wait(15) in (0, -signal.SIGTERM)


def test_clients_that_are_slow_endless_or_never_read_take_nothing_from_others(store: Path) -> None:
    with worker(store, body_seconds=0.5) as port, Asked(port) as asked:
        assert asked.post("/recommend")["hits"]
        for sent, answered in (
            (b"POST /recommend HTTP/1.1\r\nhost: 127.0.0.1\r\n", b""),
            (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 40_000, b""),
            (HEAD + b"content-length: 20\r\n\r\n{", b"408"),
            (HEAD + b"content-length: 1073741824\r\n\r\n{", b"413"),
            (HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b", b"415"),
            (b"GARBAGE\r\n\r\n", b"400"),
        ):
            with socket.create_connection(("127.0.0.1", port), 20) as one:
                with contextlib.suppress(OSError):
                    one.sendall(sent)
                got = b""
                with contextlib.suppress(OSError):
                    got = one.recv(100)
                assert got[9:12] == answered, (sent[:40], got)
        silent = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(20)]
        for one in silent:
            one.sendall((HEAD + b"content-length: 8\r\n\r\n" + b'{"k":30}') * 50)
        assert len(asked.post("/recommend")["hits"]) == 10
        for one in silent:
            one.close()


HEAD = b"POST /recommend HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


def test_what_was_accepted_is_finished_after_sigterm(store: Path) -> None:
    answers: list[int] = []
    with served(store, "--workers", "1", "--compact-every", "0") as (port, process):
        with Asked(port) as asked:
            asked.post("/recommend")

        def client(number: int) -> None:
            with contextlib.suppress(OSError, http.client.HTTPException), Asked(port) as asked:
                for n in range(1000):
                    event = {
                        "id": f"t{number}-{n}",
                        "event": "view_item",
                        "item_id": "i3",
                        "session_id": "t",
                    }
                    answers.append(asked.ask("POST", "/events", {"events": [event]})[0])

        work = [threading.Thread(target=client, args=(n,)) for n in range(4)]
        for thread in work:
            thread.start()
        until(lambda: len(answers) > 20)
        process.send_signal(signal.SIGTERM)
        for thread in work:
            thread.join()
        assert process.wait(15) == 0
    assert set(answers) == {202}
    records = [r for p in (store / "events").glob("*.log") for r in read_records(p).records]
    assert sum(event["id"].startswith("t") for event in told_by(records)) >= len(answers)


HURRIED = """
import runpy, sys
from wareloom.serving.web import supervise
supervise.PATIENCE = 0.5
sys.argv = ["wareloom", "serve", sys.argv[1], "--port", "0", "--workers", "2", "--compact-every", "0"]
runpy.run_module("wareloom", run_name="__main__")
"""


def test_a_process_that_does_not_listen_is_ended_after_sigterm(store: Path) -> None:
    # Ten seconds are the bar: of these requests have most, and what still runs then is ended.
    assert GRACE < supervise.PATIENCE <= 10
    command = [sys.executable, "-c", HURRIED, str(store)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Serving" in process.stderr.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(30) == 0
            assert not Path(f"/proc/{children[0]}").exists(), "nothing is left behind"
        finally:
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            process.kill()


def test_two_servers_of_one_store_do_not_meet(store: Path) -> None:
    with served(store, "--compact-every", "0"):
        assert "written by another process" in refused("serve", str(store), "--port", "0")


BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_the_page_shows_items_with_their_reasons_and_runs_nothing_of_theirs(tmp_path: Path) -> None:
    shop = branded()
    hostile = (
        "<img src=x onerror=\"document.title='RAN'\"></script><script>document.title='RAN'</script>"
    )
    titles = shop.table("items").with_columns(title=pl.col("title") + pl.lit(f" {hostile}"))
    store = made_store(tmp_path, shop=shop.with_tables(items=titles))
    with served(store, "--compact-every", "0") as (port, _):
        with Asked(port) as asked:
            asked.post("/recommend")
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
        words += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000"]
        assert BROWSER is not None
        command = [BROWSER, *words, f"http://127.0.0.1:{port}/"]
        done = subprocess.run(command, capture_output=True, timeout=120)
    text = done.stdout.decode("utf-8", "replace")
    assert text.count('class="title"') == 12
    assert "Liked in this shop." in text
    assert "12 items · version" in text
    assert "<title>Wareloom shop</title>" in text
    assert "&lt;img src=x" in text


def test_a_ranker_that_is_asked_itself_and_a_reranker_are_served_by_forked_processes(
    tmp_path: Path,
) -> None:
    shop, mmr = branded(), RERANKERS.make("mmr", relevance=0.5)
    bundle = written(tmp_path / "bundle", fitted("als", shop), shop, reranker=mmr)
    publish(tmp_path / "bundle", tmp_path / "store", "home")
    with served(tmp_path / "store", "--workers", "2", "--compact-every", "0") as (port, _):
        for history in ([], ["i3"], ["i3", "i9"]):
            wanted = bundle.rank(Requests.sessions([history]), 8)["item_id"].to_list()
            for _ in range(4):
                with Asked(port) as asked:
                    told = asked.post("/recommend", history=history, k=8, explain=True)
                assert [hit["item_id"] for hit in told["hits"]] == wanted


def test_events_become_tables_while_it_serves(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    with served(store, "--compact-every", "0.5") as (port, _), Asked(port) as asked:
        for n in range(3):
            event = {"id": f"e{n}", "event": "view_item", "item_id": f"i{n}", "session_id": "a"}
            asked.post("/events", events=[event])
        until(lambda: bool(partitions(Store.open(store))), 90)
        assert whole_shop(Store.open(store), tmp_path / "shop").rows("events") == 3
        assert asked.post("/recommend", session="a")["hits"]
