"""What attacks found: one typed value, the worst attack first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from wareloom.attacks.combining import Combined
from wareloom.errors import SettingError, near
from wareloom.stats.correction import holm
from wareloom.stats.roc import Alarms, Area, advantage, alarms, area, mean_area, newcombe, threshold

FALSE_ALARMS = (0.001, 0.01)
"""Shares of others that may be taken for members"""
ERROR = 0.05
"""Chance that any attack of a report is said to have caught a generator that nothing tells"""
LENGTHS = (2, 3, 4, 5, 6, 8, 11, 16, 32, 64)
"""Events from which the next group of users begins, where there are enough"""
FEWEST = 50
"""Members, and others, that a group by length has at least"""


@dataclass(frozen=True)
class Span:
    """Users of about one length of history."""

    first: int
    last: int
    """Events of the shortest and the longest"""
    members: int
    others: int
    area: float
    low: float
    high: float
    """Newcombe's interval"""


@dataclass(frozen=True)
class Outcome:
    """What one attack found."""

    name: str
    members: int
    others: int
    """Targets of either sort"""
    area: Area
    alarms: dict[str, Alarms]
    """Share of members told, by the share of others told, too: "0.001" and "0.01" """
    advantage: float
    """Members told less others told, by a threshold that was chosen on other targets"""
    by_length: tuple[Span, ...]
    p: float
    """Of scores that tell nothing: of area and alarms, the least times how many they are"""
    p_adjusted: float = 1.0
    """Holm's, over all attacks of the report that are evidence"""
    evidence: bool = True
    """Whether it says anything of privacy; distances that are for comparison with others do not"""
    about: dict[str, float] = field(default_factory=dict)
    """Figures of its own, such as what is guessed right of members and of others"""

    @property
    def caught(self) -> bool:
        """Whether it told members, chance and how many attacks were tried allowed for."""
        return self.evidence and self.p_adjusted < ERROR

    def tpr(self, false_alarms: float) -> Alarms:
        """Share of members told at one of `FALSE_ALARMS`."""
        return self.alarms[f"{false_alarms:g}"]


def outcome(
    name: str,
    scores: Combined,
    truth: Sequence[np.ndarray],
    lengths: Sequence[np.ndarray],
    *,
    evidence: bool = True,
    about: Mapping[str, float] | None = None,
) -> Outcome:
    """Judge the scores of an attack, part of the targets by part; `truth`: whether members, bool [targets].

    `lengths`: events of each target. The threshold of `advantage` is chosen on the other parts.
    """
    score, sharp, member = (np.concatenate(list(s)) for s in (scores.even, scores.sharp, truth))
    rates = {f"{s:g}": alarms(sharp[member], sharp[~member], s) for s in FALSE_ALARMS}
    if scores.learned:
        found = mean_area([(s[t], s[~t]) for s, t in zip(scores.even, truth, strict=True)])
        rates = {k: replace(rate, p=_p_apart(scores.sharp, truth, k)) for k, rate in rates.items()}
    else:
        found = area(score[member], score[~member])
    return Outcome(
        name,
        int(member.sum()),
        int((~member).sum()),
        found,
        rates,
        _advantage(scores.even, truth),
        _by_length(score, member, np.concatenate(list(lengths))),
        p=min(1.0, (1 + len(rates)) * min(found.p, *(rate.p for rate in rates.values()))),
        evidence=evidence,
        about=dict(about or {}),
    )


def _p_apart(scores: Sequence[np.ndarray], truth: Sequence[np.ndarray], share: str) -> float:
    """p of alarms of scores that were learned on one another: the least of the parts', times how many they are."""
    p = [alarms(s[t], s[~t], float(share)).p for s, t in zip(scores, truth, strict=True)]
    return min(1.0, len(p) * min(p))


