"""Looks at the test part: a ledger in a job's folder, written before each, and what a proof may say of its freeze."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from wareloom.errors import OutputError, SourceError
from wareloom.experiment.result import FrozenNote
from wareloom.recipe.digests import Digest, differing, listed, of_code, of_data, of_recipe
from wareloom.recipe.freeze import Freeze, moment, stamp, when
from wareloom.recipe.load import Recipe

LEDGER = "looks.jsonl"
LEFT = ("proof", "leaderboard", ".cells", ".leaderboard-cells")
"""What a look leaves in a job's folder"""


@dataclass(frozen=True)
class Look:
    """One time that the test part may have been read: a line of the ledger."""

    at: str
    """When, in UTC"""
    stage: str
    recipe: str
    code: str
    data: str | None
    """Digest of the source's files; None for a URL"""
    freeze: str | None
    """The id of the freeze that it was made under; None where there was none"""


class Ledger:
    """All looks that were made from a job's folder. Lines are only ever added."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / LEDGER

    def read(self) -> tuple[list[Look], str]:
        """All looks, and a sentence on what stands against believing that they are all; "" where nothing does."""
        if not self.path.exists():
            left = [name for name in LEFT if (self.folder / name).exists()]
            known = f"{self.folder} holds {listed(left)}, of which no {LEDGER} tells"
            return [], f"{known}: what was seen before cannot be told." if left else ""
        looks, damaged = [], []
        for number, line in enumerate(self._lines(), start=1):
            try:
                looks.append(_look(line))
            except (ValueError, TypeError, RecursionError):
                damaged.append(str(number))
        if not damaged:
            return looks, ""
        return looks, (
            f"{self.path} is damaged in line {listed(damaged)}: what was seen before cannot be told."
        )

    def add(self, look: Look) -> None:
        """Add a line, on the disk before this returns; raises `OutputError` where it cannot be kept."""
        line = json.dumps(asdict(look)) + "\n"
        try:
            # A line that was cut short stays one: nothing is joined to it.
            whole = not self.path.exists() or self.path.read_bytes()[-1:] in (b"", b"\n")
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line if whole else f"\n{line}")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}. The test part is not read before it is: "
                "look at the disk and its permissions, or choose another folder for --to."
            ) from error

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text("utf-8", errors="replace").splitlines()
        except OSError as error:
            raise SourceError(
                f"{self.path} cannot be read: {error.strerror or error}. Put the file back, or choose another folder "
                "for --to."
            ) from error


class Witness:
    """Writes a job's looks down before they are made, and says what its proof may claim."""

    def __init__(self, recipe: Recipe, freeze: Freeze | None, folder: Path) -> None:
        """`freeze`: that of the recipe, where there is one; `folder`: the job's."""
        self.recipe, self.freeze, self.ledger = recipe, freeze, Ledger(folder)
        self.code = of_code(recipe)

    @cached_property
    def told(self) -> Digest:
        """The recipe's values, and what the files hold that it names, when the test part is about to be read."""
        return of_recipe(self.recipe)

    def look(self, stage: str, *, moved: bool = False) -> FrozenNote | None:
        """Write down that `stage` is about to read the test part; returns what its proof may claim, if anything.

        `moved`: whether the source changed since it was read. Without a freeze nothing is claimed.
        """
        data = None
        # A source that is gone since it was read is not what was frozen.
        with contextlib.suppress(SourceError):
            data = of_data(self.recipe)
        digest = data["digest"] if data else None
        looks, against = self.ledger.read()
        look = Look(
            at=stamp(),
            stage=stage,
            recipe=self.told["digest"],
            code=self.code["digest"],
            data=digest,
            freeze=self.freeze.id if self.freeze else None,
        )
        self.ledger.add(look)
        if self.freeze is None:
            return None
        why = self.freeze.changes(self.told, self.code, data)
        why += ["The source changed while the job ran."] if moved else []
        why += [against] if against else []
        why += _outside(looks, look, self.freeze) + _clock(looks, look, self.freeze)
        others = [one for one in looks if not _same(one, look) or one.freeze != look.freeze]
        held = f"Settings were frozen on {when(self.freeze.at)}, before the test part was read."
        since = (
            f" Since then it was also looked at {_times(others)}, {_apart(others, look)}."
            if others
            else ""
        )
        return {
            "frozen": not why,
            "why": " ".join(why) or held + since,
            "at": self.freeze.data["at"],
            "recipe": look.recipe,
            "code": look.code,
            "data": look.data,
            "looks": len(others),
            "seen": self.freeze.seen,
        }

    def kept(self, note: FrozenNote | None) -> FrozenNote | None:
        """What `look` returned, taken back where the code was changed while the job ran."""
        if note is None or not (names := differing(self.code, of_code(self.recipe))):
            return note
        said = f"The code changed while the job ran: {listed(names)}."
        why = said if note["frozen"] else f"{note['why']} {said}"
        return {**note, "frozen": False, "why": why}


def _look(line: str) -> Look:
    """Read a line; raises `ValueError` or `TypeError` for one that `add` did not write."""
    look = Look(**json.loads(line))
    moment(look.at)
    for each in fields(look):
        value = getattr(look, each.name)
        if not isinstance(value, str) and (
            value is not None or each.name not in ("data", "freeze")
        ):
            raise ValueError(f"{each.name} is {value!r}")
    return look


def _outside(looks: Sequence[Look], look: Look, freeze: Freeze) -> list[str]:
    """Sentences on looks that were not made under the freeze.

    Whether they were is told by its id, so that no clock decides; the clock only says how to put it.
    """
    outside = [one for one in looks if one.freeze != freeze.id]
    before = [one for one in outside if moment(one.at) < freeze.at]
    other = [one for one in outside if moment(one.at) >= freeze.at]
    said = []
    if before:
        said.append(f"The test part was looked at {_times(before)} before, {_apart(before, look)}.")
    if other:
        said.append(
            f"The test part was looked at {_times(other)} since, {_apart(other, look)}, by a job that did not go by "
            "this freeze, such as another recipe in the same folder."
        )
    return said


def _clock(looks: Sequence[Look], look: Look, freeze: Freeze) -> list[str]:
    """A sentence where times do not follow one another as lines do."""
    times = [moment(one.at) for one in (*looks, look)]
    under = [moment(one.at) for one in (*looks, look) if one.freeze == freeze.id]
    if times == sorted(times) and min(under) >= freeze.at:
        return []
    return [f"The clock was set back: the times of the freeze and in {LEDGER} contradict."]


def _same(one: Look, other: Look) -> bool:
    return (one.recipe, one.code, one.data) == (other.recipe, other.code, other.data)


def _apart(looks: Sequence[Look], look: Look) -> str:
    """In what looks differ from this one."""
    apart = [
        what
        for name, what in (("recipe", "settings"), ("code", "code"), ("data", "data"))
        if any(getattr(one, name) != getattr(look, name) for one in looks)
    ]
    return f"with other {' and '.join(apart)}" if apart else "with these settings"


def _times(looks: Sequence[Look]) -> str:
    return {1: "once", 2: "twice"}.get(len(looks), f"{len(looks)} times")
