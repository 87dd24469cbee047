"""Algorithms that other installed packages offer: entry points of the group "wareloom.algorithms".

Listing them reads metadata and sources; a package is imported when one of its algorithms is loaded, never before.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wareloom.core.source import Place, Source, classes, find

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "wareloom.algorithms"


class Offered(NamedTuple):
    """One algorithm that a package offers."""

    name: str
    value: str
    """Where it is: `package.module:Class`"""
    package: str
    """Who offers it, with the version"""
    place: Place | None
    """Where its class is defined; None where no source is to be read"""
    family: str
    """The constant that its family is, as its bases name it: "RANKERS"; "" where no source says it"""


@cache
def offered() -> tuple[Offered, ...]:
    """What the installed packages offer, by name; looked up once."""
    # Reading metadata takes longer than all else that is imported here.
    from importlib import metadata

    return tuple(
        sorted(
            map(_read, metadata.entry_points(group=GROUP)), key=lambda one: (one.name, one.package)
        )
    )


def _read(entry: EntryPoint) -> Offered:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module
    source = _source(entry)
    places = classes(source, entry.attr) if source else []
    place = places[0] if places else None
    return Offered(entry.name, entry.value, package, place, place.family() if place else "")


def _source(entry: EntryPoint) -> Source | None:
    """The file of an entry point's module: where its package was installed, else where the search path has it."""
    stem = entry.module.replace(".", "/")
    for path in (f"{stem}/__init__.py", f"{stem}.py"):
        if entry.dist and (here := Path(str(entry.dist.locate_file(path)))).is_file():
            return Source(entry.module, here)
    return find(entry.module)
