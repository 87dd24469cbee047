"""What every proof asks for: the base of the settings of all kinds, with one check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wareloom.core.family import RANKERS
from wareloom.core.settings import Count, Positive, Repeats, Settings, Share
from wareloom.errors import SettingError
from wareloom.preparing.splits import SplitSettings
from wareloom.sampling.generator import Generator

MOST = 1000
"""Synthetic rows for each real one, at most"""


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings(Settings):
    """What is proved, and how hard; a kind of proof adds what it alone has."""

    generator: Generator = field(default_factory=Generator)
    """How synthetic data is made, screened and mixed."""
    ranker: str
    """The ranker that every arm trains."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Other rankers, with their settings, that stand beside on real data alone. One that is there twice is told apart
    by what follows it: "fusion", "fusion (rrf)"."""
    split: SplitSettings = field(default_factory=SplitSettings)
    ratios: tuple[Positive, ...] = (0.5, 1.0)
    """Synthetic rows for each real one; the best on the validation part is taken."""
    seeds: Repeats = 3
    """How often everything that is random is drawn anew."""
    metrics: tuple[str, ...]
    """The first is the one that decides."""
    updates: Count = 0
    """Gradient updates that every arm takes; 0 takes as many as real data alone does by the ranker's own settings."""
    guard: Share = 0.05
    """Largest fall, relative, of the deciding metric in a slice beside which "helps" is still said; 1 allows any."""
    effect: Positive | None = None
    """Relative lift, such as .02, of which the power is to be told; None tells it of the lift that was observed."""

    @property
    def headline(self) -> str:
        """The metric that decides."""
        return self.metrics[0]

    def _check(self) -> None:
        if not self.ratios or not self.metrics:
            raise SettingError("A proof needs at least one ratio and one metric.")
        if (most := max(self.ratios)) > MOST:
            raise SettingError(
                f"{type(self).__name__}: ratios holds {most:g}: so many synthetic rows for each real one drown the "
                f"real ones and fit no memory; {MOST} is the most."
            )

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for names that mean nothing here, before anything is computed."""
        self.generator.check()
        for label, values in {**self.baselines, self.ranker: self.ranker_settings}.items():
            self.check_ranker(label, make(label, values))

    def check_ranker(self, label: str, ranker: Any) -> None:
        """Raise `SettingError` where a ranker cannot do what this kind of proof asks of it."""


def make(label: str, values: dict[str, Any]) -> Any:
    """Make the ranker that a label such as "fusion (rrf)" names."""
    return RANKERS.make(label.partition(" (")[0], **values)
