"""The state of a training run on disk, so that a stopped one goes on exactly where it was. Never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wareloom._version import __version__
from wareloom.core.files import beside, one_spelling
from wareloom.core.run import Run
from wareloom.errors import SourceError
from wareloom.neural import torch


@dataclass
class Progress:
    """How far a training run has come."""

    epoch: int = 0
    """The pass that is under way"""
    batch: int = 0
    """Its batches that are done"""
    step: int = 0
    """Updates in all"""
    best: float = float("-inf")
    """The best validation value"""
    waited: int = 0
    """Evaluations since then"""
    running: float = 0.0
    """Summed loss since the last evaluation"""
    since: int = 0
    """Updates since the last evaluation"""


def kept_at(run: Run, said: list[Any], columns: Iterable[np.ndarray] = ()) -> Path | None:
    """Where a training keeps its state in the run's cache; None where it has none.

    Told apart by version, seed, number of updates, arithmetic, by what is `said` (settings and what else is plain) and
    by the `columns` that are learned from, which are not asked for without a cache. Paths count in any spelling.
    """
    if run.cache is None:
        return None
    text = json.dumps(
        [__version__, run.seed, run.updates, run.arithmetic, one_spelling(said)],
        sort_keys=True,
        default=str,
    )
    key = hashlib.sha256(text.encode())
    for column in columns:
        key.update(np.ascontiguousarray(column).tobytes())
    return run.cache / "training" / f"{key.hexdigest()[:24]}.safetensors"


def save_checkpoint(
    path: Path,
    model: Any,
    optimiser: Any,
    progress: Progress,
    best: dict[str, Any] | None,
    history: list[Any],
) -> None:
    """Write weights, moments, the random state and how far it came to one safetensors file, beside and renamed."""
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in (best or {}).items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {
            f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()
        }
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    said = {"progress": json.dumps(vars(progress)), "history": json.dumps(history)}
    whole = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    with beside(path) as partial:
        save_file(whole, partial, said)


def load_checkpoint(
    path: Path, model: Any, optimiser: Any
) -> tuple[Progress, dict[str, Any] | None, list[Any]]:
    """Put model, optimiser and random state back to where `save_checkpoint` left them.

    Returns how far it had come, the best weights and the history. Raises `SourceError` for a broken file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            said = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SourceError(
            f"The checkpoint {path} cannot be read: {error}. Delete it to train anew."
        ) from error
    model.load_state_dict(_below(tensors, "model."))
    moments: dict[int, dict[str, Any]] = {}
    for name, value in _below(tensors, "optimiser.").items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    torch.set_rng_state(tensors["random"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    best = _below(tensors, "best.")
    return Progress(**json.loads(said["progress"])), best or None, json.loads(said["history"])


def _below(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
