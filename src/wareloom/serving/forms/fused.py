"""Fusion as it is served: what each member says of all items in units of its spread, or by its place, added up."""

from __future__ import annotations

import numpy as np

from wareloom.core.top import top_k
from wareloom.serving.files.kept import Tally
from wareloom.serving.forms import kernels
from wareloom.serving.forms.base import (
    NONE,
    NOTHING,
    Asked,
    Form,
    Found,
    Part,
    Room,
    Rows,
    no_table,
)


class Fused(Form):
    """Members that read queries, added up with their shares; the popular where nothing is looked for."""

    kind = "fusion"
    reads = True

    def __init__(
        self,
        room: Room,
        members: list[tuple[str, Form, float]],
        popular: Found,
        constant: float,
        depth: int,
    ) -> None:
        """`constant`: what is added to a place before it is inverted, 0 where scores are added up instead of places;
        `depth`: places of each member that count."""
        super().__init__(room)
        self.members, self.tail = members, popular[0]
        self.popular = Rows(room, no_table(room.items), popular, 1.0, 0)
        self.constant, self.depth = constant, min(depth, room.items)
        self.slow = any(form.slow for _, form, _ in members)

    def tallies(self) -> list[Tally]:
        """Those of all members."""
        return [one for _, form, _ in self.members for one in form.tallies()]

    def waits(self, asked: Asked) -> bool:
        """Whether a member may take long."""
        return bool(asked.query.strip()) and any(form.waits(asked) for _, form, _ in self.members)

    def scores(self, asked: Asked) -> np.ndarray:
        """Score all items: new float32 [items]."""
        if not asked.query.strip():
            return self.tail.copy()
        total = np.zeros(self.room.items, dtype=np.float32)
        for _, form, share in self.members:
            said = form.scores(asked)
            if self.constant:
                total += np.float32(share) * self._placed(said)
            else:
                kernels.add_scaled(said, np.float32(share), total)
        return total

    def best(self, asked: Asked, k: int, had: np.ndarray, barred: np.ndarray) -> Found:
        """The best of the sum, or the popular."""
        if not asked.query.strip():
            return self.popular.best_of(NOTHING, NONE[2], k, had, barred)
        return super().best(asked, k, had, barred)

    def parts(self, asked: Asked, code: int) -> list[Part]:
        """What the score loses without a word of the query."""
        words = asked.query.split()
        if not words:
            return self.popular.parts(Asked(), code)
        whole = float(self.scores(asked)[code])
        found = []
        for n, word in enumerate(words):
            rest = asked._replace(query=" ".join(words[:n] + words[n + 1 :]))
            # Without its only word a query is none, and what then answers has scores of another kind.
            left = float(self.scores(rest)[code]) if len(words) > 1 else 0.0
            found.append(Part("word", word, whole - left))
        return found

    def _placed(self, scores: np.ndarray) -> np.ndarray:
        """Reciprocal ranks of the first places, 0 for what is as low as the lowest."""
        best = top_k(scores[None], self.depth)[0]
        value = (1 / (self.constant + 1 + np.arange(len(best)))).astype(np.float32)
        found = np.zeros_like(scores)
        found[best] = np.where(scores[best] > scores.min(), value, np.float32(0))
        return found
