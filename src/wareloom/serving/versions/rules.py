"""Rules of a slot: pin, boost, bury, in stock, at most so many of a brand, and a share of answers that explore.

    in_stock = true
    at_most = { brand = 2 }
    explore = { share = 0.1, place = 5, among = 50 }
    [[pin]]
    item = "i3"
    place = 1
    query = "red shoes"          # only where this is looked for
    [[boost]]
    brand = "Acme"
    places = 3                   # up the list
    [[bury]]
    category = "Garden > Tools"

Rules move places and never scores, so that they mean the same under every ranker. Each says what it moved.

Candidates are put in order block by block, the size of which follows from the first page: what stands further down
moves nothing that a page before has shown. Pages are slices of one list, and exploration only changes its order.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from wareloom.errors import SettingError

STRICT = ConfigDict(extra="forbid")
DEPTH = 100
"""Candidates, at least, that rules choose among"""
TOLD = 10
"""Hits, at most, that say that others were left out before them"""
IN_STOCK, EXPLORED, GAVE_WAY = "in stock", "exploration", "gave way"
"""What moved a hit, beside rules that have names of their own: one that is tried, and the one whose place it took"""


@dataclass(frozen=True)
class Pin:
    """An item at a place."""

    __pydantic_config__ = STRICT
    item: str
    place: int = Field(ge=1, le=200)
    query: str | None = None
    """Where this is looked for; always where it is not said; "" where nothing is looked for"""
    name: str = ""


@dataclass(frozen=True)
class Whose:
    """Items of a brand, of a category, or one alone, that are moved."""

    __pydantic_config__ = STRICT
    item: str | None = None
    brand: str | None = None
    category: str | None = None
    places: int = Field(default=3, ge=1, le=200)
    name: str = ""


@dataclass(frozen=True)
class Explore:
    """At one place, in a share of answers, an item from further down the list instead."""

    __pydantic_config__ = STRICT
    share: float = Field(gt=0, le=1)
    place: int = Field(default=5, ge=1, le=200)
    among: int = Field(default=50, ge=1, le=1000)


@dataclass(frozen=True)
class Rules:
    """All rules of a version."""

    __pydantic_config__ = STRICT
    pin: tuple[Pin, ...] = ()
    boost: tuple[Whose, ...] = ()
    bury: tuple[Whose, ...] = ()
    in_stock: bool | None = None
    """Named, it is said of hits that stand higher for it. What cannot be had is never shown, named or not"""
    at_most: dict[Literal["brand", "category"], int] = field(default_factory=dict)
    explore: Explore | None = None

    @property
    def any(self) -> bool:
        """Whether there is one that moves what a ranker found."""
        return bool(self.pin or self.boost or self.bury or self.at_most or self.explore)


class Placed(NamedTuple):
    """A hit at its place."""

    code: int
    rules: tuple[str, ...] = ()
    """Names of the rules that moved it"""
    propensity: float = 1.0
    """How likely it stood at its place"""


def read_rules(path: Path) -> dict[str, Any]:
    """Read a file of rules; raises `SettingError` that names what is wrong with it."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"The rules {path} cannot be read: {error}.") from error
    rules_of(told, str(path))
    return told


def rules_of(told: dict[str, Any], where: str = "version") -> Rules:
    """Check rules; raises `SettingError` that names the value."""
    try:
        made = TypeAdapter(Rules).validate_python(told)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SettingError(f"The rules of {where} are wrong at {place}: {first['msg']}.") from error
    for who in (*made.boost, *made.bury):
        if sum(one is not None for one in (who.item, who.brand, who.category)) != 1:
            raise SettingError(f"The rules of {where}: name one of item, brand and category.")
    if made.in_stock is False:
        raise SettingError(
            f"The rules of {where}: in_stock is false, and what is out of stock is never shown: give true, or leave it "
            "out."
        )
    if any(n < 1 for n in made.at_most.values()):
        raise SettingError(f"The rules of {where}: at_most is {made.at_most}; give 1 or more.")
    return made


