"""Digests of the files of a saved folder: whether it is whole, and what was written."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from wareloom.core.state import read_json
from wareloom.errors import SourceError

WORDS = "state.json"
"""What was learned that is no array and no table, and which of them there are"""
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


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[None]:
    """Check the files of a saved algorithm against the digests in its `algorithm.json`; what it holds is read inside.

    Its own words, `state.json`, come last: where these are damaged, whoever reads them says it better. What was saved
    before there were digests says none, and is taken as it is. Raises `SourceError` for a file that is missing or has
    another digest.
    """
    said = read_json(folder / "algorithm.json").get("files")
    told: dict[str, str] = said if isinstance(said, dict) else {}
    for name in told:
        if name != WORDS:
            _check(folder, name, told[name])
    yield
    if WORDS in told:
        _check(folder, WORDS, told[WORDS])


def _check(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if Path(name).name != name:
        raise SourceError(f"{folder} tells of the file {name!r}, which lies elsewhere. {AGAIN}")
    if not path.is_file():
        raise SourceError(f"{path} is not there: {folder} was not copied whole. {AGAIN}")
    if digest(path) != expected:
        raise SourceError(
            f"{path} is not what was saved: its SHA-256 is another one. It was damaged or edited. {AGAIN}"
        )
