"""The base of click models: training rows, features, calibration; a model learns from codes and numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import expit

from wareloom.core.run import Run
from wareloom.core.settings import Factor, Fraction, Size
from wareloom.errors import InputError
from wareloom.rankers import Ranker
from wareloom.rankers.clicks import calibration as calibration_
from wareloom.rankers.clicks._features import Encoder, learn
from wareloom.rankers.clicks.rows import (
    ClickQuery,
    Encoded,
    Examples,
    Rows,
    from_impressions,
    from_log,
    thinned,
)
from wareloom.rankers.history import popularity
from wareloom.shop import Log, Requests, Shop, Vocabulary
from wareloom.shop.impressions import CLICK, has_impressions
from wareloom.shop.keeps import Keeps
from wareloom.shop.log import NO_TIME

FEWEST = 20
"""Held-back clicks below which training does not stop early: their log loss would be noise."""
PAIRS = 1 << 18
"""Requests × items that are encoded and scored at a time."""


@dataclass(kw_only=True, eq=False)
class ClickRanker(Ranker, ABC):
    """Base of click models. A model implements `_learn` and `_logits`; rows, features and calibration are here.

        @dataclass(kw_only=True, eq=False)
        class ByItem(ClickRanker):
            '''The log-odds of each item's share of clicks, one click more on either side.'''

            def _learn(self, train, held, sizes, shop, run):
                item, n = train.rows.codes[:, 0], int(sizes[0])
                clicks = np.bincount(item, train.weight * train.label, n) + 1
                self.odds_ = np.log(clicks / (np.bincount(item, train.weight, n) + 2 - clicks))

            def _logits(self, rows):
                return self.odds_[rows.codes[:, 0]]

    `Encoded` and `Examples`, what a model reads, are in `rows`; networks take `ClickNetwork` of `network`, too.

    Fitted on impressions and their clicks where the shop has them; else on interactions, each beside `negatives` items
    drawn evenly from all others. Then a probability is that of an interaction being on this item, and a request of
    which nothing at all is known goes by popularity.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing"}
    )

    calibration: Literal["none", "platt", "isotonic"] = "none"
    """How probabilities are made right on a held-back share of training."""
    validation: Fraction = 0.1
    """Share of users (or sessions) held back for calibration and for stopping early; none where neither is wanted."""
    negatives: Size = 4
    """Items drawn beside each interaction, where the shop has no impressions."""
    negative_rate: Factor = 1.0
    """Share of impressions without a click that are learnt from; probabilities are corrected for it."""
    max_rows: Size = 2_000_000
    """Rows learnt from at most: of more, fewer unclicked ones, or fewer interactions, are taken at random."""
    min_count: Size = 1
    """Values that fewer training rows have count as unknown."""

    @abstractmethod
    def _learn(
        self, train: Examples, held: Examples | None, sizes: np.ndarray, shop: Shop | None, run: Run
    ) -> None:
        """Learn from rows; `held` is there where `_stops_early`; `sizes`: codes of each field."""

    @abstractmethod
    def _logits(self, rows: Encoded) -> np.ndarray:
        """Return the log-odds of a click for each row, before any calibration: float64 [rows]."""

    @property
    def _stops_early(self) -> bool:
        return False

    def predict(self, shop: Shop, earlier: Shop | None = None) -> np.ndarray:
        """Return the probability of a click for each impression of `shop`, in their order: float64 [impressions].

        `earlier`: a shop whose events belong to the histories, too, such as the training part. Raises `InputError`
        where `shop` has no impressions.
        """
        parts = [self._odds(rows) for rows in self._shown(shop, earlier)]
        return np.asarray(expit(np.concatenate(parts)))

    def _shown(self, shop: Shop, earlier: Shop | None) -> Iterator[Encoded]:
        """Encode the impressions of `shop` in their order, some at a time."""
        self.check_fitted()
        rows, encoder = from_impressions(shop, Vocabulary(self.items_), earlier), Encoder.of(self)
        for start in range(0, len(rows), PAIRS):
            part = np.arange(start, min(start + PAIRS, len(rows)))
            yield encoder.pairs(rows.asked.take(part), np.arange(len(part)), rows.item[part])

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        items = Vocabulary(self.items_)
        rng = run.rng(self.name, "rows")
        if shop is not None and has_impressions(shop):
            rows = from_impressions(shop, items, kinds=self._clicks(shop))
            rows = rows.take(np.flatnonzero((rows.weight > 0) & (rows.item >= 0)))
            rows = thinned(rows, self.negative_rate, self.max_rows, rng)
            self.popularity_ = np.zeros(0)
        else:
            kept = log.keep(log.weight > 0)
            kept = kept.select(np.flatnonzero(kept.lengths() > 0))
            rows = from_log(kept, self.negatives, self.max_rows, rng)
            self.popularity_ = popularity(kept)
        self._check_rows(rows)
        encoder, encoded = learn(rows, shop, items, self.min_count, run.rng(self.name, "folds"))
        for name, value in encoder.state().items():
            setattr(self, name, value)
        self.sizes_, self.item_codes_ = encoder.sizes, encoder.item_codes
        self.kept_ = rows.rate
        examples = Examples(encoded, rows.label, rows.weight, self._more(rows, shop))
        early, late = self._parted(examples, rows, run)
        self._learn(early, late if self._stops_early else None, encoder.sizes, shop, run)
        self._calibrate(None if self.calibration == "none" else late)

    def _clicks(self, shop: Shop) -> Sequence[str]:
        """The kinds of event that count as clicks on what was shown."""
        return (CLICK,)

    def _more(self, rows: Rows, shop: Shop | None) -> dict[str, np.ndarray]:
        """What a model learns from beside clicks, each [rows, …]; `span` where rows come and go."""
        return {} if rows.span is None else {"span": rows.span}

    def _parted(self, examples: Examples, rows: Rows, run: Run) -> tuple[Examples, Examples | None]:
        """What is learned from, and what is held back of it for calibration and for stopping early.

        What was shown in the part that is held out of everything (`Ranker.fit`, `held`) takes the place of the latter.
        """
        out = self._held
        part = None if out is None else out.shop
        if out is None or part is None or not has_impressions(part) or len(self.popularity_):
            held = self._held_back(rows, run)
            late = examples.take(np.flatnonzero(held))
            return examples.take(np.flatnonzero(~held)), late if held.any() else None
        if self.calibration == "none" and not self._stops_early:
            return examples, None
        shown = from_impressions(part, Vocabulary(self.items_), out.earlier, self._clicks(part))
        shown = shown.take(np.flatnonzero((shown.weight > 0) & (shown.item >= 0)))
        shown = thinned(shown, self.negative_rate, self.max_rows, run.rng(self.name, "held"))
        if self.calibration == "none" and shown.label.sum() < FEWEST:
            return examples, None
        read = Encoder.of(self).pairs(shown.asked, shown.request, shown.item)
        return examples, Examples(read, shown.label, shown.weight, self._more(shown, part))

    def _calibrate(self, late: Examples | None) -> None:
        """Learn from rows held back how to make probabilities right; None where that is not asked for."""
        self.curve_ = np.zeros((0, 0))
        if late is not None:
            score = self._logits(late.rows)
            self.curve_ = calibration_.learn(self.calibration, score, late.label, late.weight)

    def _check_rows(self, rows: Rows) -> None:
        clicks = int(rows.label.sum())
        if clicks in (0, len(rows)):
            raise InputError(
                f"The ranker {self.name!r} has nothing to tell apart: of {len(rows):,} rows {clicks:,} were clicked. "
                "Give it impressions with and without clicks."
            )

    def _held_back(self, rows: Rows, run: Run) -> np.ndarray:
        """Mark the real rows of the owners that are held back: bool [rows]; none for the sake of a few clicks."""
        if self.calibration == "none" and not self._stops_early:
            return np.zeros(len(rows), dtype=bool)
        owners = np.unique(rows.owner)
        drawn = run.rng(self.name, "held").random(len(owners)) < self.validation
        held = drawn[np.searchsorted(owners, rows.owner)] & (rows.real if rows.real.any() else True)
        wanted = self.calibration != "none" or rows.label[held].sum() >= FEWEST
        return held if wanted else np.zeros(len(rows), dtype=bool)

    def heeds(self) -> frozenset[str]:
        """See `Ranker.heeds`: the fields of the context that it has learnt, and time for hour and weekday."""
        named = {n.removeprefix("context:") for n in self.fields_ if n.startswith("context:")}  # type: ignore[attr-defined]
        timed = {"time"} if {"hour", "weekday"} & set(self.fields_) else set[str]()  # type: ignore[attr-defined]
        return frozenset(named | timed)

    def _odds(self, rows: Encoded) -> np.ndarray:
        """Log-odds of a click, calibrated and corrected: float64 [rows]."""
        odds = calibration_.calibrated(self.calibration, self.curve_, self._logits(rows))
        return calibration_.corrected(odds, float(self.kept_))

    def _score(self, requests: Requests) -> np.ndarray:
        """Log-odds before an isotonic curve, which keeps the order but makes ties."""
        asked, n = ClickQuery.of(requests), len(self.items_)
        scores = np.empty((len(asked), n), dtype=np.float32)
        for part, rows in self._grids(asked):
            odds = self._odds(rows) if self.calibration != "isotonic" else self._logits(rows)
            scores[part] = odds.reshape(len(part), n)
        if len(self.popularity_):
            share = self._share()
            scores[nothing_known(asked)] = np.log(share / (1 - share))
        return scores

    def _grids(self, asked: ClickQuery) -> Iterator[tuple[np.ndarray, Encoded]]:
        """Encode some requests at a time (their places) with every item."""
        encoder, size = Encoder.of(self), max(1, PAIRS // len(self.items_))
        for start in range(0, len(asked), size):
            part = np.arange(start, min(start + size, len(asked)))
            yield part, encoder.grid(asked.take(part))

    def _share(self) -> np.ndarray:
        """Share of the interactions that each item has, half a one more: float64 [items]."""
        return (self.popularity_ + 0.5) / (self.popularity_.sum() + 0.5 * len(self.items_) + 1.0)


def nothing_known(asked: ClickQuery) -> np.ndarray:
    """Mark requests without history, time and context: bool [requests]."""
    return (asked.ends == asked.starts) & (asked.time == NO_TIME) & (asked.context.width == 0)


def one_hot(rows: Encoded, sizes: np.ndarray) -> Any:
    """Rows as a sparse float64 matrix: a column for each known code of each field, then the numbers."""
    from scipy import sparse

    offsets = np.concatenate([[0], np.cumsum(sizes - 1)])
    n = len(rows)
    known = rows.codes > 0
    column = (rows.codes + offsets[:-1] - 1)[known]
    indptr = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
    codes = sparse.csr_matrix((np.ones(len(column)), column, indptr), shape=(n, int(offsets[-1])))
    return sparse.hstack([codes, sparse.csr_matrix(rows.dense.astype(np.float64))], format="csr")
