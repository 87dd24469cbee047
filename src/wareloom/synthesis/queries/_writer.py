"""A tuned decoder as a text model: its calls are kept, drawn in batches and seeded as those of any other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.language.models.local import LocalModel, _Loaded


@dataclass(kw_only=True, eq=False)
class Writer(LocalModel):
    """Writes with a decoder that is in memory; `of` it, so that answers can be kept, is `known`."""

    def put(self, held: _Loaded, known: dict[str, Any]) -> Writer:
        """Take a decoder, and what tells it from others as plain values."""
        self._own, self._known = held, known
        return self

    @property
    def name(self) -> str:
        """As messages name it."""
        return "tuned"

    def identity(self, run: Run) -> dict[str, Any]:
        """What was given, and what is put around a prompt."""
        return {
            **self._known,
            "device": run.device.partition(":")[0],
            "chat": self.chat,
            "system": self.system,
        }

    def _held(self, run: Run) -> _Loaded:
        self._own.model.to(run.device)
        return self._own

    def _folder(self, run: Run) -> str:
        return ""

    def _source(self, run: Run) -> list[Path]:
        return []


def hash_of(weights: Mapping[str, np.ndarray]) -> str:
    """Hash weights by name, 32 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(weights):
        found.update(name.encode())
        found.update(np.ascontiguousarray(weights[name]).tobytes())
    return found.hexdigest()
