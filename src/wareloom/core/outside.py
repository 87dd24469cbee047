"""Algorithms that other installed packages offer: entry points of the group "wareloom.algorithms".

Listing them reads metadata and sources; a package is imported when one of its algorithms is loaded, never before.
One's own classes, `package.module:Class`, are imported from where Python looks, and from the current folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wareloom.core.source import Place, Source, classes, find
from wareloom.errors import SettingError, near

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


def importable(package: str) -> bool:
    """Whether a package or module could be imported, from the current folder too; it is not."""
    if package in sys.modules:
        return True
    try:
        # Looking for a package that lies in no other imports nothing.
        return importlib.util.find_spec(package) is not None or _lies_here(package)
    except (ImportError, ValueError):
        return True


def imported(what: str, name: str) -> Any:
    """Import `package.module:Attribute`; raises `SettingError` that says what is not there, and what to set.

    A module that Python does not find is looked for in the current folder, which the search path then ends with: what
    is installed goes before. `what`: what it shall be, as in "ranker", for the message.
    """
    module, _, attribute = name.partition(":")
    package = module.partition(".")[0]
    if package not in sys.modules and importable(package) and _lies_here(package):
        here = str(Path.cwd())
        if here not in sys.path and importlib.util.find_spec(package) is None:
            sys.path.append(here)
            importlib.invalidate_caches()
    start = f"The {what} {name!r} cannot be imported:"
    try:
        found = importlib.import_module(module)
    except (ImportError, SyntaxError, ValueError) as error:
        raise SettingError(f"{start} {_why(error, module)}") from error
    if not hasattr(found, attribute):
        public = [key for key in vars(found) if key[0] != "_"]
        raise SettingError(
            f"{start} module {module!r} has no attribute {attribute!r}.{near(attribute, public)}"
        )
    return getattr(found, attribute)


def _lies_here(package: str) -> bool:
    """Whether the current folder holds a module or a package of that name."""
    if not package.isidentifier():
        return False
    here = Path.cwd()
    return (here / f"{package}.py").is_file() or any((here / package).glob("*.py"))


def _why(error: Exception, module: str) -> str:
    """Why a module cannot be imported, and the remedy."""
    missing = getattr(error, "name", None)
    if (
        isinstance(error, ModuleNotFoundError)
        and missing
        and f"{module}.".startswith(f"{missing}.")
    ):
        package = module.partition(".")[0]
        where = f"No module named {missing!r}, neither where Python looks nor in {Path.cwd()}."
        here = near(package, [path.stem for path in Path.cwd().glob("*.py")])
        return f"{where}{here} Go to the folder that holds {package}, or set PYTHONPATH to it."
    if isinstance(error, SyntaxError):
        return f"{error.filename or module}, line {error.lineno}: {error.msg}."
    return f"{str(error).rstrip('.')}."


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
