"""A disk that is full, and one that is slow, under a server that goes on answering."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from test_serve import Asked, served

from stores import Client, items, made_store, run
from wareloom.serving.events import log as events
from wareloom.serving.events.compact import compact
from wareloom.serving.events.parts import told_by
from wareloom.serving.files.frames import read_records
from wareloom.serving.versions.store import Store


def event(name: str, item: str = "i3") -> dict[str, Any]:
    return {"id": name, "event": "view_item", "item_id": item, "session_id": "s"}


def limited(process: int, size: int) -> None:
    """Let a process write no file beyond a size: a disk that is full, for it alone."""
    hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of others are Linux's")
def test_a_full_disk_is_said_answers_go_on_and_writing_resumes(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    acknowledged: list[str] = []
    with served(store, "--compact-every", "0") as (port, process), Asked(port) as asked:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        statuses = list[int]()

        def sent(name: str) -> int:
            status, told = asked.ask("POST", "/events", {"events": [event(name)]})
            if status == 202:
                acknowledged.append(name)
            else:
                assert "Make room" in told["error"]
            return status

        sent("first")
        for n in range(40):
            # A file that cannot grow further, then no room for a single event.
            limited(int(children[0]), 1500 if n < 20 else 100)
            statuses.append(sent(f"e{n}"))
            assert asked.post("/recommend", session="s")["hits"]
        assert statuses[0] == 202
        assert set(statuses[:20]) == {202, 507}
        assert set(statuses[20:]) == {507}
        # A segment that took nothing does not stay: a full disk would fill up with their names.
        assert len(list((store / "events").glob("*.log"))) < 10
        limited(int(children[0]), resource.RLIM_INFINITY)
        assert sent("after") == 202
        assert "wareloom_failures_total 0\n" in asked.ask("GET", "/metrics")[1]
    found = [read_records(path) for path in (store / "events").glob("*.log")]
    assert sum(one.torn for one in found) == 0
    kept = [told["id"] for one in found for told in told_by(one.records)]
    assert sorted(kept) == sorted(acknowledged), "no more and no less than was acknowledged, once"
    assert compact(Store.open(store)).events == len(acknowledged)


def test_a_slow_disk_sends_events_away_before_memory_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real = made_store(tmp_path), events.datasync

    def slow(file: int) -> None:
        time.sleep(0.5)
        real(file)

    async def work() -> None:
        client, most = Client(store, most_waiting=20_000), 0
        monkeypatch.setattr(events, "datasync", slow)
        batches = [[event(f"e{n}-{m}", f"i{m}") for m in range(8)] for n in range(120)]
        asking = [
            asyncio.create_task(client.ask("POST", "/events", {"events": batch}))
            for batch in batches
        ]
        while not all(task.done() for task in asking):
            most = max(most, client.app.log.bytes_waiting)
            # What is asked meanwhile does not wait for the disk.
            begun = client.app.log.syncs
            assert items(await client.post("/recommend", history=["i3"]))
            assert client.app.log.syncs - begun <= 1
            await asyncio.sleep(0.02)
        told = await asyncio.gather(*asking)
        monkeypatch.setattr(events, "datasync", real)
        away = [(headers["retry-after"], body) for status, body, headers in told if status == 429]
        taken = [n for n, (status, _, _) in enumerate(told) if status == 202]
        assert len(away) + len(taken) == 120
        assert len(away) > 60
        assert {after for after, _ in away} == {"1"}
        assert most < 20_000 + 2_000
        assert (await client.ask("POST", "/events", {"events": [event("after")]}))[0] == 202
        await client.app.close()
        records = [r for p in (store / "events").glob("*.log") for r in read_records(p).records]
        assert len({told["id"] for told in told_by(records)}) == 8 * len(taken) + 1

    run(work())
