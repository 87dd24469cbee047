"""Jobs, tasks, and the line in which tasks stand until those they come after are done."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wareloom.core import logging
from wareloom.errors import SettingError

RETRIES = 2
"""How often a task is tried again when its worker dies"""

log = logging.get(__name__)


@dataclass(frozen=True)
class Task:
    """One piece to compute."""

    key: str
    """Where its result lies in the store"""
    call: dict[str, Any]
    """What to compute, in JSON values that the worker understands"""
    after: tuple[str, ...] = ()
    """Keys of the tasks whose results it reads; one that is not in the list counts as done"""
    label: str = ""
    """How people call it"""

    @property
    def name(self) -> str:
        """The label, or the key where there is none."""
        return self.label or self.key


@dataclass(frozen=True)
class Job:
    """What all tasks of a run have in common."""

    opener: str
    """"package.module:function": in each worker called once with `told`; it returns `work(call)`, which computes one
    task and puts its result into the store"""
    told: dict[str, Any]
    """What the opener is told, in JSON values"""


class Executor(Protocol):
    """Computes tasks, each after those whose results it reads."""

    def run(self, job: Job, tasks: Sequence[Task], done: Callable[[Task], None]) -> None:
        """Compute all `tasks`; `done` is called here, in this thread, after each.

        A task whose worker dies is tried `RETRIES` more times. An error of Wareloom's in a worker ends the run with the
        same error here; any other, and a worker that dies once more, with `WorkerError`.
        """


class Line:
    """Tasks in the order they are given, each handed out when those it comes after are done."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        """Raises `SettingError` where tasks wait for each other. Of several tasks with one key the first counts."""
        self._tasks: dict[str, Task] = {}
        for task in tasks:
            self._tasks.setdefault(task.key, task)
        self._place = {key: place for place, key in enumerate(self._tasks)}
        self._sorter = graphlib.TopologicalSorter(
            {
                task.key: [key for key in task.after if key in self._tasks]
                for task in self._tasks.values()
            }
        )
        try:
            self._sorter.prepare()
        except graphlib.CycleError as error:
            circle = " after ".join(self._tasks[key].name for key in error.args[1])
            raise SettingError(f"Tasks wait for each other: {circle}.") from error
        self._ready: list[str] = []
        self._lost: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether tasks are left, in the line or in somebody's hands."""
        return self._sorter.is_active()

    def next(self) -> Task | None:
        """Hand out the first task that waits for nothing; None where there is none now."""
        if fresh := self._sorter.get_ready():
            self._ready = sorted([*self._ready, *fresh], key=self._place.__getitem__)
        if not self._ready:
            return None
        task = self._tasks[self._ready.pop(0)]
        log.info("handed out %s", task.name)
        return task

    def done(self, task: Task, seconds: float) -> None:
        """Let those go that come after it; `seconds`: how long it took, its wait apart."""
        log.info("done %s in %.1f s", task.name, seconds)
        self._sorter.done(task.key)

    def lost(self, task: Task, why: str) -> bool:
        """Put a task back whose worker died; False where that was its last try."""
        tries = self._lost[task.key] = self._lost.get(task.key, 0) + 1
        log.warning("the worker of %s died (%s), try %d", task.name, why, tries)
        if tries > RETRIES:
            return False
        self.back(task)
        return True

    def back(self, task: Task) -> None:
        """Put a task back that was handed out and not begun, or through no fault of its worker lost."""
        log.info("%s is tried again", task.name)
        self._ready.insert(0, task.key)
