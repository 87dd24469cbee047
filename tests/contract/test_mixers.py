"""Every one of the mixers keeps the laws of the contract kit, found by walking the folder."""

from __future__ import annotations

import pytest

from wareloom.core.family import MIXERS
from wareloom.testing import laws, laws_of

CASES = [(name, law) for name in MIXERS.names() for law in laws_of(MIXERS.load(name))]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_a_law_is_kept(name: str, law: str) -> None:
    cls = MIXERS.load(name)
    laws.run(cls, {law: laws_of(cls)[law]})
