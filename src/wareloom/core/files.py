"""Folders written beside and renamed, so that one of a name is always whole; and one process alone at a folder."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wareloom.errors import OutputError

FULL = ("no space left on device", "os error 28", "disk is full", "disk quota exceeded")
"""How libraries that keep no error number say that a disk is full"""
LITTLE = 1 << 20
"""Bytes free below which a disk is full for what writes tables"""
OWN = (
    r"(arrays|items|model|.+_)\.(parquet|npz|safetensors)|(shop|read|clean|screen|split|features|compare|proof|leaderboard"
    r"|bundle|certificate|recipe|algorithm|state|pretraining|report|.*config|tokenizer|special_tokens_map|vocab|modules|merges)\."
    r"(json|html|txt)|tokenizer\.model|rejected|synthesizer|train|validation|test|ranker|reranker|.+_"
)
"""What Wareloom's commands write into the folders that they make; all else beside is somebody's own"""
PATHS = frozenset(
    {"source", "file", "map", "model", "images", "start_from", "base", "folder", "other_shops"}
)
"""Settings whose text may be a path without a separator"""
WHOLE = {"bundle.json": "a bundle", "certificate.json": "a release"}
"""Folders, by what marks them, whose manifest lists every file"""
LONGEST_PATH = 4096
AT_CWD = -100
EXCHANGE = 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2"""


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield a name beside the file `path`, which takes what was written there when the block ends well.

    The folder is made. Whoever reads `path` finds it whole or not at all, also where several processes write it.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _space_told(path):
            yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(NotADirectoryError):
            partial.unlink(missing_ok=True)


def free_file(path: str | Path, *, force: bool = False) -> Path:
    """Return the place that a file may be written to; raises `OutputError` where one is already, unless `force`.

    A link leads to what it points at.
    """
    place = landing(path)
    if place.is_dir():
        raise OutputError(f"{path} is a folder; --to takes a file here.")
    if place.exists() and not force:
        raise OutputError(
            f"{path} exists already: choose another file, or pass --force to write over it."
        )
    if place.parent.exists() and not place.parent.is_dir():
        raise OutputError(f"{place.parent} is a file; choose a folder for {place.name}.")
    return place


def free_folder(path: str | Path, marker: str = "shop.json", *, force: bool = False) -> None:
    """Raise `OutputError` where a result's folder may not be written to.

    That is where a result is already, unless `force`, and where something else is in any case; see `replacing`.
    """
    place = landing(path)
    _check_free(Path(path), place, marker)
    above = next((one for one in place.parents if one.exists()), place)
    if not above.is_dir():
        raise OutputError(f"{above} is a file; choose a folder for {place.name}.")
    if not force and place.is_dir() and any(place.iterdir()):
        raise OutputError(
            f"{path} holds a result already: choose another folder for --to, or pass --force to replace it."
        )


@contextlib.contextmanager
def replacing(path: Path, marker: str = "shop.json") -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its name when the block ends well, and goes when it does not.

    An existing `path` is replaced only if it is empty or holds `marker`, that is, if it is a result of the same kind;
    commands ask `free_folder` before. What a person put into it beside goes over into the new one; in a bundle or a
    release, which take no other file, it is refused. Where `path` is a link, what it points at is written.
    """
    given, path = Path(path), landing(path)
    _check_free(given, path, marker)
    _heal(path)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        with _space_told(path):
            yield partial
        for name in _notes(path):
            if not (partial / name).exists():
                _copied(path / name, partial / name)
        _swap(partial, path)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        raise OutputError(
            f"Cannot write {given}: {error.strerror}. Nothing was left half-written."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` alone for the length of the block, by the lock of a file beside it; the folder need not exist yet.

    Raises `OutputError` at once where another process, or another block of this one, holds it. The system lets go of
    the lock when a process ends, however it ends: a lock file that is left means nothing.
    """
    from filelock import FileLock, Timeout

    folder = landing(folder)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), is_singleton=False)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"{folder} is being written by another process; wait for it, or choose another folder."
        ) from error
    except OSError as error:
        raise OutputError(f"Cannot lock {folder}: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def landing(path: str | Path) -> Path:
    """Where a result is written: absolute, through a link to what it points at, never the folder one stands in."""
    path = Path(path)
    try:
        place = path.resolve() if path.is_symlink() else path.absolute()
        if ".." in place.parts:
            place = place.resolve()
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path} cannot be written: {error}.") from error
    here = Path.cwd()
    if place == here or place in here.parents:
        raise OutputError(
            f"{path} is the folder that you stand in, or one above it: name a folder of its own for --to."
        )
    return place


