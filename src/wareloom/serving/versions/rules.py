"""Rules of a slot: pin, boost, bury, at most so many of a brand, and a share of answers that explore.

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
    at_most: dict[Literal["brand", "category"], int] = field(default_factory=dict)
    explore: Explore | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
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

    def depth(self, k: int) -> int:
        """How many candidates are wanted for k hits."""
        if not self.any:
            return k
        among = self.rules.explore.among if self.rules.explore else 0
        return max(DEPTH, 4 * k, k + among)

    def place(
        self,
        codes: Sequence[int],
        k: int,
        query: str,
        allowed: Callable[[int], bool],
        draw: Callable[[], float],
    ) -> list[Placed]:
        """Order candidates (codes, best first) by the rules: at most k of them.

        `allowed`: whether a pinned item may be shown. `draw`: uniform numbers from 0, below 1.
        """
        if not self.any:
            return [Placed(int(code)) for code in codes[:k]]
        moved: dict[int, list[str]] = {}
        order = self._limited(self._moved(codes, moved), moved)
        pinned: dict[int, Pin] = {}
        for code, pin in sorted(self._pins, key=lambda one: one[1].place):
            if code >= 0 and _fits(pin, query) and allowed(code):
                pinned.setdefault(code, pin)
        held = set(pinned)
        shown = [code for code in order if code not in held]
        for code, pin in pinned.items():
            shown.insert(min(pin.place - 1, len(shown)), code)
            moved.setdefault(code, []).append(pin.name or f"pin {pin.item}")
        return self._explored(shown, k, moved, held, draw)

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

    def _limited(self, order: list[int], moved: dict[int, list[str]]) -> list[int]:
        """Leave out what is one too many of its brand or category; what has none is not counted."""
        for name, most in self.rules.at_most.items():
            counts: dict[int, int] = {}
            kept: list[int] = []
            for place, code in enumerate(order):
                group = int(self._groups[name][code])
                counts[group] = counts.get(group, 0) + (group != self._none[name])
                if counts[group] <= most:
                    if len(kept) < place and len(kept) < 10:
                        moved.setdefault(code, []).append(f"at most {most} of a {name}")
                    kept.append(code)
            order = kept
        return order

    def _explored(
        self,
        shown: list[int],
        k: int,
        moved: dict[int, list[str]],
        held: set[int],
        draw: Callable[[], float],
    ) -> list[Placed]:
        """In a share of answers, draw who stands at the place from the next ones of the list."""
        told = [Placed(code, tuple(moved.get(code, ()))) for code in shown[:k]]
        how = self.rules.explore
        if how is None or how.place > len(told) or told[how.place - 1].code in held:
            return told
        others = [code for code in shown[k : k + how.among] if code not in held]
        if not others:
            return told
        own, at = told[how.place - 1], how.place - 1
        told[at] = own._replace(propensity=1 - how.share)
        if draw() < how.share:
            code = others[int(draw() * len(others))]
            told[at] = Placed(code, ("exploration",), how.share / len(others))
        return told


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
