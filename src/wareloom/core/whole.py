"""Digests of the files of a saved folder: whether it is whole, and what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from wareloom.errors import SourceError

AGAIN = "Copy the folder again whole, or make it anew."


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files of what was learned in a folder, by name: `state.json`, arrays, and those of `names`."""
    own = {*names, "state", "arrays"}
    files = (path for path in sorted(folder.iterdir()) if path.stem in own and path.is_file())
    return {path.name: digest(path) for path in files}


def check_whole(folder: Path, said: object) -> None:
    """Raise `SourceError` for the first file that is missing, or has another digest than was `said` of it by name.

    What was saved before there were digests says none, and is taken as it is.
    """
    for name, expected in said.items() if isinstance(said, Mapping) else ():
        if Path(name).name != name:
            raise SourceError(f"{folder} tells of the file {name!r}, which lies elsewhere. {AGAIN}")
        path = folder / name
        if not path.is_file():
            raise SourceError(f"{path} is not there: {folder} was not copied whole. {AGAIN}")
        if digest(path) != expected:
            raise SourceError(
                f"{path} is not what was saved: its SHA-256 is another one. It was damaged or edited. {AGAIN}"
            )
