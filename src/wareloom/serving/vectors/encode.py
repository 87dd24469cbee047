"""The encoder of a version: cuts a query into pieces of words and reads them by ONNX Runtime, without torch."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.state import read_json
from wareloom.errors import SourceError, needed
from wareloom.serving.files.kept import Tally
from wareloom.serving.vectors.packed import Packed, packed_session, plain_session, vector_of

MODEL, WORDS, HEAD = "encoder.onnx", "tokenizer.json", "encoder.json"
KEPT = 8_192
"""Texts whose vectors are remembered by a process: 13 MB of 384 numbers each"""


class Encoder:
    """Reads texts to unit vectors."""

    def __init__(self, folder: Path, *, kept: int = KEPT, shared: Packed | None = None) -> None:
        """Open what `export.write_encoder` wrote; raises `SourceError` where it is damaged.

        `shared`: where processes have its packed form together. Raises `MissingExtraError` without the extra "encode".
        """
        tokenizers = needed("tokenizers", "encode", "Reading queries")
        needed("onnxruntime", "encode", "Reading queries")
        told = read_json(folder / HEAD)
        self.size: int = told["size"]
        for name in (MODEL, WORDS):
            if (folder / name).is_symlink() or not (folder / name).is_file():
                raise SourceError(
                    f"{folder / name} is not there, or is a link: it was not copied whole. Publish it again."
                )
        with _blaming_damage(folder):
            self._pieces = tokenizers.Tokenizer.from_file(str(folder / WORDS))
            self._session = _session(folder / MODEL, shared)
        self._pieces.no_padding()
        self._pieces.enable_truncation(int(told["longest"]))
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._most, self._one = kept, threading.Lock()
        self.tally = Tally()

    def knows(self, text: str) -> bool:
        """Whether the vector of a text is remembered, or needs no reading."""
        return text in self._kept or not text.strip()

    def vector(self, text: str) -> np.ndarray:
        """The unit vector of a text, float32 [size]; zeros where there is no word. Not to be changed."""
        with self._one:
            found = self._kept.get(text)
            if found is not None:
                self._kept.move_to_end(text)
                self.tally.hits += 1
                return found
            self.tally.misses += 1
        made = self.read(text)
        with self._one:
            self._kept[text] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made

    def read(self, text: str) -> np.ndarray:
        """The same, without looking whether it was read before."""
        if not text.strip():
            return np.zeros(self.size, dtype=np.float32)
        return vector_of(self._session, self._pieces.encode(text).ids)


def _session(file: Path, shared: Packed | None) -> Any:
    """A session on the packed form that processes share, or one of its own."""
    made = None if shared is None else packed_session(file, shared.place(file))
    return made or plain_session(file)


@contextlib.contextmanager
def _blaming_damage(folder: Path) -> Iterator[None]:
    """Name the folder where something goes wrong inside.

    Not an `except`: for bytes that they cannot read both libraries raise what they like, plain Exception, too.
    """
    well = False
    try:
        yield
        well = True
    finally:
        error = sys.exc_info()[1]
        if not well and isinstance(error, Exception):
            raise SourceError(
                f"{folder} holds a damaged encoder: {error}. Publish it again."
            ) from error
