"""What the pages say in a proof's own words: the one place where the report asks `proof` for them."""

from __future__ import annotations

from wareloom.experiment.plan import (
    ANYWHERE,
    DIRECT,
    FEATURES,
    MIXED,
    NAIVE,
    PLACEBO,
    REAL,
    REPEATED,
    SYNTHETIC,
)
from wareloom.proof import transfer
from wareloom.proof.decide import BUT, SUFFICES
from wareloom.proof.story import askers, called, metric_named, story, the_slice
from wareloom.proof.transfer import LIMIT

__all__ = [
    "ANYWHERE",
    "BUT",
    "DIRECT",
    "FEATURES",
    "LIMIT",
    "MIXED",
    "NAIVE",
    "PLACEBO",
    "REAL",
    "REPEATED",
    "SUFFICES",
    "SYNTHETIC",
    "askers",
    "called",
    "metric_named",
    "story",
    "the_slice",
    "transfer",
]
