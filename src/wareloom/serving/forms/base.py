"""The forms in which rankers are served: each answers one request in codes, from arrays that are mapped from files.

Tables of neighbours, words, popularity and stacks have one of their own. Every other ranker is asked itself.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from wareloom.core.top import sizes
from wareloom.rankers import Ranker
from wareloom.serving.files.kept import Tally
from wareloom.serving.files.lookup import Lookup
from wareloom.serving.forms import kernels
from wareloom.serving.forms.kinds import form_of
from wareloom.shop.log import NO_TIME

if TYPE_CHECKING:
    from wareloom.language.sizes import Terms
    from wareloom.serving.forms.realtime import Drawn

NOTHING = np.zeros(0, dtype=np.int32)
NO_ONE = np.zeros(0, dtype=np.uint8)
NO_CONTEXT: Mapping[str, str] = {}
VIEWED = 2
"""Code of the event that a history is taken to consist of, as in `Requests.sessions`"""
FORMS = ("table", "words", "popularity", "sum", "vectors", "fusion", "itself")
NONE = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))


class Asked(NamedTuple):
    """One request in codes."""

    codes: np.ndarray = NOTHING
    """int32 [events], the history, oldest first"""
    query: str = ""
    user: str | None = None
    onward: Drawn | None = None
    """How the session may go on, where the answers over that are averaged"""
    time: int = int(NO_TIME)
    """Microseconds since 1970 at which it is asked"""
    context: Mapping[str, str] = NO_CONTEXT
    """Device, place, …"""


class Part(NamedTuple):
    """A part of an item's score, and what it comes from."""

    kind: str
    """item, word, popularity, member, onward, context or all"""
    cause: int | str
    """Code of the history's item, the word, or a name"""
    amount: float
    others: bool = False
    """Whether it comes from what other shoppers had"""


Table = tuple[np.ndarray, np.ndarray, np.ndarray]
Found = tuple[np.ndarray, np.ndarray]
"""Codes int32 and scores float32, best first"""


