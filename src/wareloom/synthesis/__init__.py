"""Synthesizers: learn from the training part of a shop, then sample a shop of the same kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from wareloom._version import __version__
from wareloom.core.family import SYNTHESIZERS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Shop

if TYPE_CHECKING:
    from wareloom.language.models import Estimate


@dataclass(frozen=True)
class Given:
    """What a sample is to be conditional on."""

    histories: Shop | None = None
    """Continue the users of this shop: one synthetic user for each, or `n` of them round robin."""
    start_items: tuple[str, ...] = ()
    """Every synthetic user begins with one of these items."""
    length: int | None = None
    """Every synthetic user has exactly this many events."""
    like: Shop | None = None
    """Shoppers of the kind of this shop's users: a segment, a season, a campaign. Its items are of the fitted shop."""
    items: tuple[str, ...] = ()
    """Queries are for these items alone: new ones, say, or a category."""
    queries: tuple[str, ...] = ()
    """Labels are for these queries, instead of synthetic ones."""


@dataclass(kw_only=True, eq=False)
class Synthesizer(Algorithm, ABC):
    """Base of all synthesizers."""

    family: ClassVar[Family] = SYNTHESIZERS
    knows: ClassVar[frozenset[str]] = frozenset({"behaviour"})
    """What it draws on: "behaviour", "text", "images", "world"."""

    of: ClassVar[str] = "users"
    """What `sample` counts: "users" or "queries"."""

    def draws_on(self) -> frozenset[str]:
        """What it draws on under its settings: what it `knows`, unless it is made of others."""
        return self.knows

    def can_rank(self) -> bool:
        """Whether it is a ranker too, which its method `as_ranker` returns when it is fitted."""
        return hasattr(self, "as_ranker")

    @property
    def origin(self) -> str:
        """What its rows carry in the column `origin`."""
        return f"{self.name}@{__version__}"

    @abstractmethod
    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from a shop, which must be the training part alone."""

    def plan(self, n: int, run: Run | None = None) -> Estimate | None:
        """Return what `sample(n)` would ask of a language model at most; None where it asks none."""
        return None

    def planned(self, shop: Shop, n: int, run: Run | None = None) -> Estimate | None:
        """Return what fitting to `shop` and `sample(n)` would take of a language model; none is tuned for it."""
        return self.fit(shop, run).plan(n, run)

    @abstractmethod
    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw `n` synthetic users; returns a shop with the tables and columns that were fitted, keys intact.

        A synthesizer of queries, or of labels, draws `n` queries and returns their judgments beside the items.
        """

    def _checked(self, n: int) -> None:
        self.check_fitted()
        if n < 1:
            raise InputError(f"Asked to sample {n} {self.of}; ask for at least 1.")
