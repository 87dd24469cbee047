"""Arrays in a folder, one file each, mapped and not read: processes that open the same folder share its pages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wareloom.errors import SourceError


class Arrays:
    """A folder of `.npy` files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, array: np.ndarray) -> None:
        """Write an array of numbers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self.folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)

    @contextlib.contextmanager
    def begun(self, name: str, shape: tuple[int, ...], kind: type) -> Iterator[np.ndarray]:
        """Write an array of numbers part by part, for what need not fit into memory."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.npy"
        if not all(shape):
            # Nothing cannot be mapped.
            self.put(name, np.zeros(shape, dtype=kind))
            yield np.zeros(shape, dtype=kind)
            return
        laid = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(kind), shape=shape)
        yield laid
        laid.flush()

    def get(self, name: str) -> np.ndarray:
        """Map an array; raises `SourceError` where its file is missing, a link, or not what was written.

        Pages are private copies where somebody writes to them: files never change.
        """
        path = self.folder / f"{name}.npy"
        if path.is_symlink() or not path.is_file():
            raise SourceError(
                f"{path} is not there, or is a link: the version was not copied whole. Publish it again."
            )
        try:
            # Mapping asks for one byte at least.
            whole = np.load(path, allow_pickle=False, mmap_mode="c")
        except ValueError:
            try:
                whole = np.load(path, allow_pickle=False)
            except ValueError as error:
                raise SourceError(f"{path} is damaged: {error}. Publish it again.") from error
        return np.asarray(whole)
