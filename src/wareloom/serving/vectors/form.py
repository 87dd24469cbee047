"""Rankers that score by inner products, as they are served: where a request stands, and what is near to it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from wareloom.language.histories import Names, history_text
from wareloom.serving.files.kept import Tally
from wareloom.serving.forms.base import (
    NO_CONTEXT,
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
from wareloom.serving.forms.itself import Itself, mean_of
from wareloom.serving.vectors.encode import Encoder
from wareloom.serving.vectors.near import Near
from wareloom.shop.log import NO_TIME


class Asker(ABC):
    """Says where a request stands."""

    reads = False
    """Whether it reads queries"""
    slow = False
    """Whether that may take long"""
    heeds: frozenset[str] = frozenset()
    """See `Form.heeds`"""

    @abstractmethod
    def place(self, asked: Asked) -> np.ndarray | None:
        """The vector of a request, float32 [size]; None where there is nothing to go by."""

    def waits(self, asked: Asked) -> bool:
        """Whether this one may take long."""
        return self.slow


class ByRanker(Asker):
    """The ranker itself says it, in codes."""

    def __init__(self, itself: Itself, *, bias: bool) -> None:
        self.itself, self.bias = itself, bias
        # A network is asked through torch, closed forms are a matter of microseconds.
        self.slow = itself.ranker.gradient
        self.heeds = itself.heeds

    def place(self, asked: Asked) -> np.ndarray | None:
        """The vector of a request, with a 1 at its end where items have a bias."""
        vectors, known = self.itself.ranker._places(self.itself.requests(asked))
        if not known.all():
            return None
        # Scores are linear in it, so that the mean of the answers is the answer at the mean.
        place = mean_of(vectors, asked)
        return np.append(place, np.float32(1.0)) if self.bias else place


class ByText(Asker):
    """An encoder reads the query, or the names of the latest items."""

    reads = slow = True

    def __init__(self, encoder: Encoder, names: Names, history: int, temperature: float) -> None:
        self.encoder, self.names, self.history = encoder, names, history
        self.temperature = np.float32(temperature)

    def text(self, asked: Asked) -> str:
        """What is read for a request, "" for nothing."""
        return asked.query.strip() or history_text(asked.codes, self.names, self.history)

    def place(self, asked: Asked) -> np.ndarray | None:
        """The vector of a request, as long as scores are large."""
        text = self.text(asked)
        return self.encoder.vector(text) / self.temperature if text else None

    def waits(self, asked: Asked) -> bool:
        """It takes long, unless the text was read before."""
        return not self.encoder.knows(self.text(asked))


class Vectors(Form):
    """Inner products of a request's vector with the items'; the popular where there is nothing to go by."""

    kind = "vectors"

    def __init__(self, room: Room, near: Near, asker: Asker, rest: Found) -> None:
        super().__init__(room)
        self.near, self.asker, self.tail = near, asker, rest[0]
        self.popular = Rows(room, no_table(room.items), rest, 1.0, 0)
        self.reads, self.slow, self.heeds = asker.reads, asker.slow, asker.heeds

    def tallies(self) -> list[Tally]:
        """That of the encoder, where there is one."""
        return [self.asker.encoder.tally] if isinstance(self.asker, ByText) else []

    def waits(self, asked: Asked) -> bool:
        """Whether this answer may take long."""
        return self.asker.waits(asked)

    def scores(self, asked: Asked) -> np.ndarray:
        """Score all items: new float32 [items]."""
        query = self.asker.place(asked)
        return self.tail.copy() if query is None else self.near.scores(query)

    def best(self, asked: Asked, k: int, had: np.ndarray, barred: np.ndarray) -> Found:
        """The nearest items."""
        query = self.asker.place(asked)
        if query is None:
            return self.popular.best_of(NOTHING, NONE[2], k, had, barred)
        return self.near.best(query, k, had, barred)

    def parts(self, asked: Asked, code: int) -> list[Part]:
        """What the score loses without an item of the history, or without a word of the query."""
        whole = self._one(asked, code)
        words = asked.query.split() if self.reads else []
        found: list[Part] = []
        for n, word in enumerate(words):
            rest = asked._replace(query=" ".join(words[:n] + words[n + 1 :]))
            # Without its only word a query is none, and what then answers has scores of another kind.
            left = self._one(rest, code) if len(words) > 1 else 0.0
            found.append(Part("word", word, whole - left))
        for cause in dict.fromkeys(asked.codes.tolist()) if not words else ():
            without = asked._replace(codes=asked.codes[asked.codes != cause])
            found.append(Part("item", cause, whole - self._one(without, code)))
        if asked.onward is not None:
            plain = self._one(asked._replace(onward=None), code)
            found.append(Part("onward", asked.onward.name, whole - plain))
        if asked.context or asked.time != NO_TIME:
            anywhere = asked._replace(context=NO_CONTEXT, time=int(NO_TIME))
            said = ", ".join(asked.context) or "time"
            found.append(Part("context", said, whole - self._one(anywhere, code)))
        return found

    def _one(self, asked: Asked, code: int) -> float:
        query = self.asker.place(asked)
        return float(self.tail[code] if query is None else self.near.vectors[code] @ query)
