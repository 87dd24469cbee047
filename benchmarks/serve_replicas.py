"""Two replicas behind nginx, with one Redis, one PostgreSQL and one bucket: what is lost, and what it costs.

    python benchmarks/serve_replicas.py [--json FILE] [--only pairs,kill,gone,cost,ray] [--long]

Amazon Beauty. All servers run on this machine; the bucket is moto's server, so that its times say nothing of S3.
`pairs`: an event through the proxy, then an answer through it that must have seen it, on whichever replica. `kill`: one
replica killed -9 under load; what was acknowledged, against what PostgreSQL and the tables hold; a new version until
both answer with it; shares of shoppers on both. `gone`: Redis, PostgreSQL and the bucket, each away under load. `cost`:
processor time of a replica for a request, with the store's own files, with Redis, and with PostgreSQL as well; bytes
of an event and of a session there. `ray`: the same application on Ray Serve beside uvicorn. `--long` takes 10,000
pairs of 8 clients and of 64, 1,000 of one. With `--only`, what else stands in FILE stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from _common import arguments, data, machine, told, write_rows
from serve import _answer, _clients, made, posted, used
from wareloom.core.run import Run
from wareloom.readers import read
from wareloom.serving.config import Settings
from wareloom.serving.events.compact import compact_all
from wareloom.serving.events.parts import partitions
from wareloom.serving.files.frames import read_records
from wareloom.serving.versions.bucket import Bucket, publish_to
from wareloom.serving.versions.store import Store
from wareloom.shop import Shop

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from services import Buckets, Postgres, Replica, buckets, nginx, postgres, ray_serve, redis

PARTS = ("pairs", "kill", "gone", "cost", "ray")
ADDRESS = "s3://shop/live"
TURNS = 3
Row = dict[str, Any]


class Place:
    """Two replicas and all that they share."""

    def __init__(self, folder: Path, bundles: list[Path]) -> None:
        self.folder, self.bundles = folder, bundles
        self.stack = contextlib.ExitStack()
        self.database: Postgres
        self.buckets: Buckets
        self.versions: list[str] = []

    def __enter__(self) -> Place:
        enter = self.stack.enter_context
        self.database, self.buckets = enter(postgres()), enter(buckets("shop"))
        self.sessions = enter(redis(self.folder))
        for bundle in self.bundles:
            self.versions.append(publish_to(ADDRESS, bundle, "home")[0])
        self.bucket = Bucket(ADDRESS)
        options = ["--versions", ADDRESS, "--events", self.database.url, "--compact-every", "0"]
        options += ["--redis", f"redis://127.0.0.1:{self.sessions}/0"]
        self.replicas = [Replica(self.folder / f"replica-{n}", *options).start() for n in range(2)]
        for replica in self.replicas:
            self.stack.callback(replica.kill)
        for replica in self.replicas:
            waited(lambda port=replica.port: asked(port) == self.versions[-1])
        self.port = enter(nginx(self.folder, [replica.port for replica in self.replicas]))
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def store(self) -> Store:
        return Store.open(self.folder / "replica-0")


def waited(holds: Callable[[], Any], seconds: float = 120) -> float:
    """Seconds until it holds."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise TimeoutError
        time.sleep(0.01)
    return time.monotonic() - begun


def asked(port: int, **body: Any) -> str:
    """The version that answers, "" where none does."""

    async def one() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(posted("/recommend", body))
        status, told = await _answer(reader)
        writer.close()
        return str(json.loads(told)["version"]) if status == 200 else ""

    try:
        return asyncio.run(one())
    except (OSError, asyncio.IncompleteReadError):
        return ""


