"""Screens: reject bad synthetic rows, and say why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from wareloom.family import SCREENS, Algorithm, Family
from wareloom.run import Run
from wareloom.shop import Shop


@dataclass(frozen=True)
class Screened:
    """What a screen let through, what it took, and why."""

    kept: Shop
    rejected: dict[str, pl.DataFrame] = field(default_factory=dict)
    """Rejected rows by table, with a column `reason`."""
    report: dict[str, Any] = field(default_factory=dict)
    """Figures of what was looked at."""


@dataclass(kw_only=True, eq=False)
class Screen(Algorithm, ABC):
    """Base of all screens."""

    family: ClassVar[Family] = SCREENS

    @abstractmethod
    def screen(self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None) -> Screened:
        """Look at `synthetic` beside what it was fitted on, and beside the held-out part where the screen needs it."""

    def check_fitted(self) -> None:
        """A screen needs no fit."""
