"""Everything in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from wareloom.core import logging
from wareloom.experiment.executors._attempt import opened
from wareloom.experiment.executors._line import Job, Line, Task


class Inside:
    """Computes one task after the other here. What a task raises goes through as it is."""

    def run(self, job: Job, tasks: Sequence[Task], done: Callable[[Task], None]) -> None:
        """See `Executor.run`."""
        line = Line(tasks)
        if not line:
            return
        work = opened(Job(job.opener, _plain(job.told)))
        while (task := line.next()) is not None:
            start = time.monotonic()
            with logging.within(cell=task.key):
                work(_plain(task.call))
            line.done(task, time.monotonic() - start)
            done(task)


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """The value as a worker elsewhere would get it."""
    found: dict[str, Any] = json.loads(json.dumps(value))
    return found
