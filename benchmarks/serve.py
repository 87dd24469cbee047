"""What serving costs, each figure beside its limit in the same run: processor time where the machine is shared.

    python benchmarks/serve.py [--json FILE] [--only top,http,log,pairs,kill,swap,open,steady] [--long]

Amazon Beauty. `top`: one request of the published form against the bare `_score` and `top_k`. `http`: processor
seconds of the server for a request, against a bare FastAPI route of the same models. `log`: events a second against
bare group commits of the same bytes. `pairs`: an event, then an answer that must have seen it. `kill`: acknowledged
events after kill -9. `swap`: versions exchanged under load. `open`: how long a version takes to open, and what two
processes share. `steady`: memory at a constant rate. `--long` takes the numbers of the bars: 10,000 pairs, 20 kills,
50 swaps, ten minutes. With `--only`, what else stands in FILE stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, data, machine, told, write_rows
from wareloom.bundle import ProofNote, write_bundle
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.top import top_k
from wareloom.rankers import Ranker, mask_seen
from wareloom.readers import read
from wareloom.serving.events.log import EventLog
from wareloom.serving.files.frames import framed, read_records
from wareloom.serving.versions.publish import publish
from wareloom.serving.versions.published import Served, write_served
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import Version
from wareloom.shop import Requests, Shop

PARTS = ("top", "http", "log", "pairs", "kill", "swap", "open", "steady")
TOP = ("transitions", "item_knn", "popularity", "bm25")
TURNS = 5
NOTE = ProofNote("p", "helps", "For a benchmark.", "ndcg@10", 0.1, 0.05, 0.15)
Row = dict[str, Any]


def cpu(work: Callable[[], object], times: int) -> float:
    """Least processor seconds of a call, over turns: what else runs can only add."""
    found = []
    for _ in range(TURNS):
        begun = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - begun) / times)
    return min(found)


def top(shop: Shop, folder: Path) -> list[Row]:
    """The published call against the bare `_score` and `top_k`, over 50 histories in turn."""
    rows, rng, turn = [], np.random.default_rng(0), iter(range(10**9))
    for name in TOP:
        ranker: Ranker = RANKERS.make(name).fit(shop, Run(seed=0, threads=1, quiet=True))
        write_served(ranker, folder / name)
        served = Served.open(folder / name)
        asked = [
            rng.integers(0, len(served), rng.integers(1, 12)).astype(np.int32) for _ in range(50)
        ]
        queries = ["hair oil", "red nail polish", "body lotion 200 ml"] if name == "bm25" else [""]
        ready = []
        for n, codes in enumerate(asked):
            history = [served.ids.text(int(c)) for c in codes]
            request = replace(Requests.sessions([history]), queries=[queries[n % len(queries)]])
            ready.append(ranker._ready(request))

        def bare(ranker: Ranker = ranker, ready: list[Requests] = ready) -> None:
            one = ready[next(turn) % 50]
            scores = ranker._score(one)
            mask_seen(scores, one)
            top_k(scores, 10)

        def own(served: Served = served, asked: Any = asked, queries: Any = queries) -> None:
            n = next(turn) % 50
            served.top(asked[n], queries[n % len(queries)])

        def whole(ranker: Ranker = ranker, ready: list[Requests] = ready) -> None:
            ranker.rank(ready[next(turn) % 50], 10)

        for warm in (bare, own, whole):
            warm()
        limit, mine, rank = cpu(bare, 200), cpu(own, 200), cpu(whole, 20)
        rows.append(
            {
                "part": "top",
                "name": name,
                "items": len(served),
                "ms": mine * 1e3,
                "limit_ms": limit * 1e3,
                "rank_ms": rank * 1e3,
                "ratio": mine / limit,
                "bar": 2.0,
                "held": mine <= 2 * limit,
            }
        )
    return rows


async def _clients(
    port: int, count: int, content: Callable[[int], bytes], requests: int
) -> list[float]:
    """Send requests over keep-alive connections, one at a time on each; seconds each took."""
    numbers, seconds = iter(range(requests)), list[float]()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n in numbers:
            begun = time.perf_counter()
            writer.write(content(n))
            status, _ = await _answer(reader)
            assert 200 <= status < 300, status
            seconds.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(one() for _ in range(count)))
    return seconds


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
    return int(head[9:12]), await reader.readexactly(length)


def posted(path: str, body: Any) -> bytes:
    content = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    ).encode() + content


@contextlib.contextmanager
def serving(store: Path, workers: int = 1) -> Iterator[tuple[int, list[int]]]:
    """`wareloom serve`: its port and the processes that answer."""
    command = [
        sys.executable,
        "-m",
        "wareloom",
        "serve",
        str(store),
        "--port",
        "0",
        "--workers",
        str(workers),
        "--compact-every",
        "0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, _ended(process):
        assert process.stderr is not None
        port = int(re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())[1])  # type: ignore[index]
        # What nobody reads fills the pipe, and then who writes waits.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        _awake(port)
        own = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield port, [int(one) for one in own]


@contextlib.contextmanager
def _ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End a process, whatever went wrong while it ran: who leaves waits for it."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def bare(name: str) -> Iterator[tuple[int, list[int]]]:
    """A bare route under the same server."""
    port = random.randint(20_000, 50_000)
    options = "log_level='error', access_log=False, server_header=False"
    script = f"import uvicorn; uvicorn.run('_bare_routes:{name}', port={port}, {options})"
    command, place = [sys.executable, "-c", script], Path(__file__).parent
    with subprocess.Popen(command, cwd=place) as process, _ended(process):
        _awake(port)
        yield port, [process.pid]


def _awake(port: int) -> None:
    import socket

    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as one:
            one.sendall(posted("/recommend", {}))
            one.settimeout(60)
            if one.recv(12).endswith(b"200"):
                return
        time.sleep(0.1)
    raise TimeoutError("the server did not come up")


def used(processes: list[int]) -> float:
    """Processor seconds of processes so far."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def http(store: Path, shop: Shop, requests: int) -> list[Row]:
    """Processor time of a request, taking turns with the bare routes."""
    rng, rows = random.Random(0), []
    items, titles = (shop.table("items")[name].to_list() for name in ("item_id", "title"))

    def search(n: int) -> bytes:
        words = (rng.choice(titles) or "hair oil").split()
        return posted("/search", {"query": " ".join(rng.sample(words, min(2, len(words))))[:100]})

    def recommend(n: int) -> bytes:
        return posted("/recommend", {"session": f"s{n % 500}", "k": 10})

    def history(n: int) -> bytes:
        return posted("/recommend", {"history": rng.sample(items, 5), "k": 10})

    def event(n: int) -> bytes:
        return posted(
            "/events",
            {
                "events": [
                    {
                        "id": f"{rng.random()}",
                        "event": "view_item",
                        "item_id": rng.choice(items),
                        "session_id": f"s{n % 500}",
                    }
                ]
            },
        )

    with serving(store) as own, bare("app") as fast, bare("asgi") as plain:
        asyncio.run(_clients(own[0], 8, event, 2000))
        for name, content, bar in (
            ("recommend, session", recommend, 0.4),
            ("recommend, history", history, 0.4),
            ("search, two words", search, 0.4),
            ("events", event, 0.4),
        ):
            found: dict[str, list[float]] = {"own": [], "fastapi": [], "asgi": []}
            waits: dict[str, list[float]] = {"own": [], "fastapi": []}
            for _ in range(3):
                for what, (port, processes) in (("own", own), ("fastapi", fast), ("asgi", plain)):
                    before = used(processes)
                    seconds = asyncio.run(_clients(port, 16, content, requests))
                    found[what].append((used(processes) - before) / requests)
                    waits.get(what, []).extend(seconds)
            mine, limit, raw = (min(found[what]) for what in ("own", "fastapi", "asgi"))
            rows.append(
                {
                    "part": "http",
                    "name": name,
                    "ms": mine * 1e3,
                    "limit_ms": limit * 1e3,
                    "asgi_ms": raw * 1e3,
                    "per_cpu_second": 1 / mine,
                    "ratio": limit / mine,
                    "bar": bar,
                    "held": limit / mine >= bar,
                    "wall_p50_ms": statistics.median(waits["own"]) * 1e3,
                }
            )
    return rows


