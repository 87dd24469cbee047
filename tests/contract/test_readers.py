"""Every reader keeps the contract that ships with the package, and is found by its own example."""

from __future__ import annotations

import pytest

from wareloom.core.family import READERS
from wareloom.readers import Reader, find
from wareloom.testing.laws import broken, laws_of
from wareloom.testing.readers import FURTHER, LAWS, example_of

CASES = [
    (name, law) for name in READERS.names() for law in laws_of(READERS.load(name), LAWS, FURTHER)
]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_a_reader_keeps_the_law(name: str, law: str) -> None:
    cls: type[Reader] = READERS.load(name)
    with broken(cls, law):
        laws_of(cls, LAWS, FURTHER)[law](cls)


@pytest.mark.parametrize("name", [n for n in READERS.names() if not READERS.load(n).urls])
def test_a_reader_is_found_by_its_example(name: str) -> None:
    with example_of(READERS.load(name)) as (_, source):
        assert find(source) is READERS.load(name)
