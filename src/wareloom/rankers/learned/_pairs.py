"""What a text encoder is taught from: requests and the items that were right, out of judgments and events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.language.encoder import words_of
from wareloom.language.histories import history_text
from wareloom.neural import torch
from wareloom.neural.loss import log_drawn
from wareloom.rankers.search.judged import judged
from wareloom.shop import Log, Shop
from wareloom.shop.schema import REAL

HELD = (20, 2_000)
"""Queries and users that are held back, at least (else none) and at most."""
HELD_PAIRS = 256
"""Pairs of these that are looked at, at most: reading text takes time."""
EVALUATIONS = 10
"""How often a training is looked at, and, where rows come and go, how often the rows are chosen anew."""


@dataclass(frozen=True)
class Pairs:
    """Requests and an item that was right for each. Requests from len(queries) on are events, of what came before."""

    queries: Sequence[str]
    log: Log
    request: np.ndarray
    """int64 [pairs]"""
    item: np.ndarray
    """int64 [pairs]"""
    weight: np.ndarray
    """float32 [pairs]"""
    group: np.ndarray
    """int64 [pairs], what is held back as a whole: a query, or a user, counted from len(queries)"""
    real: np.ndarray
    """bool [pairs]"""

    def __len__(self) -> int:
        return len(self.item)

    def keep(self, rows: np.ndarray) -> Pairs:
        """Return some of the pairs: a mask, or places."""
        names = ("request", "item", "weight", "group", "real")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def texts(self, names: Sequence[str], last: int) -> list[str]:
        """The text of each request."""
        said = []
        for request in self.request.tolist():
            if request < len(self.queries):
                said.append(self.queries[request])
                continue
            row = request - len(self.queries)
            start = self.log.offsets[np.searchsorted(self.log.offsets, row, side="right") - 1]
            said.append(history_text(self.log.item[max(start, row - last) : row], names, last))
        return said


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The texts of the items, and how they are read."""

    texts: list[str]
    """What is read of each item"""
    names: list[str]
    """What an item is called in a history"""
    tokenizer: Any
    longest: int
    """Pieces of words that a text is cut to"""
    history: int
    """Latest items of a history that are read"""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What pairs are made of, and how they are laid out in batches."""

    learn_from: Literal["both", "judgments", "events"]
    relevant: float
    """The grade from which a judged item is right"""
    negatives: int
    """Items judged lower that each judged item is compared with"""
    correct: bool
    """Whether other requests' items count less the likelier they are to be in a batch"""
    epochs: int
    batch_size: int
    validation: float


