"""Where a training run tells its losses: a page, TensorBoard, MLflow or Weights & Biases, into a folder, offline."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wareloom.core.progress import labels
from wareloom.core.run import Run
from wareloom.errors import SettingError, missing_extra, near

Tell = Callable[[int, dict[str, float]], None]
CURVES = "curves.jsonl"
"""Where the listener "page" writes: a line with training, name, seed, step, loss and value for each evaluation"""
_trainings = itertools.count()


@contextlib.contextmanager
def listen(run: Run) -> Iterator[Tell]:
    """Yield `tell(step, values)`, which writes to what `run.track` names, if anything, and calls `run.watch`."""
    watch = run.watch or _nobody
    if not run.track:
        yield watch
        return
    kind, _, folder = run.track.partition(":")
    if kind not in LISTENERS or not folder:
        raise SettingError(
            f"track={run.track!r} is not understood.{near(kind, LISTENERS)} Give {', '.join(LISTENERS)}, a colon "
            "and a folder, such as tensorboard:runs/board."
        )
    try:
        with LISTENERS[kind](Path(folder).resolve(), run) as tell:
            yield lambda step, values: (tell(step, values), watch(step, values))[0]
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or kind, "track", f"track={run.track!r}") from error


def _nobody(step: int, values: dict[str, float]) -> None:
    """Tell nothing."""


@contextlib.contextmanager
def _tensorboard(folder: Path, run: Run) -> Iterator[Tell]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(log_dir=str(folder)) as writer:

        def tell(step: int, values: dict[str, float]) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        yield tell


@contextlib.contextmanager
def _mlflow(folder: Path, run: Run) -> Iterator[Tell]:
    from mlflow import MlflowClient

    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    found = client.get_experiment_by_name("wareloom")
    experiment = (
        found.experiment_id
        if found
        else client.create_experiment("wareloom", f"file://{folder / 'artifacts'}")
    )
    job = client.create_run(experiment).info.run_id
    client.log_param(job, "seed", run.seed)

    def tell(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            client.log_metric(job, name, value, step=step)

    outcome = "FAILED"
    try:
        yield tell
        outcome = "FINISHED"
    finally:
        client.set_terminated(job, outcome)


@contextlib.contextmanager
def _wandb(folder: Path, run: Run) -> Iterator[Tell]:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    quiet = wandb.Settings(silent=True, console="off")
    with wandb.init(
        project="wareloom",
        dir=str(folder),
        mode="offline",
        config={"seed": run.seed},
        settings=quiet,
    ) as job:
        yield lambda step, values: job.log(values, step=step)


@contextlib.contextmanager
def _page(folder: Path, run: Run) -> Iterator[Tell]:
    """Append a line for each evaluation to `curves.jsonl`; the report room makes a page of them."""
    folder.mkdir(parents=True, exist_ok=True)
    named = " · ".join(labels()[:-1]) or "training"
    mine = f"{os.getpid()}-{next(_trainings)}"
    with (folder / CURVES).open("a", encoding="utf-8") as file:

        def tell(step: int, values: dict[str, float]) -> None:
            line = {"training": mine, "name": named, "seed": run.seed, "step": step, **values}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()

        yield tell


LISTENERS: dict[str, Callable[[Path, Run], contextlib.AbstractContextManager[Any]]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "page": _page,
}
