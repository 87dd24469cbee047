"""Distilled: a small model that grades as people did on the few queries they have graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from wareloom.core.family import EMBEDDERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Size
from wareloom.errors import InputError, SettingError, require
from wareloom.language.embedders import Embedder
from wareloom.rankers.search.judged import judged
from wareloom.rankers.search.match import Matcher
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.schema import REAL
from wareloom.shop.texts import field_texts, item_texts, parse_fields, present
from wareloom.synthesis.labels._ordinal import chances, fit_ordinal
from wareloom.synthesis.labels.base import HIGHEST, LabelSynthesizer
from wareloom.synthesis.labels.lexical import Lexical

LEVELS = 7
STEPS = np.arange(LEVELS) / 2
"""Grades that are told apart: 0, ½, 1 … 3"""
FEWEST = 30
"""Labels below which nothing can be learned"""
FOLDS = 5


@dataclass(kw_only=True, eq=False)
class Distilled(LabelSynthesizer):
    """Learn from graded pairs how likely each grade is, from how query and product match.

    It sees the shares of words, BM25, cosines of tf-idf and of runs of three characters that `lambdamart` sees, the
    rule of `lexical`, and the cosine of `embedder`'s vectors, and fits proportional odds with a ridge penalty, chosen
    by cross-validation over queries. The grade is the expected one, stretched to the spread of the grades it learned
    from; the confidence is how likely it is that the true grade is within ½ of it. The labels are the shop's own real
    judgments, or those of another synthesizer of labels (`teacher`) on synthetic queries.
    """

    quick: ClassVar[Mapping[str, Any]] = {**LabelSynthesizer.quick, "embedder": ""}
    renamed: ClassVar[Mapping[str, str]] = {
        **LabelSynthesizer.renamed,
        "lessons": "training_queries",
    }

    teacher: str = ""
    """The synthesizer of labels that is learned from; empty for the shop's real judgments."""
    teacher_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    training_queries: Size = 500
    """Queries that the teacher labels."""
    embedder: str = "minilm"
    """What makes the vectors whose cosine is seen; empty for none."""
    fields: str = "title category brand"
    """Columns of items that are read; those a shop lacks are passed over."""
    ridges: tuple[Positive, ...] = (0.003, 0.03, 0.3)
    """Penalties among which cross-validation chooses."""

    def _check(self) -> None:
        super()._check()
        parse_fields(self.fields, self.name)
        require(self.name, "ridges", self.ridges, bool(self.ridges), "one number above 0, or more")
        if self.teacher and not _gives_labels(self.teacher):
            raise SettingError(
                f"distilled: the teacher {self.teacher!r} gives no labels: take lexical or judge."
            )

    def _learn(self, shop: Shop, run: Run) -> None:
        for name in ("_matcher", "_matrices"):
            self.__dict__.pop(name, None)
        texts = {
            name: field_texts(shop, name)
            for name in present(shop, parse_fields(self.fields, self.name))
        }
        for name, value in Matcher.learn(texts, 1.2, 0.75).state().items():
            setattr(self, name, value)
        rule = Lexical(fields=self.fields)
        rule.catalogue_ = self.catalogue_
        rule._learn(shop, run)
        self.rules_ = {"lexical": rule}
        self.embedders_: dict[str, Embedder] = {}
        if self.embedder:
            every = item_texts(shop, self.fields)
            self.embedders_ = {"text": EMBEDDERS.make(self.embedder).fit(every, run)}
            self.vectors_ = self.embedders_["text"].embed(every, run)
        self._fit_grades(self._graded_pairs(shop, run), run)

    def _graded_pairs(self, shop: Shop, run: Run) -> Any:
        """The graded pairs: query, said, item, grade."""
        if self.teacher:
            taught = SYNTHESIZERS.make(self.teacher, **self.teacher_settings).fit(shop, run)
            shop = taught.sample(self.training_queries, run)
            rows = judged(shop, Vocabulary(self.catalogue_["item_id"]))
        else:
            rows = judged(shop, Vocabulary(self.catalogue_["item_id"]))
            rows = rows.filter(rows["origin"] == REAL) if len(rows) else rows
        if len(rows) < FEWEST:
            raise InputError(
                f"The synthesizer 'distilled' learns from graded pairs, and the shop has {len(rows)} real ones: give "
                f"it {FEWEST} or more, or a teacher (teacher='lexical')."
            )
        return rows

    def _fit_grades(self, rows: Any, run: Run) -> None:
        queries = rows["said"].unique(maintain_order=True)
        query = Vocabulary(queries).encode(rows["said"]).astype(np.int64)
        x = self._seen(queries.to_list(), query, rows["item"].to_numpy().astype(np.int64), run)
        self.centre_, deviation = x.mean(axis=0), x.std(axis=0)
        self.scale_ = np.where(deviation > 1e-9, deviation, 1.0)
        x, grade = (x - self.centre_) / self.scale_, rows["grade"].to_numpy()
        y = np.clip(np.floor(grade * 2 + 0.5), 0, LEVELS - 1).astype(np.int64)
        fold = run.rng("distilled", "folds").permutation(len(queries))[query] % FOLDS
        best, held = np.inf, np.zeros(len(y))
        for ridge in self.ridges:
            expected, loss = np.zeros(len(y)), 0.0
            for part in range(FOLDS):
                rest = fold != part
                if rest.all() or not rest.any():
                    continue
                p = chances(x[~rest], *fit_ordinal(x[rest], y[rest], LEVELS, ridge))
                loss -= float(np.log(np.maximum(p[np.arange(len(p)), y[~rest]], 1e-9)).sum())
                expected[~rest] = p @ STEPS
            if loss < best:
                best, held, self.ridge_ = loss, expected, float(ridge)
        self.weights_, self.theta_ = fit_ordinal(x, y, LEVELS, self.ridge_)
        # What is expected varies less than what is: the quantiles of both, laid side by side, stretch it.
        at = np.linspace(0, 1, 41)
        self.from_ = np.maximum.accumulate(np.quantile(held, at) + 1e-9 * np.arange(41))
        self.to_ = np.quantile(grade, at)

    def _seen(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray, run: Run
    ) -> np.ndarray:
        """What is seen of pairs: float64 [pairs, features]."""
        words = self._matcher.pairs(self._matrices, self._matcher.ask(queries), query, item).astype(
            np.float64
        )
        share, thing, elsewhere = self.rules_["lexical"]._measured(queries, query, item)
        columns = [words, np.stack([share, thing, elsewhere, share * thing], axis=1)]
        if self.embedders_:
            asked = self.embedders_["text"].embed(list(queries), run)
            columns.append(
                np.einsum("ij,ij->i", asked[query], self.vectors_[item])[:, None].astype(np.float64)
            )
        return np.concatenate(columns, axis=1)

    def _grade(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray, run: Run
    ) -> tuple[np.ndarray, np.ndarray]:
        if not len(query):
            return np.zeros(0), np.zeros(0)
        x = (self._seen(queries, query, item, run) - self.centre_) / self.scale_
        p = chances(x, self.weights_, self.theta_)
        grade = np.clip(np.interp(p @ STEPS, self.from_, self.to_), 0.0, HIGHEST)
        near = np.abs(STEPS[None, :] - grade[:, None]) <= 0.5 + 1e-9
        return grade, (p * near).sum(axis=1)

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher.of(self, 1.2, 0.75)

    @cached_property
    def _matrices(self) -> dict[str, Any]:
        return self._matcher.weighted()


def _gives_labels(name: str) -> bool:
    return issubclass(SYNTHESIZERS.load(name), LabelSynthesizer) and name != "distilled"
