"""What is proved, and how hard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from wareloom.core.family import RANKERS
from wareloom.errors import SettingError
from wareloom.evaluation.ranking import DEFAULT_METRICS, metric
from wareloom.preparing.splits import SplitSettings
from wareloom.sampling.generator import Generator

BASELINES = ("popularity", "personal", "transitions", "item_knn", "ease")
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the training users of a learning curve, where none are named"""


@dataclass(frozen=True, kw_only=True)
class ProofSettings:
    """What is proved, and how hard."""

    generator: Generator = field(default_factory=Generator)
    ranker: str = "transitions"
    """The ranker that every arm trains."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in BASELINES}
    )
    """Strong rankers, with their settings, that stand beside on real data alone."""
    split: SplitSettings = field(default_factory=SplitSettings)
    ratios: tuple[float, ...] = (0.5, 1.0)
    """Synthetic events for each real one; the best on the validation part is taken."""
    seeds: int = 3
    """How often everything that is random is drawn anew."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that decides."""
    repeats: Literal["auto", "rank", "mask"] = "auto"
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: tuple[str, ...] = ("shuffled", "file")
    """How events of one user and one time are ordered; the first decides. One is enough where there are no ties."""
    features: str = "tfidf"
    """What the arm "real, features" sets the ranker's `text` to, where the generator knows text."""
    guard: float = 0.05
    """Largest fall, relative, of the deciding metric in a slice beside which "helps" is still said; 1 allows any."""
    effect: float | None = None
    """Relative lift, such as .02, of which the power is to be told; None tells it of the lift that was observed."""
    shares: tuple[float, ...] | Literal["auto"] = ()
    """Shares of the training users at which the lift is measured too; "auto" takes 5, 10, 20, 50 and 100 %."""
    lift_by_ratio: bool = False
    """Whether the lift of every ratio is measured on the validation part, with all seeds."""
    leave_out: bool = False
    """Whether a generator of several synthesizers is tried without each of them."""

    @property
    def curve(self) -> tuple[float, ...]:
        """The shares of the learning curve, in rising order."""
        return (
            SHARES
            if self.shares == "auto"
            else tuple(sorted(float(share) for share in self.shares))
        )

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for what could not work, before anything is computed."""
        if self.seeds < 1 or not self.ratios or min(self.ratios) <= 0 or not self.metrics:
            raise SettingError("A proof needs at least one seed, one metric, and ratios above 0.")
        if wrong := set(self.ties) - {"shuffled", "file"}:
            raise SettingError(f"Ties are ordered 'shuffled' or 'file', not {sorted(wrong)[0]!r}.")
        if not 0 <= self.guard <= 1:
            raise SettingError(
                f"guard={self.guard} is no share: give a number from 0 to 1, such as 0.05 for 5 %."
            )
        if self.effect is not None and not self.effect > 0:
            raise SettingError(
                f"effect={self.effect} is no lift: give a number above 0, such as 0.02 for 2 %."
            )
        if any(not 0 < share <= 1 for share in self.curve):
            raise SettingError(
                f"Shares of the training users lie above 0 and at most at 1, not {self.shares}."
            )
        if self.leave_out and len(self.generator.named()) < 2:
            raise SettingError(
                "leave_out needs a generator of at least two synthesizers: there is nothing to leave."
            )
        self.generator.check()
        for name in self.metrics:
            metric(name)
        for name, values in {**self.baselines, self.ranker: self.ranker_settings}.items():
            RANKERS.make(name, **values)
