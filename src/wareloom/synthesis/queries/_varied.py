"""Variety: of several candidates for a query the one that is likely and unlike what was written before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from wareloom.language.tokenise import tokenise

LATEST = 256
"""Queries of a group that a candidate is compared with, the latest; one that is the same is known for ever"""


class Written:
    """What was written so far, by groups of products that are alike."""

    def __init__(self) -> None:
        self.words: dict[str, deque[frozenset[str]]] = defaultdict(lambda: deque(maxlen=LATEST))
        self.whole: set[frozenset[str]] = set()

    def likeness(self, query: str, group: str) -> float:
        """Return how like a query is to the likest of its group: shared words by all (Jaccard), 1 where it is there."""
        words = frozenset(tokenise(query))
        if words in self.whole:
            return 1.0
        return max(
            (len(words & other) / len(words | other) for other in self.words[group]), default=0.0
        )

    def choose(
        self, queries: Sequence[str], worths: Sequence[float], group: str, penalty: float
    ) -> str:
        """Take and note the query of the highest worth less `penalty` times its likeness; "" where there is none.

        Carbonell and Goldstein (1998): maximal marginal relevance, one query at a time.
        """
        there = [(query, worth) for query, worth in zip(queries, worths, strict=True) if query]
        if not there:
            return ""
        # The first of equals: their order is that in which they were drawn.
        query, _ = max(
            there,
            key=lambda each: (
                each[1] - (penalty * self.likeness(each[0], group) if penalty else 0.0)
            ),
        )
        words = frozenset(tokenise(query))
        if words not in self.whole:
            self.whole.add(words)
            self.words[group].append(words)
        return query
