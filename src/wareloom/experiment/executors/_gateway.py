"""Between a driver and Ray: a process that starts or reaches a Ray and hands it tasks.

In a process of its own, since Ray ends a process whose Ray has failed, and since all that it starts ends with this one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import traceback
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from wareloom.errors import needed
from wareloom.experiment.executors._attempt import attempt
from wareloom.experiment.executors._channel import Channel, Said

LOOK = 0.05
"""Seconds to wait for a task that ends before looking for new ones"""
MEMORY = 80 * 2**20
"""Bytes for objects that tasks share: the least that Ray takes, since results go to the store"""


def main() -> None:
    """Hand tasks to Ray until standard input ends. What fails here is told to the driver, and ends this process."""
    channel = Channel()
    place = channel.first

    def failed(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        channel.say({"failed": traceback.format_exception_only(kind, error)[-1].strip()})
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = failed
    if place["folder"]:
        channel.before_leaving = lambda: shutil.rmtree(place["folder"], ignore_errors=True)
    # Nothing is sent to Ray's makers, and a task sees the GPUs that this process sees.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    ray = needed("ray", "cluster", "Computing on Ray")
    if place["address"] == "local":
        ray.init(
            address="local",
            num_cpus=place["processes"],
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=MEMORY,
            _temp_dir=place["folder"],
        )
    else:
        ray.init(address=place["address"], log_to_driver=False)
    channel.say({"ready": True})
    try:
        _serve(ray, channel)
    finally:
        ray.shutdown()


def _serve(ray: Any, channel: Channel) -> None:
    """Hand out tasks of the job that was said last, and tell what becomes of them."""
    remote = ray.remote(attempt).options(max_retries=0, num_cpus=1)
    lines: SimpleQueue[Said | None] = SimpleQueue()

    def listen() -> None:
        for line in channel.lines():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    opener = told = ""
    running: dict[Any, str] = {}
    while True:
        try:
            line = lines.get(block=not running)
        except Empty:
            for ended in ray.wait(list(running), num_returns=1, timeout=LOOK)[0]:
                channel.say({"key": running.pop(ended), **_outcome(ray, ended)})
            continue
        if line is None:
            return
        if "opener" in line:
            opener, told = line["opener"], json.dumps(line["told"])
        else:
            running[remote.remote(opener, told, line["key"], line["call"])] = line["key"]


def _outcome(ray: Any, ended: Any) -> Said:
    """What became of a task: "seconds", "raised", "crashed", "died" or "lost" (with its whole Ray)."""
    try:
        found: Said = ray.get(ended)
        return found
    except ray.exceptions.RayTaskError as error:
        return {"crashed": str(error)}
    except ray.exceptions.LocalRayletDiedError as error:
        return {"lost": str(error)}
    except ray.exceptions.RayError as error:
        return {"died": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}


if __name__ == "__main__":
    main()
