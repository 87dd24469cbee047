"""Settings that were called otherwise are still read under their old names, with a warning."""

from __future__ import annotations

from typing import Any

import pytest

from wareloom.core.family import FAMILIES
from wareloom.core.settings import configure

OLD = [
    (name, old, new)
    for name in FAMILIES["synthesizer"].names()
    for old, new in FAMILIES["synthesizer"].load(name).renamed.items()
]
VALUES: dict[str, Any] = {
    "lessons": 12,
    "fewest": 7,
    "least": 0.25,
    "settings_of_model": {"max_steps": 3},
}


def test_there_are_some() -> None:
    assert {old for _, old, _ in OLD} == set(VALUES)


@pytest.mark.parametrize(("name", "old", "new"), OLD)
def test_an_old_name_is_read(name: str, old: str, new: str) -> None:
    cls = FAMILIES["synthesizer"].load(name)
    with pytest.warns(FutureWarning, match=f"{old!r} is called {new!r} now"):
        made = configure(cls, {old: VALUES[old]})
    assert made.settings()[new] == VALUES[old]
    assert old not in made.settings()
