"""Files with a secret key: where they may lie, and what is read from them."""

from __future__ import annotations

from pathlib import Path

from wareloom.errors import InputError, SourceError

SHORTEST = 16
"""Bytes of a key at least"""


def check_key(path: Path, *folders: Path) -> None:
    """Raise `InputError` where a key lies in one of some folders: who passes the folder on passes the key on."""
    place = path.resolve()
    for folder in folders:
        if folder.resolve() in place.parents:
            raise InputError(
                f"The key {path} lies in {folder}: keep it in another place. A folder that is passed on takes it along."
            )


def read_key(path: Path, *folders: Path, why: str = "it is needed again") -> bytes:
    """The key of a file; raises `InputError` where it lies in one of `folders` or is short, `SourceError` for none.

    `why`: for how long it has to be kept, for the message.
    """
    check_key(path, *folders)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"The key {path} cannot be read: {error.strerror or error}. head -c 32 /dev/urandom > {path} makes one; "
            f"keep it as long as {why}."
        ) from error
    if len(key) < SHORTEST:
        raise InputError(
            f"The key {path} has {len(key)} bytes; {SHORTEST} at least make it worth its name: "
            f"head -c 32 /dev/urandom > {path}."
        )
    return key