class Load:
    """Shoppers behind the proxy: an event until it is acknowledged, then an answer that must have seen it."""

    def __init__(self, port: int, items: list[str], name: str) -> None:
        self.port, self.items, self.name = port, items, name
        self.acknowledged: set[str] = set()
        self.seen = self.unseen = self.degraded = self.again = 0
        self.refused: list[int] = []
        self.stopped = False
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self.trusting = trusting

    async def run(self, clients: int, most: int | None = None) -> None:
        numbers = iter(range(most if most is not None else 10**9))
        await asyncio.gather(*(self._client(numbers) for _ in range(clients)))

    async def _client(self, numbers: Iterator[int]) -> None:
        way: Any = None
        for n in numbers:
            if self.stopped:
                break
            while True:
                try:
                    if way is None:
                        way = await asyncio.open_connection(
                            "127.0.0.1", self.port, ssl=self.trusting
                        )
                    await asyncio.wait_for(self._turn(n, *way), 30)
                    break
                except (OSError, asyncio.IncompleteReadError, TimeoutError):
                    # What had no answer is sent once more, under the same id.
                    self.again += 1
                    way = None
        if way is not None:
            way[1].close()

    async def _turn(self, n: int, reader: Any, writer: Any) -> None:
        who, item = f"{self.name}-{n // 5}", self.items[n % len(self.items)]
        event = {"id": f"{self.name}-{n}", "event": "hide", "item_id": item, "session_id": who}
        writer.write(posted("/events", {"events": [event]}))
        status, _ = await _answer(reader)
        if status != 202:
            self.refused.append(status)
            return
        self.acknowledged.add(event["id"])
        writer.write(posted("/recommend", {"session": who, "k": len(self.items)}))
        status, body = await _answer(reader)
        if status != 200:
            self.refused.append(status)
            return
        told = json.loads(body)
        shown = {hit["item_id"] for hit in told["hits"]}
        self.degraded += bool(told.get("degraded"))
        if item in shown or not shown:
            self.unseen += 1
        else:
            self.seen += 1


def under_load(load: Load, clients: int, work: Callable[[], Any]) -> Any:
    """Do something while shoppers ask."""

    async def both() -> Any:
        asking = asyncio.create_task(load.run(clients))
        done = await asyncio.get_running_loop().run_in_executor(None, work)
        load.stopped = True
        await asking
        return done

    return asyncio.run(both())


def grown(load: Load, count: int) -> None:
    """Wait for so many acknowledged events more."""
    before = len(load.acknowledged)
    waited(lambda: len(load.acknowledged) >= before + count)


def kept(place: Place, name: str) -> list[str]:
    """Ids of a load in the database."""
    asked = f"select id from wareloom_events where kind = 0 and id like '{name}-%'"
    return [row[0] for row in place.database.ask(asked)]


