"""Every embedder keeps the contract that ships with the package."""

from __future__ import annotations

import pytest

from wareloom.core.family import EMBEDDERS
from wareloom.language.embedders import Embedder
from wareloom.testing.embedders import FURTHER, LAWS
from wareloom.testing.laws import broken, laws_of

CASES = [
    (name, law)
    for name in EMBEDDERS.names()
    for law in laws_of(EMBEDDERS.load(name), LAWS, FURTHER)
]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_an_embedder_keeps_the_law(name: str, law: str) -> None:
    cls: type[Embedder] = EMBEDDERS.load(name)
    with broken(cls, law):
        laws_of(cls, LAWS, FURTHER)[law](cls)
