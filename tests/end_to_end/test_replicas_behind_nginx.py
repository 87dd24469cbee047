"""Two replicas behind nginx, with one Redis, one PostgreSQL and one bucket: either may be killed at any time.

What is asked goes through the proxy of docs/deploy, over TLS; no shopper sticks to a replica.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_serve import Asked

from bundles import fitted, written
from services import (
    DEPLOY,
    Replica,
    buckets,
    free_port,
    nginx,
    nginx_program,
    nginx_settings,
    postgres,
    redis,
)
from stores import branded
from wareloom.serving.events.compact import compact_all
from wareloom.serving.events.parts import partitions
from wareloom.serving.versions.bucket import Bucket, publish_to
from wareloom.serving.versions.store import Store


@pytest.mark.parametrize("name", sorted(path.name for path in DEPLOY.glob("nginx*.conf")))
def test_configurations_of_nginx_are_what_nginx_reads(name: str, tmp_path: Path) -> None:
    program, settings = nginx_program(), nginx_settings(name, tmp_path, free_port())
    command = [program, "-t", "-c", str(settings), "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


class Proxied(Asked):
    """A connection through the proxy."""

    def __init__(self, port: int) -> None:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=30, context=trusting
        )


class Shopper(threading.Thread):
    """Sends an event until it is acknowledged, then asks whether the answer has seen it; and again."""

    def __init__(self, port: int, number: int, stop: threading.Event) -> None:
        super().__init__()
        self.port, self.number, self.stop = port, number, stop
        self.acknowledged: list[str] = []
        self.wrong: list[Any] = []
        self.broken = 0

    def run(self) -> None:
        n = 0
        while not self.stop.is_set():
            with Proxied(self.port) as asked:
                try:
                    while not self.stop.is_set():
                        self.turn(asked, n)
                        n += 1
                except (OSError, http.client.HTTPException):
                    # What had no answer is sent once more, under the same id.
                    self.broken += 1

    def turn(self, asked: Asked, n: int) -> None:
        who, item = f"{self.number}-{n // 5}", f"i{(7 * n + self.number) % 30}"
        event = {"id": f"{self.number}-{n}", "event": "hide", "item_id": item, "session_id": who}
        status, told = asked.ask("POST", "/events", {"events": [event]}, host="shop.example")
        if status != 202:
            self.wrong.append((status, told))
            return
        if event["id"] not in self.acknowledged[-1:]:
            self.acknowledged.append(event["id"])
        body = {"session": who, "k": 30}
        status, told = asked.ask("POST", "/recommend", body, host="shop.example")
        if status != 200 or told.get("degraded"):
            self.wrong.append((status, told))
        elif item in {hit["item_id"] for hit in told["hits"]} or not told["hits"]:
            self.wrong.append((who, item, "not seen"))


def version_at(port: int, **body: Any) -> str:
    with contextlib.suppress(OSError, http.client.HTTPException), Asked(port) as asked:
        return str(asked.post("/recommend", **body)["version"])
    return ""


def test_a_replica_killed_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    nginx_program()
    shop, address = branded(), "s3://shop/live"
    with (
        contextlib.ExitStack() as stack,
        postgres() as database,
        redis(tmp_path) as sessions,
        buckets("shop"),
    ):
        versions = []
        for name in ("popularity", "transitions"):
            written(tmp_path / name, fitted(name, shop), shop)
            versions.append(publish_to(address, tmp_path / name, "home")[0])
        bucket = Bucket(address)
        assert bucket.roll_back("home").live == versions[0]
        options = ["--versions", address, "--events", database.url, "--compact-every", "0"]
        options += ["--redis", f"redis://127.0.0.1:{sessions}/0"]
        one, two = (Replica(tmp_path / name, *options).start() for name in ("one", "two"))
        stack.callback(one.kill)
        stack.callback(two.kill)
        for replica in (one, two):
            until(lambda port=replica.port: version_at(port) == versions[0], 120)
        with nginx(tmp_path, (one.port, two.port)) as port:
            stop = threading.Event()
            shoppers = [Shopper(port, n, stop) for n in range(4)]
            for shopper in shoppers:
                shopper.start()

            def more(count: int) -> None:
                before = sum(len(s.acknowledged) for s in shoppers)
                until(lambda: sum(len(s.acknowledged) for s in shoppers) >= before + count)

            more(60)
            two.kill()
            more(60)
            bucket.set_live("home", versions[1])
            until(lambda: version_at(one.port) == versions[1])
            two.start()
            until(lambda: version_at(two.port) == versions[1], 120)
            more(60)
            # Sixty-four at once, each over a connection of its own, on whichever replica.
            crowd = [Shopper(port, 100 + n, stop) for n in range(60)]
            for shopper in crowd:
                shopper.start()
            shoppers += crowd
            until(lambda: all(len(s.acknowledged) >= 3 for s in crowd), 120)
            stop.set()
            for shopper in shoppers:
                shopper.join()
        bucket.set_arms("home", {versions[0]: 0.5})
        users = [f"user-{n}" for n in range(40)]

        def arms() -> list[list[str]]:
            return [[version_at(r.port, user=user, k=1) for user in users] for r in (one, two)]

        until(lambda: all(set(own) == set(versions) for own in arms()))
        first, second = arms()
        assert first == second
        assert (one.stop(), two.stop()) == (0, 0)
        assert [wrong for s in shoppers for wrong in s.wrong] == []
        acknowledged = {name for s in shoppers for name in s.acknowledged}
        kept = [r[0] for r in database.ask("select id from wareloom_events where kind = 0")]
        assert acknowledged <= set(kept)
        assert not list((tmp_path / "one" / "spool").glob("*.log"))
        store = Store.open(tmp_path / "one")
        compact_all(store, database.url)
        ids = pl.concat([pl.read_parquet(p / "ids.parquet") for p in partitions(store)])["id"]
        assert sorted(ids.to_list()) == sorted(kept)
        assert len(kept) == len(set(kept))
        hidden = pl.concat([pl.read_parquet(p / "hidden.parquet") for p in partitions(store)])
        assert len(hidden) == len(kept), json.dumps(len(acknowledged))
