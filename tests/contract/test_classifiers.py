"""What every classifier keeps to, found by walking the folder and the laws of the contract kit."""

from __future__ import annotations

import pytest

from wareloom.core.family import CLASSIFIERS
from wareloom.testing import laws_of

CASES = [(name, law) for name in CLASSIFIERS.names() for law in laws_of(CLASSIFIERS.load(name))]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_keeps_the_law(name: str, law: str) -> None:
    cls = CLASSIFIERS.load(name)
    laws_of(cls)[law](cls)
