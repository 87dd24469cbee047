"""The lines of a ledger and their running hash.

Each line says the SHA-256 of all bytes before it ("before") and of that together with its own values ("hash"). A line
that was cut short by a crash had not been spent; the next line says "torn", and its hash covers the piece.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from wareloom.errors import SourceError

HEAD = "hash"


def hashed(before: bytes, values: dict[str, Any]) -> tuple[bytes, str]:
    """The line for `values` behind the bytes `before`, with its end, and its hash."""
    values = values | {"before": hashlib.sha256(before).hexdigest()}
    head = _hash(values)
    return json.dumps(values | {HEAD: head}, ensure_ascii=False).encode() + b"\n", head


def lines_of(held: bytes, path: Path) -> list[dict[str, Any]]:
    """All whole lines of the bytes of the file `path`; raises `SourceError` for the first that was changed."""
    lines: list[dict[str, Any]] = []
    running, open_piece = hashlib.sha256(), 0
    for number, piece in enumerate(held.split(b"\n"), start=1):
        if not piece:
            running.update(b"\n")
            continue
        line = _parsed(piece)
        if line is None:
            # Cut short: fine at the end, and before a line that says so.
            open_piece = number
        else:
            told = line.pop("hash", "")
            if line.get("before") != running.hexdigest() or told != _hash(line):
                raise _edited(path, number)
            if open_piece and not line.get("torn"):
                raise _edited(path, open_piece)
            open_piece = 0
            lines.append(line | {HEAD: told})
        running.update(piece + b"\n")
    if open_piece and held[-1:] == b"\n":
        raise _edited(path, open_piece)
    return lines


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _parsed(piece: bytes) -> dict[str, Any] | None:
    """The values of a line; None where it is not whole."""
    try:
        found = json.loads(piece)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _edited(path: Path, number: int) -> SourceError:
    return SourceError(
        f"{path} was changed in line {number}: its running hash does not fit. What was spent cannot be told; put the "
        "newest copy back."
    )
