"""Every text model keeps the contract that ships with the package."""

from __future__ import annotations

import pytest

from wareloom.core.family import TEXT_MODELS
from wareloom.testing import laws_of

CASES = [(name, law) for name in TEXT_MODELS.names() for law in laws_of(TEXT_MODELS.load(name))]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_keeps_the_law(name: str, law: str) -> None:
    cls = TEXT_MODELS.load(name)
    laws_of(cls)[law](cls)
