"""Every one of the attacks keeps the laws of the contract kit, and attacks that cheat break them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from wareloom.attacks import Attack, Case
from wareloom.core.family import ATTACKS
from wareloom.core.run import Run
from wareloom.testing import laws, laws_of

CASES = [(name, law) for name in ATTACKS.names() for law in laws_of(ATTACKS.load(name))]


@pytest.mark.parametrize(("name", "law"), CASES)
def test_a_law_is_kept(name: str, law: str) -> None:
    cls = ATTACKS.load(name)
    laws.run(cls, {law: laws_of(cls)[law]})


@dataclass(kw_only=True, eq=False)
class ByPlace(Attack):
    """Hopes that members come first."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        return -np.arange(len(case.targets), dtype=np.float64)


@dataclass(kw_only=True, eq=False)
class ById(Attack):
    """Hopes that ids say whose they are."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        return case.targets.log.users.ids.str.contains("m").cast(pl.Float64).to_numpy()


@dataclass(kw_only=True, eq=False)
class Unsure(Attack):
    """Divides by nothing."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        return np.full(len(case.targets), np.nan)


@dataclass(kw_only=True, eq=False)
class Drawn(Attack):
    """Takes numbers from no run."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        return np.random.default_rng().random(len(case.targets))


@pytest.mark.parametrize(
    ("cls", "law"),
    [
        (ByPlace, "the order of targets says nothing"),
        (ById, "ids say nothing"),
        (Unsure, "scores are numbers"),
        (Drawn, "the same seed"),
    ],
)
def test_an_attack_that_cheats_breaks_a_law(cls: type[Attack], law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        laws.run(cls, {law: laws_of(cls)[law]})
