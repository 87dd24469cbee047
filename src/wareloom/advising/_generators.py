"""Which generator is worth a proof: each beside the same ranker without it, on events before the test part."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from wareloom.advising._candidates import Made, generators
from wareloom.advising._data import Worked, share_of
from wareloom.advising._desk import Desk
from wareloom.advising._halving import METRICS
from wareloom.advising._look import Look
from wareloom.advising._warm import small
from wareloom.core.run import Run
from wareloom.errors import LeakError, MemoryLimitError, RefusedError, WareloomError
from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment.engine import Bench, address_of
from wareloom.experiment.plan import DIRECT, MIXED, REAL
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.recommendation import ProofSettings, Recommendation
from wareloom.shop import Shop

FIRST, OTHERS = 1.0, (0.5, 2.0)
"""Synthetic events for each real one that all generators are tried with, and those that the best is tried with, too"""
LIGHT = "transitions"
"""A ranker that knows the log alone: what a generator's knowledge is worth to one that lacks it"""
LEAST, MOST = 2_000, 100_000
"""Events that generators are tried on, at least and at most: what a generator takes is not known before"""
ARMS = 4.5
"""Fits on real data that one network on real data, on rows and on labels takes about"""
A_SECOND = 200
"""Events for each second that is given, at most"""


@dataclass(frozen=True)
class System:
    """The ranker that generators are tried with."""

    ranker: str
    settings: dict[str, Any]


def settings_of(worked: Worked, system: System, made: Made, **more: Any) -> ProofSettings:
    """Settings of a proof of one generator for one ranker."""
    how: dict[str, Any] = {"seeds": 1, "ratios": (FIRST,), "baselines": {}, "references": False}
    return ProofSettings(
        generator=made.generator,
        ranker=system.ranker,
        ranker_settings=system.settings,
        split=worked.split,
        metrics=METRICS,
        ties=(worked.ties,),
        **how | more,
    )


@dataclass(frozen=True)
class Network:
    """A network that might serve alone, by what it took on all users."""

    label: str
    system: System
    seconds: float


