"""Every embedder keeps the contract that ships with the package."""

from __future__ import annotations

import pytest

from wareloom.core.family import EMBEDDERS
from wareloom.testing import laws_of

CASES = [(name, law) for name in EMBEDDERS.names() for law in laws_of(EMBEDDERS.load(name))]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_keeps_the_law(name: str, law: str) -> None:
    cls = EMBEDDERS.load(name)
    laws_of(cls)[law](cls)
