"""A job for tests of executors: each task adds up the results of those it comes after, in ways that a call names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wareloom.errors import SettingError
from wareloom.experiment.executors import Executor, Job, Task, executor_for
from wareloom.experiment.store import FolderStore, store_at


def opened(told: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    store, marks = store_at(told["store"]), Path(told["marks"])

    def work(call: dict[str, Any]) -> None:
        marks.mkdir(exist_ok=True)
        (marks / f"{call['key']}.{uuid.uuid4().hex}").touch(exist_ok=False)
        now = marks / f"now.{os.getpid()}.tmp"
        now.write_text(call["key"])
        now.rename(marks / f"now.{os.getpid()}")
        time.sleep(call.get("sleep", 0.0))
        acts(call, marks)
        before = [json.loads(store.get(key) or b"") for key in call["after"]]
        store.put(call["key"], json.dumps(call["value"] + sum(before)).encode())

    return work


def acts(call: dict[str, Any], marks: Path) -> None:
    match call.get("does"):
        case "print":
            print("{this is no answer}")
            os.system("echo neither is this")
        case "begin":
            other = subprocess.Popen(["sleep", "60"])
            (marks / f"begun-{other.pid}").touch()
        case "refuse":
            raise SettingError("Shop: size is 0; give 1 or more.")
        case "crash":
            raise KeyError("no such column")
        case "die":
            print("last words", file=sys.stderr, flush=True)
            os._exit(7)
        case "die once" if len(list(marks.glob(f"{call['key']}.*"))) == 1:
            os.kill(os.getpid(), 9)


def tasks(leaves: int, sleep: float = 0.0, **more: Any) -> list[Task]:
    """Leaves, sums of four of them, and a sum of the sums; the sums stand before what they need."""
    found = [
        Task(f"leaf-{i}", {"value": i * i, "sleep": sleep, **more}, label=f"leaf {i}")
        for i in range(leaves)
    ]
    sums = [
        Task(f"sum-{i}", {"value": 1000, "sleep": sleep}, tuple(leaf.key for leaf in found[i::4]))
        for i in range(4)
    ]
    top = Task("top", {"value": 0}, tuple(task.key for task in sums))
    listed = [top, *sums, *found]
    return [
        Task(t.key, {**t.call, "key": t.key, "after": list(t.after)}, t.after, t.label)
        for t in listed
    ]


def one(does: str) -> list[Task]:
    """A single task that behaves in some way."""
    return [Task("one", {"key": "one", "value": 5, "after": [], "does": does}, label="the one")]


def expected(leaves: int) -> dict[str, bytes]:
    """What `tasks` leave in the store."""
    sums = {f"leaf-{i}": i * i for i in range(leaves)}
    sums |= {f"sum-{k}": 1000 + sum(i * i for i in range(k, leaves, 4)) for k in range(4)}
    sums["top"] = 4000 + sum(i * i for i in range(leaves))
    return {key: str(value).encode() for key, value in sums.items()}


def job(folder: Path) -> Job:
    told = {"store": str(folder / "store"), "marks": str(folder / "marks")}
    return Job("executor_work:opened", told)


def missing(folder: Path, listed: Sequence[Task]) -> list[Task]:
    there = set(FolderStore(folder / "store").keys())
    return [task for task in listed if task.key not in there]


def compute(executor: Executor, folder: Path, listed: Sequence[Task]) -> dict[str, bytes]:
    """Compute what is missing; what lies in the store afterwards."""
    folder.mkdir(exist_ok=True)
    said: list[str] = []
    wanted = missing(folder, listed)
    executor.run(job(folder), wanted, lambda task: said.append(task.key))
    assert sorted(said) == sorted(task.key for task in wanted)
    place = {key: i for i, key in enumerate(said)}
    assert all(place.get(key, -1) < place[task.key] for task in wanted for key in task.after)
    store = FolderStore(folder / "store")
    return {key: store.get(key) or b"" for key in list(store.keys())}


def begun(folder: Path) -> list[str]:
    """Keys of the tasks that were begun, once for each time."""
    return [
        path.name.partition(".")[0]
        for path in (folder / "marks").iterdir()
        if not path.name.startswith("now.")
    ]


def workers(folder: Path) -> list[int]:
    """Process ids of all workers that ever began a task."""
    return [
        int(path.name.split(".")[1])
        for path in (folder / "marks").glob("now.*")
        if path.suffix != ".tmp"
    ]


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    compute(executor_for(sys.argv[2], int(sys.argv[3]), where / "logs"), where, tasks(20, 0.2))
