"""What a bundle says of itself: `bundle.json`, and the id over all of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from wareloom.core.foreign import HEAD
from wareloom.core.state import json_text, write_json
from wareloom.errors import InputError, SourceError
from wareloom.shop.keeps import Keeps

MANIFEST = "bundle.json"
"""The file that makes a folder a bundle"""
VERSION = 1
"""Of the format; a bundle of a higher one is refused"""
STRICT = ConfigDict(extra="forbid", strict=True)

Kind = Literal["recommendation", "search", "clicks"]


@dataclass(frozen=True)
class ProofNote:
    """What a proof found, in short."""

    __pydantic_config__ = STRICT

    id: str
    verdict: str
    """helps, hurts or no evidence, as the proof says it"""
    sentence: str
    """The verdict in one plain sentence"""
    metric: str
    """What the lift is of, for example ndcg@10"""
    lift: float | None
    """Share by which synthetic data lifted the metric; None where it was not measured"""
    low: float | None
    high: float | None
    """Ends of the lift's 95 % interval"""


@dataclass(frozen=True)
class Named:
    """An algorithm: its name and its settings."""

    __pydantic_config__ = STRICT

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Made:
    """The training data that a bundle was made from."""

    __pydantic_config__ = STRICT

    fingerprint: str
    """Of the training shop"""
    meta: dict[str, Any]
    """Of the training shop: name, currency, language; of a sample what it keeps, and by what mark it was released"""
    items: int


@dataclass(frozen=True)
class Stored:
    """A file of the bundle: its size and its digest."""

    __pydantic_config__ = STRICT

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle is, who made it from what and why, and which files it has."""

    __pydantic_config__ = STRICT

    version: int
    """Of the format"""
    wareloom: str
    """The version that wrote it"""
    kind: Kind
    created_from: Made
    ranker: Named
    reranker: Named | None
    choice: dict[str, Any]
    """What was chosen: generator, ratio, mixer, ranker with settings"""
    proof: ProofNote | None
    seed: int
    files: dict[str, Stored]
    """All files but `bundle.json` by their paths in the folder, with / between parts"""
    keeps: Keeps | None = None
    """What it holds of the real users it was made from; None in a bundle that is too old to say, which counts as
    people"""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(stored.bytes for stored in self.files.values())


def plain(what: str, value: Any) -> Any:
    """Return `value` as JSON gives it back; raises `InputError` where it holds what JSON does not know."""
    try:
        return json.loads(json_text(value))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} of the bundle cannot be written as JSON: {error}. Give plain values, and None for NaN."
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write `bundle.json` and return the id that it got."""
    told = plain("The manifest", dataclasses.asdict(manifest))
    told["id"] = _id_of(told)
    write_json(folder / MANIFEST, told)
    return str(told["id"])


def _way(folder: Path) -> str:
    """What to do about a folder that has no manifest."""
    if (folder / HEAD).exists():
        return (
            "It is a ranker that was saved alone: wareloom advise and the stage make of a recipe make bundles, and "
            "write_bundle does in Python."
        )
    if (inner := folder / "bundle" / MANIFEST).exists():
        return f"Name the bundle within it: {inner.parent}."
    return "Copy it again."


def read_manifest(folder: Path) -> tuple[str, Manifest]:
    """Read the id and the manifest of a bundle; raises `SourceError` where it is none, newer, broken or edited."""
    path = folder / MANIFEST
    told, as_written = _read(folder)
    if not isinstance(told, dict) or type(told.get("version")) is not int:
        raise SourceError(
            f"{path} is no manifest of a bundle, it says no version: copy the bundle again, whole."
        )
    if told["version"] > VERSION:
        raise SourceError(
            f"{folder} was written by a newer Wareloom (bundle version {told['version']}, this one reads {VERSION}): "
            "upgrade to open it."
        )
    if told.get("id") != _id_of(told) or not as_written:
        raise SourceError(
            f"{path} was edited or damaged, its id is not that of what it says: copy the bundle again, or make it anew."
        )
    id_ = str(told.pop("id"))
    try:
        return id_, TypeAdapter(Manifest).validate_json(json_text(told))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SourceError(
            f"{path} does not fit version {VERSION} of bundles at {where!r}: {first['msg']}. Make the bundle anew."
        ) from error


def _read(folder: Path) -> tuple[Any, bool]:
    """The parsed `bundle.json`, and whether its text is laid out as it is written: a blank more is an edit as well."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise SourceError(f"There is no bundle at {folder}: no such folder.")
    if path.is_symlink():
        raise SourceError(f"{path} is a link: put the file itself in its place.")
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text)
        return told, text.encode() == json_text(told).encode()
    except FileNotFoundError:
        raise SourceError(
            f"{folder} is not a bundle, or was not copied whole: it has no {MANIFEST}. {_way(folder)}"
        ) from None
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}. Look at its permissions and its disk."
        ) from error
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{path} is not valid JSON: {error}. Was its writing cut short? Copy the bundle again."
        ) from error


def _id_of(told: Mapping[str, Any]) -> str:
    """SHA-256 over the manifest without its id, laid out as it is written."""
    rest = {key: value for key, value in told.items() if key != "id"}
    return hashlib.sha256(json_text(rest).encode()).hexdigest()
