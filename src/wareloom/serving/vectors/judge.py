"""Whether another encoder of queries answers as well as the one that was proved: by judged queries, or by agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.top import top_k
from wareloom.errors import InputError
from wareloom.evaluation.judged_items import RELEVANT, QueryTask
from wareloom.shop import Shop, Vocabulary
from wareloom.stats.bootstrap import combine, resample

K = 10
LOSS = 0.01
"""Share of nDCG@10, or of the ten best items, that another encoder may lose"""
BLOCK = 64
"""Queries that are scored at once"""
CUTS = 400
"""Parts of titles that stand for queries where none were judged"""

Read = Callable[[str], np.ndarray]
"""From a text to its unit vector"""


@dataclass(frozen=True)
class Verdict:
    """What another encoder loses."""

    measure: str
    """ndcg@10 where queries were judged, kept@10 (the share of the ten best that stay) where not"""
    queries: int
    before: float
    after: float
    low: float | None
    high: float | None
    """Ends of the paired 95 % interval of `after - before`"""

    @property
    def holds(self) -> bool:
        """Whether it loses no more than it may."""
        return self.after >= self.before * (1 - LOSS)

    def told(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "measure": self.measure,
            "queries": self.queries,
            "before": round(self.before, 5),
            "after": round(self.after, 5),
            "interval": None
            if self.low is None
            else [round(self.low, 5), round(self.high or 0.0, 5)],
            "holds": self.holds,
        }


class Judge:
    """Queries with what is right for them, and the vectors of the items."""

    def __init__(
        self, vectors: np.ndarray, queries: Sequence[str], gains: Sequence[dict[int, float]] | None
    ) -> None:
        self.vectors, self.queries, self.gains = vectors, list(queries), gains

    @classmethod
    def of(
        cls, ids: pl.Series, vectors: np.ndarray, shop: Shop | None, titles: Sequence[str]
    ) -> Judge:
        """Take the queries that people judged in `shop`; parts of the titles where it is None.

        Raises `InputError` where nothing was judged.
        """
        if shop is None:
            return cls(vectors, cuts(titles, CUTS, np.random.default_rng(2)), None)
        if not shop.rows("judgments"):
            raise InputError(
                f"The shop {shop.path or 'given'} has no judgments: give one that has with --judged, or none."
            )
        task = QueryTask.of(shop, "judged", RELEVANT)
        codes = Vocabulary(ids).encode(task.item)
        gains = []
        for start, stop in zip(task.offsets[:-1], task.offsets[1:], strict=True):
            pairs = zip(codes[start:stop].tolist(), task.gain[start:stop].tolist(), strict=True)
            # What the catalogue lacks cannot be found, and stays in what could be reached.
            gains.append(
                {code if code >= 0 else -1 - n: gain for n, (code, gain) in enumerate(pairs)}
            )
        return cls(vectors, task.queries, gains)

    def best(self, read: Read) -> np.ndarray:
        """The ten best items of each query, int32 [queries, 10]."""
        return self.best_by(np.stack([read(query) for query in self.queries]))

    def best_by(self, asked: np.ndarray) -> np.ndarray:
        """The same by the queries' vectors [queries, size]."""
        found = [
            top_k(asked[start : start + BLOCK] @ self.vectors.T, K)
            for start in range(0, len(asked), BLOCK)
        ]
        return np.concatenate(found)

    def ndcg(self, best: np.ndarray) -> np.ndarray:
        """nDCG@10 of each query over the whole catalogue, linear gains: float64 [queries]."""
        assert self.gains is not None
        discount = 1 / np.log2(np.arange(2, K + 2))
        values = np.zeros(len(best))
        for query, (row, gains) in enumerate(zip(best.tolist(), self.gains, strict=True)):
            ideal = sorted(gains.values(), reverse=True)[:K]
            reached = sum(gains.get(code, 0.0) * discount[place] for place, code in enumerate(row))
            values[query] = reached / float(np.dot(ideal, discount[: len(ideal)]))
        return values

    def verdict(self, before: np.ndarray, after: np.ndarray) -> Verdict:
        """Compare two answers, the ten best of each query."""
        if self.gains is None:
            kept = np.array(
                [len(np.intersect1d(a, b)) / len(a) for a, b in zip(before, after, strict=True)]
            )
            one, two, name = np.ones(len(kept)), kept, "kept@10"
        else:
            one, two, name = self.ndcg(before), self.ndcg(after), "ndcg@10"
        apart = two - one
        found = combine(
            float(apart.mean()),
            resample(apart[:, None], np.random.default_rng(3))[:, 0],
            np.array([apart.mean()]),
            requests=len(apart),
        )
        return Verdict(
            name, len(apart), float(one.mean()), float(two.mean()), found.low, found.high
        )


def cuts(titles: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Two to four words in a row of titles, as a shopper types them."""
    said = [words for title in titles if (words := (title or "").lower().split())]
    found = []
    for place in rng.integers(0, len(said), count if said else 0):
        words = said[int(place)]
        at = int(rng.integers(0, max(1, len(words) - 2)))
        found.append(" ".join(words[at : at + int(rng.integers(2, 5))]))
    return found


def check(verdict: Verdict, what: str) -> None:
    """Raise `InputError` where an encoder loses more than it may."""
    if verdict.holds:
        return
    if verdict.measure == "ndcg@10":
        said = f"nDCG@10 falls from {verdict.before:.4f} to {verdict.after:.4f} on {verdict.queries:,} judged queries"
        remedy = "take another variant, or --encoder f32"
    else:
        said = (
            f"{verdict.after:.1%} of the ten best items stay on {verdict.queries:,} parts of titles"
        )
        remedy = "give judged queries with --judged SHOP, by which nDCG@10 is compared, or take --encoder f32"
    raise InputError(
        f"The encoder {what} answers too differently: {said}, and {LOSS:.0%} may be lost. Nothing was published: "
        f"{remedy}."
    )
