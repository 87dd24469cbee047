"""What a measure compares: users of a real shop, other users of it, and as many synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.categories import telling_codes
from wareloom.shop.log import NO_TIME, SESSION_GAP
from wareloom.shop.schema import EVENTS, IMPRESSION, INTERACTIONS

DESCRIBED = ("title", "brand", "price")
"""Columns of items that a comparison looks at"""
FEWEST = 20
"""Users of each kind below which nothing can be said."""


@dataclass(frozen=True)
class Sample:
    """Some users, each with an event at least, dealt into groups of equal size in the order in which they stand."""

    log: Log
    """Interactions; items by the codes that all samples of a comparison share"""
    kinds: np.ndarray
    """int64 [users, kinds], events of each kind, impressions included"""
    groups: int

    @cached_property
    def user_group(self) -> np.ndarray:
        """Group of each user, int8 [users]."""
        users = len(self.log.users)
        return (np.arange(users, dtype=np.int64) * self.groups // max(1, users)).astype(np.int8)

    @cached_property
    def user(self) -> np.ndarray:
        """Code of the user of each event, int32 [events]."""
        return self.log.user

    @cached_property
    def group(self) -> np.ndarray:
        """Group of each event, int8 [events]; never falls."""
        return np.repeat(self.user_group, self.log.lengths())

    @cached_property
    def place(self) -> np.ndarray:
        """Place of each event among its user's, int64 [events], from 0."""
        return np.arange(len(self.log)) - np.repeat(self.log.offsets[:-1], self.log.lengths())

    def inner(self, order: int = 1) -> np.ndarray:
        """Rows of the events with `order` events of the user before them: int64."""
        return np.flatnonzero(self.place >= order)

    @cached_property
    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of events, and the microseconds since the event before, where both times are known."""
        rows = self.inner()
        time = self.log.time
        rows = rows[(time[rows] != NO_TIME) & (time[rows - 1] != NO_TIME)]
        return rows, time[rows] - time[rows - 1]

    def select(self, users: np.ndarray) -> Sample:
        """Return the sample of some users (codes), in the given order."""
        return replace(self, log=self.log.select(users), kinds=self.kinds[users])

    def __len__(self) -> int:
        return len(self.log.users)


@dataclass(frozen=True)
class Trio:
    """Three samples of as many users, and what stands behind them."""

    real: Sample
    """The reference: held-out users where there are such, else a part of the real ones"""
    again: Sample
    """Other real users; how far they are from `real` is the floor"""
    synthetic: Sample
    training: Sample
    """All real users but those held out"""
    own: np.ndarray | None
    """int64 [users], places in `training` of the users of `real`; None where they were held out"""
    rest: np.ndarray
    """int64, places in `training` of the users that are neither in `real` nor in `again`"""
    category: np.ndarray | None
    """int32 [items], category of each item, -1 where unknown; None where there are none to tell apart"""
    catalogue: pl.DataFrame
    """What the catalogues say of each item, those of `DESCRIBED` that REAL has: a row an item, in the order of codes"""
    lacks: dict[str, str]
    """Why there are no times, sessions or categories to compare, by which of them"""
    notes: list[str] = field(default_factory=list)
    """What one should know of the samples, in plain words"""

    @property
    def samples(self) -> tuple[Sample, Sample, Sample]:
        """`real`, `again` and `synthetic`."""
        return self.real, self.again, self.synthetic


@dataclass(frozen=True)
class _Side:
    """One of the shops, read."""

    name: str
    sample: Sample
    timed: bool
    named: bool
    """Whether its sessions have ids"""


def gathered(real: Shop, synthetic: Shop, holdout: Shop | None, groups: int, run: Run) -> Trio:
    """Read the shops and draw the samples; users are drawn, and events of one time ordered, by the run's seed.

    Raises `InputError` where a shop has fewer than `FEWEST` users, or the synthetic one no item of the real one.
    """
    named = {"REAL": real, "SYNTH": synthetic} | (
        {"the holdout": holdout} if holdout is not None else {}
    )
    notes: list[str] = []
    sides, items, lacks = _sides(named, groups, run, notes)
    category = _categories(list(named.values()), items, sides[0].sample.log.counts())
    if category is None:
        lacks["categories"] = "REAL has no categories, or nearly all of its events are in one"
    fake = sides[1].sample
    held = _unseen(sides, notes)
    order, rng = (
        run.rng("compare", "real").permutation(len(sides[0].sample)),
        run.rng("compare", "synthetic"),
    )
    whole = sides[0].sample
    size = min(len(fake), len(held) if held else len(whole) // 2, len(whole))
    if size < FEWEST:
        raise InputError(
            f"A comparison takes {FEWEST} users of a kind or more, and without held-out users twice as many of REAL. "
            f"There are {len(whole):,} of REAL, {len(fake):,} of SYNTH"
            + (f" and {len(held):,} held out that REAL lacks." if held else ".")
        )
    own = None if held else order[:size]
    first = 0 if held else size
    reference = (
        held.select(run.rng("compare", "held").permutation(len(held))[:size]) if held else None
    )
    return Trio(
        real=reference or whole.select(order[:size]),
        again=whole.select(order[first : first + size]),
        synthetic=fake.select(rng.permutation(len(fake))[:size]),
        training=whole,
        own=own,
        rest=order[first + size :],
        category=category,
        catalogue=_catalogue(list(named.values()), items),
        lacks=lacks,
        notes=notes,
    )


def everybody(real: Shop, synthetic: Shop, run: Run) -> Trio:
    """Read the shops and draw nobody: `synthetic` has all of its users, and `real`, `again` and `training` all real.

    Raises `InputError` as `gathered` does, but for how many users there are.
    """
    named = {"REAL": real, "SYNTH": synthetic}
    sides, items, lacks = _sides(named, 1, run, [])
    whole, fake = (side.sample for side in sides)
    category = _categories([real, synthetic], items, whole.log.counts())
    nobody = np.zeros(0, dtype=np.int64)
    return Trio(
        whole,
        whole,
        fake,
        whole,
        own=None,
        rest=nobody,
        category=category,
        catalogue=_catalogue([real, synthetic], items),
        lacks=lacks,
    )


def _sides(
    named: dict[str, Shop], groups: int, run: Run, notes: list[str]
) -> tuple[list[_Side], Vocabulary, dict[str, str]]:
    """Read the shops, give them the same codes of items and the same idea of a session, and say what they lack."""
    sides = [_read(name, shop, groups, run) for name, shop in named.items()]
    sides, items = _together(sides, notes)
    lacks = _lacks(sides)
    if "sessions" not in lacks and not all(side.named for side in sides):
        sides = [
            replace(side, sample=replace(side.sample, log=by_silence(side.sample.log)))
            for side in sides
        ]
    return sides, items, lacks


def by_silence(log: Log) -> Log:
    """Return `log` with sessions that a silence of `SESSION_GAP` ends, whatever ids it has."""
    start = np.zeros(len(log), dtype=np.int64)
    start[1:] = np.diff(log.time) > SESSION_GAP
    running = np.cumsum(start)
    first = np.repeat(running[np.minimum(log.offsets[:-1], max(0, len(log) - 1))], log.lengths())
    return replace(log, session=(running - first).astype(np.int32))


def _read(name: str, shop: Shop, groups: int, run: Run) -> _Side:
    """Read one shop: interactions, and the kinds of all events."""
    if not shop.has("events"):
        raise InputError(f"{name} has no table 'events': there is no behaviour to compare.")
    timed = shop.has("events", "time")
    seed = run.seed_for("compare", "ties") if timed else None
    whole = Log.of(shop, kinds=(IMPRESSION, *INTERACTIONS), shuffle_ties=seed)
    code = whole.user.astype(np.int64) * len(EVENTS) + whole.event
    kinds = np.bincount(code, minlength=len(whole.users) * len(EVENTS)).reshape(-1, len(EVENTS))
    shown = whole.event == EVENTS.index(IMPRESSION)
    log = whole.keep(~shown) if shown.any() else whole
    users = np.flatnonzero(log.lengths())
    if len(users) == 0:
        raise InputError(
            f"{name} has no events on items that its catalogue knows: there is nothing to compare."
        )
    sample = Sample(log, kinds, groups).select(users)
    named = False
    if shop.has("events", "session_id"):
        named = bool(
            shop.scan("events").select(pl.col("session_id").is_not_null().any()).collect().item()
        )
    return _Side(name, sample, timed and bool((sample.log.time != NO_TIME).any()), named)


def _together(sides: list[_Side], notes: list[str]) -> tuple[list[_Side], Vocabulary]:
    """Give all sides the same codes of items, those of REAL first."""
    items = Vocabulary(
        pl.concat([side.sample.log.items.ids for side in sides]).unique(maintain_order=True)
    )
    coded = []
    known = len(sides[0].sample.log.items)
    for side in sides:
        log = side.sample.log
        item = items.encode(log.items.ids)[log.item]
        strange = float((item >= known).mean())
        if strange == 1.0:
            mine, theirs = side.sample.log.items.ids[0], sides[0].sample.log.items.ids[0]
            raise InputError(
                f"Not one item of {side.name} is an item of REAL: {side.name} has {mine!r}, REAL has {theirs!r}. "
                "Both must name items alike."
            )
        if strange > 0:
            notes.append(
                f"{strange:.1%} of the events of {side.name} are on items that REAL's catalogue lacks."
            )
        coded.append(
            replace(side, sample=replace(side.sample, log=replace(log, items=items, item=item)))
        )
    return coded, items


def _lacks(sides: list[_Side]) -> dict[str, str]:
    """Say why times and sessions cannot be compared, where they cannot."""
    found: dict[str, str] = {}
    timeless = [side.name for side in sides if not side.timed]
    if timeless:
        found["times"] = (
            f"{' and '.join(timeless)} {'has' if len(timeless) == 1 else 'have'} no times"
        )
        without = [side.name for side in sides if not side.named]
        if without:
            found["sessions"] = f"{found['times']}, and not everybody has session ids"
    return found


def _unseen(sides: list[_Side], notes: list[str]) -> Sample | None:
    """Return the held-out users that REAL lacks; None where most are REAL's own, or where there is no holdout."""
    if len(sides) < 3:
        notes.append(
            "No holdout: the floor is taken between two halves of REAL, which the synthesizer may have seen both. "
            "Held-out users (a split by user) make a sharper test."
        )
        return None
    held = sides[2].sample
    new = np.flatnonzero(
        ~held.log.users.ids.is_in(sides[0].sample.log.users.ids.implode()).to_numpy()
    )
    if len(new) * 2 < len(held):
        notes.append(
            f"{len(held) - len(new):,} of {len(held):,} held-out users are users of REAL, too, seen over another "
            "stretch of time, so that they cannot stand beside whole users: the floor is taken between two halves of "
            "REAL. A split by user holds out users of its own."
        )
        return None
    return held.select(new)