class BareLog:
    """Group commits of the same bytes, and nothing else: the limit of `log`."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self.task: asyncio.Task[None] | None = None
        self.syncs = 0

    async def append(self, content: bytes) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((content, done))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._flush())
        await done

    def _write(self, content: bytes) -> None:
        os.write(self.file, content)
        os.fdatasync(self.file)

    async def _flush(self) -> None:
        while self.waiting:
            group, self.waiting = self.waiting, []
            content = b"".join(one for one, _ in group)
            await asyncio.get_running_loop().run_in_executor(None, self._write, content)
            self.syncs += 1
            for _, done in group:
                done.set_result(None)


def log(folder: Path, events: int, batch: int) -> Row:
    """Events a second in the log itself, 64 clients, taking turns with bare group commits."""
    record = json.dumps(
        {
            "id": "0" * 20,
            "event": "view_item",
            "item_id": "B000052YOB",
            "session_id": "s" * 16,
            "time": 1,
        }
    ).encode()
    records = [b"[" + b",".join([record] * batch) + b"]"]
    content = framed(records)
    rates: dict[str, list[float]] = {"own": [], "bare": []}
    costs: dict[str, list[float]] = {"own": [], "bare": []}
    syncs = 0

    async def work(append: Callable[[], Any]) -> None:
        left = iter(range(events // batch))

        async def client() -> None:
            for _ in left:
                await append()

        await asyncio.gather(*(client() for _ in range(64)))

    async def own(turn: int) -> int:
        made = EventLog(folder / f"own-{turn}")
        await work(lambda: made.append(records))
        await made.close()
        return made.syncs

    async def plain(turn: int) -> int:
        made = BareLog(folder / f"bare-{turn}.log")
        await work(lambda: made.append(content))
        return made.syncs

    for turn in range(TURNS):
        for name, way in (("own", own), ("bare", plain)):
            begun, spent = time.perf_counter(), time.process_time()
            count = asyncio.run(way(turn))
            rates[name].append(events / (time.perf_counter() - begun))
            costs[name].append((time.process_time() - spent) / events)
            syncs = count if name == "own" else syncs
    ratio = min(costs["bare"]) / min(costs["own"])
    return {
        "part": "log",
        "name": f"log, 64 clients, batches of {batch}",
        "per_second": max(rates["own"]),
        "limit_per_second": max(rates["bare"]),
        "wall_ratio": max(rates["own"]) / max(rates["bare"]),
        "events_per_sync": events / max(syncs, 1),
        "ratio": ratio,
        "bar": 0.5,
        "held": ratio >= 0.5,
    }


def pairs(store: Path, items: list[str], count: int) -> list[Row]:
    """An event on one connection, an answer on another, over two processes: has it been seen?"""
    rows = []

    async def work(port: int, clients: int, batch: int) -> int:
        numbers, seen = iter(range(count)), 0

        async def one(client: int) -> None:
            nonlocal seen
            ways = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            for n in numbers:
                who = f"{clients}-{batch}-{n // 5}"
                told = [
                    {
                        "id": f"{who}-{n}-{b}",
                        "event": "hide",
                        "item_id": items[(n * batch + b) % 40],
                        "session_id": who,
                    }
                    for b in range(batch)
                ]
                first, second = (ways[0], ways[1]) if n % 2 else (ways[1], ways[0])
                first[1].write(posted("/events", {"events": told}))
                assert (await _answer(first[0]))[0] == 202
                second[1].write(posted("/recommend", {"session": who, "k": 40}))
                _, body = await _answer(second[0])
                shown = {hit["item_id"] for hit in json.loads(body)["hits"]}
                seen += not shown & {event["item_id"] for event in told}
            for _, writer in ways:
                writer.close()

        await asyncio.gather(*(one(c) for c in range(clients)))
        return seen

    with serving(store, workers=2) as (port, _):
        for clients in (1, 8, 64):
            for batch in (1, 5):
                seen = asyncio.run(work(port, clients, batch))
                rows.append(
                    {
                        "part": "pairs",
                        "name": f"{clients} clients, batches of {batch}",
                        "seen": seen,
                        "of": count,
                        "held": seen == count,
                    }
                )
    return rows


WRITER = """
import asyncio, sys
from pathlib import Path
from wareloom.serving.events.log import EventLog
async def client(log, c):
    for n in range(10_000 // 16):
        await log.append([b"%d" % (c * 100_000 + n)])
        sys.stdout.write(f"{c * 100_000 + n}\\n"); sys.stdout.flush()
async def work():
    log = EventLog(Path(sys.argv[1]))
    await asyncio.gather(*(client(log, c) for c in range(16)))
asyncio.run(work())
"""


def kill(folder: Path, times: int) -> Row:
    """Processes killed at random moments of 10,000 posts: what was acknowledged must be there once."""
    lost = doubled = acknowledged = torn = 0
    for n in range(times):
        place = folder / f"kill-{n}"
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(random.Random(n).uniform(0, 1.0))
            process.send_signal(signal.SIGKILL)
            told = {line for line in (first + process.stdout.read()).split(b"\n")[:-1] if line}
        found = [read_records(path) for path in place.glob("*.log")]
        held = [record for one in found for record in one.records]
        torn += sum(one.torn for one in found)
        acknowledged += len(told)
        lost += len(told - set(held))
        doubled += len(held) - len(set(held))
    return {
        "part": "kill",
        "name": f"{times} times kill -9",
        "acknowledged": acknowledged,
        "lost": lost,
        "doubled": doubled,
        "torn_bytes": torn,
        "held": lost == doubled == 0,
    }


def swap(store: Path, times: int) -> list[Row]:
    """Versions exchanged under 64 connections: what failed, and how long until all answers are the new version's."""
    opened = Store.open(store)
    versions = sorted({change.live for change in opened.history("home")})
    failed = answers = 0
    took = []

    async def work(port: int) -> None:
        nonlocal failed, answers
        stop, latest = asyncio.Event(), {"version": ""}

        async def one() -> None:
            nonlocal failed, answers
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while not stop.is_set():
                writer.write(posted("/recommend", {"k": 5}))
                status, body = await _answer(reader)
                answers += 1
                failed += status != 200
                latest["version"] = json.loads(body)["version"]
            writer.close()

        tasks = [asyncio.create_task(one()) for _ in range(64)]
        for n in range(times):
            target = versions[n % len(versions)]
            begun = time.perf_counter()
            await asyncio.get_running_loop().run_in_executor(None, opened.set_live, "home", target)
            while latest["version"] != target:
                await asyncio.sleep(0.002)
            took.append(time.perf_counter() - begun)
        stop.set()
        await asyncio.gather(*tasks)

    with serving(store) as (port, _):
        asyncio.run(work(port))
    return [
        {
            "part": "swap",
            "name": f"{times} swaps under 64 connections",
            "answers": answers,
            "failed": failed,
            "held": failed == 0,
        },
        {
            "part": "swap",
            "name": "until a version answers",
            "median_s": statistics.median(took),
            "most_s": max(took),
            "bar": 1.0,
            "held": statistics.median(took) <= 1.0,
        },
    ]


def steady(store: Path, items: list[str], seconds: int) -> Row:
    """Memory of a process at a constant rate of events and answers of ever new shoppers, after a fifth of the time."""
    rng, rate, seen = random.Random(0), 100, list[tuple[float, float]]()

    async def work(port: int, process: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        begun = time.monotonic()
        for n in range(rate * seconds):
            await asyncio.sleep(max(0.0, begun + n / rate - time.monotonic()))
            who = f"shopper-{rng.random()}"
            event = {
                "id": who,
                "event": "view_item",
                "item_id": rng.choice(items),
                "session_id": who,
            }
            asked = ("/events", {"events": [event]}) if n % 2 else ("/recommend", {"user": who})
            writer.write(posted(*asked))
            assert (await _answer(reader))[0] < 300
            if n % (5 * rate) == 0 and time.monotonic() - begun > seconds / 5:
                seen.append((time.monotonic() - begun, _rss(process)))
        writer.close()

    with serving(store) as (port, processes):
        asyncio.run(work(port, processes[0]))
    minutes, megabytes = np.array([t for t, _ in seen]) / 60, np.array([m for _, m in seen])
    slope = float(np.polyfit(minutes, megabytes, 1)[0])
    return {
        "part": "steady",
        "name": f"memory over {seconds} s at {rate} requests a second",
        "mb_at_the_end": seen[-1][1],
        "mb_a_minute": slope,
        "held": slope < 1,
    }


def _rss(process: int) -> float:
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def opening(store: Path) -> list[Row]:
    """Seconds until a version is open, and the memory of two processes beside that of one."""
    opened = Store.open(store)
    place = opened.folder(opened.history("home")[-1].live)
    seconds = []
    for _ in range(TURNS):
        begun = time.process_time()
        Version.open(place)
        seconds.append(time.process_time() - begun)
    shares = {}
    for workers in (1, 2):
        with serving(store, workers) as (port, processes):
            asyncio.run(_clients(port, 8, lambda n: posted("/recommend", {"k": 10}), 200))
            # With the process that looks after them, which shares what they share.
            parent = int(
                Path(f"/proc/{processes[0]}/stat").read_text().rpartition(")")[2].split()[1]
            )
            shares[workers] = sum(_pss(process) for process in [parent, *processes])
    return [
        {
            "part": "open",
            "name": "opening, processor seconds",
            "s": min(seconds),
            "bar": 1.0,
            "held": min(seconds) <= 1,
        },
        {
            "part": "open",
            "name": "PSS with two processes beside one",
            "mb": [shares[1], shares[2]],
            "ratio": shares[2] / shares[1],
            "bar": 1.3,
            "held": shares[2] <= 1.3 * shares[1],
        },
    ]


def _pss(process: int) -> float:
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def made(folder: Path, shop: Shop) -> Path:
    """A store with two versions."""
    for name in ("popularity", "transitions"):
        ranker = RANKERS.make(name).fit(shop, Run(seed=0, threads=1, quiet=True))
        write_bundle(
            folder / name, ranker=ranker, shop=shop, recipe={}, choice={}, proof=NOTE, seed=0
        )
        publish(folder / name, folder / "store", "home")
    return folder / "store"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--long", action="store_true", help="the numbers of the bars")
    chosen = parser.parse_args()
    wanted, long = chosen.only.split(","), chosen.long
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shop = read(data("amazon_beauty"), to=folder / "shop", run=Run(quiet=True)).in_memory()
        items = shop.table("items")["item_id"].to_list()
        store = made(folder, shop) if set(wanted) - {"top", "log", "kill"} else folder
        work: dict[str, Callable[[], Any]] = {
            "top": lambda: top(shop, folder / "top"),
            "http": lambda: http(store, shop, 3000 if long else 1500),
            "log": lambda: [
                log(folder, 60_000 if long else 20_000, 1),
                log(folder / "b", 200_000 if long else 60_000, 20),
            ],
            "pairs": lambda: pairs(store, items[:40], 10_000 if long else 300),
            "kill": lambda: [kill(folder, 20 if long else 4)],
            "swap": lambda: swap(store, 50 if long else 10),
            "open": lambda: opening(store),
            "steady": lambda: [steady(store, items, 600 if long else 60)],
        }
        (folder / "b").mkdir()
        (folder / "top").mkdir()
        for name in wanted:
            for row in work[name]():
                rows.append(row)
                told(row)
    write_rows(chosen.json, "serve", machine(chosen.note), rows, PARTS)


if __name__ == "__main__":
    main()
