"""What decides a proof, as digests: every value of a recipe, the code that runs, the files of its source."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from wareloom.core.files import one_spelling
from wareloom.core.foreign import module_of, outsiders
from wareloom.core.source import HERE
from wareloom.errors import SourceError
from wareloom.recipe.load import Recipe
from wareloom.recipe.sources import digests_of

SHOWN = 5
"""Names of what differs that a sentence lists, at most"""


class Digest(TypedDict):
    """A SHA-256 over named parts, in hexadecimal, and the parts."""

    digest: str
    parts: dict[str, Any]


def digest_of(parts: Mapping[str, Any]) -> Digest:
    """The digest of parts by name; the same for the same parts in any order."""
    text = json.dumps(parts, sort_keys=True, default=str)
    # Read back, so that what was written to a file and what was not are compared as the same values.
    return {"digest": hashlib.sha256(text.encode()).hexdigest(), "parts": json.loads(text)}


def of_recipe(recipe: Recipe) -> Digest:
    """Every value of a recipe but its name and where its source lies; files that it names stand in by their content."""
    raw = recipe.plain()
    raw.pop("name")
    raw.get("read", {}).pop("source", None)
    return digest_of(dict(_leaves("", one_spelling(raw, _content))))


def of_code(recipe: Recipe) -> Digest:
    """Every file of Wareloom, and of the packages outside it whose algorithms the recipe names."""
    names = {module_of(word).partition(".")[0] for word in outsiders(recipe.plain())}
    roots = {"wareloom": [HERE]}
    roots |= {name: _homes(name) for name in sorted(names)}
    return digest_of(
        {
            f"{name}/{place}": sha
            for name, homes in roots.items()
            for home in homes
            for place, sha in _below(home).items()
        }
    )


def of_data(recipe: Recipe) -> Digest | None:
    """SHA-256 by name of every file of the source; None where it is none, such as a database.

    Hidden files are not read, and decide nothing.
    """
    if recipe.read is None:
        return None
    # Files that settings name are values of the recipe.
    found = digests_of(replace(recipe.read, set={}))
    shown = {
        _name(Path(name)): sha
        for name, sha in found
        if not any(part[0] == "." for part in Path(name).parts)
    }
    return digest_of(shown) if shown else None


def differing(then: Digest, now: Digest) -> list[str]:
    """Names of the parts that differ, sorted."""
    one, other = then["parts"], now["parts"]
    missing = object()
    return sorted(
        name for name in {**one, **other} if one.get(name, missing) != other.get(name, missing)
    )


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them: "a, b and 3 more"."""
    every = list(names)
    more = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _leaves(table: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value by the name that a recipe has for it: "seed", "[mix.set] weight"."""
    for key, value in sorted(values.items()):
        if isinstance(value, Mapping) and value:
            yield from _leaves(f"{table}.{key}" if table else key, value)
        else:
            yield f"[{table}] {key}" if table else key, value


def _content(path: Path) -> str:
    """What stands for a path: the digest of the file, or of the files below it."""
    here = Path.cwd()
    if path == here or path in here.parents:
        # A lone "/" is a sign, such as what parts categories, and no folder that is meant.
        return str(path)
    return f"sha256:{digest_of(_below(path))['digest'] if path.is_dir() else _sha(path)}"


def _homes(package: str) -> list[Path]:
    """The folders of a package, or the file of a module that lies alone; nothing is imported."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:
        # What runs as a script has no place among modules.
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else []


def _below(home: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, or of the one file, by name; hidden and compiled files decide nothing."""
    if home.is_file():
        return {home.name: _sha(home)}
    named = ((p.relative_to(home), p) for p in sorted(home.rglob("*")) if p.is_file())
    return {
        _name(name): _sha(path)
        for name, path in named
        if not any(part[0] == "." or part == "__pycache__" for part in name.parts)
    }


def _name(path: Path) -> str:
    """A path as text that every file can hold, whatever bytes a system took for a name."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def _sha(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}. Look at its name, its permissions and its disk."
        ) from error
