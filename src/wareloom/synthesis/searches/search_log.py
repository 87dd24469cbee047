"""Search log: shoppers who type a query, look at what is shown, click, try again, and sometimes buy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Share, Size
from wareloom.errors import SettingError
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.impressions import has_impressions, impressions
from wareloom.shop.keeps import Keeps
from wareloom.synthesis import Condition, Counts, GivenItems, Of, Synthesizer
from wareloom.synthesis.behaviour._clicks import examination
from wareloom.synthesis.draws import mark
from wareloom.synthesis.labels.base import LabelSynthesizer
from wareloom.synthesis.queries.base import QuerySynthesizer
from wareloom.synthesis.searches._sessions import Sessions

CART, BUY = 0.15, 0.4
"""Share of the products looked at that go into the cart, and of those in the cart that are bought, where no log says"""
MINUTE = 60_000_000


@dataclass(kw_only=True, eq=False)
class SearchLog(Synthesizer):
    """Let shoppers search: each wants one product, types a query for it, is shown what a ranker finds, and clicks.

    By "position" an item is clicked if its place is looked at and it attracts, each independent of the others; by
    "cascade" the list is read from above and left after a click with the probability `satisfied` × attraction (Craswell
    et al. 2008). Attraction grows with the grade, (2^grade - 1) / 7, from `noise` on. How likely a place is looked at
    is fitted where the shop has impressions, else place^-`bias`. Who clicks nothing tries another query for the same
    product with the probability `again`. What is clicked is viewed, and goes into the cart and is bought as often as in
    the shop's own log, by its grade.

    `sample(n)` gives `n` sessions: the tables searches (with results) and events (view_item_list with positions,
    select_item, view_item, add_to_cart, purchase), with times where the shop's events have them.
    """

    keeps: ClassVar[Keeps] = "counts"
    knows: ClassVar[frozenset[str]] = frozenset({"behaviour", "text"})
    of: ClassVar[Of] = "searches"
    counts: ClassVar[Counts] = "queries"
    takes: ClassVar[type[Condition]] = GivenItems
    conditions: ClassVar[frozenset[str]] = frozenset({"items"})
    quick: ClassVar[Mapping[str, Any]] = {"label_settings": {"round_trip": 0}, "shown": 6}

    labels: str = "lexical"
    """The synthesizer of labels that writes the queries, finds and grades."""
    label_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings; the queries' and the ranker's among them."""
    shown: Size = 10
    """Items shown for each query."""
    clicks: Literal["position", "cascade"] = "position"
    """How shoppers read a list."""
    bias: NonNegative = 1.0
    """How soon attention falls with the place where no impressions say."""
    noise: Share = 0.05
    """Attraction of what is irrelevant."""
    satisfied: Share = 0.8
    """Chance that somebody who clicked what attracts fully looks no further; of "cascade"."""
    again: Share = 0.5
    """Chance that somebody who clicked nothing tries another query."""
    tries: Size = 3
    """Queries of a session at most."""

    def _check(self) -> None:
        made = SYNTHESIZERS.make(self.labels, **self.label_settings)
        if not isinstance(made, LabelSynthesizer):
            raise SettingError(
                f"search_log: the synthesizer {self.labels!r} gives no labels: take lexical, say."
            )

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from a shop's items, and from its log where it has one."""
        run = run or Run()
        self.catalogue_, self.meta_ = shop.table("items"), dict(shop.meta)
        self.judges_: dict[str, LabelSynthesizer] = {
            "labels": SYNTHESIZERS.make(self.labels, **self.label_settings).fit(shop, run)
        }
        self.attention_ = self._attention(shop)
        self.cart_, self.buy_ = _funnel(shop)
        self.span_ = _span(shop)
        return self

    def _attention(self, shop: Shop) -> np.ndarray:
        """How likely each place is looked at: float64 [shown]."""
        usual = (1.0 + np.arange(self.shown)) ** -self.bias
        if not has_impressions(shop):
            return usual
        seen = impressions(shop).filter(pl.col("position").is_not_null())
        clicked = seen["clicked"].cast(pl.Float64).to_numpy()
        if not len(seen) or not 0 < clicked.sum() < len(clicked):
            return usual
        fitted = np.minimum.accumulate(examination(seen["position"], seen["item_id"], clicked))[
            : self.shown
        ]
        # Beyond the places that were shown attention falls on as it usually does.
        rest = usual[len(fitted) :] * fitted[-1] / usual[len(fitted) - 1]
        return np.concatenate([fitted, rest])

    def sample(self, n: int, run: Run | None = None, given: GivenItems | None = None) -> Shop:
        """Draw `n` search sessions; `given.items` names the only products that are wanted."""
        self._checked(n, given)
        run = run or Run()
        labels = self.judges_["labels"]
        writer: QuerySynthesizer = labels.writers_["queries"]
        first = writer.sample(n, run.with_(seed=run.seed_for("search_log", 0)), given).table(
            "judgments"
        )
        wanted = (
            Vocabulary(self.catalogue_["item_id"]).encode(first["item_id"]).astype(np.int64)[:n]
        )
        sessions = Sessions(
            self.origin,
            mark(self, n, run, given),
            len(wanted),
            self.span_,
            run.rng("search_log", "times"),
        )
        open_, said = np.arange(len(wanted)), first["query"].to_list()[:n]
        for turn in range(self.tries):
            if turn:
                own = run.with_(seed=run.seed_for("search_log", turn))
                said = [" ".join(text.split()) for text in writer._write(wanted[open_], own)]
                typed = np.array([bool(text) for text in said], dtype=bool)
                open_, said = open_[typed], [text for text in said if text]
            if not len(open_):
                break
            rng = run.rng("search_log", "clicks", turn)
            clicked = self._searched(sessions, open_, said, wanted[open_], rng, run)
            open_ = open_[~clicked & (rng.random(len(open_)) < self.again)]
        searches, events = sessions.tables(self.catalogue_["item_id"])
        tables = {"items": self.catalogue_, "searches": searches, "events": events}
        return self._stamped(Shop.trusted(tables, self.meta_))

    def _searched(
        self,
        sessions: Sessions,
        who: np.ndarray,
        said: list[str],
        wanted: np.ndarray,
        rng: np.random.Generator,
        run: Run,
    ) -> np.ndarray:
        """Show each of some sessions a list and write down what is done; returns who clicked: bool [sessions]."""
        labels = self.judges_["labels"]
        found = labels._retrieve(said)[:, : self.shown]
        row, place = np.nonzero(found >= 0)
        item = found[row, place]
        grade, _ = labels._grade(said, row, item, run)
        grade = np.where(item == wanted[row], 3.0, np.clip(grade, 0.0, 3.0))
        attraction = self.noise + (1 - self.noise) * (np.exp2(grade) - 1) / 7
        table = np.zeros((2, *found.shape))
        table[0, row, place], table[1, row, place] = attraction, grade
        hit = self._clicked(table[0], rng)
        bought = rng.random(found.shape) < self.cart_ * np.minimum(1.0, table[1] / 2)
        sessions.add(who, said, found, hit, bought, bought & (rng.random(found.shape) < self.buy_))
        return np.asarray(hit.any(axis=1))

    def _clicked(self, attraction: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which items of each list are clicked: bool [lists, shown]; attraction 0 where nothing is shown."""
        attention = self.attention_[: attraction.shape[1]]
        if self.clicks == "position":
            return np.asarray(rng.random(attraction.shape) < attention * attraction)
        reading = np.ones(len(attraction), dtype=bool)
        hit = np.zeros(attraction.shape, dtype=bool)
        on = np.concatenate([attention[1:] / np.maximum(attention[:-1], 1e-9), [0.0]])
        for place in range(attraction.shape[1]):
            hit[:, place] = reading & (rng.random(len(attraction)) < attraction[:, place])
            done = hit[:, place] & (
                rng.random(len(attraction)) < self.satisfied * attraction[:, place]
            )
            reading[done | (rng.random(len(attraction)) >= on[place])] = False
        return hit


def _funnel(shop: Shop) -> tuple[float, float]:
    """Carts a view and purchases a cart, of the shop's own log where it has them."""
    if not shop.has("events"):
        return CART, BUY
    counts = dict(shop.scan("events").group_by("event").len().collect().iter_rows())
    views = counts.get("view_item", 0) or counts.get("select_item", 0)
    carts, bought = counts.get("add_to_cart", 0), counts.get("purchase", 0)
    cart = min(1.0, carts / views) if views and carts else CART
    return cart, min(1.0, bought / carts) if carts and bought else BUY


def _span(shop: Shop) -> list[int]:
    """The first and the last time of the shop's events, microseconds; empty where it has none."""
    if not shop.has("events", "time"):
        return []
    row = (
        shop.scan("events").select(first=pl.col("time").min(), last=pl.col("time").max()).collect()
    )
    first, last = (row[name].dt.timestamp("us")[0] for name in ("first", "last"))
    return [] if first is None else [int(first), int(last)]
