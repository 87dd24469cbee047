"""Every text model keeps the contract that ships with the package."""

from __future__ import annotations

import pytest

from wareloom.core.family import TEXT_MODELS
from wareloom.language.models import TextModel
from wareloom.testing.laws import broken, laws_of
from wareloom.testing.text_models import FURTHER, LAWS

CASES = [
    (name, law)
    for name in TEXT_MODELS.names()
    for law in laws_of(TEXT_MODELS.load(name), LAWS, FURTHER)
]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_a_text_model_keeps_the_law(name: str, law: str) -> None:
    cls: type[TextModel] = TEXT_MODELS.load(name)
    with broken(cls, law):
        laws_of(cls, LAWS, FURTHER)[law](cls)