def pairs(place: Place, items: list[str], count: int) -> list[Row]:
    rows = []
    for clients, most in ((1, count // 10), (8, count), (64, count)):
        load = Load(place.port, items, f"pairs{clients}")
        asyncio.run(load.run(clients, most))
        rows.append(
            {
                "part": "pairs",
                "name": f"through the proxy, {clients} clients",
                "seen": load.seen,
                "of": most,
                "held": load.seen == most,
            }
        )
    return rows


def kill(place: Place, items: list[str], count: int) -> list[Row]:
    """One replica is killed and begun again under load; then a new version, and shares."""
    load, (one, two) = Load(place.port, items, "kill"), place.replicas
    target = place.bucket.roll_back("home").live
    waited(lambda: asked(one.port) == asked(two.port) == target)

    def work() -> float:
        grown(load, count)
        two.kill()
        grown(load, count)
        two.start()
        waited(lambda: asked(two.port) != "")
        grown(load, count)
        begun = time.monotonic()
        place.bucket.set_live("home", place.versions[1])
        waited(lambda: asked(one.port) == asked(two.port) == place.versions[1])
        return time.monotonic() - begun

    seconds = under_load(load, 16, work)
    found = kept(place, "kill")
    compact_all(place.store(), place.database.url)
    parts = partitions(place.store())
    tables = pl.concat([pl.read_parquet(p / "hidden.parquet") for p in parts])
    ids = pl.concat([pl.read_parquet(p / "ids.parquet") for p in parts])["id"]
    doubled = len(ids) - ids.n_unique() + len(tables) - len(ids)
    lost = len(load.acknowledged - set(found)) + len(load.acknowledged - set(ids.to_list()))
    place.bucket.set_arms("home", {place.versions[0]: 0.5})
    users = [f"user-{n}" for n in range(500)]

    def arms(port: int) -> list[str]:
        return [asked(port, user=user, k=1) for user in users]

    waited(lambda: all(len(set(arms(r.port)[:50])) == 2 for r in place.replicas))
    first, second = arms(one.port), arms(two.port)
    same = sum(a == b for a, b in zip(first, second, strict=True))
    place.bucket.set_arms("home", None)
    return [
        {
            "part": "kill",
            "name": "a replica killed -9 and begun again, 16 clients",
            "acknowledged": len(load.acknowledged),
            "lost": lost,
            "doubled": doubled,
            "unseen": load.unseen,
            "sent_again_by_clients": load.again,
            "refused": len(load.refused),
            "held": not (lost or doubled or load.unseen or load.refused),
        },
        {
            "part": "kill",
            "name": "a new version until both answer with it",
            "s": seconds,
            "bar": 5.0,
            "held": seconds <= 5,
        },
        {
            "part": "kill",
            "name": "shoppers in the same share on both",
            "same": same,
            "of": len(users),
            "in_the_share": first.count(place.versions[0]),
            "held": same == len(users) and len(set(first)) == 2,
        },
    ]


def gone(place: Place, items: list[str], count: int) -> list[Row]:
    """What is shared is away, one after the other, under load."""
    rows = []
    load = Load(place.port, items, "gone-postgres")

    def without_database() -> int:
        grown(load, count)
        place.database.stop()
        before = len(load.acknowledged)
        grown(load, count)
        during = len(load.acknowledged) - before
        place.database.start()
        grown(load, count)
        spools = [place.folder / f"replica-{n}" / "spool" for n in range(2)]
        waited(lambda: not any(list(spool.glob("*.log")) for spool in spools))
        return during

    during = under_load(load, 8, without_database)
    compact_all(place.store(), place.database.url)
    tables = [pl.read_parquet(p / "ids.parquet") for p in partitions(place.store())]
    every = [name for name in pl.concat(tables)["id"] if name.startswith(load.name)]
    found = [name for name in kept(place, load.name) if name in set(every)]
    lost = len(load.acknowledged - set(found))
    rows.append(
        {
            "part": "gone",
            "name": "PostgreSQL gone for a while",
            "acknowledged": len(load.acknowledged),
            "of_these_meanwhile": during,
            "lost": lost,
            "doubled": len(every) - len(set(every)),
            "refused": len(load.refused),
            "unseen": load.unseen,
            "held": not (lost or load.refused or load.unseen) and len(every) == len(set(every)),
        }
    )
    load = Load(place.port, items, "gone-bucket")
    live = asked(place.replicas[0].port)

    def without_bucket() -> list[str]:
        place.buckets.stop()
        grown(load, count)
        time.sleep(2.5)
        told = [asked(replica.port) for replica in place.replicas]
        place.buckets.start()
        return told

    told = under_load(load, 8, without_bucket)
    rows.append(
        {
            "part": "gone",
            "name": "the bucket gone",
            "answers": load.seen,
            "refused": len(load.refused),
            "live_stays": sum(version == live for version in told),
            "held": not load.refused and told == [live, live],
        }
    )
    load = Load(place.port, items, "gone-redis")

    def without_redis() -> None:
        import redis as client

        with client.Redis(port=place.sessions) as one:
            os.kill(int(one.info("server")["process_id"]), signal.SIGKILL)
        grown(load, count)

    under_load(load, 8, without_redis)
    rows.append(
        {
            "part": "gone",
            "name": "Redis gone: answers from what is asked with",
            "acknowledged": len(load.acknowledged),
            "answers": load.seen + load.unseen,
            "degraded": load.degraded,
            "refused": len(load.refused),
            "held": not load.refused and load.degraded > 0,
        }
    )
    return rows


def cost(folder: Path, store: Path, shop: Shop, requests: int) -> list[Row]:
    """Processor time of one process for a request, by where it keeps what shoppers did."""
    rng, items, rows = random.Random(0), shop.table("items")["item_id"].to_list(), []

    def event(n: int) -> bytes:
        one = {"id": f"{rng.random()}", "event": "view_item", "item_id": rng.choice(items)}
        return posted("/events", {"events": [one | {"session_id": f"s{n % 500}"}]})

    def recommend(n: int) -> bytes:
        return posted("/recommend", {"session": f"s{n % 500}", "k": 10})

    def full(_: int) -> bytes:
        one = {"event": "view_item", "session_id": "full"}
        every = [one | {"id": f"{rng.random()}", "item_id": item} for item in items[:50]]
        return posted("/events", {"events": every})

    with postgres() as database, redis(folder) as sessions:
        shared = ["--redis", f"redis://127.0.0.1:{sessions}/0"]
        ways = {"its own files": [], "Redis": shared}
        ways["Redis and PostgreSQL"] = [*shared, "--events", database.url]
        for name, options in ways.items():
            # One after the other: a store is served once.
            server = Replica(store, "--compact-every", "0", *options).start()
            try:
                waited(lambda port=server.port: asked(port) != "")
                worker = server.children()[0]
                for what, content in (("events", event), ("recommend, session", recommend)):
                    spent = []
                    for _ in range(TURNS):
                        before = used([worker])
                        asyncio.run(_clients(server.port, 16, content, requests))
                        spent.append((used([worker]) - before) / requests * 1e3)
                    rows.append({"part": "cost", "name": f"{what}: {name}", "ms": min(spent)})
                asyncio.run(_clients(server.port, 1, full, 1))
            finally:
                server.stop()
        told = "select count(*), pg_total_relation_size('wareloom_events') from wareloom_events"
        count, size = database.ask(told)[0]
        rows.append(
            {"part": "cost", "name": "an event in PostgreSQL, with indexes", "bytes": size / count}
        )
        rows.append(
            {"part": "cost", "name": "a session of 50 events in Redis", "bytes": _session(sessions)}
        )
    return rows + taken(Store.open(store), len(items))


def taken(store: Store, items: int) -> list[Row]:
    """Bytes of an event in the log and in the tables, of a remembered session, of an item of a version."""
    logged = [read_records(path).records for path in store.events.glob("*.log")]
    events = sum(len(json.loads(one)) for records in logged for one in records)
    size = _bytes(store.events)
    compact_all(store)
    live = store.folder(store.history("home")[-1].live)
    room = (store.state / "sessions").stat().st_size / Settings(store=store.root).sessions
    return [
        {"part": "cost", "name": name, "bytes": count}
        for name, count in (
            ("an event in the log", size / events),
            ("an event in the tables", _bytes(store.root / "tables") / events),
            ("a session of 50 events in `state/sessions`", room),
            ("an item of a version of `transitions`, mapped", _bytes(live) / items),
        )
    ]


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _session(port: int) -> float:
    import redis as client

    with client.Redis(port=port) as one:
        sizes = [one.memory_usage(key) for key in one.keys("wareloom:*") if one.llen(key) == 50]
        return sum(sizes) / max(len(sizes), 1)


def ray(store: Path, requests: int) -> list[Row]:
    """Processor time of all processes of Ray Serve for a request, beside that of `wareloom serve`."""

    def recommend(n: int) -> bytes:
        return posted("/recommend", {"session": f"s{n % 500}", "k": 10})

    found: dict[str, float] = {}
    waits: dict[str, float] = {}

    def measured(name: str, port: int, processes: Callable[[], list[int]], requests: int) -> None:
        asyncio.run(_clients(port, 8, recommend, 200))
        own, spent, took = processes(), [], []
        for _ in range(TURNS):
            before = used(own)
            seconds = asyncio.run(_clients(port, 8, recommend, requests))
            spent.append((used(own) - before) / requests * 1e3)
            took += seconds
        found[name], waits[name] = min(spent), sorted(took)[len(took) // 2] * 1e3

    server = Replica(store, "--compact-every", "0").start()
    try:
        waited(lambda: asked(server.port) != "")
        # Five times as many, as the clock has steps of 10 ms.
        measured("uvicorn", server.port, server.children, 5 * requests)
    finally:
        server.stop()
    with ray_serve(store, 600) as (port, process):
        measured("Ray Serve", port, lambda: _below(process), requests)
    return [
        {
            "part": "ray",
            "name": "a recommendation on Ray Serve, its proxy included",
            "ms": found["Ray Serve"],
            "uvicorn_ms": found["uvicorn"],
            "wall_p50_ms": waits["Ray Serve"],
            "uvicorn_wall_p50_ms": waits["uvicorn"],
            "times": found["Ray Serve"] / found["uvicorn"],
        }
    ]


def _below(process: int) -> list[int]:
    """A process with all that it began, and all that these began."""
    import psutil

    one = psutil.Process(process)
    return [process, *(child.pid for child in one.children(recursive=True))]


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
        items = shop.table("items")["item_id"].to_list()[:40]
        store = made(folder, shop)
        shared: dict[str, Callable[[Place], list[Row]]] = {
            "pairs": lambda place: pairs(place, items, 10_000 if long else 200),
            "kill": lambda place: kill(place, items, 3000 if long else 100),
            "gone": lambda place: gone(place, items, 1500 if long else 100),
        }
        alone: dict[str, Callable[[], list[Row]]] = {
            "cost": lambda: cost(folder, store, shop, 3000 if long else 600),
            "ray": lambda: ray(store, 1000 if long else 200),
        }

        def take(found: list[Row]) -> None:
            rows.extend(found)
            for row in found:
                told(row)

        if set(wanted) & set(shared):
            with Place(folder, [folder / "popularity", folder / "transitions"]) as place:
                for name in [name for name in shared if name in wanted]:
                    take(shared[name](place))
        for name in [name for name in alone if name in wanted]:
            take(alone[name]())
    write_rows(chosen.json, "serve_replicas", machine(chosen.note), rows, PARTS)


if __name__ == "__main__":
    main()
