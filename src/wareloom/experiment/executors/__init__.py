"""Who computes the pieces of an experiment: this process, several of them, or Ray.

    executor = executor_for("local", jobs=4, logs=folder / "log")
    executor.run(Job("wareloom.proof.work:opened", told), tasks, done=lambda task: ...)

The driver owns the list of tasks. What a task computes goes into a store that driver and workers reach; the executor
carries plain JSON values only. A task may run twice, so that what it does must be safe to repeat.
"""

from __future__ import annotations

import re
from pathlib import Path

from wareloom.errors import SettingError, near
from wareloom.experiment.executors._inside import Inside
from wareloom.experiment.executors._line import RETRIES, Executor, Job, Task

__all__ = ["RETRIES", "Executor", "Job", "Task", "executor_for"]

KINDS = ("local", "ray-local", "ray://host:port")
RAY_LOCAL = re.compile(r"ray-local(?:\[([1-9][0-9]{0,3})\])?")
RAY_FAR = re.compile(r"ray://[^/\s:]+:[0-9]{1,5}")


def executor_for(on: str, jobs: int, logs: Path) -> Executor:
    """Return who computes `on` that: "" or "local" (with `jobs` processes), "ray-local[2]" or "ray://host:port".

    `logs`: a folder for what workers write, kept where one crashed or died. Raises `SettingError` for any other `on`,
    and `MissingExtraError` where Ray is asked for and not installed.
    """
    if on in ("", "local"):
        if jobs <= 1:
            return Inside()
        from wareloom.experiment.executors._processes import Processes

        return Processes(jobs, logs)
    local = RAY_LOCAL.fullmatch(on)
    if local or RAY_FAR.fullmatch(on):
        from wareloom.experiment.executors._ray import OnRay

        if local:
            return OnRay("local", int(local[1] or max(1, jobs)), logs)
        return OnRay(on, 0, logs)
    raise SettingError(
        f"A run cannot go on {on!r}.{near(on, KINDS)} Known: local, ray-local, ray-local[2] (processes), "
        "ray://host:port."
    )
