"""The lines of a ledger and their running hash.

Each line says the SHA-256 of all bytes before it ("before") and of that together with its own values ("hash"). A line
that was cut short by a crash had not been spent; the next line says "torn", and its hash covers the piece. With a key
each line has a seal over its hash as well; the first seal covers all lines before it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from wareloom.errors import SourceError
from wareloom.privacy.ledger_key import NAMED, LedgerKey

HEAD = "hash"
SEAL = "seal"


def hashed(before: bytes, values: dict[str, Any], key: LedgerKey | None) -> tuple[bytes, str]:
    """The line for `values` behind the bytes `before`, with its end, and its hash."""
    values = values | {"before": hashlib.sha256(before).hexdigest()}
    head = _hash(values)
    marks = {HEAD: head} | ({SEAL: key.seal(head)} if key else {})
    return json.dumps(values | marks, ensure_ascii=False).encode() + b"\n", head


def check_seals(lines: list[dict[str, Any]], key: LedgerKey | None, path: Path) -> None:
    """Raise `SourceError` where a ledger has seals and no key is there, or a key and not the seals that it gives."""
    first = next((n for n, line in enumerate(lines) if SEAL in line), None)
    if key is None:
        if first is not None:
            raise SourceError(
                f"{path} is sealed by a key: name its file by {NAMED}, or nobody can tell whether lines were changed."
            )
        return
    if first is None:
        raise SourceError(
            f"{path} has no seal, and {NAMED} names a key: it is older than the key, or was written anew without it. "
            "Look at it (wareloom budget SHOP without the key); wareloom budget SHOP --seal takes it as it stands."
        )
    for number, line in enumerate(lines[first:], start=first + 1):
        if not key.sealed(line[HEAD], line.get(SEAL)):
            raise SourceError(
                f"{path} was changed, or sealed by another key than {NAMED} names: entry {number} has not the seal of "
                "this key. Put the newest copy back, or name the key that it was sealed by."
            )


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
            told, seal = line.pop(HEAD, ""), line.pop(SEAL, None)
            if line.get("before") != running.hexdigest() or told != _hash(line):
                raise _edited(path, number)
            if open_piece and not line.get("torn"):
                raise _edited(path, open_piece)
            open_piece = 0
            lines.append(line | {HEAD: told} | ({} if seal is None else {SEAL: seal}))
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
