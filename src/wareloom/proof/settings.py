"""What is proved, and how hard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from wareloom.errors import SettingError
from wareloom.family import RANKERS
from wareloom.proof.arms import Generator
from wareloom.proof.evaluate import DEFAULT_METRICS, metric
from wareloom.shop.splits import SplitSettings

BASELINES = ("popularity", "personal", "transitions", "item_knn", "ease")


@dataclass(frozen=True, kw_only=True)
class ProofSettings:
    """What is proved, and how hard."""

    generator: Generator = field(default_factory=Generator)
    ranker: str = "transitions"
    """The ranker that every arm trains."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in BASELINES})
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

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for what could not work, before anything is computed."""
        if self.seeds < 1 or not self.ratios or min(self.ratios) <= 0 or not self.metrics:
            raise SettingError("A proof needs at least one seed, one metric, and ratios above 0.")
        if wrong := set(self.ties) - {"shuffled", "file"}:
            raise SettingError(f"Ties are ordered 'shuffled' or 'file', not {sorted(wrong)[0]!r}.")
        for name in self.metrics:
            metric(name)
        for name, values in {**self.baselines, self.ranker: self.ranker_settings}.items():
            RANKERS.make(name, **values)
