"""Successive halving: what does worse on a few users is not tried on all (Jamieson and Talwalkar 2016)."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from wareloom.advising import _systems as systems
from wareloom.advising._candidates import Candidate, rankers, reading, reads
from wareloom.advising._data import Worked, share_of
from wareloom.advising._desk import Desk
from wareloom.advising._look import Look
from wareloom.advising._systems import Fitted
from wareloom.advising._warm import small
from wareloom.errors import WareloomError
from wareloom.evaluation.ranking import Evaluation, evaluate
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.leaderboard import Contest, LeaderboardSettings
from wareloom.shop import Shop
from wareloom.stats.bootstrap import combine, resample

METRICS = ("ndcg@10", "recall@10", "recall@50", "mrr")
RUNGS = (6_000, 40_000)
"""Events of the first rungs; all are on the last one"""
KEPT = 3
"""Rankers, at least, that are tried on all"""
GROWS = 1.15
"""Power of the number of events with which a fit is reckoned to take longer"""
SLACK = 3.0
"""How many times what was reckoned something may take before it is stopped"""
NEAR = 0.97
"""Share of the best value from which a simpler ranker is taken instead, where the two cannot be told apart"""
LONG = 600.0
"""Seconds in all from which what is slow is tried, too"""
LEAST, LAST = 3.0, 0.12
"""Seconds below which no network is begun; share of what is left that the ensemble with networks may take"""


@dataclass
class Trial:
    """One ranker on one rung."""

    label: str
    settings: dict[str, Any]
    share: float
    events: int
    requests: int
    value: float
    fit: float
    rank: float
    """Seconds"""


def ladder(events: int) -> tuple[float, ...]:
    """Shares of the users on each rung, the last of which is 1."""
    return (*(rung / events for rung in RUNGS if rung < 0.6 * events), 1.0)


def rungs_first(events: int) -> float:
    """The share of the first rung, which times alone are taken of."""
    return ladder(events)[0]


class Rankers:
    """The rankers of one shop, tried on more and more of its users before the test part."""

    def __init__(self, worked: Worked, look: Look, desk: Desk, seconds: float) -> None:
        """`seconds`: how long all of it may take."""
        self.worked, self.desk = worked, desk
        self.ends, self.given = desk.clock.spent + seconds, seconds
        every = rankers(look, desk.clock.seconds)
        if look.has.get("texts") and not reads(look, desk.clock.seconds):
            desk.left_out["what reads texts"] = (
                f"comparing {look.rows['items']:,} texts with one another takes about {reading(look):.0f} s each time"
            )
        self.candidates = [c for c in every if not c.slow or desk.clock.seconds >= LONG]
        for candidate in every:
            if candidate not in self.candidates:
                desk.left_out[candidate.label] = (
                    f"slow rankers are tried from {LONG / 60:.0f} minutes on"
                )
        self.trials: dict[str, list[Trial]] = {}
        self.found: dict[float, dict[str, Evaluation]] = {}
        """By share of the users, and ranker"""
        self.fitted = Fitted()
        """On the rung that is climbed"""

    @property
    def left(self) -> float:
        """Seconds that are left for it."""
        return min(self.desk.clock.left, self.ends - self.desk.clock.spent)

    def run(self) -> dict[str, Any]:
        """Climb the rungs; returns the trials, and the system that was taken."""
        alive = [c for c in self.candidates if not c.network]
        rows = self.worked.before.rows("events")
        self._warm(self.candidates)
        self.ends = self.desk.clock.spent + self.given
        shares = list(ladder(rows))
        while shares and alive:
            share = shares.pop(0)
            self.fitted = Fitted(share=share)
            some = share_of(self.worked.before, share, self.desk.run)
            self.desk.say(f"{len(alive)} rankers on {some.rows('events'):,} events")
            contest = self._contest(some, {c.label: c.settings for c in alive})
            alive = [c for c in alive if self._passed(c, contest, share, last=not shares)]
            if shares and self._all_fit(alive, rows):
                shares = shares[-1:]
            elif alive and shares and share > rungs_first(rows):
                alive = self._better(alive)
        share = max(self.found, default=0.0)
        if share:
            if self.fitted.share != share:
                self.fitted = Fitted(share=share)
            some = share_of(self.worked.before, share, self.desk.run)
            self._systems(some, share, (systems.QUICK, systems.ALL))
            if share == 1.0 and self._networks(some, share):
                self.ends = max(self.ends, self.desk.clock.spent + LAST * self.desk.clock.left)
                self._systems(some, share, (systems.NETWORKS,))
        self.fitted = Fitted()
        return self._taken()

    def _networks(self, shop: Shop, share: float) -> bool:
        """Try networks on all events, each by as many epochs as there is time for; whether one was tried."""
        rows, tried, given = shop.rows("events"), False, systems.TRIES * self.desk.clock.left
        slice_ = share_of(shop, min(1.0, systems.SLICE / rows), self.desk.run)
        for at, one in enumerate(self.candidates):
            if not one.network:
                continue
            if given < LEAST:
                self.desk.left_out[one.label] = "the minutes for networks went to another one"
                continue
            self.desk.say(f"how long {one.label} takes")
            contest = self._contest(slice_, {one.label: one.settings})
            work = partial(systems.epoch_seconds, one, contest, rows)
            try:
                each = self.desk.tried(one.label, given, work)
            except WareloomError as error:
                self.desk.left_out[one.label] = str(error)
                continue
            if each is None:
                continue
            if (mine := systems.paced(one, each, given)) is None:
                self.desk.left_out[one.label] = (
                    f"{systems.EPOCHS} epochs on {rows:,} events would take about {systems.EPOCHS * each:.0f} s"
                )
                continue
            self.candidates[at] = mine
            self.desk.say(f"{one.label} on {rows:,} events")
            # It has what was given to it, whatever the stage has spent: without it the best system may be missed.
            self.ends = max(self.ends, self.desk.clock.spent + SLACK * given)
            trial = self._tried(mine, self._contest(shop, {mine.label: mine.settings}), share)
            given -= 0.0 if trial is None else trial.fit
            tried = tried or trial is not None
        return tried

    def _passed(self, candidate: Candidate, contest: Contest, share: float, *, last: bool) -> bool:
        """Whether a ranker stays; one whose fit takes as long with few events as with many waits for the last rung."""
        if candidate.fixed and not last:
            return True
        return self._tried(candidate, contest, share) is not None

    def _all_fit(self, alive: list[Candidate], rows: int) -> bool:
        """Whether all of them, and an ensemble of them, fit into what is left if the rungs between are left out."""
        asked = max(
            (t.requests / t.share for each in self.trials.values() for t in each), default=0
        )
        return 2.5 * sum(self.reckon(c, rows, int(asked)) for c in alive) <= self.left

    def _warm(self, alive: list[Candidate]) -> None:
        """Have each compile what it needs, on a few made-up users; nothing is noted."""
        how = LeaderboardSettings(
            rankers={c.label: _brief(c) for c in alive},
            split=SplitSettings(by="leave-last-out"),
            metrics=METRICS,
        )
        contest = Contest(small(), how, "file", self.desk.run.with_(quiet=True))
        for candidate in alive:
            with contextlib.suppress(WareloomError):
                model = contest.settings.make(candidate.label)
                model.fit(contest.parts.train, contest.run, held=contest.held)
                evaluate(model, contest.task, METRICS, contest.run)

    def _contest(self, shop: Shop, asked: dict[str, dict[str, Any]]) -> Contest:
        how = LeaderboardSettings(
            rankers=asked,
            split=self.worked.split,
            seeds=1,
            metrics=METRICS,
            ties=(self.worked.ties,),
        )
        return Contest(shop, how, self.worked.ties, self.desk.cells)

    def _tried(self, candidate: Candidate, contest: Contest, share: float) -> Trial | None:
        """Try a ranker on a rung, if what is reckoned fits into what is left."""
        label = candidate.label
        reckoned = self.reckon(candidate, contest.shop.rows("events"), len(contest.task))
        if reckoned > self.left:
            self.desk.left_out[label] = (
                f"on {contest.shop.rows('events'):,} events it would take about {reckoned:.0f} s"
            )
            return None
        allowed = max(20.0, SLACK * reckoned) if self.trials.get(label) else self.left / 2
        work = partial(self._trial, candidate, contest, share)
        try:
            trial: Trial | None = self.desk.tried(label, min(allowed, self.left), work)
        except WareloomError as error:
            # What the shop gives nothing to learn from, or memory is too small for, is named and left out.
            self.desk.left_out[label] = str(error)
            return None
        if trial is not None:
            self.trials.setdefault(label, []).append(trial)
        return trial

    def reckon(self, candidate: Candidate, events: int, requests: int) -> float:
        """Seconds that a ranker will take, by what it took on a lower rung; 0 where nothing is known yet."""
        if not (before := self.trials.get(candidate.label)):
            return 0.0
        last = before[-1]
        grown = max(1.0, events / max(1, last.events)) ** GROWS
        ranked = max(1.0, requests / max(1, last.requests))
        return last.fit * (1.0 if candidate.fixed else grown) + last.rank * ranked

    def _trial(self, candidate: Candidate, contest: Contest, share: float) -> Trial | None:
        label, key = candidate.label, contest.key(candidate.label, 0)
        told = contest.pieces.get(f"{key}-s")
        if (found := contest.pieces.get(key)) is None or told is None:
            model = self.fitted.fit(candidate, contest)
            start = time.perf_counter()
            found = systems.measured(model, contest, METRICS)
            contest.pieces.put(key, found)
            told = [self.fitted.seconds[label], time.perf_counter() - start]
            contest.pieces.put(f"{key}-s", told)
        return self._noted(candidate, contest, share, (found, told))

    def _noted(
        self,
        one: Candidate,
        contest: Contest,
        share: float,
        found: tuple[Evaluation, list[float]],
    ) -> Trial:
        """Keep what a ranker reached, and in which seconds of fitting and of ranking."""
        self.found.setdefault(share, {})[one.label] = found[0]
        return Trial(
            label=one.label,
            settings=one.settings,
            share=share,
            events=contest.shop.rows("events"),
            requests=len(contest.task),
            value=found[0].overall[METRICS[0]],
            fit=found[1][0],
            rank=found[1][1],
        )

    def _better(self, alive: list[Candidate]) -> list[Candidate]:
        """The better half, three at least, the simplest, and those that wait."""
        known = [c for c in alive if c.label in self.trials]
        by = sorted(known, key=lambda c: -self.trials[c.label][-1].value)
        kept = {c.label for c in by[: max(KEPT, math.ceil(len(by) / 2))]} | {alive[0].label}
        return [c for c in alive if c.label in kept or c.label not in self.trials]

    def _systems(self, shop: Shop, share: float, names: tuple[str, ...]) -> None:
        """Try ensembles of all members that fit, on as many users as any ranker was tried on."""
        members = [
            c
            for c in self.candidates
            if c.member and c.label in self.trials and c.label not in self.desk.left_out
        ]
        every = {n: those for n, those in systems.tries(members).items() if n in names}
        settings = systems.asked(every)
        contest = self._contest(shop, settings)
        for name, those in every.items():
            reckoned = self._to_put_together(those, contest)
            if reckoned > self.left:
                self.desk.left_out[name] = f"it would take about {reckoned:.0f} s"
                continue
            self.desk.say(f"{name} of {len(those)} rankers, about {reckoned:.0f} s")
            one = Candidate(label=name, settings=settings[name])
            work = partial(self._together, one, those, contest, share)
            trial = self.desk.tried(name, self.left, work)
            if trial is not None:
                self.trials[name] = [trial]

    def _to_put_together(self, those: list[Candidate], contest: Contest) -> float:
        """Seconds that an ensemble of rankers takes, most of which are fitted already."""
        events, requests = contest.shop.rows("events"), len(contest.task)
        missing = [c for c in those if c.label not in self.fitted.models]
        ranking = sum(self.trials[c.label][-1].rank for c in those)
        return systems.ANEW * ranking + sum(self.reckon(c, events, requests) for c in missing)

    def _together(
        self, one: Candidate, those: list[Candidate], contest: Contest, share: float
    ) -> Trial:
        """Try an ensemble."""
        key = contest.key(one.label, 0)
        told = contest.pieces.get(f"{key}-s")
        if (found := contest.pieces.get(key)) is None or told is None:
            model, fit = systems.together(those, one.settings, contest, self.fitted)
            start = time.perf_counter()
            found = systems.measured(model, contest, METRICS)
            contest.pieces.put(key, found)
            told = [fit, time.perf_counter() - start]
            contest.pieces.put(f"{key}-s", told)
        return self._noted(one, contest, share, (found, told))

    def _taken(self) -> dict[str, Any]:
        """The simplest of those that the best is not told from, and what each reached."""
        share = max(self.found, default=0.0)
        self.last = self.found.get(share, {})
        order = [name for name in self.trials if name in self.last]
        told = {"trials": self._told(), "left_out": dict(self.desk.left_out), "share": share}
        if not order:
            return {"label": "", **told}
        best = max(order, key=lambda name: self.last[name].overall[METRICS[0]])
        taken = next(name for name in order if name == best or self._as_good(name, best))
        settings = dict(self.trials[taken][-1].settings)
        return {
            "label": taken,
            "ranker": settings.pop("ranker", taken),
            "settings": settings,
            "best": best,
            "over_popularity": self._over(taken, "popularity"),
            "systems": self._others(taken),
            **told,
        }

    def _others(self, taken: str) -> list[dict[str, Any]]:
        """Lighter systems than the one that is taken, the best first: label, ranker, settings, value and seconds."""
        mine = self.trials[taken][-1]
        found = []
        for label in sorted(self.last, key=lambda name: -self.last[name].overall[METRICS[0]]):
            trial = self.trials[label][-1]
            if trial.fit < mine.fit and label != taken:
                settings = dict(trial.settings)
                ranker = settings.pop("ranker", label)
                seconds = trial.fit + trial.rank
                found.append(
                    {"label": label, "ranker": ranker, "settings": settings}
                    | {"value": trial.value, "seconds": seconds}
                )
        return found

    def _told(self) -> list[dict[str, Any]]:
        return [asdict(trial) for each in self.trials.values() for trial in each]

    def _as_good(self, name: str, best: str) -> bool:
        """Whether a ranker cannot be told from the best, and is near it."""
        mine, its = (self.last[one].overall[METRICS[0]] for one in (name, best))
        return mine >= NEAR * its and self._over(best, name)["low"] <= 0

    def _over(self, name: str, other: str) -> dict[str, float]:
        """What a ranker is ahead of another by, with its interval."""
        if other not in self.last or name not in self.last or name == other:
            return {"difference": 0.0, "low": 0.0, "high": 0.0}
        measure = f"{METRICS[0]}/all"
        gain = self.last[name].per_request[measure] - self.last[other].per_request[measure]
        drawn = resample(gain[:, None], self.desk.run.rng("advice", "choose"))[:, 0]
        mean = float(np.nanmean(gain))
        found = combine(mean, drawn, np.array([mean]), requests=int((~np.isnan(gain)).sum()))
        low, high = (0.0 if end is None else end for end in (found.low, found.high))
        return {"difference": mean, "low": low, "high": high}


def _brief(candidate: Candidate) -> dict[str, Any]:
    """Settings by which a ranker is fitted once so that its code is compiled."""
    return candidate.settings | ({"epochs": 1} if candidate.network else {})
