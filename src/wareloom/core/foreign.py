"""Code from outside Wareloom that a file names: it is neither imported nor run unless whoever opens the file allows it.

A name on the command line or in a call is asked for by itself; one in a model's folder, a recipe or a proof is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wareloom.core.outside import importable, offered
from wareloom.core.parse import unfit
from wareloom.core.state import learned, read_json
from wareloom.errors import SourceError

OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""The name of an algorithm outside Wareloom: package.module:Class"""
HEAD = "algorithm.json"


class Part(NamedTuple):
    """One of the algorithms that an algorithm is made of."""

    attribute: str
    key: str
    kind: str

    @property
    def place(self) -> str:
        """Its folder within the whole's."""
        return f"{self.attribute}/{self.key}"


class Head(NamedTuple):
    """What a saved algorithm's `algorithm.json` says."""

    name: str
    settings: dict[str, Any]
    parts: tuple[Part, ...]


def read_head(path: Path, kind: str, kinds: Iterable[str]) -> Head:
    """Read an `algorithm.json` that is to describe one of `kind`; raises `SourceError` for any other, and for damage.

    `kinds`: those that there are. Parts lie in folders of their own below that of the file.
    """
    head = read_json(path)
    if why := unfit(head):
        raise _broken(path, why)
    family = head.get("family") if isinstance(head, dict) else None
    if isinstance(family, str) and family in kinds and family != kind:
        raise SourceError(f"{path.parent} holds a {family}, not a {kind}.")
    if family != kind:
        raise _broken(path, f"it describes no {kind}")
    name, settings, parts = head.get("name"), head.get("settings"), head.get("parts", {})
    if not (isinstance(name, str) and isinstance(settings, dict) and isinstance(parts, dict)):
        raise _broken(path, f"it describes no {kind}")
    return Head(name, settings, tuple(_parts(path, parts, set(kinds))))


def outsiders(words: Any) -> list[str]:
    """Names of algorithms outside Wareloom among nested values: package.module:Class, or what a package offers by name.

    Values hold other words with a colon as well, such as "brand:Acme": there a name counts where a package of that
    name could be imported. Nothing is imported.
    """
    offers = {one.name for one in offered()}
    return sorted({word for word in _words(words) if word in offers or _importable(word)})


def named_by(head: Head) -> list[str]:
    """Names of algorithms outside Wareloom that an algorithm brings: its own if it is one, those in its settings."""
    own = {head.name} if ":" in head.name else set()
    return sorted(own | set(outsiders([head.name, head.settings])))


def named_below(folder: Path) -> list[str]:
    """All that `named_by` finds in a folder, for who runs these algorithms already."""
    found: set[str] = set()
    for path in folder.rglob(HEAD):
        head = read_json(path)
        found |= {head["name"]} if ":" in head["name"] else set()
        found |= set(outsiders([head["name"], head["settings"]]))
    return sorted(found)


def check_code(path: Path, names: Iterable[str], allowed: Iterable[str] | str) -> None:
    """Raise `SourceError` for a name in the file `path` whose package is not `allowed`; nothing is imported."""
    packages = (allowed,) if isinstance(allowed, str) else tuple(allowed)
    for name in names:
        module = module_of(name)
        if any(module == package or module.startswith(f"{package}.") for package in packages):
            continue
        package = module.partition(".")[0]
        raise SourceError(
            f"{path} names {name!r}, code from outside Wareloom that would run here: if you trust it, allow its "
            f"package by allow_code=({package!r},), or --allow-code {package}."
        )


def module_of(name: str) -> str:
    """The module that loading a name would import."""
    offers = {one.name: one.value for one in offered()} if ":" not in name else {}
    return offers.get(name, name).partition(":")[0]


def _parts(path: Path, parts: Mapping[str, Any], kinds: set[str]) -> Iterator[Part]:
    for attribute, held in parts.items():
        if not learned(attribute) or not isinstance(held, list):
            raise _broken(path, f"{attribute!r} is no name of what was learned")
        for part in held:
            match part:
                case [str(key), str(kind)] if kind in kinds and _plain(key):
                    own = Part(attribute, key, kind)
                case _:
                    raise _broken(path, f"{attribute} holds no pairs of name and kind")
            place = path.parent / own.place
            if place.is_symlink() or place.parent.is_symlink():
                raise _broken(path, f"{place} is a link")
            yield own


def _plain(key: str) -> bool:
    """Whether a key is the name of a folder, and leads nowhere else."""
    return key not in ("", ".", "..") and not any(sign in key for sign in "/\\\0")


def _importable(word: str) -> bool:
    if not OUTSIDE.fullmatch(word):
        return False
    return importable(word.partition(":")[0].partition(".")[0])


def _words(value: Any) -> Iterator[str]:
    """All strings in nested values, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield str(name)
            yield from _words(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from _words(held)


def _broken(path: Path, why: str) -> SourceError:
    return SourceError(f"{path} cannot be used, {why}: make it anew.")
