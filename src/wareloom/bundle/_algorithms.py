"""The algorithms in a bundle, as their files name them: looked through before one of them is restored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wareloom.core.family import FAMILIES
from wareloom.core.foreign import Head, named_by
from wareloom.core.foreign import check_code as check_named
from wareloom.core.state import read_json
from wareloom.errors import SourceError

LEARNED = {"table": "{}.parquet", "series": "{}.parquet", "tensors": "{}.safetensors"}
"""Files of what was learned that are called by its name, by kind"""


class Found(NamedTuple):
    """An algorithm in a bundle."""

    file: str
    """The `algorithm.json` that describes it"""
    kind: str
    name: str
    settings: dict[str, Any]


def algorithms(folder: Path, files: Collection[str]) -> list[Found]:
    """The ranker, the reranker where there is one, and all that they are made of; nothing is imported.

    Raises `SourceError` where restoring one of them would read what is not among the bundle's `files`.
    """
    found = list(_below(folder, files, "ranker", "ranker"))
    if "reranker/algorithm.json" in files:
        found += _below(folder, files, "reranker", "reranker")
    return found


def outsiders(found: Found) -> list[str]:
    """Names of algorithms outside Wareloom: its own if it is one, and those among its settings."""
    return named_by(Head(found.name, found.settings, ()))


def check_code(folder: Path, every: Sequence[Found], allowed: Sequence[str]) -> None:
    """Raise `SourceError` for an algorithm outside Wareloom, unless its package is `allowed`; nothing is imported."""
    for found in every:
        check_named(folder / found.file, outsiders(found), allowed)


def load_classes(every: Sequence[Found]) -> None:
    """Import the class of every algorithm, so that what lacks is said before anything large is read.

    Raises `MissingExtraError` where an optional package lacks, `InputError` for a name that there is not.
    """
    for found in every:
        FAMILIES[found.kind].load(found.name)


def _below(folder: Path, files: Collection[str], place: str, kind: str) -> Iterator[Found]:
    file = f"{place}/algorithm.json"
    head = _read(folder, files, file)
    name, settings, parts = head.get("name"), head.get("settings"), head.get("parts", {})
    if not (
        head.get("family") == kind in FAMILIES
        and isinstance(name, str)
        and isinstance(settings, dict)
        and isinstance(parts, dict)
    ):
        raise _broken(folder, file, f"it describes no {kind}")
    _check_learned(folder, files, place)
    yield Found(file, kind, name, settings)
    for attribute, held in parts.items():
        for part in held:
            match part:
                case [str(key), str(of)]:
                    yield from _below(folder, files, f"{place}/{attribute}/{key}", of)
                case _:
                    raise _broken(folder, file, f"{attribute} holds no pairs of name and kind")


def _check_learned(folder: Path, files: Collection[str], place: str) -> None:
    """Hold the files of what was learned to those that the bundle lists."""
    file = f"{place}/state.json"
    kinds = _read(folder, files, file).get("kinds")
    if not isinstance(kinds, dict):
        raise _broken(folder, file, "it does not say what was learned")
    for name, kind in kinds.items():
        if kind in LEARNED and (own := f"{place}/{LEARNED[kind].format(name)}") not in files:
            raise _broken(folder, file, f"it asks for {own}, which is no file of the bundle")


def _read(folder: Path, files: Collection[str], file: str) -> dict[str, Any]:
    if file not in files:
        raise _broken(folder, file, "it is no file of the bundle")
    found = read_json(folder / file)
    if not isinstance(found, dict):
        raise _broken(folder, file, "it is no table of values")
    return found


def _broken(folder: Path, file: str, why: str) -> SourceError:
    return SourceError(f"{folder / file} cannot be used, {why}: make the bundle anew.")
