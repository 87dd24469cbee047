"""What the pages say in a proof's own words: the one place where the report asks `proof` for them."""

from __future__ import annotations

from wareloom.experiment.plan import MIXED, REAL
from wareloom.proof.decide import BUT, listed, name_of, signed
from wareloom.proof.story import askers, named

__all__ = ["BUT", "MIXED", "REAL", "askers", "listed", "name_of", "named", "signed"]
