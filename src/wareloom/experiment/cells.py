"""Finished pieces of an experiment, kept in a folder so that a stopped one goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wareloom._version import __version__
from wareloom.evaluation.ranking import Evaluation

BESIDE = ("seeds", "baselines", "effect", "guard", "shares", "lift_by_ratio", "leave_out")
"""Settings of a proof that change no finished cell: how many there are, what stands beside, and how it is put"""

OF_SYNTHESIS = ("generator", "ratios")
"""Settings that do not touch what is trained on real data alone: proofs of several generators share it"""
OF_ARMS = (*OF_SYNTHESIS, "ranker", "ranker_settings")
"""Settings that do not touch what stands beside all arms"""


def decisive(settings: Any) -> dict[str, Any]:
    """The settings of a proof by which its cells differ: with more seeds, what is finished serves."""
    return {name: value for name, value in asdict(settings).items() if name not in BESIDE}


class _Busy(Exception):
    """Another process is at this piece."""


class Cells:
    """Pieces by key: evaluations as npz, all else as JSON. A piece is written beside and renamed when it is whole.

    Several processes may share a folder: of each piece one works on it, and the others wait for it where they need it.
    """

    def __init__(
        self, folder: Path | None, base: Any, settings: dict[str, Any] | None = None
    ) -> None:
        """Keep pieces in `folder`, nothing where None; `base`: what all keys have in common (data, seed); `settings`:
        those of the experiment, of which a piece may leave out what does not touch it."""
        self.folder, self.base, self.settings = folder, [__version__, base], settings or {}
        self.patient = True

    def get(self, key: list[Any], work: Callable[[], Any], untouched: Collection[str] = ()) -> Any:
        """Return what is kept under `key`, else work, keep it and return it.

        `untouched`: settings that do not change the piece, so that experiments which differ in them share it.
        """
        if self.folder is None:
            return work()
        settings = {name: value for name, value in self.settings.items() if name not in untouched}
        text = json.dumps([self.base, settings, key], sort_keys=True, default=str)
        stem = hashlib.sha256(text.encode()).hexdigest()[:24]
        if (kept := self._kept(stem)) is not None:
            return _read(kept)
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.folder / f"{stem}.lock"
        with _alone(lock, self.patient):
            kept = self._kept(stem) or _write(self.folder, stem, work())
            lock.unlink(missing_ok=True)
        return _read(kept)

    def ahead(self, pieces: Sequence[Callable[[], Any]]) -> None:
        """Work on `pieces`, calls that come to `get`, until all are there or in the hands of other processes."""
        if self.folder is None:
            return
        left = list(pieces)
        self.patient = False
        try:
            while left:
                taken = []
                for piece in left:
                    try:
                        piece()
                    except _Busy:
                        taken.append(piece)
                if len(taken) == len(left):
                    return
                left = taken
        finally:
            self.patient = True

    def _kept(self, stem: str) -> Path | None:
        assert self.folder is not None
        return next(
            (path for end in ("npz", "json") if (path := self.folder / f"{stem}.{end}").exists()),
            None,
        )


@contextlib.contextmanager
def _alone(path: Path, patient: bool) -> Iterator[None]:
    """Hold a file's lock, which the system lets go when the process ends; `_Busy` where another has it and `patient` is
    false. Where the system has no such locks, two processes may do the same."""
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        except BlockingIOError:
            raise _Busy from None
        yield


def _write(folder: Path, stem: str, value: Any) -> Path:
    partial = folder / f"{stem}.{os.getpid()}.partial"
    if isinstance(value, Evaluation):
        with partial.open("wb") as file:
            np.savez(
                file,
                overall=np.array(json.dumps(value.overall)),
                training=np.array(json.dumps(value.training)),
                names=np.array(list(value.per_request)),
                values=np.stack(list(value.per_request.values())),
            )
        return partial.rename(folder / f"{stem}.npz")
    partial.write_text(json.dumps(value), encoding="utf-8")
    return partial.rename(folder / f"{stem}.json")


def _read(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    with np.load(path, allow_pickle=False) as arrays:
        names, values = arrays["names"].tolist(), arrays["values"]
        overall, training = json.loads(str(arrays["overall"])), json.loads(str(arrays["training"]))
        return Evaluation(dict(zip(names, values, strict=True)), overall, training)
