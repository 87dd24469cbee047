"""Folders written beside and renamed, so that one of a name is always whole; and one process alone at a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wareloom.errors import OutputError


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield a name beside the file `path`, which takes what was written there when the block ends well.

    The folder is made. Whoever reads `path` finds it whole or not at all, also where several processes write it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path, marker: str = "shop.json") -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its name when the block ends well, and goes when it does not.

    An existing `path` is replaced only if it is empty or holds `marker`, that is, if it is a result of the same kind.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; choose a folder for --to.")
    if path.is_dir() and any(path.iterdir()) and not (path / marker).exists():
        raise OutputError(
            f"{path} exists and is not one of Wareloom's folders (it has no {marker}); choose another for --to."
        )
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        old = path.with_name(f".{path.name}.old-{os.getpid()}")
        if path.exists():
            path.rename(old)
        try:
            partial.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        raise OutputError(
            f"Cannot write {path}: {error.strerror}. Nothing was left half-written."
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

    folder = Path(folder).absolute()
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
