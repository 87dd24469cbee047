"""What each step of a recipe is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from wareloom.core.settings import Repeats, Settings
from wareloom.proof.leaderboard import LeaderboardSettings
from wareloom.proof.ties import TIES
from wareloom.sampling.generator import Member

STAGES = ("read", "clean", "split", "prove", "make", "leaderboard")
"""In the order in which they may follow one another; a leaderboard needs no proof"""
DEFAULT_STAGES = STAGES[:-1]
NEEDS: Mapping[str, tuple[str, ...]] = {
    "clean": ("read",),
    "split": ("read",),
    "prove": ("read",),
    "make": ("read", "prove"),
    "leaderboard": ("read",),
}
"""What has to stand before each stage"""
ONCE = ("synthesize", "mix", "train")
"""Stages of old recipes that are one now, `make`"""


@dataclass(frozen=True, kw_only=True)
class ReadStep(Settings):
    """Where the data comes from."""

    source: str
    """A file, a folder, or what the reader takes; relative to the recipe's own folder."""
    format: str = "auto"
    """The reader."""
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the reader."""
    on_error: str = "stop"
    """What to do with malformed cells: "stop" or "reject"."""


@dataclass(frozen=True, kw_only=True)
class SynthesizeStep(Settings):
    """What synthesises, and what screens it."""

    name: str = ""
    """The synthesizer; that of the kind of proof where none is named: markov, exposures for clicks."""
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the synthesizer."""
    members: tuple[Member, ...] = ()
    """Several synthesizers that share the users between them; `name` is not used where there are any."""
    screens: tuple[str, ...] | None = None
    """The screens; those of the kind of proof where none are named."""
    screen_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the screens, by the screen's name; the file of `rules` is relative to the recipe's own folder."""


@dataclass(frozen=True, kw_only=True)
class MixStep(Settings):
    """How real and synthetic rows are blended; at which ratio, the proof chooses among [prove] ratios."""

    name: str = "ratio"
    """The mixer."""
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the mixer."""


@dataclass(frozen=True, kw_only=True)
class TrainStep(Settings):
    """The ranker that every arm of the proof trains, and that is kept."""

    name: str = ""
    """The ranker; that of the kind of proof where none is named: transitions, logistic, lambdamart."""
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the ranker."""


@dataclass(frozen=True, kw_only=True)
class ProveStep(Settings):
    """What is proved, and how hard.

    In a recipe the settings of the kind stand beside `of`: those of `ProofSettings`, `ClickProofSettings`,
    `QueryProofSettings` or `TransferProofSettings` but for generator, ranker and split, which have tables of their own.
    """

    of: str = "recommendation"
    """What is proved: recommendation, system, clicks, search, transfer, pictures or dialogues."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of that kind of proof."""


@dataclass(frozen=True, kw_only=True)
class MakeStep(Settings):
    """The model that is kept, made by what the proof chose."""

    renamed: ClassVar[Mapping[str, str]] = {}

    data: Literal["train+validation", "train"] = "train+validation"
    """Real data that generator and ranker see: all but the test part, or the training part alone."""
    mix: Literal["always", "helps"] = "always"
    """Whether synthetic data is mixed in as the proof chose, or only where the proof says that it helps."""
    rerank: str = ""
    """A re-ranker that goes into the bundle; none where it is empty."""
    rerank_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the re-ranker."""


@dataclass(frozen=True, kw_only=True)
class LeaderboardStep(Settings):
    """Rankers side by side on real data alone; see `LeaderboardSettings`."""

    rankers: dict[str, dict[str, Any]] = field(
        default_factory=lambda: dict(LeaderboardSettings().rankers)
    )
    """Settings by label; a label is the ranker's name, unless the settings name another `ranker`."""
    seeds: Repeats = 3
    """How often everything that is random is drawn anew."""
    metrics: tuple[str, ...] = LeaderboardSettings().metrics
    """The first is the one that orders the table."""
    repeats: Literal["auto", "rank", "mask"] = "auto"
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: tuple[TIES, ...] = LeaderboardSettings().ties
    """How events of one user and one time are ordered."""
