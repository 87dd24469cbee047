"""Regression of ratings: biases and factors by alternating least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numba import njit, prange

from wareloom.core.run import Run
from wareloom.core.settings import Count, Positive, Size
from wareloom.errors import InputError
from wareloom.rankers import Ranker
from wareloom.shop import Log, Requests, Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class Rating(Ranker):
    """Predict a rating as mean + bias of the user + bias of the item + product of their vectors.

    Alternating least squares on squared error: with the items' part held, each user's bias and vector are the exact
    solution, then the reverse. Of several ratings of one user and item the mean counts, by weight. A user or item that
    is unknown has bias 0, so a stranger's scores are the items' means, drawn towards the mean of all. In a shop without
    ratings it predicts how often a user comes back to an item. Koren, Bell and Volinsky (2009); Zhou et al. (2008).
    """

    keeps: ClassVar[Keeps] = "people"
    laws: ClassVar[frozenset[str]] = frozenset({"events of no weight teach nothing"})

    embedding_size: Count = 16
    """Length of the vectors; 0 learns biases alone."""
    regularization: Positive = 0.1
    """Penalty on squared vectors, for each rating of the user or item."""
    bias_regularization: Positive = 5.0
    """Ratings at the mean that every bias starts from."""
    epochs: Size = 15
    """Rounds over users and items."""

    def predict(self, shop: Shop) -> np.ndarray:
        """Return the rating predicted for each event of `shop` that has one, in their order: float64 [ratings]."""
        self.check_fitted()
        frame = rated(shop)
        user = Vocabulary(self.users_).encode(frame["user"])
        item = Vocabulary(self.items_).encode(frame["item_id"])
        product = np.einsum("ij,ij->i", self.user_vectors_[user], self.item_vectors_[item])
        return np.asarray(self.mean_ + self.user_bias_[user] + self.item_bias_[item] + product)

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        user, item, value, weight = self._observed(log, shop)
        self.mean_ = float(value @ weight / weight.sum())
        n, m, size = len(self.users_), len(self.items_), self.embedding_size + 1
        users, items = np.zeros((n, size)), run.rng("rating").normal(0, 0.1, (m, size))
        items[:, 0] = 0.0
        penalty = np.zeros((2, size))
        penalty[0, 0], penalty[1, 1:] = self.bias_regularization, self.regularization
        by_user, by_item = _grouped(user, n), _grouped(item, m)
        with run.task("rating epochs", self.epochs) as advance:
            for _ in range(self.epochs):
                _solve(*by_user, item, value - self.mean_, weight, items, users, penalty)
                _solve(*by_item, user, value - self.mean_, weight, users, items, penalty)
                advance()
        self.user_bias_, self.user_vectors_ = _with_unknown(users)
        self.item_bias_, self.item_vectors_ = _with_unknown(items)

    def _observed(
        self, log: Log, shop: Shop | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return user, item, value and weight, one row a user and item; the users go to `users_`."""
        if shop is not None and shop.has("events", "rating"):
            frame = rated(shop, none=True).filter(pl.col("weight") > 0)
        else:
            frame = pl.DataFrame(
                schema={"user": pl.String, "item_id": pl.String, "rating": pl.Float64}
            )
        items = Vocabulary(self.items_)
        if len(frame):
            both = pl.col("user"), pl.col("item_id")
            mean = (pl.col("rating") * pl.col("weight")).sum() / pl.col("weight").sum()
            frame = frame.group_by(*both).agg(
                rating=mean, weight=pl.col("weight").sum().cast(pl.Float64)
            )
            frame = frame.filter(pl.col("item_id").is_in(self.items_.implode())).sort(
                "user", "item_id"
            )
        if len(frame) == 0:
            matrix = log.keep(log.weight > 0).matrix().tocoo()
            frame = pl.DataFrame(
                {
                    "user": log.users.ids.gather(matrix.row),
                    "item_id": self.items_.gather(matrix.col),
                    "rating": matrix.data.astype(np.float64),
                    "weight": np.ones(len(matrix.data)),
                }
            )
        self.users_ = frame["user"].unique().sort()
        user = Vocabulary(self.users_).encode(frame["user"])
        return (
            user,
            items.encode(frame["item_id"]),
            frame["rating"].to_numpy(),
            frame["weight"].to_numpy(),
        )

    def _score(self, requests: Requests) -> np.ndarray:
        who = pl.Series([*requests.users] or [None] * len(requests), dtype=pl.String)
        user = Vocabulary(self.users_).encode(who)
        product = self.user_vectors_[user] @ self.item_vectors_[:-1].T
        return (
            self.mean_ + self.user_bias_[user][:, None] + self.item_bias_[:-1] + product
        ).astype(np.float32)


def rated(shop: Shop, *, none: bool = False) -> pl.DataFrame:
    """Return the events of `shop` with an item and a rating, in their order: user, item_id, rating, weight.

    Raises `InputError` where there are none, unless `none` is fine.
    """
    scan = shop.scan("events")
    if shop.has("events", "rating"):
        frame = (
            scan.select("item_id", "rating", "weight", user=user_key(scan))
            .drop_nulls(["item_id", "rating"])
            .collect()
        )
        if len(frame) or none:
            return frame
    raise InputError(
        "The shop has no ratings: the table 'events' needs the column 'rating' with numbers in it."
    )


def _grouped(code: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of `code`, and where each code's begin: int64 [n + 1], int64 [rows]."""
    order = np.argsort(code, kind="stable")
    return np.searchsorted(code[order], np.arange(n + 1)), order


def _with_unknown(solved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Biases and vectors, with zeros at the end for the unknown, which code -1 finds there."""
    padded = np.concatenate([solved, np.zeros((1, solved.shape[1]))])
    return padded[:, 0].copy(), padded[:, 1:].copy()


@njit(cache=True, parallel=True)
def _solve(offsets, order, other, value, weight, fixed, out, penalty):  # type: ignore[no-untyped-def]
    """Solve each row of `out` (bias, vector) against `fixed`, whose bias is taken off the value first.

    `penalty` [2, size]: once, and for each rating's weight.
    """
    size = fixed.shape[1]
    for r in prange(len(offsets) - 1):
        rows = order[offsets[r] : offsets[r + 1]]
        left, right, total = np.zeros((size, size)), np.zeros(size), 0.0
        for k in rows:
            # The bias is solved for as one more number, against a constant 1; the other side's is taken off first.
            x = fixed[other[k]].copy()
            target = (value[k] - x[0]) * weight[k]
            x[0] = 1.0
            total += weight[k]
            for a in range(size):
                right[a] += target * x[a]
                for b in range(size):
                    left[a, b] += weight[k] * x[a] * x[b]
        if total > 0:
            for a in range(size):
                left[a, a] += penalty[0, a] + penalty[1, a] * total
            out[r] = np.linalg.solve(left, right)
        else:
            out[r] = 0.0
