"""Ensembles of what was tried, and networks beside them: the systems that a shop may serve."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wareloom.advising._candidates import Candidate, ensemble
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.evaluation.ranking import Evaluation, evaluate
from wareloom.proof.leaderboard import Contest
from wareloom.rankers import Ranker
from wareloom.rankers.hybrid.stack import Stack
from wareloom.rankers.members import fit_members
from wareloom.shop import Log

QUICK, ALL, NETWORKS = "ensemble", "ensemble with all", "ensemble with networks"
"""Ensembles by what their members are: quick rankers, slow ones too, and networks, too"""
ANEW = 2.5
"""How many times what ranking takes the weights and the evaluation of an ensemble take, about"""
EPOCHS = 20
"""Epochs below which a network is not worth it"""
TRIES = 0.13
"""Share of the seconds that are left which networks may take for one fit of them all; what serves is fitted up to
three times"""
SLICE, TIMED = 40_000, (1, 3)
"""Events, at most, and numbers of epochs by which a network is timed"""


def run_of(contest: Contest) -> Run:
    """The run by which a contest's rankers are fitted."""
    return contest.run.with_(seed=contest.run.seed_for("leaderboard", 0))


@dataclass
class Fitted:
    """Rankers that were fitted on one contest's training part, so that ensembles need not fit them again."""

    share: float = 0.0
    """Of the users; 0 where nothing was fitted"""
    models: dict[str, Ranker] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """What fitting each took"""

    def fit(self, candidate: Candidate, contest: Contest) -> Ranker:
        """Fit a ranker, or find it; networks are stopped by that half of the validation part that weighs nothing."""
        if (known := self.models.get(candidate.label)) is not None:
            return known
        start, run = time.perf_counter(), run_of(contest)
        held = contest.held
        if candidate.network and held is not None:
            held, _ = held.into(Log.of(contest.parts.train).items).halves(run)
        made = contest.settings.make(candidate.label)
        model: Ranker = made.fit(contest.parts.train, run, held=held)
        self.models[candidate.label] = model
        self.seconds[candidate.label] = time.perf_counter() - start
        return model


def together(
    members: Sequence[Candidate], settings: dict[str, Any], contest: Contest, fitted: Fitted
) -> tuple[Ranker, float]:
    """Fit the stack of some rankers, as `Ranker.fit` does; those that are fitted already are taken as they are.

    Returns it, and the seconds that all of it takes where nothing is fitted yet.
    """
    start, run = time.perf_counter(), run_of(contest)
    own = {k: v for k, v in settings.items() if k != "ranker"}
    stack = RANKERS.make("stack", **own)
    assert isinstance(stack, Stack)
    if contest.held is None:
        fit: Ranker = stack.fit(contest.parts.train, run)
        return fit, time.perf_counter() - start
    log = Log.of(contest.parts.train)
    held = contest.held.into(log.items)
    stopping, _ = held.halves(run)
    before = sum(fitted.seconds.get(c.label, 0.0) for c in members)
    added: dict[str, str] = {}
    for one in members:
        if one.label not in fitted.models:
            asked = {one.label: stack.member_settings.get(one.label, {})}
            found, why = fit_members(
                asked, log, contest.parts.train, run, held=stopping, several=False
            )
            fitted.models |= found
            added |= why
    mine = {c.label: fitted.models[c.label] for c in members if c.label in fitted.models}
    made = stack.of(mine, log, held, run)
    made.left_out_ = added
    return made, time.perf_counter() - start + before


def tries(members: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """The ensembles of some members, those without slow ones first."""
    quick = [c for c in members if not c.slow]
    slower = [c for c in members if not c.network]
    found = {QUICK: quick}
    if len(slower) > len(quick):
        found[ALL] = slower
    if len(members) > len(slower):
        found[NETWORKS] = list(members)
    return {name: those for name, those in found.items() if len(those) > 1}


def asked(every: dict[str, list[Candidate]]) -> dict[str, dict[str, Any]]:
    """Settings of ensembles."""
    return {
        name: {
            "ranker": "stack",
            **ensemble([c.label for c in those], {c.label: c.settings for c in those}),
        }
        for name, those in every.items()
    }


def epoch_seconds(candidate: Candidate, contest: Contest, events: int) -> float:
    """Seconds that one epoch takes on so many events, by two short trainings on the events of `contest`."""
    took = []
    for epochs in TIMED:
        settings = {**candidate.settings, "epochs": epochs}
        made = RANKERS.make(settings.pop("ranker", candidate.label), **settings)
        start = time.perf_counter()
        made.fit(contest.parts.train, run_of(contest), held=contest.held)
        took.append(time.perf_counter() - start)
    each = (took[1] - took[0]) / (TIMED[1] - TIMED[0])
    return max(each, 1e-4) * events / max(1, contest.shop.rows("events"))


def paced(candidate: Candidate, each: float, seconds: float) -> Candidate | None:
    """A network with as many epochs as fit, at `each` seconds an epoch; None where they are too few to be worth it."""
    made = RANKERS.make(
        candidate.settings.get("ranker", candidate.label),
        **{k: v for k, v in candidate.settings.items() if k != "ranker"},
    )
    most = int(getattr(made, "epochs", EPOCHS))
    fit = int(seconds / each)
    if fit >= most:
        return candidate
    if fit < min(EPOCHS, most):
        return None
    return replace(candidate, settings={**candidate.settings, "epochs": fit})


def measured(model: Ranker, contest: Contest, metrics: tuple[str, ...]) -> Evaluation:
    """What a fitted ranker reaches."""
    return evaluate(model, contest.task, metrics, run_of(contest))