def _categories(shops: list[Shop], items: Vocabulary, counts: np.ndarray) -> np.ndarray | None:
    """Category of each item at the first level at which no one has nearly all events: int32 [items], -1 unknown."""
    having = [
        shop.scan("items").select("item_id", "category")
        for shop in shops
        if shop.has("items", "category")
    ]
    if not having or not shops[0].has("items", "category"):
        return None
    both = (
        pl.concat(having)
        .filter(pl.col("category").list.len() > 0)
        .collect()
        .unique("item_id", keep="first")
    )
    paths = pl.DataFrame({"item_id": items.ids}).join(
        both, on="item_id", how="left", maintain_order="left"
    )["category"]
    return telling_codes(paths, counts)


def _catalogue(shops: list[Shop], items: Vocabulary) -> pl.DataFrame:
    """What the first catalogue with an item says of it: the columns of `DESCRIBED` that the first shop has."""
    wanted = [name for name in DESCRIBED if shops[0].has("items", name)]
    frames = [
        shop.scan("items").select("item_id", *[n for n in wanted if shop.has("items", n)])
        for shop in shops
    ]
    both = (
        pl.concat(frames, how="diagonal")
        .collect()
        .unique("item_id", keep="first", maintain_order=True)
    )
    found = pl.DataFrame({"item_id": items.ids})
    return found.join(both, on="item_id", how="left", maintain_order="left").drop("item_id")
