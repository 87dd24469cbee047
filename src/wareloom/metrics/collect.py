"""From blocks of scores to `Ranked`: ranks of the relevant items and the top of each list, block after block."""

from __future__ import annotations

import numpy as np

from wareloom.errors import InputError
from wareloom.metrics import Ranked
from wareloom.metrics._ranks import ranks


class Collector:
    """Collect the outcome of ranking while the scores go by, one block of requests after the other.

    collector = Collector(popularity, depth=20)
    for start, block, scores in ranker.blocks(requests):
        collector.add(scores, offsets, items)
    ranked = collector.finish()
    """

    def __init__(
        self,
        popularity: np.ndarray,
        *,
        depth: int = 20,
        groups: np.ndarray | None = None,
        tie: np.ndarray | None = None,
    ) -> None:
        """`popularity` float64 [items]; `depth`: places of each list that are kept; `groups` int32 [items], categories.

        `tie` int32 [items], a permutation: of equal scores the lower key comes first; the order of the catalogue if
        None.
        """
        self.popularity, self.groups = popularity, groups
        items = len(popularity)
        self.depth = min(depth, items)
        self.tie = (
            np.arange(items, dtype=np.int32) if tie is None else np.asarray(tie, dtype=np.int32)
        )
        if depth < 1 or len(self.tie) != items:
            raise InputError(
                f"Collector: depth is {depth} and tie has {len(self.tie)} keys for {items} items."
            )
        self._counts: list[np.ndarray] = []
        self._relevant: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._candidates: list[np.ndarray] = []
        self._top: list[np.ndarray] = []

    def add(
        self,
        scores: np.ndarray,
        offsets: np.ndarray,
        items: np.ndarray,
        grades: np.ndarray | None = None,
    ) -> None:
        """Append a block: scores float32 [requests, items], -inf for what is no candidate, and its relevant items.

        The relevant items of request r of the block are items[offsets[r]:offsets[r+1]] (int32 codes, -1 unknown), each
        at most once, of `grades` (1 where None). Raises `InputError` where the shapes do not fit.
        """
        offsets, items = np.asarray(offsets, dtype=np.int64), np.asarray(items, dtype=np.int32)
        grades = np.ones(len(items)) if grades is None else np.asarray(grades, dtype=np.float64)
        if (
            scores.shape != (len(offsets) - 1, len(self.popularity))
            or offsets[-1] != len(items)
            or offsets[0] != 0
        ):
            raise InputError(
                f"Collector: scores of shape {scores.shape} do not fit {len(offsets) - 1} requests with "
                f"{len(items)} relevant of {len(self.popularity)} items."
            )
        rank, candidates, top = ranks(scores, offsets, items, self.tie, self.depth)
        request = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        order = np.lexsort((rank, request))
        self._counts.append(np.diff(offsets))
        self._relevant.append((rank[order], grades[order], items[order]))
        self._candidates.append(candidates)
        self._top.append(top)

    def finish(self) -> Ranked:
        """Return all that was added as one `Ranked`, in the order of adding."""
        columns = [np.concatenate(part) for part in zip(*self._relevant, strict=True)] or [
            np.zeros(0)
        ] * 3
        counts = np.concatenate([np.zeros(1, dtype=np.int64), *self._counts])
        return Ranked(
            offsets=np.cumsum(counts).astype(np.int64),
            rank=columns[0].astype(np.int64),
            grade=columns[1].astype(np.float64),
            item=columns[2].astype(np.int32),
            candidates=np.concatenate([np.zeros(0, dtype=np.int64), *self._candidates]),
            top=np.concatenate([np.zeros((0, self.depth), dtype=np.int32), *self._top]),
            popularity=np.asarray(self.popularity, dtype=np.float64),
            groups=self.groups,
        )
