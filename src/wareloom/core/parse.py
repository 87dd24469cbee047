"""TOML and JSON from outside: whatever is wrong with a text is one sentence, whole numbers stay within 64 bits."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from wareloom.errors import SourceError

DEEPEST = 200
"""Levels of tables and lists within one another that a file may have"""
LONGEST = 2**64
"""Whole numbers beyond are meant by nobody, and most formats cannot hold them"""


def read_text(path: Path, what: str) -> str:
    """The text of a file, UTF-8 with or without a mark; raises `SourceError`, in which `what` is as "The recipe"."""
    try:
        return _bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{what} {path} is no UTF-8 text: {error}. Save it as UTF-8.") from error


def _bytes(path: Path, what: str = "") -> bytes:
    called = f"{what} {path}".strip()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"{called} is not there.") from None
    except IsADirectoryError:
        low = f"{what[:1].lower()}{what[1:]}" or "a file"
        raise SourceError(f"{path} is a folder: give {low}, not that.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(
            f"{called} cannot be read: {why}. Look at its name, its permissions and its disk."
        ) from error


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The values of a TOML file; raises `SourceError` that names it."""
    text = read_text(path, what)
    try:
        # Line ends of other systems are TOML's, too, but a lone CR is none.
        found = tomllib.loads(text.replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{what} {path} is not valid TOML: {_why(error)}.") from error
    if why := unfit(found):
        raise SourceError(f"{what} {path} cannot be used: {why}.")
    return found


def read_json(path: Path) -> Any:
    """The value of a JSON file; raises `SourceError` that names it."""
    held = _bytes(path)
    try:
        return json.loads(held.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{path} is not valid JSON: {_why(error)}. Was its writing cut short?"
        ) from error


def unfit(value: Any, depth: int = 0) -> str:
    """Why a value from outside cannot be used, "" where it can: a number beyond 64 bits, or nesting without end."""
    if depth > DEEPEST:
        return f"it is nested more than {DEEPEST} levels deep"
    if isinstance(value, int) and not -LONGEST < value < LONGEST:
        return f"a whole number of {value.bit_length():,} bits is too large, 64 are the most"
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((why for held in inner if (why := unfit(held, depth + 1))), "")


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    said = str(error).rstrip(".")
    return (
        "a whole number in it has too many digits" if "integer string conversion" in said else said
    )
