"""Finished pieces of an experiment, kept in a folder so that a stopped one goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wareloom._version import __version__
from wareloom.proof.evaluate import Evaluation

BESIDE = ("seeds", "baselines", "effect", "guard", "shares", "lift_by_ratio", "leave_out")
"""Settings of a proof that change no finished cell: how many there are, what stands beside, and how it is put"""


def decisive(settings: Any) -> dict[str, Any]:
    """The settings of a proof by which its cells differ: with more seeds, what is finished serves."""
    return {name: value for name, value in asdict(settings).items() if name not in BESIDE}


class Cells:
    """Pieces by key: evaluations as npz, all else as JSON. A piece is written beside and renamed when it is whole."""

    def __init__(self, folder: Path | None, base: Any) -> None:
        """Keep pieces in `folder`, nothing where None; `base`: what all keys have in common (settings, data, seed)."""
        self.folder, self.base = folder, [__version__, base]

    def get(self, key: list[Any], work: Callable[[], Any]) -> Any:
        """Return what is kept under `key`, else work, keep it and return it."""
        if self.folder is None:
            return work()
        text = json.dumps([self.base, key], sort_keys=True, default=str)
        stem = hashlib.sha256(text.encode()).hexdigest()[:24]
        path, plain = self.folder / f"{stem}.npz", self.folder / f"{stem}.json"
        if path.exists():
            return _read(path)
        if plain.exists():
            return json.loads(plain.read_text(encoding="utf-8"))
        value = work()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{stem}.partial"
        if isinstance(value, Evaluation):
            with partial.open("wb") as file:
                overall = np.array(json.dumps(value.overall))
                np.savez(
                    file,
                    overall=overall,
                    training=np.array(json.dumps(value.training)),
                    names=np.array(list(value.per_request)),
                    values=np.stack(list(value.per_request.values())),
                )
            partial.rename(path)
        else:
            partial.write_text(json.dumps(value), encoding="utf-8")
            partial.rename(plain)
        return value


def _read(path: Path) -> Evaluation:
    with np.load(path, allow_pickle=False) as arrays:
        names, values = arrays["names"].tolist(), arrays["values"]
        overall, training = json.loads(str(arrays["overall"])), json.loads(str(arrays["training"]))
        return Evaluation(dict(zip(names, values, strict=True)), overall, training)
