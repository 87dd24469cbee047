"""Freezing: a recipe, the code and the data written down as digests before the test part is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from wareloom._version import __version__
from wareloom.core import notebook
from wareloom.core.asked import a_path, asks
from wareloom.core.files import free_file
from wareloom.core.state import read_json, write_whole
from wareloom.errors import OutputError, SettingError, SourceError
from wareloom.recipe.digests import (
    Digest,
    differing,
    digest_of,
    listed,
    of_code,
    of_data,
    of_recipe,
)
from wareloom.recipe.load import Recipe

FORMAT = 1
"""Of what a freeze file holds"""
WHAT = ("recipe", "code", "data")


class Earlier(TypedDict):
    """A freeze that a later one of the same recipe took the place of; digests alone."""

    id: str
    at: str
    version: str
    recipe: str
    code: str
    data: str
    seen: list[str]


class Frozen(TypedDict):
    """What a freeze file holds."""

    format: int
    id: str
    """A digest of all else"""
    at: str
    """When, in UTC"""
    version: str
    recipe: Digest
    code: Digest
    data: Digest
    seen: list[str]
    """What its author had seen of the test part before, in their own words"""
    earlier: list[Earlier]


@dataclass(frozen=True)
class Freeze:
    """A freeze file, read and checked."""

    path: Path
    data: Frozen

    def __repr__(self) -> str:
        return notebook.line("Freeze", str(self.path), str(self.data["id"])[:12])

    @classmethod
    def open(cls, path: Path) -> Freeze:
        """Read a freeze file; raises `SourceError` for one that is damaged, was edited, or is of another version."""
        data = read_json(path)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise SourceError(
                f"{path} is no freeze of this version of Wareloom: take it away, and freeze the recipe anew."
            )
        if data.get("id") != _id(data):
            raise SourceError(
                f"{path} was changed since it was written: its digest differs. Put it back as it was, or take it away "
                "and freeze the recipe anew."
            )
        return cls(path, data)  # type: ignore[arg-type]

    @property
    def id(self) -> str:
        """A digest of all that the file says."""
        return self.data["id"]

    @property
    def at(self) -> datetime:
        """When the recipe was frozen."""
        return moment(self.data["at"])

    @property
    def seen(self) -> list[str]:
        """What was declared as seen, in the order of the freezes: no later one takes a word back."""
        told = [one for each in self.data["earlier"] for one in each["seen"]]
        return list(dict.fromkeys([*told, *self.data["seen"]]))

    def changes(self, recipe: Digest, code: Digest, data: Digest | None) -> list[str]:
        """A sentence for each of recipe, code and data that is not what was frozen; none where all are."""
        now = {"recipe": recipe, "code": code, "data": data or digest_of({})}
        said = []
        for name in WHAT:
            then: Digest = self.data[name]  # type: ignore[literal-required]
            if then["digest"] != now[name]["digest"]:
                names = listed(differing(then, now[name]))
                said.append(f"The {name} changed since it was frozen: {names}.")
        return said


@asks(recipe=a_path)
def freeze(
    recipe: str | Path,
    *,
    seen: str | Sequence[str] = (),
    force: bool = False,
    allow_code: Sequence[str] = (),
) -> Freeze:
    """Write digests of a recipe, of the code and of the data to NAME.frozen.json beside the recipe NAME.toml.

    `seen`: what was seen of the test part before, in sentences; they are kept, and shown with the proof. A freeze that
    is there is kept, too, in a list, and is only followed by another with `force`. Raises `OutputError` without,
    `SettingError` where nothing could be frozen, and whatever `Recipe.load` raises.
    """
    recipe, told = Path(recipe), [seen] if isinstance(seen, str) else list(seen)
    if any(not one.strip() for one in told):
        raise SettingError("What was seen before is empty: say it in words, or leave it away.")
    loaded = Recipe.load(recipe, allow_code=allow_code)
    if "prove" not in loaded.stages:
        raise SettingError(
            f"{recipe} has no stage 'prove': only a proof can say that its recipe was frozen."
        )
    digests = of_recipe(loaded), of_code(loaded), of_data(loaded)
    if digests[2] is None:
        raise SettingError(
            f"The source of {recipe} is no file or folder that is there, so that its data cannot be frozen: name the "
            "folder of an export in [read] source."
        )
    place = beside(recipe)
    before = Freeze.open(place) if place.exists() else None
    if before and not force:
        changed = " ".join(before.changes(*digests)) or "Nothing changed since."
        raise OutputError(
            f"{recipe} was frozen on {when(before.at)}, in {place.name}. {changed} Pass --force to freeze it anew: "
            "this freeze is kept in the file, and only looks at the test part after the new one count as after it."
        )
    data: dict[str, Any] = {
        "format": FORMAT,
        "at": stamp(),
        "version": __version__,
        **dict(zip(WHAT, digests, strict=True)),
        "seen": told,
        "earlier": [*before.data["earlier"], _brief(before.data)] if before else [],
    }
    write_whole(free_file(place, force=force), {**data, "id": _id(data)})
    return Freeze.open(place)


def beside(recipe: Path) -> Path:
    """Where the freeze of a recipe lies."""
    return recipe.with_name(f"{recipe.stem}.frozen.json")


def stamp() -> str:
    """Now, in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """What `stamp` wrote; raises `ValueError` for anything else."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return time


def when(time: datetime) -> str:
    """A time as a sentence says it."""
    return f"{time.astimezone(UTC):%Y-%m-%d, %H:%M} UTC"


def _brief(data: Frozen) -> Earlier:
    """A freeze without the parts of its digests."""
    return {
        "id": data["id"],
        "at": data["at"],
        "version": data["version"],
        "recipe": data["recipe"]["digest"],
        "code": data["code"]["digest"],
        "data": data["data"]["digest"],
        "seen": data["seen"],
    }


def _id(data: dict[str, Any]) -> str:
    told = {name: value for name, value in data.items() if name != "id"}
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
