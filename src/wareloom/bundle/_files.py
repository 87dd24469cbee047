"""The files of a bundle: their sizes and digests, and that there are these and no others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from wareloom.bundle._manifest import MANIFEST, Stored
from wareloom.errors import SourceError


def stored(folder: Path) -> dict[str, Stored]:
    """Size and digest of every file in a folder but the manifest, by its path."""
    names = sorted(_files(folder) - {MANIFEST})
    return {n: Stored((folder / n).stat().st_size, _digest(folder / n)) for n in names}


def check_files(folder: Path, files: Mapping[str, Stored], *, whole: bool) -> None:
    """Raise `SourceError` unless the folder has these files and no others, each of its size and, if `whole`, digest."""
    for name in files:
        _check_name(folder, name)
    there = _files(folder) - {MANIFEST}
    if missing := sorted(files.keys() - there):
        raise SourceError(
            f"{folder / missing[0]} is not there, which {MANIFEST} lists: copy the bundle again, whole."
        )
    if foreign := sorted(there - files.keys()):
        raise SourceError(
            f"{folder / foreign[0]} is not one of the bundle's files, {MANIFEST} does not list it: take it away."
        )
    for name, of in files.items():
        size = (folder / name).stat().st_size
        if size != of.bytes:
            raise SourceError(
                f"{folder / name} has {size:,} bytes instead of {of.bytes:,}, it was copied in part or changed: "
                "copy the bundle again, whole."
            )
    for name, of in files.items() if whole else ():
        if _digest(folder / name) != of.sha256:
            raise SourceError(
                f"{folder / name} is not what was written, its digest differs: copy the bundle again."
            )


def _files(folder: Path) -> set[str]:
    """Paths of all files below a folder; raises `SourceError` for links and for what is no plain file."""
    found = set()
    for here, folders, names in os.walk(folder, followlinks=False):
        for name in (*folders, *names):
            path = Path(here) / name
            if path.is_symlink():
                raise SourceError(
                    f"{path} is a link: a bundle holds plain files alone, put the file in its place."
                )
            if name in names and not path.is_file():
                raise SourceError(
                    f"{path} is no plain file: a bundle holds those alone, take it away."
                )
        found |= {(Path(here) / name).relative_to(folder).as_posix() for name in names}
    return found


def _check_name(folder: Path, name: str) -> None:
    path = PurePosixPath(name)
    inside = name == str(path) and not path.is_absolute() and ".." not in path.parts
    if not inside or "\\" in name or "\0" in name or name in ("", ".", MANIFEST):
        raise SourceError(
            f"{folder / MANIFEST} lists {name!r}, which is no file inside the bundle: it was tampered with."
        )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}. Look at its permissions and its disk."
        ) from error
