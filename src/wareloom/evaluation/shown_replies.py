"""What choosers of replies are judged by: the reply that an agent gave, among nine others at random, or like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from wareloom.classifiers.turns import Exchange, exchanges
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.ranking import Evaluation, metric
from wareloom.evaluation.shown_dialogues import counted, enough
from wareloom.language.runs import tokens
from wareloom.metrics import Ranked, RequestMetric
from wareloom.rankers.search.index import bm25, learn_terms
from wareloom.rankers.search.index import counted as counts_of
from wareloom.shop import Shop

if TYPE_CHECKING:
    from wareloom.classifiers.answered import ReplyNeighbours
    from wareloom.classifiers.replies import DualEncoder

REPLY_METRICS = ("recall@1", "mrr")
OFFERED = 10
"""Replies that are offered: the true one and nine others"""
RANDOM = "random replies"
"""How the figures over random others are called: "recall@1, random replies\""""
K1, B = 1.2, 0.75
Scores = Callable[[Sequence[Exchange], Sequence[Sequence[str]]], np.ndarray]


class ShownReplies:
    """The last replies of a part's dialogues; each is a request, `most` of them at most.

    The others are replies of the same part that read otherwise, signs and case apart. The hard list has the nine that
    are nearest to the true reply by BM25 over signs (words in English), so that neither the true one nor a context is
    told by its words alone; the other list has nine at random. The hard list decides.
    """

    def __init__(self, shop: Shop, name: str, most: int, run: Run) -> None:
        found = [one for one in exchanges(shop) if one.final and plain(one.reply)]
        rng = run.rng("shown replies", name)
        if len(found) > most:
            found = [found[i] for i in np.sort(rng.permutation(len(found))[:most])]
        self.asked = found
        enough(len(self), name, "replies that end a dialogue")
        replies = list(dict.fromkeys(plain(one.reply) for one in found))
        if len(replies) < OFFERED:
            raise InputError(
                f"The {name} part has {len(replies)} different replies; {OFFERED} are offered at a time."
            )
        text = {plain(one.reply): one.reply for one in reversed(found)}
        self.replies = [text[key] for key in replies]
        place = {key: at for at, key in enumerate(replies)}
        self._own = np.array([place[plain(one.reply)] for one in found])
        self.hard = self._offered(self._nearest())
        others = np.stack([rng.permutation(len(replies))[: OFFERED + 1] for _ in found])
        self.random = self._offered(others)

    def __len__(self) -> int:
        return len(self.asked)

    def _nearest(self) -> np.ndarray:
        """Places of the replies that are nearest to each true one, itself among them: int64 [asked, any]."""
        weights, terms, words = index(self.replies)
        unique, back = np.unique(self._own, return_inverse=True)
        found = []
        for start in range(0, len(unique), 512):
            rows = unique[start : start + 512]
            scores = (counts_of(words[rows], terms) @ weights.T).toarray()
            found.append(np.argsort(-scores, axis=1, kind="stable")[:, : OFFERED + 1])
        return np.concatenate(found)[back]

    def _offered(self, others: np.ndarray) -> list[list[str]]:
        """The true reply, then nine others."""
        made = []
        for own, row in zip(self._own.tolist(), others.tolist(), strict=True):
            kept = [at for at in row if at != own][: OFFERED - 1]
            made.append([self.replies[at] for at in (own, *kept)])
        return made

    def about(self) -> dict[str, Any]:
        """What a result says of what was asked."""
        return counted(len(self)) | {"offered": OFFERED, "replies": len(self.replies)}

    def evaluate(
        self, learner: DualEncoder | ReplyNeighbours, metrics: Sequence[str], run: Run
    ) -> Evaluation:
        """Measure where the true reply stands by a learner's scores."""
        return self.judged(learner.scores, metrics, run)

    def judged(self, scores: Scores, metrics: Sequence[str], run: Run) -> Evaluation:
        """Measure where the true reply stands by any scores; equal ones go by chance."""
        overall, per_request = dict[str, float](), dict[str, np.ndarray]()
        for label, offered in (("", self.hard), (f", {RANDOM}", self.random)):
            ranked = ranked_of(scores(self.asked, offered), run)
            for name in metrics:
                values = reply_metric(name).per_request(ranked)
                per_request[f"{name}{label}/all"] = values
                overall[f"{name}{label}"] = float(np.mean(values))
        return Evaluation(per_request, overall)

    def by_words(self, metrics: Sequence[str], run: Run) -> Evaluation:
        """Measure BM25 with the context as its query, by how rare words are among the part's replies."""

        def scores(asked: Sequence[Exchange], offered: Sequence[Sequence[str]]) -> np.ndarray:
            weights, terms, _ = index(self.replies)
            place = {text: at for at, text in enumerate(self.replies)}
            query = counts_of(words_of([one.context for one in asked]), terms)
            rows = np.array([[place[text] for text in own] for own in offered])
            found = [
                query.multiply(weights[rows[:, at]]).sum(axis=1) for at in range(rows.shape[1])
            ]
            return np.asarray(np.concatenate(found, axis=1))

        return self.judged(scores, metrics, run)


def plain(text: str) -> str:
    """A reply without signs and case: two that differ in nothing else are the same."""
    return "".join(sign for sign in text.lower() if sign.isalnum())


def words_of(texts: Sequence[str]) -> pl.Series:
    """Words and figures of texts, Chinese sign by sign: lists of strings."""
    return pl.Series([tokens(text, "") for text in texts], dtype=pl.List(pl.String))


def index(texts: Sequence[str]) -> tuple[Any, pl.Series, pl.Series]:
    """BM25's weights of texts, float32 CSR [texts, terms], the terms, and the words of each text."""
    words = words_of(texts)
    terms = learn_terms([words])
    return bm25(counts_of(words, terms), K1, B), terms, words


def ranked_of(scores: np.ndarray, run: Run) -> Ranked:
    """Where the first of each row stands among all: equal scores in an order drawn by the run's seed."""
    tie = run.rng("replies", "ties").random(scores.shape)
    mine, lot = scores[:, :1], tie[:, :1]
    ahead = (scores > mine) | ((scores == mine) & (tie < lot))
    ahead[:, 0] = False
    n = len(scores)
    rank = 1 + ahead.sum(axis=1).astype(np.int64)
    return Ranked(
        offsets=np.arange(n + 1, dtype=np.int64),
        rank=rank,
        grade=np.ones(n),
        item=np.zeros(n, dtype=np.int32),
        candidates=np.full(n, scores.shape[1], dtype=np.int64),
        top=np.full((n, 1), -1, dtype=np.int32),
        popularity=np.zeros(1),
    )


def reply_metric(name: str) -> RequestMetric:
    """Make the metric called `name`; raises `SettingError` for one that is no mean over requests."""
    made = metric(name)
    if not isinstance(made, RequestMetric):
        raise SettingError(
            f"The metric {name!r} is no mean over contexts: take recall@1 or mrr for replies."
        )
    return made
