"""Real-time synthesis: a short session is written on several times, and a ranker's answers over these are averaged.

    [realtime]                      # a TOML file, given to publish
    generator = "markov"            # fitted to `shop`; or `fitted`, the folder of one that was saved
    shop = "runs/mine/train"
    draws = 8
    length = 1
    events = 3
    share = 0.25

What is drawn hangs on the version and the session's items alone: the same session has the same draws, in every
process and on every machine, and an opening that many sessions have is drawn once. Rankers that add up rows of a
table are linear in what they add, so that their mean over all draws is one call; others are asked for all at once.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import Share, Size, configure
from wareloom.errors import InputError, SettingError
from wareloom.serving.files.kept import Tally
from wareloom.serving.files.lookup import Lookup
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps
from wareloom.synthesis import Synthesizer

FOLDER = "realtime"
OPENINGS = 4096
"""Openings of sessions whose draws are kept"""
MOST_DRAWS, MOST_EVENTS = 64, 10
COMPILED = ("markov", "teacher")
"""Generators that draw within a fraction of a millisecond; others take the thread for what takes its time"""


@dataclass(frozen=True)
class Onward:
    """How sessions are written on, as a file says it."""

    generator: str = ""
    """Name of the synthesizer that is fitted to `shop`"""
    set: dict[str, Any] = field(default_factory=dict)
    """Its settings, where they are not the defaults"""
    shop: str = ""
    """Folder of the shop that it is fitted to: the ranker's training part"""
    fitted: str = ""
    """Folder of a synthesizer that was fitted and saved, instead of the three above"""
    draws: Size = 8
    """How often a session is written on"""
    length: Size = 1
    """Events that are written each time"""
    events: Size = 3
    """Sessions of more events are answered plainly; those of none, too"""
    share: Share = 0.25
    """What all draws together weigh in the mean; the plain answer has the rest"""

    def __post_init__(self) -> None:
        """Check what hangs together; raises `SettingError`."""
        if bool(self.fitted) == bool(self.generator and self.shop):
            raise SettingError(
                "Real-time synthesis needs either `generator` with `shop`, or `fitted`, the folder of a saved one."
            )
        if self.draws > MOST_DRAWS or self.length > MOST_EVENTS or self.events > MOST_EVENTS:
            raise SettingError(
                f"Real-time synthesis takes {MOST_DRAWS} draws and {MOST_EVENTS} events at most; this asks for "
                f"{self.draws} draws of {self.length} after {self.events}."
            )


class Drawn(NamedTuple):
    """How one session may go on."""

    items: np.ndarray
    """int32 [draws, length]"""
    share: float
    name: str
    """Of the generator"""


def read_onward(path: Path) -> Onward:
    """Read a file; raises `SettingError` for what it must not say."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"Real-time synthesis: {path} cannot be read: {error}.") from error
    values = told.get(FOLDER)
    if set(told) != {FOLDER} or not isinstance(values, dict):
        raise SettingError(f"{path} needs one table [{FOLDER}], and nothing else.")
    made: Onward = configure(Onward, values)
    return made


def made_of(onward: Onward, allow_code: Sequence[str] = ()) -> Synthesizer:
    """The fitted generator; raises `InputError` for one that cannot go on with a session."""
    if onward.fitted:
        made: Synthesizer = SYNTHESIZERS.restore(onward.fitted, allow_code=tuple(allow_code))
    else:
        # Chains are all that is drawn from: a store need not hold anybody's outline for it.
        chain = {"structure": "chain"} if onward.generator in COMPILED else {}
        made = SYNTHESIZERS.make(onward.generator, **(chain | onward.set))
    if not made.can_continue():
        raise InputError(
            f"The synthesizer {made.name!r} does not go on with a session at hand: take markov, teacher, "
            "transformer or gru."
        )
    if not onward.fitted:
        made.fit(Shop.open(onward.shop).in_memory(), Run(threads=1, quiet=True))
    return made


def write_onward(onward: Onward, made: Synthesizer, folder: Path) -> dict[str, Any]:
    """Save a generator to a version; returns what its manifest says of it."""
    made.save(folder / FOLDER)
    told = {
        one.name: getattr(onward, one.name)
        for one in fields(Onward)
        if one.name in ("draws", "length", "events", "share")
    }
    return {**told, "generator": made.name, "keeps": made.kept()}


class Realtime:
    """A generator as a version has it."""

    def __init__(self, made: Synthesizer, told: dict[str, Any], ids: Lookup, key: bytes) -> None:
        self.made, self.told, self.key = made, told, key
        self.draws, self.length = int(told["draws"]), int(told["length"])
        self.events, self.share = int(told["events"]), float(told["share"])
        theirs: list[str] = made.catalogue_["item_id"].to_list()  # type: ignore[attr-defined]
        self._ours = ids.codes(theirs)
        self._theirs = np.full(len(ids), -1, dtype=np.int32)
        known = np.flatnonzero(self._ours >= 0)
        self._theirs[self._ours[known]] = known
        self._kept: OrderedDict[bytes, Drawn | None] = OrderedDict()
        self.slow = made.name not in COMPILED
        self.tally = Tally()
        """Of openings of sessions"""

    @classmethod
    def open(
        cls, folder: Path, told: dict[str, Any], ids: Lookup, key: str, allow_code: Sequence[str]
    ) -> Realtime:
        """Read what `write_onward` wrote; `ids` are the ranker's, `key` the version's id."""
        made = SYNTHESIZERS.restore(folder / FOLDER, allow_code=tuple(allow_code))
        return cls(made, told, ids, key.encode())

    def onward(self, codes: np.ndarray) -> Drawn | None:
        """How a session of these items may go on; None where it is answered plainly."""
        if not 0 < len(codes) <= self.events:
            return None
        opening = codes.tobytes()
        try:
            found = self._kept[opening]
            self._kept.move_to_end(opening)
            self.tally.hits += 1
            return found
        except KeyError:
            self.tally.misses += 1
        found = self._kept[opening] = self._drawn(codes, opening)
        if len(self._kept) > OPENINGS:
            self._kept.popitem(last=False)
        return found

    def _drawn(self, codes: np.ndarray, opening: bytes) -> Drawn | None:
        past = self._theirs[codes]
        past = past[past >= 0]
        if not len(past):
            return None
        digest = hashlib.blake2b(opening, key=self.key[:64], digest_size=7).digest()
        run = Run(seed=int.from_bytes(digest, "big"), threads=1)
        items = self._ours[self.made.continuations(past, self.draws, self.length, run)]
        # What the ranker does not know says nothing to it: the session as it was stands for it.
        items = np.where(items < 0, codes[-1], items).astype(np.int32)
        return Drawn(items, self.share, self.made.name)

    @property
    def keeps(self) -> Keeps:
        """What the generator keeps of real users."""
        found: Keeps = self.told["keeps"]
        return found


__all__ = ["Drawn", "Onward", "Realtime", "made_of", "read_onward", "write_onward"]
