"""Synthesizers: learn from the training part of a shop, then sample a shop of the same kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from wareloom._version import __version__
from wareloom.core.asked import Kind, a_count, a_run, texts
from wareloom.core.family import SYNTHESIZERS, Family
from wareloom.core.memory import must_fit
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Shop
from wareloom.shop.asked import a_shop
from wareloom.shop.keeping import Keeping
from wareloom.shop.keeps import worst

if TYPE_CHECKING:
    import numpy as np

    from wareloom.language.models import Estimate
    from wareloom.rankers import Ranker

Of = Literal["behaviour", "queries", "labels", "searches", "pictures", "dialogues"]
Counts = Literal["users", "queries", "pictures", "dialogues"]
LEAST_BYTES = 64
"""Memory that one synthetic user or query takes at least: an event's id, item, kind and time"""


@dataclass(frozen=True)
class Condition:
    """What a sample is to be conditional on; each kind of synthesizer takes one of its own."""

    def asked(self) -> list[str]:
        """Names of what is given."""
        return [one.name for one in fields(self) if getattr(self, one.name) not in (None, ())]


@dataclass(frozen=True)
class Given(Condition):
    """What a sample of shoppers is to be conditional on."""

    histories: Shop | None = None
    """Continue the users of this shop: one synthetic user for each, or `n` of them round robin."""
    start_items: tuple[str, ...] = ()
    """Every synthetic user begins with one of these items."""
    length: int | None = None
    """Every synthetic user has exactly this many events."""
    like: Shop | None = None
    """Shoppers of the kind of this shop's users: a segment, a season, a campaign. Its items are of the fitted shop."""


@dataclass(frozen=True)
class GivenItems(Condition):
    """What a sample of queries, or of searches, is to be conditional on."""

    items: tuple[str, ...] = ()
    """Queries are for these items alone: new ones, say, or a category."""


@dataclass(frozen=True)
class GivenPictures(Condition):
    """What a sample of pictures is to be conditional on."""

    classes: tuple[str, ...] = ()
    """Pictures of these classes alone, in turn; of all that were learned, as often as there are real ones, where none
    is named"""


@dataclass(frozen=True)
class GivenQueries(GivenItems):
    """What a sample of labels is to be conditional on."""

    queries: tuple[str, ...] = ()
    """Labels are for these queries, instead of synthetic ones."""


@dataclass(kw_only=True, eq=False)
class Synthesizer(Keeping, ABC):
    """Base of all synthesizers."""

    family: ClassVar[Family] = SYNTHESIZERS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "fit": {"shop": a_shop, "run": a_run},
        "sample": {"n": a_count, "run": a_run},
        "plan": {"n": a_count, "run": a_run},
        "planned": {"shop": a_shop, "n": a_count, "run": a_run},
        "continue_session": {"items": texts, "n": a_count, "run": a_run},
    }
    of: ClassVar[Of] = "behaviour"
    """What it is for: shoppers' events, queries for products, grades, a log of searches, pictures, dialogues."""
    counts: ClassVar[Counts] = "users"
    """What `sample` counts."""
    takes: ClassVar[type[Condition]] = Given
    """What `sample` can be given."""
    conditions: ClassVar[frozenset[str]] = frozenset()
    """What of that it keeps to, by name; the rest it refuses."""
    knows: ClassVar[frozenset[str]] = frozenset({"behaviour"})
    """What it draws on: "behaviour", "text", "images", "world"."""

    def draws_on(self) -> frozenset[str]:
        """What it draws on under its settings: what it `knows`, unless it is made of others."""
        return self.knows

    def can_rank(self) -> bool:
        """Whether it is a ranker too, which `as_ranker` returns when it is fitted."""
        return type(self).as_ranker is not Synthesizer.as_ranker

    def as_ranker(self) -> Ranker:
        """Return the ranker that it is, fitted; raises `InputError` where it is none."""
        raise InputError(f"The synthesizer {self.name!r} is no ranker: take teacher, say.")

    def ensemble(self) -> tuple[str, dict[str, Any]] | None:
        """Name and settings of the ranker whose knowledge its samples carry; None where it has none."""
        return None

    def can_continue(self) -> bool:
        """Whether it goes on with a session at hand, as `continuations` does."""
        return type(self).continuations is not Synthesizer.continuations

    def continuations(self, past: np.ndarray, draws: int, length: int, run: Run) -> np.ndarray:
        """Draw how a session may go on: int32 [draws, length], codes of items in the order of the fitted catalogue.

        `past`: int32 [events], codes of the session so far, oldest first, one at least. The same run draws the same.
        Raises `InputError` where it writes no sessions on.
        """
        raise InputError(
            f"The synthesizer {self.name!r} does not go on with a session at hand: take markov, teacher, transformer "
            "or gru."
        )

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
    def sample(self, n: int, run: Run | None = None, given: Any = None) -> Shop:
        """Draw `n` synthetic users; returns a shop with the tables and columns that were fitted, keys intact.

        A synthesizer of queries, or of labels, draws `n` queries and returns their judgments beside the items.
        `given`: a `Condition` of the type that it `takes`.
        """

    def _forget(self) -> None:
        """Drop what an earlier fit learned: another shop may lack columns that it had."""
        for name in [*self.state(), *self.parts()]:
            del vars(self)[name]

    def _stamped(self, made: Shop, given: Condition | None = None) -> Shop:
        """A sample that says what it keeps: what its synthesizer does, or what was given where that keeps more."""
        asked = [getattr(given, name) for name in given.asked()] if given is not None else []
        beside = [shop.keeps for shop in asked if isinstance(shop, Shop)]
        return made.keeping(worst(self.kept(), *beside))

    def _checked(self, n: int, given: Condition | None = None) -> None:
        """Raise where it is not fitted, where nothing is asked for, or where it cannot keep to what is given."""
        self.check_fitted()
        if n < 1:
            raise InputError(f"Asked to sample {n} {self.counts}; ask for at least 1.")
        must_fit(n * LEAST_BYTES, f"{n:,} {self.counts}")
        asked = given.asked() if given is not None else []
        if given is not None and not isinstance(given, self.takes):
            raise InputError(
                f"The synthesizer {self.name!r} draws {self.of}: give it a {self.takes.__name__}, not a "
                f"{type(given).__name__}."
            )
        if asked and not self.conditions:
            raise InputError(
                f"The synthesizer {self.name!r} cannot be conditioned; sample it without `given`."
            )
        if strange := [name for name in asked if name not in self.conditions]:
            raise InputError(
                f"The synthesizer {self.name!r} cannot keep to {', '.join(strange)} of `given`; it can to "
                f"{', '.join(sorted(self.conditions))}."
            )