class PairData:
    """Judgments and events of a shop in batches of pairs; a share of the real queries and users is held back."""

    def __init__(self, log: Log, shop: Shop, reading: Reading, how: Layout, run: Run) -> None:
        self.reading, self.how, self.run = reading, how, run
        self.texts = reading.texts
        self.items = len(self.texts)
        self.there = np.array([bool(text.strip()) for text in self.texts])
        self.log = log.keep((log.weight > 0) & self.there[log.item])
        self._read(judged(shop, log.items) if how.learn_from != "events" else pl.DataFrame())
        self.all = self._all()
        self._hold_back()
        batches = -(-self._count() // how.batch_size)
        self.updates = 0 if not len(self.all) else run.updates or how.epochs * batches
        """Gradient updates that are planned"""

    def _read(self, rows: pl.DataFrame) -> None:
        """Take the judgments: right pairs, and for each query the items that are not."""
        if len(rows):
            rows = rows.group_by("query", "item", maintain_order=True).agg(
                pl.col("said").first(),
                grade=(pl.col("grade") * pl.col("weight")).sum() / pl.col("weight").sum(),
                weight=pl.col("weight").sum(),
                real=(pl.col("origin") == REAL).all(),
            )
            rows = rows.filter(pl.col("query") != "", pl.Series(self.there).gather(rows["item"]))
        if not len(rows):
            rows = pl.DataFrame(
                schema=dict.fromkeys(("query", "said"), pl.String) | {"item": pl.Int64}
            )
            rows = rows.with_columns(grade=pl.lit(0.0), weight=pl.lit(0.0), real=pl.lit(False))
        code = rows["query"].rank("dense").cast(pl.Int64) - 1
        self.queries = (
            rows.group_by(code.alias("code"))
            .agg(pl.col("said").first())
            .sort("code")["said"]
            .to_list()
        )
        query, item = code.to_numpy(), rows["item"].cast(pl.Int64).to_numpy()
        right = rows["grade"].to_numpy() >= self.how.relevant
        kept = (rows[name].to_numpy() for name in ("weight", "real"))
        weight, real = kept
        parts = (
            query[right],
            item[right],
            weight[right].astype(np.float32),
            query[right],
            real[right],
        )
        self.judged = Pairs(self.queries, self.log, *parts)
        self.right = np.sort(query[right] * self.items + item[right])
        order = np.flatnonzero(~right)[np.argsort(query[~right], kind="stable")]
        self.low, counts = item[order], np.bincount(query[~right], minlength=len(self.queries))
        self.low_from = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _all(self, done: float | None = None) -> Pairs:
        """All pairs that are learned from when a share `done` of the training is over; with None at any time."""
        log = self.log
        if self.how.learn_from == "judgments":
            return self.judged
        if log.span is not None and done is not None:
            log = log.keep((log.span[:, 0] <= done) & (done < log.span[:, 1]))
        first = np.zeros(len(log) + 1, dtype=bool)
        first[log.offsets[:-1]] = True
        rows = np.flatnonzero(~first[:-1])
        base, judged = len(self.queries), self.judged
        return Pairs(
            self.queries,
            log,
            np.concatenate([judged.request, base + rows]),
            np.concatenate([judged.item, log.item[rows]]),
            np.concatenate([judged.weight, log.weight[rows]]),
            np.concatenate([judged.group, base + log.user[rows]]),
            np.concatenate([judged.real, log.real[rows]]),
        )

    def _count(self) -> int:
        """Pairs in a pass, on average where rows come and go."""
        if self.log.span is None or self.how.learn_from == "judgments":
            return len(self._learned(self.all))
        shares = (np.arange(EVALUATIONS) + 0.5) / EVALUATIONS
        return max(
            1, round(float(np.mean([len(self._learned(self._all(share))) for share in shares])))
        )

    def _hold_back(self) -> None:
        """Choose the queries and users that stop the training early: each query's right items, each user's last."""
        pairs, rng = self.all, self.run.rng("bi_encoder", "validation")
        groups = np.unique(pairs.group[pairs.real])
        wanted = min(int(self.how.validation * len(groups)), HELD[1])
        self.groups = np.sort(rng.permutation(groups)[: wanted if wanted >= HELD[0] else 0])
        held = np.flatnonzero(np.isin(pairs.group, self.groups) & pairs.real)
        last = np.append(np.diff(pairs.group[held]) != 0, True)[: len(held)]
        held = held[last | (pairs.group[held] < len(self.queries))]
        self.held = pairs.keep(np.sort(rng.permutation(held)[:HELD_PAIRS]))

    def _learned(self, pairs: Pairs) -> Pairs:
        return pairs.keep(~np.isin(pairs.group, self.groups)) if len(self.groups) else pairs

    def batches(self, epoch: int) -> Iterator[dict[str, Any]]:
        """Yield the batches of a pass, in random order."""
        pairs, limit = self.all, None
        if self.log.span is not None:
            limit = max(1, self.updates // EVALUATIONS)
            pairs = self._all(min(1 - 1e-6, epoch * limit / max(1, self.updates)))
        yield from islice(
            self._laid(self._learned(pairs), self.run.rng("bi_encoder", "epoch", epoch)), limit
        )

    def held_batches(self) -> list[dict[str, Any]]:
        """The batches of what is held back, the same each time."""
        return list(self._laid(self.held, self.run.rng("bi_encoder", "held")))

    def _laid(self, pairs: Pairs, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        counts = np.bincount(pairs.item, minlength=self.items) if len(pairs) else np.ones(1)
        order, size = rng.permutation(len(pairs)), self.how.batch_size
        for start in range(0, len(order), size):
            yield self._batch(pairs.keep(order[start : start + size]), counts, rng)

    def _batch(self, pairs: Pairs, counts: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Lay a batch out: words of requests and items, and which items each request is compared with.

        The items are those that are right for some request of the batch, then what people judged lower for one.
        """
        reading = self.reading
        right, own = np.unique(pairs.item, return_inverse=True)
        low = self._lower(pairs.request, rng)
        more = np.setdiff1d(low[low >= 0], right)
        items = np.concatenate([right, more])
        place = np.zeros(self.items, dtype=np.int64)
        place[items] = np.arange(len(items))
        keys = pairs.request[:, None] * self.items + right
        never = (pairs.item[:, None] == right) | (
            (pairs.request < len(self.queries))[:, None] & self._is_right(keys)
        )
        never |= (low[:, :, None] == right).any(axis=1)
        log_q = torch.zeros(len(right))
        if self.how.correct:
            # The items that can be met are those with a pair; the average share is theirs.
            known = np.flatnonzero(counts)
            shares = torch.from_numpy(counts[known] / counts.sum())
            log_q = log_drawn(shares, max(1, len(pairs) - 1))[
                torch.from_numpy(np.searchsorted(known, right))
            ]
        return {
            "requests": self._words(pairs.texts(reading.names, reading.history)),
            "items": self._words([reading.texts[item] for item in items]),
            "own": torch.from_numpy(own.astype(np.int64)),
            "low": torch.from_numpy(place[np.maximum(low, 0)]),
            "never": torch.from_numpy(np.concatenate([never, low < 0], axis=1)),
            "log_q": log_q,
            "weight": torch.from_numpy(pairs.weight),
        }

    def _words(self, texts: list[str]) -> dict[str, Any]:
        return words_of(texts, self.reading.tokenizer, self.reading.longest)

    def _is_right(self, keys: np.ndarray) -> np.ndarray:
        """Whether query × items + item was judged right."""
        at = np.minimum(np.searchsorted(self.right, keys), max(0, len(self.right) - 1))
        return self.right[at] == keys if len(self.right) else np.zeros(keys.shape, dtype=bool)

    def _lower(self, request: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw items that were judged lower for each request: int64 [requests, negatives], -1 where there is none."""
        query = np.where(request < len(self.queries), request, -1)
        start, stop = self.low_from[query], self.low_from[np.minimum(query + 1, len(self.queries))]
        count = np.where(query >= 0, stop - start, 0)
        drawn = start[:, None] + (
            rng.random((len(request), self.how.negatives)) * count[:, None]
        ).astype(np.int64)
        low = (
            self.low[np.minimum(drawn, len(self.low) - 1)]
            if len(self.low)
            else np.full(drawn.shape, -1)
        )
        return np.where(count[:, None] > 0, low, -1).astype(np.int64)
