"""What can be known of a taught encoder without a label: signs by which its strength might be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.top import top_k
from wareloom.rankers.search.base import SearchRanker, scaled
from wareloom.shop import Shop, Vocabulary

OTHER = "spans"
"""The generator whose queries nothing was taught on"""
ASKED, DEPTH = 500, 10
"""Queries of a generator that are asked, and places of a list that are compared"""
SIGNS = (
    "round trip, other generator",
    "round trip, same generator",
    "agreement with words, other generator",
    "agreement with words, own queries",
    "order by words, own queries",
)
"""What `signs` tells of a ranker: the more, the better it is taken to be"""


class Asked:
    """Queries that nobody labelled: of two generators, with the product each was written for, and the shop's own."""

    def __init__(self, bare: Shop, own: Sequence[str], words: SearchRanker, run: Run) -> None:
        items = Vocabulary(bare.table("items")["item_id"])
        self.own, self.words = list(own), words
        self.made: dict[str, tuple[list[str], np.ndarray]] = {}
        for place, name in (("other", OTHER), ("same", "attributes")):
            drawn = run.with_(seed=run.seed_for("signs", name))
            rows = SYNTHESIZERS.make(name).fit(bare, drawn).sample(ASKED, drawn).table("judgments")
            self.made[place] = (rows["query"].to_list(), items.encode(rows["item_id"]))
        self.said = {
            "own": words.match_all(self.own),
            "other": words.match_all(self.made["other"][0]),
        }

    def signs(self, ranker: SearchRanker) -> dict[str, float]:
        """Every one of `SIGNS` for a ranker fitted on the same products."""
        found = {place: ranker.match_all(queries) for place, (queries, _) in self.made.items()}
        own = ranker.match_all(self.own)
        return dict(
            zip(
                SIGNS,
                (
                    reciprocal(found["other"], self.made["other"][1]),
                    reciprocal(found["same"], self.made["same"][1]),
                    overlap(found["other"], self.said["other"]),
                    overlap(own, self.said["own"]),
                    correlated(own, self.said["own"]),
                ),
                strict=True,
            )
        )


def reciprocal(scores: np.ndarray, item: np.ndarray) -> float:
    """Mean reciprocal place of the item that each query was written for; equal scores share their places."""
    own = scores[np.arange(len(item)), item][:, None]
    place = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) + 1) / 2
    return float((1 / place).mean())


def overlap(scores: np.ndarray, others: np.ndarray) -> float:
    """Share of the first `DEPTH` items that two rankers have in common, over queries in the mean."""
    ours, theirs = (top_k(each, min(DEPTH, each.shape[1])) for each in (scores, others))
    both = [len(np.intersect1d(a, b)) for a, b in zip(ours, theirs, strict=True)]
    return float(np.mean(both) / ours.shape[1])


def correlated(scores: np.ndarray, others: np.ndarray) -> float:
    """Correlation of two rankers' scores over the catalogue, over queries in the mean."""
    return float((scaled(scores) * scaled(others)).mean())


def chosen(signs: Mapping[str, Mapping[str, float]], sign: str) -> str:
    """The system for which a sign is highest, the first of equals."""
    return max(signs, key=lambda system: signs[system][sign])
