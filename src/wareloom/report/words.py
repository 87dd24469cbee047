"""What the pages say in a proof's own words: the one place where the report asks `proof` for them."""

from __future__ import annotations

from wareloom.experiment.plan import (
    ANYWHERE,
    DIRECT,
    MIXED,
    NAIVE,
    PLACEBO,
    REAL,
    REPEATED,
    SYNTHETIC,
)
from wareloom.proof import transfer
from wareloom.proof.decide import BUT
from wareloom.proof.story import askers, called, metric_named, story, the_slice
from wareloom.proof.transfer import LIMIT

__all__ = [
    "ANYWHERE",
    "BUT",
    "DIRECT",
    "LIMIT",
    "MIXED",
    "NAIVE",
    "PLACEBO",
    "REAL",
    "REPEATED",
    "SYNTHETIC",
    "askers",
    "called",
    "metric_named",
    "story",
    "the_slice",
    "transfer",
]
