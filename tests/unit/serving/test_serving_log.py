"""The log of events: what was acknowledged is there, whatever happens to the process or the disk."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wareloom.serving.events import log as events
from wareloom.serving.events.log import Busy, EventLog, finished, next_generation
from wareloom.serving.files.frames import MAGIC, framed, read_records, records_in


@given(st.lists(st.binary(max_size=200)), st.data())
def test_a_cut_leaves_the_whole_records_before_it(
    records: list[bytes], data: st.DataObject
) -> None:
    content = MAGIC + framed(records)
    assert records_in(content) == (records, len(content), 0)
    cut = data.draw(st.integers(len(MAGIC), len(content)))
    found = records_in(content[:cut])
    assert found.records == records[: len(found.records)]
    assert found.end + found.torn == cut
    whole = len(MAGIC) + len(framed(records[: len(found.records)]))
    assert found.end == whole


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5), st.data())
def test_a_changed_byte_is_seen(records: list[bytes], data: st.DataObject) -> None:
    content = bytearray(MAGIC + framed(records))
    place = data.draw(st.integers(len(MAGIC), len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    found = records_in(bytes(content))
    assert len(found.records) < len(records)
    assert found.records == records[: len(found.records)]


def everything(folder: Path) -> list[bytes]:
    return [
        record for path in sorted(folder.glob("*.log")) for record in read_records(path).records
    ]


def test_groups_form_by_themselves(tmp_path: Path) -> None:
    async def work() -> EventLog:
        log = EventLog(tmp_path)
        await asyncio.gather(*(log.append([b"%d" % n]) for n in range(200)))
        await log.close()
        return log

    log = asyncio.run(work())
    assert sorted(everything(tmp_path), key=int) == [b"%d" % n for n in range(200)]
    assert log.syncs < 20
    assert log.records == 200


def test_a_segment_is_finished_when_that_is_asked_for(tmp_path: Path) -> None:
    async def work() -> None:
        log = EventLog(tmp_path)
        await log.append([b"one"])
        assert finished(tmp_path) == []
        next_generation(tmp_path)
        await log.roll()
        assert len(finished(tmp_path)) == 1
        await log.append([b"two"])
        assert len(finished(tmp_path)) == 1
        await log.close()

    asyncio.run(work())
    assert everything(tmp_path) == [b"one", b"two"]
    assert len(finished(tmp_path)) == 2


def test_a_slow_disk_sends_events_away_before_memory_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = events.datasync

    def slow(file: int) -> None:
        time.sleep(0.2)
        real(file)

    monkeypatch.setattr(events, "datasync", slow)

    async def work() -> tuple[int, int, int]:
        log = EventLog(tmp_path, most_waiting=10_000)
        tasks = [asyncio.create_task(log.append([bytes(1000)])) for _ in range(100)]
        await asyncio.sleep(0.05)
        waiting = log.bytes_waiting
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await log.append([b"after"])
        await log.close()
        return waiting, sum(d is None for d in done), sum(isinstance(d, Busy) for d in done)

    waiting, taken, away = asyncio.run(work())
    assert waiting < 12_000
    assert taken + away == 100
    assert away >= 85
    assert len(everything(tmp_path)) == taken + 1


def test_nothing_is_acknowledged_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced, may_go = events.datasync, list[bytes](), threading.Event()

    def held(file: int) -> None:
        assert may_go.wait(20)
        # What is written when the disk is asked: all that is acknowledged after it.
        synced.append(Path(f"/proc/self/fd/{file}").read_bytes())
        real(file)

    async def work() -> None:
        log = EventLog(tmp_path)
        await log.append([b"first"])
        monkeypatch.setattr(events, "datasync", held)
        tasks = [asyncio.create_task(log.append([b"record %d" % n])) for n in range(3)]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in tasks)
        may_go.set()
        await asyncio.gather(*tasks)
        assert all(b"record %d" % n in synced[-1] for n in range(3))
        await log.close()

    asyncio.run(work())
    assert 1 <= len(synced) <= 3


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from wareloom.serving.events.log import EventLog, Full
folder = Path(sys.argv[1])
async def work():
    log, taken, refused = EventLog(folder), 0, 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
    for n in range(40):
        try:
            await log.append([b"%03d" % n + bytes(497)])
            taken += 1
            if refused: break
        except Full:
            refused += 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000 if refused < 3 else 50_000, resource.RLIM_INFINITY))
    await log.close()
    print(taken, refused)
asyncio.run(work())
"""


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    # A limit on the size of a file stands for a disk that is full.
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    taken, refused = map(int, done.stdout.split())
    assert refused >= 1
    held = everything(tmp_path)
    assert len(held) == taken
    assert all(len(record) == 500 for record in held)
    assert len(set(held)) == taken


KILLED = """
import asyncio, sys
from pathlib import Path
from wareloom.serving.events.log import EventLog
async def client(log, start):
    for n in range(start, start + 2000):
        await log.append([b"%d" % n])
        sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
async def work():
    log = EventLog(Path(sys.argv[1]))
    await asyncio.gather(*(client(log, 2000 * c) for c in range(8)))
asyncio.run(work())
"""


@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_outlives_kill_9(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        told = (first + process.stdout.read()).split(b"\n")
    acknowledged = {line for line in told[:-1] if line}
    held = everything(tmp_path)
    assert acknowledged
    assert acknowledged <= set(held)
    assert len(held) == len(set(held))
    # Nobody holds the segment of a process that is gone.
    assert len(finished(tmp_path)) == 1


def test_what_is_torn_is_counted_and_left_out(tmp_path: Path) -> None:
    asyncio.run(_written(tmp_path, [b'{"id":"a"}', b'{"id":"b"}']))
    path = finished(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-3])
    found = read_records(path)
    assert [json.loads(record)["id"] for record in found.records] == ["a"]
    assert found.torn == 8 + 10 - 3


async def _written(folder: Path, records: list[bytes]) -> None:
    log = EventLog(folder)
    await log.append(records)
    await log.close()
