"""The contract kit: what every algorithm of a family keeps to, for those of the house and for those of others.

    from wareloom.testing import check

    def test_my_ranker() -> None:
        check(MyRanker)

Quick settings and further laws stand on the class (`quick`, `laws`).
"""

from __future__ import annotations

import importlib
from types import ModuleType

from wareloom.core.family import Algorithm


def kit_of(cls: type[Algorithm]) -> ModuleType:
    """The module of this package that holds the contract of a class's family: `ranker` in `rankers`."""
    return importlib.import_module(f"wareloom.testing.{cls.family.kind.replace(' ', '_')}s")


def check(cls: type[Algorithm]) -> None:
    """Run the whole contract of its family on a class; raises `AssertionError` that says which law is broken."""
    kit_of(cls).check(cls)


__all__ = ["check", "kit_of"]
