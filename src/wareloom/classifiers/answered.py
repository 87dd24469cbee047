"""Replies by what was answered before: those are likely that are like the replies to the nearest known messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from wareloom.classifiers.replies import BUCKETS, FEWEST, Bags, rarity_of
from wareloom.classifiers.talks import Asks, TalkLearner
from wareloom.classifiers.turns import Exchange, exchanges
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Size
from wareloom.errors import InputError
from wareloom.shop import Shop

EARLIER_COUNTS = 0.5
"""What messages before the last count beside it"""
BLOCK = 512
"""Contexts whose neighbours are looked for at once"""


@dataclass(kw_only=True, eq=False)
class ReplyNeighbours(TalkLearner):
    """Nearest neighbours over runs of one to three signs, weighed by how rare they are; nothing is trained.

    A reply's score is the sum over the nearest known contexts of how near each is, times how like its reply is, both
    as a power: a kernel estimate of which reply follows (Nadaraya 1964; Watson 1964).
    """

    asks: ClassVar[Asks] = "replies"

    neighbours: Size = 50
    """Known contexts that speak, at most."""
    power: Positive = 2.0
    """The power of both likenesses; more counts the nearest more."""

    def fit(self, shop: Shop, run: Run, held: Shop) -> Self:
        """Keep all replies that follow a message; raises `InputError` where there are too few."""
        self.pairs_ = exchanges(shop)
        if len(self.pairs_) < FEWEST:
            raise InputError(
                f"There are {len(self.pairs_)} replies of agents after a message: {FEWEST} are the fewest that teach."
            )
        self.rows_ = len(self.pairs_)
        self._sides = _read(self.pairs_)
        self._replies = Bags.read([one.reply for one in self.pairs_], tail=False)
        self._rarity = rarity_of([self._sides[0], self._replies])
        self._known = self._contexts(self._sides)
        self._said = _rows(self._replies, self._rarity)
        return self

    def nearest(self, asked: Sequence[Exchange]) -> tuple[np.ndarray, np.ndarray]:
        """Return places among `pairs_`, int64 [asked, neighbours], and weights, float32, that sum to 1 or to 0.

        A pair of a context's own dialogue is none of its neighbours.
        """
        number = min(self.neighbours, len(self.pairs_))
        own = np.array([one.dialogue for one in self.pairs_])
        places, weights = [], []
        for start in range(0, len(asked), BLOCK):
            part = asked[start : start + BLOCK]
            near = (self._contexts(_read(part)) @ self._known.T).toarray()
            near[np.array([one.dialogue for one in part])[:, None] == own] = 0
            top = np.argsort(-near, axis=1, kind="stable")[:, :number]
            weight = np.take_along_axis(near, top, axis=1) ** self.power
            places.append(top)
            weights.append(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12))
        return np.concatenate(places), np.concatenate(weights).astype(np.float32)

    def scores(self, asked: Sequence[Exchange], offered: Sequence[Sequence[str]]) -> np.ndarray:
        """Return how well each offered reply fits what was said: float32 [asked, offered], as many for each."""
        texts = list(dict.fromkeys(text for own in offered for text in own))
        place = {text: at for at, text in enumerate(texts)}
        alike = _rows(Bags.read(texts, tail=False), self._rarity) @ self._said.T
        near, weight = self.nearest(asked)
        found = np.zeros((len(asked), len(offered[0])), dtype=np.float32)
        for row, own in enumerate(offered):
            like = alike[[place[text] for text in own]][:, near[row]].toarray()
            found[row] = (like**self.power) @ weight[row]
        return found

    def _contexts(self, sides: tuple[Bags, Bags]) -> Any:
        """Vectors of length 1 of what was said before: CSR [contexts, buckets]."""
        last, before = (_rows(side, self._rarity) for side in sides)
        return _unit(last + EARLIER_COUNTS * before)


def _read(asked: Sequence[Exchange]) -> tuple[Bags, Bags]:
    """Last messages and those before."""
    return (
        Bags.read([one.last for one in asked], tail=True),
        Bags.read([one.before for one in asked], tail=True),
    )


def _rows(bags: Bags, rarity: np.ndarray) -> Any:
    """Runs as rows of length 1, each run by how rare it is: CSR float32 [texts, buckets]."""
    shape = (len(bags), BUCKETS)
    counts = csr_matrix((np.ones(len(bags.flat), np.float32), bags.flat, bags.offsets), shape)
    counts.sum_duplicates()
    counts.data = (1 + np.log(counts.data)) * rarity[counts.indices]
    return _unit(counts)


def _unit(rows: Any) -> Any:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return (diags(1 / np.maximum(length, 1e-12)) @ rows).tocsr().astype(np.float32)
