"""Mixers: blend real and synthetic data into one training shop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from wareloom.core.asked import Kind, a_run
from wareloom.core.family import MIXERS, Family
from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.shop.asked import a_shop, a_shop_or_none
from wareloom.shop.keeping import Keeping


@dataclass(kw_only=True, eq=False)
class Mixer(Keeping, ABC):
    """Base of all mixers."""

    family: ClassVar[Family] = MIXERS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        # A mixer that draws from no synthetic data is called with None in its place.
        "mix": {"real": a_shop, "synthetic": a_shop_or_none, "run": a_run}
    }
    alone: ClassVar[bool] = True
    """Whether what it adds can be learned from without the real rows"""
    adds: ClassVar[Literal["events", "soft_labels"]] = "events"
    """The table that it adds rows to"""
    at_most: ClassVar[bool] = False
    """Whether it may take less than was asked for, or nothing"""
    draws: ClassVar[bool] = True
    """Whether it draws from synthetic data; one that does not is called with None in its place"""
    plain: ClassVar[Mapping[str, Any]] = {}
    """Settings under which it draws from all synthetic users, and for the whole of a training"""

    @abstractmethod
    def mix(self, real: Shop, synthetic: Shop, run: Run | None = None) -> Shop:
        """Return one shop with rows of both; `origin` tells them apart."""

    @property
    def supply(self) -> float:
        """Synthetic data it chooses from, in multiples of what it mixes in at one time: at least 1."""
        return 1.0

    def check_fitted(self) -> None:
        """A mixer needs no fit."""
