"""Blend: collaborative and content scores, mixed for each request and item as their texts say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, Positive, Size
from wareloom.core.top import top_k
from wareloom.errors import InputError, require
from wareloom.rankers import Ranker
from wareloom.rankers.candidates import climb
from wareloom.rankers.held import FEWEST, Held, hold_back
from wareloom.rankers.history import popularity, recency, tail
from wareloom.rankers.hybrid import _maps
from wareloom.rankers.members import fit_members, gather, member_scores, parted, prior
from wareloom.rankers.neighbourhood import sum_rows
from wareloom.rankers.vectors import axes, projected, unit_rows
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps
from wareloom.shop.texts import item_texts


@dataclass(kw_only=True, eq=False)
class Blend(Ranker):
    """Mix the scores of collaborative and content rankers with weights that hang on the texts of request and item.

    r = softmax(a(q, p)ᵀW) · r_collaborative + b(q, p)ᵀV · r_content: q is the decayed mean of the text vectors of the
    history, with the query's own vector where there is one, p the item's text vector, a and b are one hidden layer each
    (tanh) over q, p and their product, with a constant. r_collaborative holds the scores of the collaborative members
    and popularity, r_content those of the content members, each as it is in units of the mean of its highest.

    The members are fitted without the last events of some users, and W, V and the maps taught to find these events
    among the members' best items, by cross-entropy; KL(collaborative ‖ blend) keeps what the text has no reason to
    change. They begin at the weights that `stack` would find, the same for all; where a judged fifth of the requests
    is not likelier at any time of the training, they stay there. Then the members are fitted anew on all.

    Only the best items of each member are mixed, the others follow by popularity. A member that the shop gives nothing
    to learn from is left out; `left_out_` says why. Memory: members × a block of requests × items, and the projection
    of the text, terms × embedding_size × 4 bytes. Raises `InputError` where items have no text.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )

    collaborative: tuple[str, ...] = ("transitions", "item_knn")
    """The rankers that know behaviour; their weights are shares of 1."""
    content: tuple[str, ...] = ("text_knn",)
    """The rankers that know the items; their weights are free."""
    member_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by member, where they are not the defaults."""
    embedder: str = "tfidf"
    """What makes the vectors of the texts: "tfidf", "minilm" or another embedder."""
    embedding_size: Size = 64
    """Numbers a text is described by."""
    hidden: Size = 16
    """Numbers that a and b have each."""
    decay: Factor = 0.7
    """Factor for each step back in the history that q is the mean of."""
    kl: NonNegative = 0.1
    """Weight of the divergence from the collaborative members alone."""
    weight_decay: NonNegative = 1.0
    """Decoupled decay of the maps, W and V, but not of their constants."""
    learning_rate: Positive = 0.001
    """Highest step size."""
    epochs: Size = 10
    """Passes over the held-back events."""
    batch_size: Size = 64
    """Requests an update."""
    candidates: Size = 100
    """Items of each member that are mixed."""
    held: Count = 5_000
    """Users, at most, whose last events are learned from."""

    def _check(self) -> None:
        for setting, members in (("collaborative", self.collaborative), ("content", self.content)):
            require("blend", setting, members, len(members) > 0, "one ranker or more")
        every = (*self.collaborative, *self.content)
        different = len({*every}) == len(every) and "blend" not in every
        wanted = "different rankers other than itself"
        require("blend", "collaborative and content", every, different, wanted)
        named = {*self.member_settings} <= {*every}
        wanted = f"names among {sorted(every)}"
        require("blend", "member_settings", self.member_settings, named, wanted)

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        if shop is None:
            raise InputError(
                "The ranker 'blend' learns from the text of the items, but it was given a log alone: fit it on a shop "
                "whose items have a title, category or brand."
            )
        texts = item_texts(shop)
        embedder = EMBEDDERS.make(self.embedder).fit(texts, run)
        vectors = embedder.vectors(texts, run)
        found = axes(vectors, self.embedding_size, run)
        self.embedders_, self.axes_ = (
            {"text": embedder},
            np.zeros((0, 0), np.float32) if found is None else found,
        )
        self.vectors_ = unit_rows(projected(vectors, found))
        asked = {
            name: self.member_settings.get(name, {})
            for name in (*self.collaborative, *self.content)
        }
        stopping, weighing = (None, None) if self._held is None else parted(self._held, asked, run)
        self.members_, self.left_out_ = fit_members(asked, log, shop, run, held=stopping)
        self.popularity_ = popularity(log)
        taking_part = {name: asked[name] for name in self.members_}
        if not set(self.collaborative) & set(taking_part):
            raise InputError(
                "None of the collaborative members can learn from this shop: "
                + "; ".join(self.left_out_.values())
            )
        self._learn(taking_part, log, shop, weighing, run)

    def _learn(
        self,
        asked: dict[str, dict[str, Any]],
        log: Log,
        shop: Shop,
        held: Held | None,
        run: Run,
    ) -> None:
        """Find the scale of the columns and teach the maps; equal weights where there is too little to hold back."""
        columns, split = self._columns(asked)
        self.scale_, self.report_ = np.ones(len(columns), dtype=np.float32), dict[str, float]()
        even = np.append(np.ones(split - 1), 0.0)
        start = _start(np.append(even, np.ones(len(columns) - split)), even, split)
        self.maps_ = _maps.constant(start, self.vectors_.shape[1])
        fitted, rest = self.members_, log
        if held is not None:
            held = held.draw(self.held, run)
        else:
            parted = hold_back(log, self.held, run)
            if parted is None or len(parted[0]) == 0:
                return
            rest, held = parted
            fitted, refused = fit_members(asked, rest, shop, run, self.members_)
            if refused:
                return
        if len(held) < FEWEST:
            return
        found, scale = gather(fitted, held, prior(popularity(rest)), self.candidates)
        own = [*fitted, "popularity"]
        order = [own.index(name) for name in columns]
        found = replace(found, features=np.ascontiguousarray(found.features[:, order]))
        self.scale_ = scale[order].astype(np.float32)
        alone = replace(found, features=found.features[:, :split])
        start = _start(climb(found), climb(alone), split)
        if (found.right >= 0).sum() < 2:
            self.maps_ = _maps.constant(start, self.vectors_.shape[1])
            return
        how = _maps.Teaching(
            hidden=self.hidden,
            kl=self.kl,
            weight_decay=self.weight_decay,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            batch_size=self.batch_size,
        )
        taught = _maps.Held(self._profiles(Requests.of(held.histories)), self.vectors_, found)
        self.maps_, self.report_ = _maps.teach(taught, start, how, run)

    def _columns(self, members: dict[str, Any]) -> tuple[list[str], int]:
        """Names of the columns, the collaborative ones with popularity first, and how many those are."""
        first = [*(name for name in self.collaborative if name in members), "popularity"]
        return [*first, *(name for name in self.content if name in members)], len(first)

    def _profiles(self, requests: Requests) -> np.ndarray:
        """Vectors of what is asked for, float32 [requests, size], of length 1; zeros where nothing is known."""
        assert requests.histories is not None
        profiles = unit_rows(sum_rows(recency(requests.histories, self.decay, 0), self.vectors_))
        if not any(requests.queries):
            return profiles
        asked = self.embedders_["text"].vectors([*requests.queries])
        return unit_rows(
            profiles + unit_rows(projected(asked, self.axes_ if self.axes_.size else None))
        )

    def _score(self, requests: Requests) -> np.ndarray:
        scores = member_scores(self.members_, requests)
        chosen = np.zeros((len(requests), len(self.popularity_)), dtype=bool)
        for found in scores.values():
            best = top_k(found, self.candidates)
            np.put_along_axis(chosen, best, np.take_along_axis(found, best, axis=1) > 0, axis=1)
        request, item = np.nonzero(chosen)
        popular = prior(self.popularity_)
        columns, _ = self._columns(self.members_)
        features = np.stack(
            [popular[item] if n == "popularity" else scores[n][request, item] for n in columns],
            axis=1,
        )
        features = (features / self.scale_).astype(np.float32)
        profiles = self._profiles(requests)
        total = np.tile(tail(self.popularity_), (len(requests), 1))
        if len(request):
            mixed = _maps.apply(self.maps_, profiles, self.vectors_, request, item, features)
            # Weights of content may be negative, but what a member speaks for stays above what none does.
            lowest = np.full(len(requests), np.inf, dtype=np.float32)
            np.minimum.at(lowest, request, mixed)
            total[request, item] = mixed - np.minimum(lowest, 0.0)[request]
        return total


def _start(every: np.ndarray, alone: np.ndarray, split: int) -> _maps.Start:
    """Turn weights of all columns, and of the collaborative ones alone, into shares of 1 and what goes with them."""
    shares = np.maximum(every[:split], _maps.LEAST * every.max())
    only = np.maximum(alone, _maps.LEAST * alone.max())
    return _maps.Start(shares / shares.sum(), every[split:] / shares.sum(), only / only.sum())