def disk_full(error: BaseException) -> bool:
    """Whether an error says that a disk, or a quota of it, is full; not all libraries keep the system's number."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in str(error).lower() for words in FULL)


@contextlib.contextmanager
def _space_told(path: Path) -> Iterator[None]:
    """Let what polars raises in the block be `OSError` where the disk of `path` is full: polars keeps no such reason.

    Seen here, before what was half-written goes and there is space again.
    """
    import polars as pl

    try:
        yield
    except pl.exceptions.PolarsError as error:
        if disk_full(error):
            raise
        disk = shutil.disk_usage(path.parent)
        if disk.free >= LITTLE:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


def one_spelling(value: Any, spelled: Callable[[Path], str] = str) -> Any:
    """Nested values in which every path to what is there stands in one spelling: absolute, without links and dots.

    Text counts as a path where it is one, or where it stands under a name of PATHS or holds a separator, and exists.
    `spelled`: what stands for such a path instead, such as a digest of what is there.
    """
    return _spelled("", value, spelled)


def _spelled(name: str, value: Any, spelled: Callable[[Path], str]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _spelled(str(key), held, spelled) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(name, held, spelled) for held in value]
    if isinstance(value, Path) and not value.expanduser().exists():
        return str(value.expanduser().resolve())
    place = _place(name, value) if isinstance(value, str | Path) else None
    return value if place is None else spelled(place)


def _place(name: str, value: str | Path) -> Path | None:
    """What is there at a path, without links and dots; None where the value is no path."""
    text = str(value)
    if not 0 < len(text) < LONGEST_PATH or "://" in text:
        return None
    named = isinstance(value, Path) or name in PATHS or "/" in text or os.sep in text
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        if named and (place := Path(value).expanduser()).exists():
            return place.resolve()
    return None


def _check_free(given: Path, path: Path, marker: str) -> None:
    """Raise `OutputError` where something stands at `path` that is not ours to replace."""
    if path.exists() and not path.is_dir():
        raise OutputError(f"{given} is a file; choose a folder for --to.")
    if path.is_dir() and any(path.iterdir()) and not (path / marker).exists():
        raise OutputError(
            f"{given} exists and is not one of Wareloom's folders (it has no {marker}); choose another for --to."
        )
    notes = _notes(path)
    if notes and marker in WHOLE:
        raise OutputError(
            f"{given} holds {', '.join(notes[:5])}, which Wareloom did not write, and {WHOLE[marker]} takes no other "
            "file: put it elsewhere first, or choose another folder for --to."
        )


def _notes(path: Path) -> list[str]:
    """What somebody put into one of Wareloom's folders, by name."""
    if not path.is_dir():
        return []
    marks = "".join(
        each.read_text("utf-8", "replace") for each in path.glob("*.json") if each.is_file()
    )
    return sorted(
        each.name
        for each in path.iterdir()
        # Tables have any name that the folder's own JSON tells of.
        if not re.fullmatch(OWN, each.name)
        and not (each.suffix == ".parquet" and f'"{each.stem}"' in marks)
    )


def _copied(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _swap(partial: Path, path: Path) -> None:
    """Give `partial` the name `path`; what was there takes a name that is then removed.

    On Linux both change names in one step, so that a process that is killed leaves the old or the new one.
    """
    if not path.exists():
        partial.rename(path)
        return
    if _exchanged(partial, path):
        return
    old = path.with_name(f".{path.name}.old-{os.getpid()}")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step; False where the system or the disk has no such step."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return exchange(AT_CWD, os.fsencode(one), AT_CWD, os.fsencode(other), EXCHANGE) == 0


def _heal(path: Path) -> None:
    """Clear away what processes that were killed left beside `path`; put back a result that they moved aside."""
    if not path.parent.is_dir():
        return
    for left in path.parent.iterdir():
        found = re.fullmatch(rf"\.{re.escape(path.name)}\.(partial|old)-(\d+)", left.name)
        if found is None or _alive(int(found[2])):
            continue
        if found[1] == "old" and not path.exists():
            left.rename(path)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    """Whether a process of this number runs here."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return process != os.getpid()
