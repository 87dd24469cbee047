"""Several processes of this machine, each computing one task at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue

from wareloom.core import logging
from wareloom.errors import WorkerError
from wareloom.experiment.executors._attempt import again, tail
from wareloom.experiment.executors._channel import PATIENCE, Child, Said, log_path, stop
from wareloom.experiment.executors._line import RETRIES, Job, Line, Task

WORKER = "wareloom.experiment.worker"

log = logging.get(__name__)


class Processes:
    """Hands tasks to worker processes, which it begins when there is work for them, and replaces when they die.

    They end with the run, however it ends, and within seconds when this process is killed.
    """

    def __init__(self, jobs: int, logs: Path) -> None:
        """Compute with `jobs` processes at most; what a worker wrote is kept in `logs` where it crashed or died."""
        self.jobs, self.logs = jobs, logs

    def run(self, job: Job, tasks: Sequence[Task], done: Callable[[Task], None]) -> None:
        """See `Executor.run`."""
        crew = _Crew(job, self.jobs, self.logs)
        line = Line(tasks)
        try:
            while line:
                while crew.free and (task := line.next()) is not None:
                    crew.hand(task)
                child, said = crew.events.get()
                if said is None:
                    crew.bury(child, line)
                else:
                    task = crew.heard(child, said)
                    line.done(task, said["seconds"])
                    done(task)
            crew.go(PATIENCE)
        finally:
            crew.go(0.0)


class _Crew:
    """The workers of one run: at work, and waiting for more."""

    def __init__(self, job: Job, jobs: int, logs: Path) -> None:
        self.job, self.jobs, self.logs = job, jobs, logs
        self.events: SimpleQueue[tuple[Child, Said | None]] = SimpleQueue()
        self.busy: dict[Child, Task] = {}
        self.idle: list[Child] = []

    @property
    def free(self) -> bool:
        """Whether one more task can be handed out."""
        return len(self.busy) < self.jobs

    def hand(self, task: Task) -> None:
        """Give a task to a worker that waits, or to a new one."""
        child = self.idle.pop() if self.idle else self._begin()
        self.busy[child] = task
        child.tell({"key": task.key, "call": task.call})

    def heard(self, child: Child, said: Said) -> Task:
        """The task that a worker has done; raises what it raised."""
        task = self.busy[child]
        if "raised" in said:
            raise again(said["raised"])
        if "crashed" in said:
            # The log is kept: it holds what the worker wrote before.
            self.busy.pop(child)
            child.ended()
            raise WorkerError(
                f"{task.name} crashed in a worker; its log is {child.log}.\n{tail(said['crashed'])}"
            )
        self.idle.append(child)
        del self.busy[child]
        return task

    def bury(self, child: Child, line: Line) -> None:
        """A worker has died: what it was at is tried again, or the run ends with `WorkerError`."""
        how = child.ended()
        task = self.busy.pop(child, None)
        if task is None:
            self.idle.remove(child)
            log.warning("a worker that waited has died (%s); its log is %s", how, child.log)
        elif not line.lost(task, f"{how}; its log is {child.log}"):
            raise WorkerError(
                f"The worker of {task.name} died {RETRIES + 1} times ({how}); its log is {child.log}.\n"
                f"{child.last_words()}".rstrip()
            )

    def go(self, patience: float) -> None:
        """End all that are left. They have not crashed: nobody needs their logs."""
        left = [*self.busy, *self.idle]
        self.busy, self.idle = {}, []
        stop(left, patience)
        for child in left:
            child.log.unlink(missing_ok=True)

    def _begin(self) -> Child:
        first = {
            "opener": self.job.opener,
            "told": self.job.told,
            "run_id": logging.ids()["run_id"],
        }
        return Child(
            WORKER, first, log_path(self.logs, "worker"), lambda *event: self.events.put(event)
        )
