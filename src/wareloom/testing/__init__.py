"""The contract kit: what every algorithm of a family keeps to, for those of the house and for those of others.

    from wareloom.testing import check

    def test_my_ranker() -> None:
        check(MyRanker)

Quick settings and further laws stand on the class (`quick`, `laws`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

from wareloom.core.family import Algorithm
from wareloom.testing import laws
from wareloom.testing.laws import Law


def kit_of(cls: type[Algorithm]) -> ModuleType:
    """The module of this package that holds the contract of a class's family: `ranker` in `rankers`."""
    return importlib.import_module(f"wareloom.testing.{cls.family.kind.replace(' ', '_')}s")


def laws_of(cls: type[Algorithm]) -> dict[str, Law]:
    """The laws that a class is held to, by name: those of its family, and the further ones that it names."""
    kit = kit_of(cls)
    own: Callable[[type[Algorithm]], dict[str, Law]] | None = getattr(kit, "laws_of", None)
    return laws.chosen(cls, kit.LAWS, kit.FURTHER) if own is None else own(cls)


def check(cls: type[Algorithm]) -> None:
    """Run the whole contract of its family on a class; raises `AssertionError` that says which law is broken."""
    laws.run(cls, laws_of(cls))


__all__ = ["check", "kit_of", "laws_of"]
