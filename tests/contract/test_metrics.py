"""What every metric keeps to, found by walking the folder and the laws of the contract kit."""

from __future__ import annotations

import pytest

from wareloom.core.family import METRICS
from wareloom.testing import laws_of

CASES = [(name, law) for name in METRICS.names() for law in laws_of(METRICS.load(name))]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_keeps_the_law(name: str, law: str) -> None:
    cls = METRICS.load(name)
    laws_of(cls)[law](cls)