class Applied:
    """Rules in codes of a version's catalogue."""

    def __init__(self, rules: Rules, catalogue: Any) -> None:
        self.rules, self.any = rules, rules.any
        self._groups = {n: getattr(catalogue, n) for n in rules.at_most}
        names = {"brand": catalogue.brands, "category": catalogue.categories}
        self._none = {n: names[n].code("") for n in rules.at_most}
        self._boosts = [
            (_matching(w, catalogue), w.places, w.name or f"boost {_said(w)}") for w in rules.boost
        ]
        self._buries = [(_matching(w, catalogue), w.name or f"bury {_said(w)}") for w in rules.bury]
        self._pins = [(catalogue.ids.code(p.item), p) for p in rules.pin]

    def depth(self, size: int) -> int:
        """Candidates of a block, for pages of a size."""
        if not self.any:
            return size
        how = self.rules.explore
        explored = self._after(size) + how.among if how else 0
        pinned = max((pin.place for _, pin in self._pins), default=0)
        return max(DEPTH, 4 * size, explored, pinned)

    def wanted(self, size: int, first: int, k: int) -> int:
        """How many candidates are wanted for the k hits from `first` on, where the first page asked for `size`."""
        if not self.any:
            return first + k
        block = self.depth(size)
        return -(-(first + self.depth(k)) // block) * block

    def place(
        self,
        codes: Sequence[int],
        k: int,
        query: str,
        allowed: Callable[[int], bool],
        chance: float,
        size: int = 0,
    ) -> list[Placed]:
        """Order candidates (codes, best first) by the rules: at most k of them.

        `allowed`: whether a pinned item may be shown. `chance`: from 0, below 1, decides who is tried; the same for all
        pages of an answer. `size`: hits that the first of these pages asked for, k where it is 0.
        """
        if not self.any:
            return [Placed(int(code)) for code in codes[:k]]
        size = size or k
        moved: dict[int, list[str]] = {}
        pinned: dict[int, Pin] = {}
        for code, pin in sorted(self._pins, key=lambda one: one[1].place):
            if code >= 0 and _fits(pin, query) and allowed(code):
                pinned.setdefault(code, pin)
        limits = [
            _Limit(name, most, self._groups[name], self._none[name])
            for name, most in self.rules.at_most.items()
        ]
        block = self.depth(size)
        shown = list[int]()
        likely: dict[int, float] = {}
        for start in range(0, max(len(codes), 1), block):
            order = self._moved(codes[start : start + block], moved)
            shown += [code for code in _limited(order, limits, moved) if code not in pinned]
            if not start:
                for code, pin in pinned.items():
                    shown.insert(min(pin.place - 1, len(shown)), code)
                self._explore(shown, size, moved, likely, (set(pinned), chance))
            if len(shown) >= k:
                break
        # What is pinned stands there for that alone, whatever else would have moved it.
        moved |= {code: [pin.name or f"pin {pin.item}"] for code, pin in pinned.items()}
        return [Placed(c, tuple(moved.get(c, ())), likely.get(c, 1.0)) for c in shown[:k]]

    def _moved(self, codes: Sequence[int], moved: dict[int, list[str]]) -> list[int]:
        """Boosted items up, buried ones down, all others as they were."""
        places = np.arange(len(codes), dtype=np.float64)
        array = np.asarray(codes, dtype=np.int64)
        for matching, up, name in self._boosts:
            hit = matching[array]
            # Half a place further, so that it comes before what stands there.
            places[hit] -= up + 0.5
            for code in array[hit]:
                moved.setdefault(int(code), []).append(name)
        for matching, name in self._buries:
            hit = matching[array]
            places[hit] += 2 * len(codes) + 1000
            for code in array[hit]:
                moved.setdefault(int(code), []).append(name)
        return [int(code) for code in array[np.argsort(places, kind="stable")]]

    def _after(self, size: int) -> int:
        """Where the page ends, of pages of a size, on which one is tried."""
        assert self.rules.explore is not None
        return -(-self.rules.explore.place // size) * size

    def _explore(
        self,
        shown: list[int],
        size: int,
        moved: dict[int, list[str]],
        likely: dict[int, float],
        drawn: tuple[set[int], float],
    ) -> None:
        """In a share of answers, let an item from behind the page change places with the one at the place.

        `likely`: how likely each item stands where it does, of those that might stand elsewhere. `drawn`: what is
        pinned, and the number that decides. What gave way stands where the other came from: no page lacks it.
        """
        how = self.rules.explore
        held, chance = drawn
        if how is None or how.place > len(shown) or shown[how.place - 1] in held:
            return
        after = self._after(size)
        others = [
            n for n in range(after, min(after + how.among, len(shown))) if shown[n] not in held
        ]
        if not others:
            return
        at, seldom = how.place - 1, how.share / len(others)
        likely |= dict.fromkeys([shown[n] for n in others], 1 - seldom) | {shown[at]: 1 - how.share}
        if chance < how.share:
            place = others[int(chance / how.share * len(others))]
            tried, own = shown[place], shown[at]
            shown[at], shown[place] = tried, own
            likely |= {tried: seldom, own: seldom}
            moved[tried] = [EXPLORED]
            moved.setdefault(own, []).append(GAVE_WAY)


class _Limit:
    """At most so many of a brand or category, as a list is gone through."""

    def __init__(self, name: str, most: int, groups: np.ndarray, none: int) -> None:
        self.most, self.groups, self.none = most, groups, none
        self.said = f"at most {most} of a {name}"
        self.counts: dict[int, int] = {}
        self.kept = self.left_out = 0

    def keeps(self, code: int, moved: dict[int, list[str]]) -> bool:
        """Whether an item is not one too many; what has no brand is of none, and not counted."""
        group = int(self.groups[code])
        count = self.counts[group] = self.counts.get(group, 0) + (group != self.none)
        if count > self.most:
            self.left_out += 1
            return False
        if self.left_out and self.kept < TOLD:
            moved.setdefault(code, []).append(self.said)
        self.kept += 1
        return True


def _limited(order: list[int], limits: list[_Limit], moved: dict[int, list[str]]) -> list[int]:
    """Leave out what is one too many of its brand or category."""
    return [code for code in order if all(limit.keeps(code, moved) for limit in limits)]


def _fits(pin: Pin, query: str) -> bool:
    return pin.query is None or pin.query.strip().casefold() == query.strip().casefold()


def _said(who: Whose) -> str:
    return who.item or who.brand or who.category or ""


def _matching(who: Whose, catalogue: Any) -> np.ndarray:
    """Which items a rule is about: bool [items]."""
    if who.item is not None:
        found = np.zeros(len(catalogue.ids), dtype=bool)
        if (code := catalogue.ids.code(who.item)) >= 0:
            found[code] = True
        return found
    return ~catalogue.barred(_filter(who)).astype(bool)


def _filter(who: Whose) -> Any:
    from wareloom.serving.wire import Filter

    return Filter(brand=(who.brand,) if who.brand else (), category=who.category or "")
