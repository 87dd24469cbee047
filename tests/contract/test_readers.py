"""Every reader keeps the contract that ships with the package, and is found by its own example."""

from __future__ import annotations

import pytest

from wareloom.core.family import READERS
from wareloom.readers import find
from wareloom.testing import laws_of
from wareloom.testing.readers import example_of

CASES = [(name, law) for name in READERS.names() for law in laws_of(READERS.load(name))]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_keeps_the_law(name: str, law: str) -> None:
    cls = READERS.load(name)
    laws_of(cls)[law](cls)


@pytest.mark.parametrize("name", [n for n in READERS.names() if not READERS.load(n).urls])
def test_a_reader_is_found_by_its_example(name: str) -> None:
    with example_of(READERS.load(name)) as (_, source):
        assert find(source) is READERS.load(name)