@dataclass(eq=False)
class Room:
    """What kernels work in, for one catalogue: made once, clean between requests."""

    items: int
    sums: np.ndarray = field(init=False)
    mark: np.ndarray = field(init=False)
    touched: np.ndarray = field(init=False)
    tie: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros(self.items, dtype=np.float32)
        self.mark = np.zeros(self.items, dtype=np.uint8)
        self.touched = np.empty(self.items, dtype=np.int32)
        self.tie = np.arange(self.items, dtype=np.int32)

    @property
    def work(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums, marks and the touched, as kernels take them."""
        return self.sums, self.mark, self.touched


class Form(ABC):
    """A ranker as it is served."""

    kind: str
    additive = False
    """Whether the parts of a score sum to it"""
    reads = False
    """Whether it answers queries"""
    heeds: frozenset[str] = frozenset()
    """Names of the context that it looks at, and "time" where it looks at when it is asked"""
    slow = False
    """Whether some answers may take long"""
    others = False
    """Whether its parts come from what other shoppers had"""

    def __init__(self, room: Room) -> None:
        self.room = room

    @abstractmethod
    def scores(self, asked: Asked) -> np.ndarray:
        """Score all items: new float32 [items]."""

    def waits(self, asked: Asked) -> bool:
        """Whether an answer may take long."""
        return False

    def tallies(self) -> list[Tally]:
        """Those of the texts whose vectors are kept."""
        return []

    def best(self, asked: Asked, k: int, had: np.ndarray, barred: np.ndarray) -> Found:
        """Return the k best items without those that were `had` (codes) or `barred` (uint8 [items], or empty)."""
        scores = self.scores(asked)
        width = min(k, len(scores))
        codes, found = kernels.best_of_scores(
            scores, had, barred, self.room.tie, sizes(len(scores), width), width
        )
        return codes, found

    def parts(self, asked: Asked, code: int) -> list[Part]:
        """What the score of an item is made of: where no more is known, by leaving out one item after the other."""
        whole = float(self.scores(asked)[code])
        found = []
        for cause in dict.fromkeys(asked.codes.tolist()):
            left = asked._replace(codes=asked.codes[asked.codes != cause])
            amount = whole - float(self.scores(left)[code])
            found.append(Part("item", cause, amount, self.others))
        if asked.onward is not None:
            plain = float(self.scores(asked._replace(onward=None))[code])
            found.append(Part("onward", asked.onward.name, whole - plain))
        if asked.context or asked.time != NO_TIME:
            anywhere = asked._replace(context=NO_CONTEXT, time=int(NO_TIME))
            said = ", ".join(asked.context) or "time"
            found.append(Part("context", said, whole - float(self.scores(anywhere)[code])))
        return found


class Rows(Form):
    """Rows of a table, added up over the latest events of the history; then the popular."""

    kind = "table"
    additive = True

    def __init__(self, room: Room, table: Table, rest: Found, decay: float, last: int) -> None:
        super().__init__(room)
        self.table, self.tail, self.order = table, rest[0], rest[1]
        self.decay, self.last = decay, last

    def weighed(self, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the events that count, and their weights decay^age; the mean of these where the session goes on."""
        if asked.onward is not None:
            return self._averaged(asked, asked.onward)
        codes = asked.codes[-self.last :] if self.last else asked.codes
        weights = np.power(self.decay, np.arange(len(codes) - 1, -1, -1)).astype(np.float32)
        return (codes, weights) if self.decay else (codes[-1:], weights[-1:])

    def _averaged(self, asked: Asked, onward: Drawn) -> tuple[np.ndarray, np.ndarray]:
        """Sums of rows are linear in their weights: the mean over all draws is a sum of the rows of all.

        An item that some draws lead to and others do not counts 0 for these, not what it gets where nothing does.
        """
        draws, length = onward.items.shape
        n = len(asked.codes)
        age = np.arange(n + length - 1, -1, -1)
        whole = np.power(self.decay, age) * (age < self.last if self.last else 1.0)
        weights = np.empty(n + draws * length, dtype=np.float32)
        # The last n of the whole are the weights that n events have where nothing follows.
        weights[:n] = (1.0 - onward.share) * whole[-n:] + onward.share * whole[:n]
        weights[n:] = np.tile(whole[n:] * (onward.share / draws), draws)
        return np.concatenate([asked.codes, onward.items.ravel()]), weights

    def scores(self, asked: Asked) -> np.ndarray:
        """Score all items: new float32 [items]."""
        out = np.empty(self.room.items, dtype=np.float32)
        kernels.scores_of_rows(*self.weighed(asked), self.table, self.tail, self.room.work, out)
        return out

    def best(self, asked: Asked, k: int, had: np.ndarray, barred: np.ndarray) -> Found:
        """Go through the touched items alone, and then down the popular."""
        rows, weights = self.weighed(asked)
        return self.best_of(rows, weights, k, had, barred)

    def best_of(
        self, rows: np.ndarray, weights: np.ndarray, k: int, had: np.ndarray, barred: np.ndarray
    ) -> Found:
        """The best of rows that are named, with their weights."""
        codes, found = np.empty(k, np.int32), np.empty(k, np.float32)
        n = kernels.best_of_rows(
            rows,
            weights,
            self.table,
            (self.tail, self.order),
            had,
            barred,
            self.room.work,
            (codes, found, self.room.tie),
        )
        return codes[:n], found[:n]

    def parts(self, asked: Asked, code: int) -> list[Part]:
        """What each item of the history adds; popularity where none does."""
        found: dict[int, float] = {}
        for row, weight in zip(*self.weighed(asked), strict=True):
            if amount := float(weight * kernels.entry(self.table, row, code)):
                found[int(row)] = found.get(int(row), 0.0) + amount
        if sum(found.values()) > 0:
            own = [Part("item", row, amount, self.others) for row, amount in found.items()]
            return _onward(own, asked)
        return [Part("popularity", "popularity", float(self.tail[code]))]


class Words(Rows):
    """Postings of words, added up over the query; without a query the popular."""

    kind = "words"
    reads = True

    def __init__(
        self, room: Room, postings: Table, terms: Lookup, popular: Found, how: Terms
    ) -> None:
        zeros = (np.zeros(room.items, np.float32), room.tie)
        super().__init__(room, postings, zeros, 1.0, 0)
        self.terms, self.how = terms, how
        self.popular = Rows(room, no_table(room.items), popular, 1.0, 0)

    def weighed(self, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the query's known words and pairs in order, and how often each is said."""
        words = self.terms.codes(self.how.asked(asked.query))
        codes, counts = np.unique(words[words >= 0], return_counts=True)
        return codes, counts.astype(np.float32)

    def scores(self, asked: Asked) -> np.ndarray:
        """Score all items: new float32 [items]."""
        return super().scores(asked) if asked.query.strip() else self.popular.tail.copy()

    def best(self, asked: Asked, k: int, had: np.ndarray, barred: np.ndarray) -> Found:
        """Go through the postings of the query's words alone."""
        if not asked.query.strip():
            return self.popular.best_of(NOTHING, NONE[2], k, had, barred)
        return super().best(asked, k, had, barred)

    def parts(self, asked: Asked, code: int) -> list[Part]:
        """What each word of the query adds."""
        if not asked.query.strip():
            return self.popular.parts(Asked(), code)
        rows, weights = self.weighed(asked)
        found = [
            (r, float(w * kernels.entry(self.table, r, code)))
            for r, w in zip(rows, weights, strict=True)
        ]
        return [Part("word", self.terms.text(int(row)), amount) for row, amount in found if amount]


class Sum(Form):
    """A stack: members and popularity added up with their weights."""

    kind = "sum"
    additive = True

    def __init__(
        self,
        room: Room,
        members: list[tuple[str, Form, float, bool]],
        base: np.ndarray,
        tail: np.ndarray,
    ) -> None:
        super().__init__(room)
        self.members, self.base, self.tail = members, base, tail
        self.told = np.zeros(room.items, dtype=np.uint8)
        self._one = threading.Lock()
        self.heeds = frozenset[str]().union(*(form.heeds for _, form, _, _ in members))

    def tallies(self) -> list[Tally]:
        """Those of all members."""
        return [one for _, form, _, _ in self.members for one in form.tallies()]

    def waits(self, asked: Asked) -> bool:
        """Whether one of the members may take long."""
        return any(member[1].slow for member in self.members)

    def scores(self, asked: Asked) -> np.ndarray:
        """Score all items: new float32 [items]."""
        # An answer that came too late may still be at it in another thread, and `told` is there once.
        with self._one:
            return self._added(asked)

    def _added(self, asked: Asked) -> np.ndarray:
        total = self.base.copy()
        for _, form, factor, odds in self.members:
            weight = np.float32(factor)
            if isinstance(form, Rows) and not form.reads:
                kernels.add_member(
                    *form.weighed(asked), form.table, weight, self.room.work, total, self.told
                )
            else:
                said = form.scores(asked)
                kernels.add_scores(_rooted(said) if odds else said, weight, total, self.told)
        kernels.settle(total, self.told, self.tail)
        return total

    def parts(self, asked: Asked, code: int) -> list[Part]:
        """What each item of the history adds through the members that say so, and what else there is by its name."""
        found: list[Part] = []
        for name, form, factor, odds in self.members:
            said = form.scores(asked)
            own = float((_rooted(said) if odds else said)[code])
            if own <= 0:
                continue
            if isinstance(form, Rows) and not odds:
                found += [
                    part._replace(amount=factor * part.amount) for part in form.parts(asked, code)
                ]
            else:
                found.append(Part("member", name, factor * own))
        if not found:
            return [Part("popularity", "popularity", float(self.tail[code]))]
        return [*found, Part("popularity", "popularity", float(self.base[code]))]


def _onward(parts: list[Part], asked: Asked) -> list[Part]:
    """Parts that come from items that nobody looked at, added up as what they are: how the session may go on."""
    if asked.onward is None:
        return parts
    had = set(asked.codes.tolist())
    own = [part for part in parts if part.cause in had]
    drawn = sum(part.amount for part in parts if part.cause not in had)
    return [*own, Part("onward", asked.onward.name, drawn)] if drawn else own


def _rooted(scores: np.ndarray) -> np.ndarray:
    """Logits as square roots of probabilities, as stacks take networks."""
    scores = np.exp((scores - scores.max()) * 0.5)
    return np.asarray(scores / np.sqrt((scores * scores).sum(keepdims=True)), dtype=np.float32)


def no_table(items: int) -> Table:
    """A table of rows without an entry."""
    return np.zeros(items + 1, np.int64), NONE[1], NONE[2]


def rows_of(matrix: sparse.csr_matrix) -> Table:
    """The three arrays of a CSR matrix, in the types that kernels take."""
    return (
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float32),
    )


def by_score(scores: np.ndarray) -> np.ndarray:
    """Items in the order of their scores, the highest first, equal ones by code: int32."""
    return np.asarray(np.argsort(-scores, kind="stable"), dtype=np.int32)


def own_form(ranker: Ranker) -> str:
    """Which form a fitted ranker is served in: table, words, popularity, sum, vectors, fusion or itself."""
    kind = form_of(ranker.name)
    if ranker.name == "fusion":
        members = ranker.members_.values()  # type: ignore[attr-defined]
        own = all(own_form(member) in ("words", "vectors") for member in members)
        kind = "fusion" if own else "itself"
    plain = not any(getattr(ranker, name, 0) for name in ("spelling", "wishes", "personal"))
    return kind if plain or kind not in ("words", "vectors", "fusion") else "itself"


def check_known(folder: Path, told: dict[str, Any]) -> None:
    """Raise `SourceError` for a form that this version does not know."""
    from wareloom.errors import SourceError

    if told.get("form") not in FORMS:
        raise SourceError(
            f"{folder} is served in the form {told.get('form')!r}, which this Wareloom does not know: publish it again."
        )


def warm() -> None:
    """Load the compiled loops, by answering from a catalogue of two items."""
    room = Room(2)
    none, table = (np.zeros(2, np.float32), room.tie), no_table(2)
    rows = Rows(room, table, none, 0.5, 0)
    one = Asked(np.zeros(1, dtype=np.int32))
    for barred in (NO_ONE, np.zeros(2, dtype=np.uint8)):
        rows.best(one, 1, NOTHING, barred)
        Form.best(rows, one, 1, NOTHING, barred)
    Sum(room, [("", rows, 1.0, False)], none[0], none[0]).scores(one)
    kernels.add_scores(none[0], np.float32(1), none[0], room.mark)
    kernels.add_scaled(none[0], np.float32(1), none[0].copy())
    kernels.entry(table, 0, 0)