def _advantage(scores: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """Mean over parts; each is judged by the threshold of the others."""
    found = []
    for place, (score, member) in enumerate(zip(scores, truth, strict=True)):
        rest = [i for i in range(len(scores)) if i != place]
        others = np.concatenate([scores[i] for i in rest])
        whose = np.concatenate([truth[i] for i in rest])
        at = threshold(others[whose], others[~whose])
        found.append(advantage(score[member], score[~member], at))
    return float(np.mean(found))


def _by_length(score: np.ndarray, member: np.ndarray, length: np.ndarray) -> tuple[Span, ...]:
    """The area among users of about one length; groups of too few are joined with the next longer one."""
    edges = [1, *LENGTHS, int(length.max(initial=0)) + 1]
    group = np.searchsorted(edges, length, side="right") - 1
    spans: list[Span] = []
    taken = np.zeros(len(score), dtype=bool)
    for place in range(len(edges)):
        taken |= group == place
        few = min((taken & member).sum(), (taken & ~member).sum()) < FEWEST
        left = group > place
        rest = min((left & member).sum(), (left & ~member).sum())
        if few or (rest < FEWEST and left.any()):
            continue
        spans.append(_span(score[taken], member[taken], length[taken]))
        taken = np.zeros(len(score), dtype=bool)
    return tuple(spans)


def _span(score: np.ndarray, member: np.ndarray, length: np.ndarray) -> Span:
    inside, outside = score[member], score[~member]
    value = area(inside, outside).value
    low, high = newcombe(value, len(inside), len(outside))
    return Span(int(length.min()), int(length.max()), len(inside), len(outside), value, low, high)


@dataclass(frozen=True)
class AttackReport:
    """What all attacks on a synthetic shop found; the worst speaks for it, not the mean."""

    outcomes: tuple[Outcome, ...]
    left_out: dict[str, str]
    """Why an attack was not made, by its name"""
    users: dict[str, int]
    """real, holdout, synthetic, and targets of either sort"""
    blind: Outcome
    """What is told without a look at the synthetic shop: near a half where members and holdout are of one draw"""
    seed: int
    notes: tuple[str, ...] = ()
    """What one should know, in plain words"""

    @classmethod
    def of(
        cls, outcomes: Sequence[Outcome], left_out: Mapping[str, str], blind: Outcome, **about: Any
    ) -> AttackReport:
        """Put a report together; p-values are adjusted for how many attacks are evidence."""
        p = holm(np.array([one.p for one in outcomes if one.evidence], dtype=np.float64))
        adjusted = iter(p.tolist())
        given = [
            replace(one, p_adjusted=float(next(adjusted))) if one.evidence else one
            for one in outcomes
        ]
        return cls(tuple(given), dict(left_out), blind=blind, **about)

    @property
    def evidence(self) -> tuple[Outcome, ...]:
        """The attacks that say something of privacy, the greatest area first."""
        return tuple(
            sorted((one for one in self.outcomes if one.evidence), key=lambda one: -one.area.value)
        )

    @property
    def worst(self) -> Outcome:
        """The attack with the greatest area; raises `SettingError` where none was made."""
        if not self.evidence:
            why = "; ".join(f"{name}: {said}" for name, said in self.left_out.items())
            raise SettingError(f"No attack that is evidence was made. {why}")
        return self.evidence[0]

    @property
    def high(self) -> float:
        """The greatest upper end of an area over all attacks: what a bar is held beside."""
        return max((one.area.high for one in self.evidence), default=1.0)

    def tpr_high(self, false_alarms: float = FALSE_ALARMS[0]) -> float:
        """The greatest upper end of the share of members told at so few false alarms, over all attacks."""
        return max((one.tpr(false_alarms).high for one in self.evidence), default=1.0)

    @property
    def caught(self) -> tuple[str, ...]:
        """Names of the attacks that told members."""
        return tuple(one.name for one in self.outcomes if one.caught)

    def outcome(self, name: str) -> Outcome:
        """Return one attack's by its name; raises `SettingError` where there is none."""
        for one in self.outcomes:
            if one.name == name:
                return one
        known, why = [one.name for one in self.outcomes], self.left_out.get(name)
        raise SettingError(
            f"The report has no attack {name!r}{f': {why}' if why else ''}.{near(name, known)}"
        )

    def table(self) -> pl.DataFrame:
        """Columns attack, area, low, high, tpr .1 %, tpr 1 %, advantage, p, caught, evidence; worst first."""
        rows = [
            {
                "attack": one.name,
                "area": one.area.value,
                "low": one.area.low,
                "high": one.area.high,
                "tpr .1 %": one.tpr(0.001).value,
                "high .1 %": one.tpr(0.001).high,
                "tpr 1 %": one.tpr(0.01).value,
                "advantage": one.advantage,
                "p": one.p_adjusted if one.evidence else None,
                "caught": ("yes" if one.caught else "no") if one.evidence else NO_EVIDENCE,
            }
            for one in (*self.evidence, *(one for one in self.outcomes if not one.evidence))
        ]
        types = {
            "attack": pl.String(),
            **dict.fromkeys(NUMBERS, pl.Float64()),
            "caught": pl.String(),
        }
        return pl.DataFrame(rows, schema=types)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON, with the worst attack, and what each caught, spelled out."""
        told = asdict(self)
        for row, one in zip(told["outcomes"], self.outcomes, strict=True):
            row["caught"] = one.caught
        worst = self.evidence[0].name if self.evidence else None
        said = {
            "worst": worst,
            "high": self.high,
            "tpr_high": self.tpr_high(),
            "caught": self.caught,
        }
        return {"version": 1, **_plain(told), **_plain(said), "sentence": str(self)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> AttackReport:
        """Read what `to_json` returned."""
        return cls(
            tuple(map(_outcome, told["outcomes"])),
            dict(told["left_out"]),
            dict(told["users"]),
            _outcome(told["blind"]),
            int(told["seed"]),
            tuple(told["notes"]),
        )

    def __str__(self) -> str:
        if not self.evidence:
            return "No attack was made."
        worst = self.worst
        low, high = worst.area.low, worst.area.high
        said = (
            f"The worst of {len(self.evidence)} attacks, {worst.name}, tells members from others with an area of "
            f"{worst.area.value:.3f} ({low:.3f} to {high:.3f}; guessing .5)"
        )
        rate = worst.tpr(0.001)
        said += f", and {rate.value:.1%} of them at one false alarm in a thousand (guessing .1 %)."
        if self.caught:
            return f"{said} Caught by {', '.join(self.caught)}."
        return f"{said} None of them tells more than chance does."


NUMBERS = ("area", "low", "high", "tpr .1 %", "high .1 %", "tpr 1 %", "advantage", "p")
NO_EVIDENCE = "not evidence of privacy"


def _outcome(told: Mapping[str, Any]) -> Outcome:
    kept = {k: v for k, v in told.items() if k != "caught"}
    kept["area"] = Area(**told["area"])
    kept["alarms"] = {share: Alarms(**rate) for share, rate in told["alarms"].items()}
    kept["by_length"] = tuple(Span(**span) for span in told["by_length"])
    return Outcome(**kept)


def _plain(value: Any) -> Any:
    """Lists for tuples, as JSON gives them back."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
