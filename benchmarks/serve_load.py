"""Serving under load: latency at a constant rate, what three times too much does, and the parts of a search.

    python benchmarks/serve_load.py [--json FILE] [--only open,overload,search] [--long]

Amazon Beauty, one process. `open`: requests at a constant rate, half of what the server can answer; latency is counted
from the moment a request was planned for, so that a stall counts for all that should have been sent meanwhile. Beside
it, in turns, the same rate to a bare FastAPI route of the same models: both take the machine's other work. `overload`:
three times the capacity; what is answered in time, what is sent away and how, memory (that of a first burst,
apart, as connections and what waits take theirs once), and how soon it is as before.
Capacity and goodput are per processor second of the server, since who asks takes its share of the same core; wall rates
stand beside. Each load ends by the clock: what could not be asked, or was not answered, until then counts as late.
`search`: processor time of a search beside the sum of its parts called bare, by words and by words and an encoder.
Loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, data, machine, told, write_rows
from serve import NOTE, bare, made, posted, serving, used
from wareloom.bundle import write_bundle
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.readers import read
from wareloom.serving.versions.publish import publish
from wareloom.shop import Shop

PARTS = ("open", "overload", "search")
Row = dict[str, Any]
FASTEST = 50_000.0
"""Requests a second that are planned at most: more than one core asks"""
LINES = 1536
"""Connections that ask for too much: more than the requests that a process lets wait"""
GRACE = 2.0
"""Seconds after the last planned start in which answers are waited for"""
CONNECTING = 20.0
"""Seconds in which all connections must be there"""
LATE = 0.25
"""Seconds from the planned start within which an answer counts as given in time"""


class Line(asyncio.Protocol):
    """One connection: a request at a time, answers told to who asked."""

    def __init__(self, free: asyncio.Queue[Line]) -> None:
        self.free, self.buffer, self.done = free, b"", None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that there is no answer; a connection that is gone is not free again."""
        done, self.done = self.done, None
        if done is not None:
            done(0)

    def ask(self, content: bytes, done: Callable[[int], None]) -> None:
        if self.transport.is_closing():
            done(0)
            return
        self.done = done
        self.transport.write(content)

    def data_received(self, received: bytes) -> None:
        self.buffer += received
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.buffer.lower().find(b"content-length: ")
        size = int(self.buffer[at + 16 : self.buffer.find(b"\r\n", at)])
        if len(self.buffer) < end + 4 + size:
            return
        status, self.buffer = int(self.buffer[9:12]), b""
        done, self.done = self.done, None
        self.free.put_nowait(self)
        if done is not None:
            done(status)


class Load:
    """Requests at a constant rate over so many connections; what waits for one waits in the client, and counts."""

    def __init__(self, content: Callable[[int], bytes]) -> None:
        self.content = content
        self.took: list[tuple[float, int]] = []
        """Seconds from the planned start, and the status: 0 where the connection was closed instead"""
        self.missing = 0
        """Planned, and not answered when the time was over"""
        self.seconds = 0.0
        """How long all of it took"""

    async def run(
        self, port: int, rate: float, seconds: float, lines: int, grace: float = GRACE
    ) -> None:
        """Plan `rate` requests a second for so many, and end when all are answered, or `grace` seconds after.

        However slow the machine is: a load that waited until all that was planned is asked took minutes where the
        rate was far above what one core can ask.
        """
        loop, free = asyncio.get_running_loop(), asyncio.Queue[Line]()
        every = list[Line]()
        try:
            async with asyncio.timeout(CONNECTING):
                for _ in range(lines):
                    _, line = await loop.create_connection(lambda: Line(free), "127.0.0.1", port)
                    every.append(line)
                    free.put_nowait(line)
            count, begun = int(rate * seconds), loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(begun + seconds + grace):
                    await self._asked(free, begun, rate, count)
                    while len(self.took) < count:
                        await asyncio.sleep(0.01)
            self.seconds = loop.time() - begun
            self.missing = count - len(self.took)
        finally:
            for line in every:
                line.done = None
                line.transport.abort()

    async def _asked(self, free: asyncio.Queue[Line], begun: float, rate: float, n: int) -> None:
        loop = asyncio.get_running_loop()
        for number in range(n):
            planned = begun + number / rate
            if (left := planned - loop.time()) > 0:
                await asyncio.sleep(left)
            line = await free.get()
            line.ask(self.content(number), self._told(loop, planned))

    def _told(self, loop: asyncio.AbstractEventLoop, planned: float) -> Callable[[int], None]:
        return lambda status: self.took.append((loop.time() - planned, status))

    def p(self, share: float) -> float:
        """A quantile of the seconds from the planned start; what is missing took as long as there was."""
        return float(
            np.quantile([*(late for late, _ in self.took), *[self.seconds] * self.missing], share)
        )


