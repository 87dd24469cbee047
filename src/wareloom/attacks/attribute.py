"""Is what somebody keeps to itself read off the synthetic shop: what it bought, of which brand, its attributes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from wareloom.attacks import Arena, Case, People
from wareloom.attacks._matching import (
    Guess,
    Matches,
    Seen,
    halves,
    in_order,
    matches,
    weeks,
    when,
)
from wareloom.attacks._templated import Templated
from wareloom.attacks._templates import Shares, Traits, shares
from wareloom.attacks.pattern import beside, slips_of, traits_of
from wareloom.core.run import Run
from wareloom.core.settings import Size

FAITH = 0.9
"""How much of a guess the templates make at most; the rest is made by shares"""


class Clue(NamedTuple):
    """What is known of users, and which of their events more is sought of."""

    traits: Traits
    last: np.ndarray
    """float64 [users], weeks at which each was there last"""
    slips: list[float]
    users: np.ndarray
    """int64, codes of the users of which it is known"""
    start: np.ndarray
    """int64 [users], the first sought event of each user"""
    end: np.ndarray
    """int64 [users], behind the last"""
    hidden: np.ndarray | None = None
    """bool [events, sorts], what of `traits` is not known after all"""
    backwards: bool = False
    """Whether templates are held beside it from the last event on"""

    def beside(
        self, mine: Clue, user: np.ndarray, row: np.ndarray, template: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Events of templates in the places of events `row` of users: (int64, whether there is one, bool)."""
        if self.backwards:
            at = self.end[template] - (mine.end[user] - row)
        else:
            at = self.start[template] + (row - mine.start[user])
        return at, (template >= 0) & (at >= self.start[template]) & (at < self.end[template])


@dataclass(kw_only=True, eq=False)
class Attribute(Templated):
    """Guesses categories, brands and attributes of a target, knowing when it bought, or the earlier half of its events.

    The users of SYNTH of whom the target is likeliest a changed copy, by what is known alone, vote with their events in
    the same places. A guess is worth something where it is right more often of members than of people that SYNTH cannot
    know, and than by the same look-up among other real people, which anybody can make: both stand beside. A target's
    score is how well its secrets were guessed.
    """

    templates: Size = 8
    """Users of SYNTH that vote."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Three scores for each known and sought: share right, share right by others, and how much likelier it was."""
        if not _secrets(case) and not _attributes(case):
            return "items have no category and no brand, and users no attributes on all sides"
        found: list[np.ndarray] = []
        for known in _known(case):
            found += self._guessed(case, known)
        return np.column_stack(found)

    def _guessed(self, case: Case, known: str) -> list[np.ndarray]:
        """The scores of all that is sought, from what is `known`."""
        sides = [in_order(side, case) for side in (case.targets, case.synth, case.others)]
        mine, *clues = (self._clue(case, side, known) for side in sides)
        told, answers = shares(mine.traits, clues[1].traits), []
        for side, theirs in zip(sides[1:], clues, strict=True):
            found = self._looked_up(case, mine, theirs, told)
            both_ = (mine, theirs)
            of_items = [_answers(sides[0], side, both_, found, s) for s in _secrets(case).values()]
            of_users = [
                _of_users(*_encoded(sides[0], side, name), found) for name in _attributes(case)
            ]
            answers.append(of_items + of_users)
        both = zip(*answers, strict=True)
        return [x for (right, sure), (usual, plain) in both for x in (right, usual, sure - plain)]

    def _clue(self, case: Case, people: People, known: str) -> Clue:
        log = people.log
        start, end, half = log.offsets[:-1], log.offsets[1:], (log.lengths() + 1) // 2
        seen, behind = people, np.arange(len(log)) >= np.repeat(start + half, log.lengths())
        users = np.arange(len(people))
        if known == "half":
            first, _ = halves(people)
            seen, users, behind = first.people, first.users, np.zeros(len(first.people.log), bool)
        if known == "times":
            behind[:] = True
        popular = np.log2(1.0 + case.others.log.counts())
        traits, slips = traits_of(seen, case, popular), slips_of(case, self.slip, self.blur)
        hidden = np.repeat(behind[:, None], len(slips), axis=1)
        if case.timed:
            traits, slips = beside(traits, when(seen)), [*slips, *self._when()]
            hidden = np.column_stack([hidden, np.zeros((len(hidden), 3), bool)])
        else:
            slips = [*slips, self.slip]
        start = start if known == "times" else start + half
        return Clue(traits, weeks(seen), slips, users, start, end, hidden, known == "times")

    def _when(self) -> list[float]:
        """Chances that minute, session, exact gap and gap are not the template's."""
        return [self.slip, self.slip, self.blur, self.slip]

    def _looked_up(self, case: Case, mine: Clue, among: Clue, told: Shares) -> Matches:
        """The likeliest templates of all targets, by codes among all users of the side."""
        guess = Guess(mine.slips, self.width)
        seen, theirs = (Seen(clue.traits, clue.last) for clue in (mine, among))
        found = matches(seen, theirs, told, guess, self.templates, mine.hidden)
        place = np.full((len(case.targets), self.templates), -1, dtype=np.int64)
        gain = np.full(place.shape, -np.inf)
        place[mine.users] = np.where(found.place >= 0, among.users[found.place], -1)
        gain[mine.users] = found.gain
        return Matches(place, gain)

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Share right of members and of others, and of members by the same look-up among other real people."""
        told: dict[str, float] = {}
        case = arena.cases[0]
        sought = [*_secrets(case), *_attributes(case)]
        names = [(known, what) for known in _known(case) for what in sought]
        for place, (known, what) in enumerate(names):
            least = 1 if known == "times" else 2
            there = [lengths >= least for lengths in arena.lengths]
            if what in _attributes(case):
                there = [_told_of(c.targets, what) for c in arena.cases]
            both = np.concatenate([s[t] for s, t in zip(scores, there, strict=True)])
            member = np.concatenate([m[t] for m, t in zip(arena.truth, there, strict=True)])
            right, usual = both[:, 3 * place], both[:, 3 * place + 1]
            if not member.any() or member.all():
                continue
            told[f"{what} by {known}, members"] = float(right[member].mean())
            told[f"{what} by {known}, others"] = float(right[~member].mean())
            told[f"{what} by {known}, guessed of other people"] = float(usual[member].mean())
        return told


def _known(case: Case) -> list[str]:
    return ["times", "times and half", "half"] if case.timed else ["half"]


def _secrets(case: Case) -> dict[str, np.ndarray]:
    """What of each item is sought, int64 [items] from 0: its category, its brand."""
    found = {}
    if case.category is not None:
        found["categories"] = case.shelf.astype(np.int64) + 1
        found["leaf categories"] = case.category.astype(np.int64) + 1
    for codes in case.brands:
        found["brands"] = np.maximum(codes, 0).astype(np.int64)
    return found


def _attributes(case: Case) -> list[str]:
    """Names of what is known of users on all sides."""
    tables = [side.attributes for side in (case.targets, case.synth, case.others)]
    if any(table is None for table in tables):
        return []
    first, *rest = (table.columns for table in tables if table is not None)
    return [name for name in first if all(name in columns for columns in rest)]


def _told_of(people: People, name: str) -> np.ndarray:
    assert people.attributes is not None
    found: np.ndarray = people.attributes[name].is_not_null().to_numpy()
    return found


def _encoded(targets: People, side: People, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of users as codes, int64, -1 where unknown."""
    assert targets.attributes is not None
    assert side.attributes is not None
    both = pl.concat([targets.attributes[name], side.attributes[name]])
    codes = both.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
    return codes[: len(targets)], codes[len(targets) :]


