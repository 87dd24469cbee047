"""Attacks: what somebody who has a synthetic shop learns of a person whose history is known.

    report = run_attacks(real, synth, holdout, Run())
    print(report.worst.name, report.worst.area)

Members are the users of REAL, others those of a holdout of the same draw. An attack is shown targets of either sort,
without being told which, and gives each a score, or several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.attacks.cases import Arena, Case, Maker
from wareloom.attacks.combining import combined
from wareloom.attacks.people import People, talked
from wareloom.attacks.photos import NAMES as PHOTOS
from wareloom.attacks.photos import attack_photos, photos_alone, photos_beside
from wareloom.attacks.report import AttackReport, Outcome, Span, outcome
from wareloom.core.asked import Kind, a_run, of_class
from wareloom.core.family import ATTACKS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.errors import InputError, MissingExtraError
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class Attack(Algorithm, ABC):
    """Base of all attacks.

    One on membership writes `score`. One that seeks something else of a target, such as its categories, scores how well
    it found it, so that members are those of whom more is found than of others, and gives its own figures by `told`.
    """

    family: ClassVar[Family] = ATTACKS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "score": {"case": of_class("a Case: run_attacks makes them of shops", Case), "run": a_run},
        "attack": {
            "arena": of_class("an Arena: run_attacks makes one of shops", Arena),
            "run": a_run,
        },
    }
    evidence: ClassVar[bool] = True
    """Whether what it finds, or fails to, says anything of privacy"""
    white_box: ClassVar[bool] = False
    """Whether it looks into the saved model, and is left out where none is given"""
    refits: ClassVar[bool] = False
    """Whether it fits the generator anew, and is left out where none is named"""
    slow: ClassVar[bool] = False
    """Whether it is made only where it is asked for"""
    reads: ClassVar[Literal["events", "queries", "dialogues"]] = "events"
    """What it looks at: it is left out where not all sides have it"""

    @abstractmethod
    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Score each target, greater for members: float64 [targets] or [targets, scores]; or say why that cannot be.

        Nothing in `case` says who is a member. Of several scores one is made by a regression that is learned on the
        other targets.
        """

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Figures of its own, beside the area: by default none. `scores` as `score` gave them, case by case."""
        return {}

    def attack(self, arena: Arena, run: Run) -> Outcome | str:
        """Score the targets of all cases, and judge the scores; or say why that cannot be.

        An attack with a setting `most` looks at so many targets of each case.
        """
        arena = arena.narrowed(self._most()) if self._most() else arena
        if why := self._lacks(arena):
            return why
        scores: list[np.ndarray] = []
        for case in arena.cases:
            found = self.score(case, run)
            if isinstance(found, str):
                return found
            scores.append(np.asarray(found, dtype=np.float64))
        one = combined(
            [self._finite(each, case) for each, case in zip(scores, arena.cases, strict=True)],
            arena.truth,
        )
        return outcome(
            self.name,
            one,
            arena.truth,
            arena.lengths,
            evidence=self.evidence,
            about=self.told(arena, scores),
        )

    def _most(self) -> int:
        return int(vars(self).get("most", 0))

    def _lacks(self, arena: Arena) -> str:
        """What of what it looks at is not there, as a reason; "" where all is."""
        case = arena.cases[0]
        if self.white_box and case.model is None:
            return "it looks into the saved model, and none was given"
        if self.refits and case.generator is None:
            return "it fits the generator anew, and none was named"
        if self.reads == "events":
            return "" if arena.behaved else "not all sides have events"
        if self.reads == "dialogues":
            return "" if case.targets.said is not None else "not all sides have dialogues"
        sides = {
            "REAL or the holdout": case.targets,
            "SYNTH": case.synth,
            "the holdout": case.others,
        }
        return next((f"{name} has no queries" for name, p in sides.items() if not len(p.asked)), "")

    def _finite(self, scores: np.ndarray, case: Case) -> np.ndarray:
        if len(scores) != len(case.targets) or not np.isfinite(scores).all():
            raise InputError(
                f"The attack {self.name!r} must give each of {len(case.targets):,} targets finite scores; it gave "
                f"{scores.shape}, {int((~np.isfinite(scores)).sum()):,} of them not finite."
            )
        return scores.reshape(len(scores), -1)

    def check_fitted(self) -> None:
        """An attack needs no fit."""


def chosen(
    names: Sequence[str] | None, settings: dict[str, dict[str, Any]] | None = None
) -> dict[str, Attack]:
    """Make the attacks called `names`, with their settings by name; all that are not slow where none are named."""
    given = settings or {}
    if names:
        return {name: ATTACKS.make(name, **given.get(name, {})) for name in dict.fromkeys(names)}
    made = {name: ATTACKS.make(name, **given.get(name, {})) for name in ATTACKS.names()}
    return {name: one for name, one in made.items() if not one.slow}


def run_attacks(
    real: Shop,
    synth: Shop,
    holdout: Shop,
    run: Run,
    *,
    names: Sequence[str] | None = None,
    settings: dict[str, dict[str, Any]] | None = None,
    model: str | Path | None = None,
    generator: Maker | None = None,
) -> AttackReport:
    """Attack the synthetic shop that was made of `real`; `holdout`: other users of the same draw, never seen.

    Where SYNTH has pictures alone, targets are photos (`attack_photos`), whatever the `names`; where it has made ones
    beside what people do, those attacks are made, too, unless some are named.
    `names`: attacks, all that are not slow where None; `settings`: of attacks, by their names; `model`: the folder of
    the saved generator; `generator`: its name and settings, for attacks that fit it anew. Raises `InputError` where the
    holdout has members, or where users are too few.
    """
    made = chosen(names, settings)
    if photos_alone(real, synth, holdout):
        return attack_photos(real, synth, holdout, run)
    place = None if model is None else Path(model)
    with run.limits():
        with run.task("read"):
            arena = Arena.of(real, synth, holdout, run, place, generator)
        outcomes, left_out = list[Outcome](), dict[str, str]()
        with run.task("attacks", len(made)) as advance:
            for name, one in made.items():
                with run.task(name):
                    found = one.attack(_where(one, arena, run), run)
                if isinstance(found, str):
                    left_out[name] = found
                else:
                    outcomes.append(found)
                advance()
        blind = _blind(arena)
    notes = list(arena.notes)
    if not names and photos_beside(real, synth, holdout):
        try:
            more = attack_photos(real, synth, holdout, run)
        except (InputError, MissingExtraError) as error:
            left_out |= dict.fromkeys(PHOTOS, str(error))
        else:
            outcomes, notes = outcomes + list(more.outcomes), notes + list(more.notes)
    if blind.area.low > 0.5:
        notes.append(
            f"Members and holdout differ without a look at SYNTH (area {blind.area.value:.3f}, from "
            f"{blind.area.low:.3f}): they are not of one draw, and every figure here holds that, too. Deal users at "
            "random: wareloom split SHOP --by user."
        )
    return AttackReport.of(
        outcomes, left_out, blind, users=arena.users, seed=run.seed, notes=tuple(notes)
    )


def _where(attack: Attack, arena: Arena, run: Run) -> Arena:
    """The arena of an attack: where users are dialogues for one that reads them, if all sides have some.

    A holdout that has dialogues of REAL, or too few, is refused as users are: `InputError`.
    """
    if attack.reads != "dialogues" or arena.cases[0].targets.said is not None:
        return arena
    if not talked(arena.shops):
        return arena
    real, synth, holdout = arena.shops.values()
    return Arena.of(real, synth, holdout, run, talks=True)


def _blind(arena: Arena) -> Outcome:
    """What length, dates and popularity of a target alone tell: no look is taken at SYNTH."""
    if not arena.behaved:
        scores = [np.log1p(each)[:, None] for each in arena.lengths]
        return outcome(
            "blind", combined(scores, arena.truth), arena.truth, arena.lengths, evidence=False
        )
    scores = []
    for case in arena.cases:
        log, lengths = case.targets.log, case.targets.log.lengths()
        count = np.log1p(case.others.log.counts())[log.item]
        seen = np.where(log.time > 0, log.time, 0) / 8.64e10 if case.timed else np.zeros(len(log))
        kind = (log.event == log.event.max(initial=0)).astype(np.float64)
        sums = [np.add.reduceat(each, log.offsets[:-1]) / lengths for each in (count, seen, kind)]
        ends = [seen[log.offsets[:-1]], seen[log.offsets[1:] - 1]]
        scores.append(np.stack([np.log(lengths), *sums, *ends], axis=1))
    return outcome(
        "blind", combined(scores, arena.truth), arena.truth, arena.lengths, evidence=False
    )


__all__ = [
    "Arena",
    "Attack",
    "AttackReport",
    "Case",
    "Maker",
    "Outcome",
    "People",
    "Span",
    "chosen",
    "outcome",
    "run_attacks",
]