class Generators:
    """The generators of one shop, tried for one ranker."""

    def __init__(
        self, worked: Worked, look: Look, system: System, desk: Desk, seconds: float
    ) -> None:
        """`seconds`: how long all of it may take."""
        self.worked, self.system, self.desk = worked, system, desk
        self.made = {one.label: one for one in generators(look, desk.clock.seconds)}
        self.ends, self.given = desk.clock.spent + seconds, seconds
        self.seconds: dict[str, dict[str, float]] = {}
        """What cells took, by arm and key"""
        self.some: Shop | None = None
        self.events = 0
        """Of the shop that they were tried on"""

    @property
    def left(self) -> float:
        """Seconds that are left for it."""
        return min(self.desk.clock.left, self.ends - self.desk.clock.spent)

    def run(self, system_seconds: float, network: Network | None = None) -> dict[str, Any]:
        """Try all at one ratio and the best at others; `system_seconds`: what the ranker takes on all users.

        `network`: a network that is taught rows, and direct labels of the same knowledge, where there is time.
        """
        rows = self.worked.before.rows("events")
        self._warm()
        self.ends = self.desk.clock.spent + self.given
        cells = 1 + len(self.made) + len(OTHERS)
        most = min(MOST, A_SECOND * self.desk.clock.seconds)
        share = min(1.0, self.left / max(1e-9, 1.5 * cells * system_seconds))
        share = min(1.0, max(min(share, most / rows), LEAST / rows))
        self.some = some = share_of(self.worked.before, share, self.desk.run)
        self.events = some.rows("events")
        tried: list[dict[str, Any]] = []
        light: dict[str, Any] = {}
        for made in self.made.values():
            self.desk.say(f"generator {made.label} on {self.events:,} events")
            if (told := self._tried(some, self.system, made, FIRST)) is not None:
                tried.append(told)
        if not tried:
            return {"tried": [], "label": "", "light": {}, "left_out": dict(self.desk.left_out)}
        best = max(tried, key=_gain)
        for ratio in OTHERS:
            told = self._tried(some, self.system, self.made[best["label"]], ratio)
            if told is not None:
                tried.append(told)
        best = max(tried, key=_gain)
        if (knowing := self._knowing(tried)) and self.system.ranker != LIGHT:
            light = self._tried(some, System(LIGHT, {}), self.made[knowing], FIRST) or {}
        alone = self._alone(network, self.made[best["label"]], share)
        return {
            "tried": tried,
            "label": best["label"],
            "knows": self.made[best["label"]].knows,
            "world": "world" in self.made[best["label"]].generator.knows(),
            "ratio": best["ratio"],
            "light": light,
            "alone": alone,
            "share": share,
            "events": self.events,
            "seconds": {arm: sum(each.values()) / len(each) for arm, each in self.seconds.items()},
            "left_out": dict(self.desk.left_out),
        }

    def _alone(self, network: Network | None, made: Made, share: float) -> dict[str, Any]:
        """What one network reaches on real data, with shoppers of a generator, and on direct labels of its knowledge.

        "why" where it was not tried.
        """
        if network is None:
            return {"why": "no network was tried in these minutes"}
        name = f"direct labels for {network.label} alone"
        reckoned = ARMS * network.seconds * share
        if reckoned > self.left or self.some is None:
            self.desk.left_out[name] = f"it would take about {reckoned:.0f} s"
            return {"why": self.desk.left_out[name], "label": network.label}
        self.desk.say(f"{network.label} alone on rows and on direct labels, about {reckoned:.0f} s")
        settings = settings_of(self.worked, network.system, made, references=True)
        study = Recommendation(self.some, settings, self.desk.cells)
        bench = Bench(study, study.modes[0], address_of(self.desk.cells))
        found: dict[str, Any] = {"label": network.label, "generator": made.label}
        for arm, key in ((REAL, "real"), (MIXED, "mixed"), (DIRECT, "direct")):
            work = partial(bench.get, Cell(arm=arm, seed=0, ratio=FIRST))
            try:
                told = self.desk.tried(name, self.left, work)
            except WareloomError as error:
                self.desk.left_out[name] = str(error)
                told = None
            if told is None:
                return {"why": self.desk.left_out[name], "label": network.label}
            found[key] = told.overall[METRICS[0]]
        return found

    def _warm(self) -> None:
        """Have each compile what it needs, on a few made-up users; nothing is noted."""
        how = SplitSettings(by="leave-last-out")
        for made in self.made.values():
            settings = replace(settings_of(self.worked, System(LIGHT, {}), made), split=how)
            if "other_shops" not in made.generator.settings:
                with contextlib.suppress(WareloomError):
                    self._both(small(), settings, FIRST, self.desk.run.with_(quiet=True))

    def _knowing(self, tried: list[dict[str, Any]]) -> str:
        """The generator that knows more than the log, where one was tried."""
        return next((one["label"] for one in tried if one["label"] != "markov"), "")

    def _tried(self, shop: Shop, system: System, made: Made, ratio: float) -> dict[str, Any] | None:
        """What a ranker reaches without and with a generator; None where it does not fit, or may not be."""
        name = f"{made.label} for {system.ranker} at a ratio of {ratio:g}"
        cost = sum(sum(each.values()) / len(each) for each in self.seconds.values())
        if cost > self.left:
            self.desk.left_out[name] = f"it would take about {cost:.0f} s"
            return None
        settings = settings_of(self.worked, system, made, ratios=(ratio,))
        try:
            found = self.desk.tried(name, self.left, lambda: self._both(shop, settings, ratio))
        except LeakError as error:
            self.desk.left_out[made.label] = f"a leak: {error}"
            return None
        except (RefusedError, MemoryLimitError) as error:
            self.desk.left_out[made.label] = str(error)
            return None
        if found is None:
            return None
        real, mixed = found
        return {
            "label": made.label,
            "ranker": system.ranker,
            "ratio": ratio,
            "real": real.overall[METRICS[0]],
            "mixed": mixed.overall[METRICS[0]],
        }

    def _both(
        self, shop: Shop, settings: ProofSettings, ratio: float, run: Run | None = None
    ) -> tuple[Evaluation, Evaluation]:
        own = run or self.desk.cells
        study = Recommendation(shop, settings, own)
        bench = Bench(study, study.modes[0], address_of(own))
        found = []
        for arm in (REAL, MIXED):
            cell = Cell(arm=arm, seed=0, ratio=ratio)
            key, start = bench.key(cell), time.perf_counter()
            known = bench.pieces.get(key) is not None
            found.append(bench.get(cell))
            if not known:
                bench.pieces.put(f"{key}-s", time.perf_counter() - start)
            took = bench.pieces.get(f"{key}-s")
            if took is not None and shop is self.some and settings.ranker == self.system.ranker:
                self.seconds.setdefault(arm, {})[key] = took
        return found[0], found[1]


def _gain(told: dict[str, Any]) -> float:
    """What a generator added to the ranker."""
    return float(told["mixed"]) - float(told["real"])
