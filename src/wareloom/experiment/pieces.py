"""Finished pieces of an experiment by key, so that a stopped one goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection
from typing import Any

import numpy as np

from wareloom._version import __version__
from wareloom.core import logging
from wareloom.core.files import one_spelling
from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment.store import Store

MARK = b"wareloom-piece-1"
"""How a value begins; then its kind and the digest of what follows the first line"""

log = logging.get(__name__)


class _Damaged(Exception):
    """A value is not what was put."""


class Pieces:
    """Evaluations (as npz) and JSON values, each with a digest, in a store or, without one, in memory.

    Several experiments share a store: what two of them have in common is computed once.
    """

    def __init__(self, store: Store | None, base: Any, settings: dict[str, Any] | None) -> None:
        """Keep pieces in `store`; `base`: what all keys have in common (data, seed); `settings`: the experiment's."""
        self.store, self.base, self.settings = store, base, settings or {}
        self._memory: dict[str, bytes] = {}

    def key(self, name: list[Any], untouched: Collection[str] = ()) -> str:
        """Return the key of the piece called `name`: 24 hex digits.

        `untouched`: settings that do not change the piece, so that experiments which differ in them share it.
        """
        settings = {own: value for own, value in self.settings.items() if own not in untouched}
        told = one_spelling([__version__, self.base, settings, name])
        text = json.dumps(told, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def get(self, key: str) -> Any | None:
        """Return the value, None where there is none. A damaged one is removed, said in the log, and counts as none."""
        kept = self._memory.get(key) if self.store is None else self.store.get(key)
        if kept is None:
            return None
        try:
            return _decoded(kept)
        except _Damaged as error:
            where = "memory" if self.store is None else self.store.address
            log.warning("%s in %s is damaged (%s): it is computed again", key, where, error)
            self._discard(key)
            return None

    def put(self, key: str, value: Any) -> None:
        """Keep an `Evaluation` or a JSON value; where the key is taken, what is there stays."""
        text = _encoded(value)
        if self.store is None:
            self._memory.setdefault(key, text)
        else:
            self.store.put(key, text)

    def _discard(self, key: str) -> None:
        if self.store is None:
            self._memory.pop(key, None)
        else:
            self.store.discard(key)


def _encoded(value: Any) -> bytes:
    if isinstance(value, Evaluation):
        kind, body = b"npz", _packed(value)
    else:
        kind, body = b"json", json.dumps(value).encode()
    return b"%s %s %s\n%s" % (MARK, kind, hashlib.sha256(body).hexdigest().encode(), body)


def _decoded(kept: bytes) -> Any:
    """The value of what `_encoded` made; raises `_Damaged`."""
    head, _, body = kept.partition(b"\n")
    match head.split(b" "):
        case [mark, b"npz" | b"json" as kind, digest] if mark == MARK:
            pass
        case _:
            raise _Damaged("its first line is not ours")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise _Damaged("its digest differs")
    try:
        return json.loads(body) if kind == b"json" else _unpacked(body)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _Damaged(f"it cannot be read: {error}") from error


def _packed(value: Evaluation) -> bytes:
    file = io.BytesIO()
    rows = list(value.per_request.values())
    np.savez(
        file,
        overall=np.array(json.dumps(value.overall)),
        training=np.array(json.dumps(value.training)),
        names=np.array(list(value.per_request), dtype=str),
        values=np.stack(rows) if rows else np.zeros((0, 0)),
    )
    return file.getvalue()


def _unpacked(body: bytes) -> Evaluation:
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        names, values = arrays["names"].tolist(), arrays["values"]
        overall, training = json.loads(str(arrays["overall"])), json.loads(str(arrays["training"]))
        return Evaluation(dict(zip(names, values, strict=True)), overall, training)
