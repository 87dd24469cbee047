"""Remedies for attacks, measured on the spot: the generator made anew with more care, the mildest way first."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wareloom.attacks import Maker, run_attacks
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.language.runs import LEAST as LEAST_TALKS
from wareloom.rankers.held import Held, hold_back
from wareloom.rankers.members import ndcg_of_held
from wareloom.release.earlier import joined
from wareloom.shop import Log, Shop

if TYPE_CHECKING:
    from wareloom.release.evidence import Evidence

RANKER, K = "transitions", 10
"""What a sample is worth is what this ranker, taught by it, reaches on the holdout: NDCG@10 of last events"""
LEAST = (2, 5, 10, 20)
"""Values of min_users that are tried, in this order"""
EPSILON, DELTA = 3.0, 1e-6
"""Of the private generator, where the policy has none"""
HELD = 20_000
"""Users of the holdout whose last event is asked for, at most"""


@dataclass(frozen=True)
class Tried:
    """One way to make the sample anew, and what came of it."""

    maker: Maker
    area: float
    """Greatest upper end of an attack's area"""
    tpr: float
    """Greatest upper end of the share of members told at one false alarm in a thousand"""
    taught: float
    """What the ranker reaches; NaN where the holdout is too small to say"""
    passes: bool

    def said(self, now: float) -> str:
        """In words, beside what the sample at hand teaches."""
        own = {k: v for k, v in self.maker.settings.items() if k != "noise_seed"}
        with_ = "".join(f" {name}={value}" for name, value in own.items() if value != ())
        rehearsed = ", rehearsed" if "noise_seed" in self.maker.settings else ""
        price = ""
        if math.isfinite(self.taught) and now > 0:
            label = "price" if self.taught < now else "no price"
            price = (
                f"; {label}: {RANKER} taught by it reaches {self.taught:.4f} NDCG@{K} on the holdout, by this sample "
                f"{now:.4f} ({self.taught / now - 1:+.0%})"
            )
        return (
            f"{self.maker.name}{with_}{rehearsed} gave upper ends of {self.area:.3f} and {self.tpr:.2%}"
            + price
        )


def remedy(of: Evidence) -> str:
    """The first way that passes the gates of attacks, with its price; or that none of those that were tried does.

    Ways stand in order of care, so that the first is the cheapest of those that were looked at.
    """
    held, tried = _held(of), list[Tried]()
    now = taught(of.synth, held, of)
    for maker in ways(of):
        tried.append(_measured(of, maker, held))
        if tried[-1].passes:
            return f"sample anew: {tried[-1].said(now)}"
    if not tried:
        return f"{of.generator.name if of.generator else 'the generator'} has no more careful setting: take another"
    best = min(tried, key=lambda one: one.area)
    return f"none of {len(tried)} more careful ways passes; the nearest: {best.said(now)}"


def talk_alone(shop: Shop) -> bool:
    """Whether a sample has dialogues, and nothing else that people do."""
    return bool(shop.rows("dialogues")) and not any(
        shop.rows(name) for name in ("events", "searches", "judgments")
    )


def ways(of: Evidence) -> list[Maker]:
    """More careful makers of the sample, the mildest first; the last is private, rehearsed without its budget.

    Of dialogues the one way is to say what five dialogues have alone: no generator of them is private.
    """
    given, found = of.generator, list[Maker]()
    assert given is not None
    if talk_alone(of.synth):
        own = dict(given.settings)
        known = {one.name for one in dataclasses.fields(SYNTHESIZERS.load(given.name))}
        careful = "seen_in" not in known or int(own.get("seen_in", 1)) >= LEAST_TALKS
        return [] if careful else [Maker(given.name, own | {"seen_in": LEAST_TALKS})]
    fields = {one.name: one.default for one in dataclasses.fields(SYNTHESIZERS.load(given.name))}
    own = dict(given.settings)
    if of.policy.keeps != "private":
        if own.get("structure", fields.get("structure")) == "outline":
            own["structure"] = "learned"
            found.append(Maker(given.name, dict(own)))
        if "min_users" in fields:
            before = own.get("min_users", fields["min_users"])
            more = [least for least in LEAST if least > before]
            found += [Maker(given.name, own | {"min_users": least}) for least in more]
    if given.name != "private_walk":
        users, spend = len(Log.of(of.shop).users), of.policy.epsilon
        private: dict[str, Any] = {
            "epsilon": EPSILON if spend == "off" else spend,
            "delta": min(DELTA, 1 / (20 * max(1, users))),
            "public": tuple(of.policy.public),
            "noise_seed": 0,
        }
        found.append(Maker("private_walk", private))
    return found


def taught(sample: Shop, held: Held | None, of: Evidence) -> float:
    """Mean NDCG@10 of the holdout's last events by a ranker that the sample taught; NaN where nobody can be asked."""
    if held is None or not sample.has("events"):
        return math.nan
    ranker = RANKERS.make(RANKER).fit(sample, of.run)
    with of.run.limits():
        found = ndcg_of_held(ranker, held.into(Log.of(sample).items), K)
    # Whoever had what the sample does not know counts as missed.
    return float(found.sum() / len(held))


def _held(of: Evidence) -> Held | None:
    if of.holdout is None or not of.holdout.rows("events"):
        return None
    found = hold_back(Log.of(of.holdout), HELD, of.run)
    return None if found is None else found[1]


def _measured(of: Evidence, maker: Maker, held: Held | None) -> Tried:
    """Make a sample of the same size, attack it as the gates do, and see what it teaches."""
    assert of.holdout is not None
    run = of.run.with_(seed=of.run.seed_for("release", "remedy"))
    users = (
        of.synth.table("dialogues")["dialogue_id"].n_unique()
        if talk_alone(of.synth)
        else len(Log.of(of.synth).users)
    )
    with of.run.task(f"remedy: {maker.name} {maker.settings}"):
        sample = maker.sample(of.shop, users, run)
        seen = joined(sample, list(of.earlier.values()))
        names = of.policy.attacks or None
        report = run_attacks(of.shop, seen, of.holdout, of.run, names=names)
    area, tpr = report.high, report.tpr_high()
    limits = ((area, of.policy.attack_area), (tpr, of.policy.attack_tpr))
    passes = all(limit == "off" or found <= limit for found, limit in limits)
    return Tried(maker, area, tpr, taught(sample, held, of), passes)