def loaded(
    content: Callable[[int], bytes],
    port: int,
    rate: float,
    seconds: float,
    lines: int,
    grace: float = GRACE,
) -> Load:
    """Run a load under uvloop, which costs who asks least."""
    import uvloop

    made_ = Load(content)
    uvloop.run(made_.run(port, rate, seconds, lines, grace))
    return made_


def capacity(
    content: Callable[[int], bytes], port: int, processes: list[int], seconds: float
) -> tuple[float, float]:
    """Answers a second, and a processor second of the server, when eight connections ask without a pause."""
    before = used(processes)
    # More is planned than any server answers; the clock ends it.
    one = loaded(content, port, 1e6, seconds, 8, grace=0.0)
    spent = used(processes) - before
    answered = sum(status == 200 for _, status in one.took)
    return answered / one.seconds, answered / spent


RECOMMEND = [posted("/recommend", {"session": f"s{n}", "k": 10}) for n in range(500)]


def recommend(n: int) -> bytes:
    """Made once: who asks for too much must take less of the core than who answers."""
    return RECOMMEND[n % len(RECOMMEND)]


def many_files() -> None:
    """Let this process, and those that it begins, hold a connection each."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 4 * LINES if most == resource.RLIM_INFINITY else min(most, 4 * LINES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def opened(store: Path, seconds: float, turns: int) -> list[Row]:
    """p99 at half of capacity, in turns with the bare route at the same rate."""
    found: dict[str, list[Load]] = {"own": [], "bare": []}
    with serving(store) as own, bare("app") as fast:
        rate = capacity(recommend, *own, 2.0)[0] / 2
        for _ in range(turns):
            for name, (port, _) in (("own", own), ("bare", fast)):
                found[name].append(loaded(recommend, port, rate, seconds, 64))
    mine, limit = (statistics.median(one.p(0.99) for one in found[n]) for n in ("own", "bare"))
    worst = Counter(status for one in found["own"] for _, status in one.took)
    return [
        {
            "part": "open",
            "name": "recommend, half of capacity, p99 from the planned start",
            "rate": rate,
            "ms": mine * 1e3,
            "limit_ms": limit * 1e3,
            "p50_ms": statistics.median(one.p(0.5) for one in found["own"]) * 1e3,
            "limit_p50_ms": statistics.median(one.p(0.5) for one in found["bare"]) * 1e3,
            "turns": turns,
            "requests": sum(len(one.took) for one in found["own"]),
            "refused": sum(n for status, n in worst.items() if status != 200),
            "missing": sum(one.missing for one in found["own"]),
            "ratio": mine / limit,
            "bar": 3.0,
            "held": mine <= 3 * limit,
        }
    ]


def overload(store: Path, seconds: float) -> list[Row]:
    """Three times the capacity, then half of it: what was answered, what sent away, and how soon all is well."""
    with serving(store) as (port, processes):
        wall, per_cpu = capacity(recommend, port, processes, 2.0)
        first = _rss(processes)
        # What connections and requests that wait take is taken once: a first burst, counted apart. It must be too
        # much, whatever else the machine did while the capacity was measured.
        rate = 3 * wall
        for _ in range(5):
            told_ = Counter(status for _, status in loaded(recommend, port, rate, 2.0, LINES).took)
            if told_[429] >= sum(told_.values()) / 3:
                break
            rate = min(2 * rate, FASTEST)
        memory = _rss(processes)
        before = used(processes)
        heavy = loaded(recommend, port, rate, seconds, LINES)
        spent, took = used(processes) - before, heavy.seconds
        grown = _rss(processes) - memory
        after = loaded(recommend, port, wall / 2, 3.0, 64)
    told = Counter(status for _, status in heavy.took)
    good = sum(status == 200 for _, status in heavy.took)
    intime = sum(status == 200 and late <= LATE for late, status in heavy.took)
    offered = len(heavy.took) / took
    recovered = _recovered(after, wall / 2)
    answered = [late for late, status in heavy.took if status == 200]
    return [
        {
            "part": "overload",
            "name": "three times the capacity, goodput",
            "per_cpu_second": good / spent,
            "limit_per_cpu_second": per_cpu,
            "wall_per_second": good / took,
            "wall_limit": wall,
            "offered_of_capacity": offered / wall,
            "sent_away": told[429],
            "answered": good,
            "in_time_from_the_plan": intime,
            "others": sum(n for status, n in told.items() if status not in (200, 429)),
            "not_asked_in_time": heavy.missing,
            "p50_ms": float(np.median(answered)) * 1e3 if answered else None,
            "ratio": good / spent / per_cpu,
            "bar": 0.8,
            # Where little was sent away it was not too much, and says nothing.
            "held": good / spent >= 0.8 * per_cpu
            and set(told) <= {200, 429}
            and told[429] >= len(heavy.took) / 5,
        },
        {
            "part": "overload",
            "name": "memory and recovery",
            "grown_mb": grown,
            "connections": LINES,
            "first_mb": memory - first,
            "recovered_after_s": recovered,
            "bar": "1 MB, 2 s",
            "held": grown <= 1.0 and recovered <= 2.0,
        },
    ]


def _recovered(after: Load, rate: float) -> float:
    """Seconds until nothing more was sent away or took longer than the time an answer has."""
    if after.missing:
        return after.seconds
    last = 0.0
    for n, (late, status) in enumerate(after.took):
        if status != 200 or late > LATE:
            last = n / rate + late
    return last


def _rss(processes: list[int]) -> float:
    text = "".join(Path(f"/proc/{p}/status").read_text() for p in processes)
    return sum(int(n) for n in re.findall(r"VmRSS:\s+(\d+)", text)) / 1024


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--cache", type=Path, help="keep the vectors of titles in this folder")
    parser.add_argument("--long", action="store_true", help="the numbers of the bars")
    chosen = parser.parse_args()
    wanted, long = chosen.only.split(","), chosen.long
    many_files()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shop = read(data("amazon_beauty"), to=folder / "shop", run=Run(quiet=True)).in_memory()
        store = made(folder, shop)
        titles = [title for title in shop.table("items")["title"].to_list() if title]
        work: dict[str, Callable[[], list[Row]]] = {
            "open": lambda: opened(store, 5.0, 5 if long else 3),
            "overload": lambda: overload(store, 10.0 if long else 5.0),
            "search": lambda: [*search(store, titles), *fused(shop, folder, chosen.cache)],
        }
        for name in wanted:
            for row in work[name]():
                rows.append(row)
                told(row)
    write_rows(chosen.json, "serve_load", machine(chosen.note), rows, PARTS)


def search(store: Path, titles: list[str]) -> list[Row]:
    """Processor time of `POST /search` (application without a socket) beside its parts called bare.

    Where a version searches by words alone, as here, there is no encoder and no vector search: the parts are BM25 and
    the plain `/recommend`, which is all the rest of an answer.
    """
    from realtime import timed
    from wareloom.serving.config import Settings
    from wareloom.serving.web.app import Application

    rng = random.Random(0)
    queries = [" ".join(rng.sample(t.split(), min(2, len(t.split()))))[:100] for t in titles[:400]]
    app = Application(Settings(store=store))
    version = app.slots.live("home")
    served = version.searcher()
    assert served is not None
    none = np.zeros(0, np.int32)
    bodies = {
        "/search": [json.dumps({"query": query}).encode() for query in queries],
        "/recommend": [json.dumps({"history": []}).encode() for _ in queries],
    }
    mine, rest = (
        timed(app, "/search", bodies["/search"]),
        timed(app, "/recommend", bodies["/recommend"]),
    )
    found = []
    for _ in range(5):
        begun = time.process_time()
        for query in queries:
            served.top(none, query, 11)
        found.append((time.process_time() - begun) / len(queries))
    words = min(found)
    return [
        {
            "part": "search",
            "name": f"a search by {served.ranker}",
            "ms": mine * 1e3,
            "limit_ms": (rest + words) * 1e3,
            "parts_ms": {"/recommend": rest * 1e3, served.ranker: words * 1e3},
            "ratio": mine / (rest + words),
            "bar": 1.25,
            "held": mine <= 1.25 * (rest + words),
        }
    ]


def fused(shop: Shop, folder: Path, cache: Path | None) -> list[Row]:
    """A search by words and an encoder together beside encoder, vectors, BM25 and fusion called bare.

    The parts are ONNX Runtime's session with its tokenizer, the product of all vectors by numpy, the postings, and the
    sum of both in units of their spread with its ten best. *A query that was read before*: beside `/recommend`, and
    the same without the encoder.
    """
    from realtime import timed
    from wareloom.core.top import top_k
    from wareloom.serving.config import Settings
    from wareloom.serving.forms.base import Asked
    from wareloom.serving.vectors.judge import cuts
    from wareloom.serving.web.app import Application

    members = ("bm25", "bi_encoder")
    own = {"bm25": {"fields": "title"}, "bi_encoder": {"fields": "title", "tuning": "none"}}
    ranker = RANKERS.make("fusion", members=members, member_settings=own, spelling=False)
    ranker.fit(shop, Run(seed=0, threads=1, quiet=True, cache=cache or folder / "cache"))
    place = folder / "fused"
    write_bundle(place, ranker=ranker, shop=shop, recipe={}, choice={}, proof=NOTE, seed=0)
    publish(place, folder / "fused-store", "home")
    app = Application(Settings(store=folder / "fused-store"))
    form: Any = app.slots.live("home").served.form
    (_, words, _), (_, near, _) = form.members
    encoder = near.asker.encoder
    titles = shop.table("items")["title"].fill_null("").to_list()
    queries = cuts(titles, 60, np.random.default_rng(0))
    none, spare = np.zeros(0, np.int32), np.zeros(len(titles), np.float32)
    kept = [encoder.read(query) for query in queries]

    def once(work: Callable[[int], object]) -> float:
        begun = time.process_time()
        for n in range(len(queries)):
            work(n)
        return (time.process_time() - begun) / len(queries)

    def added(n: int) -> None:
        one, other = scores[n % len(scores)]
        spare[:] = 0
        for part in (one, other):
            spare[:] += (part - part.mean()) / (part.std() or 1.0)
        top_k(spare[None], 11)

    scores = [
        (words.scores(Asked(none, q)), near.near.vectors @ v)
        for q, v in zip(queries[:8], kept[:8], strict=True)
    ]
    bare: dict[str, Callable[[int], object]] = {
        "encoder": lambda n: encoder.read(queries[n]),
        "vectors": lambda n: near.near.vectors @ kept[n],
        "BM25": lambda n: words.scores(Asked(none, queries[n])),
        "fusion": added,
    }
    bodies = [json.dumps({"query": query}).encode() for query in queries]
    plain = [b'{"history":[]}'] * len(queries)
    turns: dict[str, list[float]] = {}
    # In turns, as what else the machine does comes and goes.
    for _ in range(4):
        spent = {name: once(work) for name, work in bare.items()}
        spent["/recommend"] = timed(app, "/recommend", plain)
        spent["fresh"] = timed(app, "/search", bodies, encoder._kept.clear)
        spent["again"] = timed(app, "/search", bodies)
        for name, seconds in spent.items():
            turns.setdefault(name, []).append(seconds)
    found = {name: min(several[1:]) for name, several in turns.items()}
    fresh, again = found.pop("fresh"), found.pop("again")
    whole = sum(found[name] for name in bare)
    limit = found["/recommend"] + 1.25 * (whole - found["encoder"])
    told_ = {name: seconds * 1e3 for name, seconds in found.items()}
    common = {"part": "search", "parts_ms": told_}
    return [
        {
            **common,
            "name": "a search by words and an encoder, read anew",
            "ms": fresh * 1e3,
            "limit_ms": whole * 1e3,
            "ratio": fresh / whole,
            "bar": 1.25,
            "held": fresh <= 1.25 * whole,
        },
        {
            **common,
            "name": "the same, read before: beside `/recommend` + 1.25 × the rest",
            "ms": again * 1e3,
            "limit_ms": limit * 1e3,
            "ratio": again / limit,
            "bar": 1.0,
            "held": again <= limit,
        },
    ]


if __name__ == "__main__":
    main()