def _answers(
    targets: People, side: People, clues: tuple[Clue, Clue], found: Matches, secret: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How well each target's secrets are guessed by its templates' events: (share right, mean gain), float64 [targets].

    `clues`: of targets and of the templates' side. The gain is the logarithm of the chance that was given to what is
    right over its share on that side.
    """
    mine, theirs = clues
    log, size = targets.log, len(targets)
    place = np.arange(len(log))
    user = log.user
    rows = np.flatnonzero((place >= mine.start[user]) & (place < mine.end[user]))
    user, truth = user[rows], secret[log.item[rows]]
    share = np.bincount(secret[side.log.item], minlength=int(secret.max()) + 1) + 0.5
    share /= share.sum()
    votes, weight = np.full((len(rows), found.place.shape[1]), -1), FAITH * found.weight()[user]
    for k in range(votes.shape[1]):
        at, there = theirs.beside(mine, user, rows, found.place[user, k])
        votes[there, k] = secret[side.log.item[at[there]]]
    right, gain = _voted(votes, weight, truth, share)
    number = np.maximum(np.bincount(user, minlength=size), 1)
    right, gain = (
        np.bincount(user, weights=each, minlength=size) / number for each in (right, gain)
    )
    return right, gain


def _of_users(
    truth: np.ndarray, theirs: np.ndarray, found: Matches
) -> tuple[np.ndarray, np.ndarray]:
    """The same of an attribute of users: codes int64 [users] of targets and of the templates' side, -1 unknown."""
    share = np.bincount(theirs[theirs >= 0], minlength=max(truth.max(), theirs.max()) + 1) + 0.5
    votes = np.where(found.place >= 0, theirs[found.place], -1)
    known = truth >= 0
    right, gain = _voted(votes, FAITH * found.weight(), np.maximum(truth, 0), share / share.sum())
    return np.where(known, right, 0.0), np.where(known, gain, 0.0)


def _voted(
    votes: np.ndarray, weight: np.ndarray, truth: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether what gets most votes is right, and the logarithm of the truth's chance over its share: float64 [secrets].

    `votes`: int64 [secrets, templates], -1 for none, that weigh `weight`; the rest is voted by `share` [values].
    """
    weight = np.where(votes >= 0, weight, 0.0)
    rest = 1 - weight.sum(axis=1)
    best = np.full(len(truth), int(np.argmax(share)))
    most = share[best] * rest + (weight * (votes == best[:, None])).sum(axis=1)
    for vote in votes.T:
        chance = share[vote] * rest + (weight * (votes == vote[:, None])).sum(axis=1)
        better = (vote >= 0) & (chance > most)
        best, most = np.where(better, vote, best), np.where(better, chance, most)
    gain = np.log((weight * (votes == truth[:, None])).sum(axis=1) / share[truth] + rest)
    return (best == truth).astype(np.float64), gain
