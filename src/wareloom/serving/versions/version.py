"""A version: a model with its rules as it answers, immutable, known by the digest of all that it is made of."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.state import json_text, read_json
from wareloom.errors import SourceError
from wareloom.serving.files.kept import Tally
from wareloom.serving.forms.base import NOTHING, Room, Rows, Words, no_table
from wareloom.serving.forms.realtime import Realtime
from wareloom.serving.forms.reorder import Reorder
from wareloom.serving.vectors.packed import Packed
from wareloom.serving.versions.catalogue import Catalogue
from wareloom.serving.versions.people import People
from wareloom.serving.versions.published import Served
from wareloom.serving.versions.rules import Applied, rules_of
from wareloom.serving.versions.stock import Stock
from wareloom.serving.versions.stocked import Stocked
from wareloom.serving.wire import Filter

MANIFEST = "version.json"
FORMAT = 1
PEOPLE = "people"


class Version:
    """An open version."""

    def __init__(
        self, folder: Path, told: dict[str, Any], served: Served, words: Served | None
    ) -> None:
        self.folder, self.told, self.served, self.words = folder, told, served, words
        self.id: str = told["id"]
        self.catalogue = Catalogue(folder / "catalogue", served.ids)
        self.rules = Applied(rules_of(told["rules"]), self.catalogue)
        self.unproved: bool = told["unproved"]
        self.reorder: Reorder | None = None
        items = served.form.room.items
        self._popular = Rows(Room(items), no_table(items), self.catalogue.popular, 1.0, 0)
        people = folder / PEOPLE
        self.people = People(people, items) if people.is_dir() else None
        self.mean = float(told["words"] or 1.0)
        self._stocked = Stocked(served.ids)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        whole: bool = False,
        allow_code: Sequence[str] = (),
        packed: Path | None = None,
    ) -> Version:
        """Map a version; raises `SourceError` where it is damaged or edited. `whole`: compare every digest.

        `packed`: a folder in which processes have what is packed of encoders together.
        """
        told = check_version(folder, whole=whole)
        digests = {name: note["sha256"] for name, note in told["files"].items()}
        shared = None if packed is None else Packed(packed, digests, folder)
        served = Served.open(folder / "served", allow_code=allow_code, packed=shared)
        words = folder / "words"
        made = cls(folder, told, served, Served.open(words) if words.is_dir() else None)
        if told["reranker"] is not None:
            made.reorder = Reorder(folder, served.ids, int(told["seed"]), allow_code)
        if (onward := told.get("realtime")) is not None:
            served.realtime = Realtime.open(folder, onward, served.ids, made.id, allow_code)
        return made

    def others(self, one: int, other: int) -> str:
        """What enough people did with both of two items, "" where not enough did, or nobody counted."""
        return "" if self.people is None else self.people.did(one, other)

    @property
    def slow(self) -> bool:
        """Whether some answers may take long."""
        realtime = self.served.realtime
        return self.served.form.slow or (realtime is not None and realtime.slow)

    def tallies(self) -> list[tuple[str, Tally]]:
        """Those of its caches: of queries, filters, and openings of sessions that are written on."""
        found = [("filters", self.catalogue.tally)]
        found += [("queries", one) for one in self.served.form.tallies()]
        if self.served.realtime is not None:
            found.append(("openings", self.served.realtime.tally))
        return found

    def idf(self, word: str) -> float:
        """How rare a word is in the catalogue."""
        form = self.words.form if self.words else None
        if not isinstance(form, Words):
            return 1.0
        code, items = form.terms.code(word), form.room.items
        held = int(form.table[0][code + 1] - form.table[0][code]) if code >= 0 else 0
        return math.log1p((items - held + 0.5) / (held + 0.5))

    def searcher(self) -> Served | None:
        """What answers queries."""
        return self.served if self.served.form.reads else self.words

    def popular(self, k: int, had: np.ndarray, barred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most popular items: what is left where all else fails."""
        return self._popular.best_of(NOTHING, np.zeros(0, np.float32), k, had, barred)

    def stock(self, stock: Stock, now: int) -> tuple[np.ndarray, Collection[str]]:
        """Codes of items that are not to be shown, and ids of products that the catalogue lacks and that are."""
        self._stocked.look(stock, now)
        return self._stocked.gone, self._stocked.new

    def barred(self, wanted: Filter) -> np.ndarray:
        """Which items a filter does not let through by what was said last: uint8 [items]; not to be changed."""
        return self.catalogue.barred(wanted, self._stocked)


def check_version(folder: Path, *, whole: bool) -> dict[str, Any]:
    """Read a version's manifest; raises `SourceError` unless it, and every file it lists, is as it was written."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise SourceError(f"{folder} is no version: it has no {MANIFEST}. Publish it again.")
    told = check_told(read_json(path), str(path))
    there = {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if not p.is_dir() or p.is_symlink()
    }
    if odd := sorted(there ^ {MANIFEST, *told["files"]}):
        raise SourceError(
            f"{folder} is not what was published, look at {odd[0]}: publish it again."
        )
    for name, note in told["files"].items():
        file = folder / name
        if file.is_symlink() or file.stat().st_size != note["bytes"]:
            raise SourceError(f"{file} is not what was published: publish it again.")
        if whole and digest(file) != note["sha256"]:
            raise SourceError(
                f"{file} was damaged or edited: its SHA-256 is another one. Publish it again."
            )
    return told


def check_told(told: Any, place: str) -> dict[str, Any]:
    """Return a manifest; raises `SourceError` unless it is of this format and says what its id is of."""
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise SourceError(
            f"{place} is of a format that this Wareloom does not read ({FORMAT}): publish it again."
        )
    if told.get("id") != id_of(told):
        raise SourceError(
            f"{place} was edited or damaged, its id is not that of what it says: publish it again."
        )
    return told


def id_of(told: dict[str, Any]) -> str:
    """The first 16 figures of SHA-256 over a manifest without its id."""
    rest = {key: value for key, value in told.items() if key != "id"}
    return hashlib.sha256(json_text(rest).encode()).hexdigest()[:16]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
