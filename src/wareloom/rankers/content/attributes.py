"""Attributes: the brand, category and price band that a history speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.core.family import weighted
from wareloom.core.run import Run
from wareloom.core.settings import Factor, Positive, Size
from wareloom.errors import InputError
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps

FACETS = ("brand", "category", "parent", "price")


@dataclass(kw_only=True, eq=False)
class Attributes(Ranker):
    """Score items by how much more their brand, category and price band are in the history than among all events.

    Naive Bayes: log P(item) + Σ over facets of weight × log(P(value | history) / P(value)), where P(value | history) is
    the recency-decayed share of the value in the history, smoothed by `smoothing` pseudo-events that are spread as all
    events are, and P(item) is the item's share of all events with one added to each. An unknown value is a value of its
    own. An empty history leaves popularity. Items without events are scored by their facets.

    Memory: requests × items × 4 bytes for each block. Raises `InputError` where items have none of the facets. Maron
    (1961) on the rule; Pazzani and Billsus (2007) on its use for recommendation.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "moved by history",
            "weighted users",
        }
    )
    random: ClassVar[bool] = False

    facets: str = "brand category parent price"
    """What is looked at, with weights if wanted, as in "brand^2 price": brand, category (the whole path), parent (the
    path without its last part), price (a band). Those that the shop lacks are passed over."""
    bands: Size = 8
    """Price bands, of about equally many items each."""
    smoothing: Positive = 5.0
    """Events, spread as all events are, that are added to every history."""
    decay: Factor = 0.6
    """Factor for each step back in the history that is scored; 1 counts all events alike."""
    prior: Positive = 0.5
    """Weight of the item's own popularity beside the facets; above 0, so that an empty history has an order."""

    def _check(self) -> None:
        parse_facets(self.facets)

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        if shop is None:
            raise InputError(
                "The ranker 'attributes' learns from brand, category and price of the items, but it was given a log "
                "alone: fit it on a shop."
            )
        wanted = parse_facets(self.facets)
        found = {
            name: codes for name, codes in facet_codes(shop, self.bands).items() if name in wanted
        }
        if not found:
            raise InputError(
                f"The ranker 'attributes' needs one of the facets {', '.join(wanted)}, but the shop's items have none "
                "of them: fill brand, category or price, or choose a ranker that learns from behaviour."
            )
        counts = popularity(log)
        self.codes_ = np.stack([*found.values()])
        self.weights_ = np.array([wanted[name] for name in found])
        self.popularity_ = counts
        self.shares_ = np.concatenate(
            [np.bincount(codes, weights=counts) / counts.sum() for codes in found.values()]
        )
        self.starts_ = np.concatenate(
            [[0], np.cumsum([codes.max() + 1 for codes in found.values()])]
        )

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        history = recency(requests.histories, self.decay, 0)
        counts = self.popularity_ + 1.0
        scores = np.tile(
            (self.prior * np.log(counts / counts.sum())).astype(np.float32), (len(requests), 1)
        )
        mass = (
            np.add.reduceat(np.append(history[2], 0.0), history[0][:-1])
            if len(requests)
            else np.zeros(0)
        )
        mass = np.where(np.diff(history[0]) > 0, mass, 0.0)[:, None]
        for f, codes in enumerate(self.codes_):
            share = self.shares_[self.starts_[f] : self.starts_[f + 1]]
            shape = (len(requests), len(share))
            held = sparse.csr_matrix(
                (history[2].astype(np.float64), codes[history[1]], history[0]), shape=shape
            ).toarray()
            # A value without events has no share to compare with; it counts as one of a single event.
            rare = np.maximum(share, 1.0 / max(self.popularity_.sum(), 1.0))
            lift = np.log((held / rare + self.smoothing) / (mass + self.smoothing))
            scores += (self.weights_[f] * lift).astype(np.float32)[:, codes]
        return scores


def parse_facets(facets: str) -> dict[str, float]:
    """Read "brand^2 price" as {"brand": 2.0, "price": 1.0}; a wrong name or weight raises `SettingError`."""
    return weighted("attributes", "facets", facets, FACETS, "facet")


def facet_codes(shop: Shop, bands: int) -> dict[str, np.ndarray]:
    """Return the value of each facet for each item as codes from 0 (an unknown one too), int64 [items] by facet.

    A facet that no item has is left out. A band holds about equally many of the items that have a price.
    """
    columns = shop.columns("items")
    exprs = {}
    if "brand" in columns:
        exprs["brand"] = pl.col("brand")
    if "category" in columns:
        depth = pl.col("category").list.len()
        exprs["category"] = pl.when(depth > 0).then(
            pl.col("category").list.join("\x1f", ignore_nulls=True)
        )
        above = pl.col("category").list.head(depth.cast(pl.Int64) - 1)
        exprs["parent"] = pl.when(depth > 1).then(above.list.join("\x1f", ignore_nulls=True))
    if "price" in columns:
        exprs["price"] = pl.col("price")
    frame = shop.scan("items").select(**exprs).collect() if exprs else pl.DataFrame()
    codes = {}
    for name in frame.columns:
        values = frame[name]
        if name == "price":
            values = _bands(values, bands)
        if values.null_count() < len(values):
            codes[name] = np.unique(
                values.cast(pl.String).fill_null("").to_numpy(), return_inverse=True
            )[1].ravel()
    return codes


def _bands(price: pl.Series, bands: int) -> pl.Series:
    """Number of the quantile band of each price, null where it is unknown."""
    known = price.drop_nulls().to_numpy()
    if not len(known):
        return price
    edges = np.unique(np.quantile(known, np.arange(1, bands) / bands))
    return pl.Series(np.searchsorted(edges, price.fill_null(0.0).to_numpy(), side="right")).set(
        price.is_null(), None
    )
