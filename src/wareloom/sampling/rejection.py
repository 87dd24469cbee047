"""Rejection sampling: draw, screen, and draw again until as many users are left as were asked for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, RefusedError
from wareloom.privacy.looks import refuse_unpaid
from wareloom.sampling.pictures import fill_pictures
from wareloom.screening import OWNED, Screen, Screened, of_owners, owners, screen_all
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.synthesis import Condition, Given, Synthesizer

ROUNDS = 10
"""Draws at most."""
MOST_DRAWN = 20
"""Users that are drawn in all, at most, in multiples of those asked for."""
LEAST_DRAWN = 200
"""Users of a later draw at least: screens that hold shares beside shares need some."""
TINY = 0.1
"""Share of the users kept below which a warning is given."""
KEYS = ("user_id", "session_id", "search_id")
NUMBERED = r"^(.*?/)(\d+)(.*)$"
"""An id with a number: ORIGIN/7-MARK, ORIGIN/7-MARK/visit, or a plain ORIGIN/7."""
Draw = Callable[[int, Run, pl.Series], Shop]
"""draw(n, run, kept): sample `n` users; `kept` are the ids of those that have been kept so far."""


@dataclass
class _Tally:
    """What each screen told, draw after draw."""

    reports: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rejected: dict[str, list[pl.DataFrame]] = field(default_factory=dict)

    def add(self, screened: Screened) -> Screened:
        """Add what one call of `screen_all` found, and return it."""
        for name, report in screened.report.items():
            self.reports.setdefault(name, []).append(report)
        for table, rows in screened.rejected.items():
            self.rejected.setdefault(table, []).append(rows)
        return screened

    def why(self) -> str:
        """Say in one sentence what took most."""
        counts = Counter[str]()
        for name, reports in self.reports.items():
            for report in reports:
                counts.update(
                    {f"{name}, {reason}": n for reason, n in report.get("reasons", {}).items()}
                )
        said = "; ".join(f"{what}: {n:,} rows" for what, n in counts.most_common(3))
        return f"Taken: {said}." if said else "The synthesizer made no more."


def sample_screened(
    fitted: Synthesizer,
    users: int,
    screens: Mapping[str, Screen],
    parts: tuple[Shop, Shop | None],
    run: Run,
    given: Condition | None = None,
) -> Screened:
    """Sample `users` users from a fitted synthesizer that pass all screens; see `fill`.

    `parts`: what it was fitted on, and the held-out part for the leak screen. Where `given` has histories, users that
    were not kept are continued anew. Raises `RefusedError` where the synthesizer is private and a part is not: screens
    look at real users then.
    """
    if screens and any(part is not None and part.keeps != "private" for part in parts):
        refuse_unpaid(fitted.kept(), "screens", fitted.origin)
    if fitted.counts == "pictures":
        return fill_pictures(fitted, users, screens, parts, run, given)
    histories = given.histories if isinstance(given, Given) else None

    def draw(n: int, run: Run, kept: pl.Series) -> Shop:
        now = given
        if isinstance(given, Given) and histories is not None and len(kept):
            events = histories.scan("events")
            others = events.filter(~user_key(events).is_in(kept.implode()).fill_null(False))
            now = replace(given, histories=histories.with_tables(events=others))
        return fitted.sample(n, run, now)

    return fill(draw, users, screens, parts, run, own_ids=histories is not None)


def fill(
    draw: Draw,
    users: int,
    screens: Mapping[str, Screen],
    parts: tuple[Shop, Shop | None],
    run: Run,
    *,
    own_ids: bool = False,
) -> Screened:
    """Draw and screen until `users` users with events are kept, or too much was drawn.

    The first draw is of `users` with `run` itself; each later one, with a seed of its own, of what is missing by the
    share kept so far, and a tenth more. Ids of a later draw are numbered on, unless they are users' own (`own_ids`).
    Screens that look at draws see each by itself; those that look at the sample see all that is kept, after each draw;
    those of the end see the sample that is returned, once. What was drawn beyond `users` is left out, the last first.

    `Screened.sampling` says what was asked for, drawn and kept, and warns where it is less than was asked for or the
    share kept is tiny. Raises `RefusedError` where nothing at all is left.
    """
    by_look = {
        look: {n: s for n, s in screens.items() if s.looks_at == look}
        for look in ("draws", "sample", "end")
    }
    tally, ids, drawn, rounds = _Tally(), pl.Series(dtype=pl.String), 0, 0
    kept: Shop | None = None
    numbers: dict[str, int] = {}
    with run.task("users that pass the screens", users) as advance:
        while len(ids) < users and rounds < ROUNDS and drawn < MOST_DRAWN * users:
            size = _next(users, len(ids), drawn)
            turn = run if not rounds else run.with_(seed=run.seed_for("rejection", rounds))
            made = draw(min(size, users - len(ids)) if own_ids else size, turn, ids)
            if not made.has("events"):
                return screen_all(screens, made, *parts, run)
            if not own_ids:
                made, numbers = _numbered_on(made, numbers, rounds)
            came = len(owners(made))
            screened = tally.add(screen_all(by_look["draws"], made, *parts, turn))
            whole = screened.kept if kept is None else _together(kept, screened.kept)
            kept = tally.add(screen_all(by_look["sample"], whole, *parts, turn)).kept
            before, ids, drawn, rounds = len(ids), owners(kept), drawn + came, rounds + 1
            advance(len(ids) - before)
            if not came or (rounds == 1 and len(ids) == came):
                break
    if kept is None:
        raise InputError(f"Asked to sample {users} users; ask for at least 1.")
    if drawn and not len(ids):
        raise RefusedError(
            f"Not one of {drawn:,} synthetic users passed the screens. {tally.why()} {REMEDY}"
        )
    shop = of_owners(kept, ids.head(users)) if len(ids) > users else kept
    tally.add(screen_all(by_look["end"], shop, *parts, run))
    report = {
        name: _summed(tally.reports[name], whole=screens[name].looks_at == "sample")
        for name in screens
    }
    rejected = {
        table: pl.concat(frames, how="diagonal") for table, frames in tally.rejected.items()
    }
    return Screened(shop, rejected, report, _told(users, drawn, len(ids), rounds, tally))


REMEDY = (
    "Loosen the settings of the screen that takes most, or leave it out, "
    "or take another synthesizer or settings of it."
)


def _next(users: int, kept: int, drawn: int) -> int:
    """Users of the next draw: what is missing by the share kept so far, and a tenth more."""
    if not drawn:
        return users
    wanted = 1.1 * (users - kept) / max(kept / drawn, 1 / MOST_DRAWN)
    return max(1, min(MOST_DRAWN * users - drawn, max(min(LEAST_DRAWN, users), math.ceil(wanted))))


def _told(asked: int, drawn: int, kept: int, rounds: int, tally: _Tally) -> dict[str, Any]:
    """What is said of a sample; `acceptance` is the share of the drawn users that passed."""
    told: dict[str, Any] = {
        "asked": asked,
        "drawn": drawn,
        "kept": min(kept, asked),
        "rounds": rounds,
    }
    told["acceptance"] = kept / drawn if drawn else 0.0
    if kept < asked or told["acceptance"] < TINY:
        told["warning"] = (
            f"Of {drawn:,} synthetic users drawn {kept:,} passed the screens, {told['acceptance']:.1%}; "
            f"{asked:,} were asked for. {tally.why()} {REMEDY}"
        )
    return told


def _summed(reports: list[dict[str, Any]], *, whole: bool) -> dict[str, Any]:
    """One report of several draws: counts are added up, the rest is the first draw's, which is the largest.

    `whole`: each looked at all that was kept so far, which must not be counted as seen again.
    """
    if len(reports) == 1:
        return reports[0]
    told, last = dict(reports[0]), reports[-1]
    for name in ("rejected", "users", "users touched", "seen", "of users"):
        if name in told:
            told[name] = sum(report[name] for report in reports)
    for seen, took in (("seen", "rejected"), ("of users", "users")):
        if whole and seen in told:
            told[seen] = last[seen] - last[took] + told[took]
    for name in ("reasons", "users by reason"):
        if name in told:
            counts = sum((Counter(report[name]) for report in reports), Counter[str]())
            told[name] = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    if "share of users" in told:
        told["share of users"] = told["users"] / told["of users"] if told["of users"] else 0.0
    return told


def _numbered_on(made: Shop, numbers: dict[str, int], turn: int) -> tuple[Shop, dict[str, int]]:
    """Make the ids of a later draw new: ORIGIN/0 becomes ORIGIN/`numbers`; what has no number gets ~`turn` behind it.

    Returns the next free number of each key, too.
    """
    tables: dict[str, pl.DataFrame] = {}
    after = dict(numbers)
    for table in OWNED:
        names = [name for name in KEYS if made.has(table, name)]
        rows = made.table(table) if names else None
        for name in names:
            assert rows is not None
            number = pl.col(name).str.extract(NUMBERED, 2).cast(pl.Int64, strict=False)
            parts = [
                pl.col(name).str.extract(NUMBERED, 1),
                number + numbers.get(name, 0),
                pl.col(name).str.extract(NUMBERED, 3),
            ]
            highest = rows.select(number.max()).item()
            after[name] = max(
                after.get(name, 0),
                1 + numbers.get(name, 0) + (-1 if highest is None else int(highest)),
            )
            if turn:
                renamed = (
                    pl.when(number.is_not_null())
                    .then(pl.concat_str(parts))
                    .otherwise(pl.format("{}~{}", name, pl.lit(turn)))
                )
                rows = rows.with_columns(renamed.alias(name))
        if turn and rows is not None:
            tables[table] = rows
    return made.with_tables(**tables), after


def _together(first: Shop, more: Shop) -> Shop:
    """The users of both, those of `first` first; the other tables are its."""
    tables = {
        table: pl.concat(
            [shop.scan(table) for shop in (first, more) if shop.has(table)], how="diagonal_relaxed"
        ).collect()
        for table in OWNED
        if first.has(table) or more.has(table)
    }
    return first.with_tables(**tables)
