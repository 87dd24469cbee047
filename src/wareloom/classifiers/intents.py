"""Intents: what a customer's turn is for, by its words or by a frozen sentence encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import polars as pl

from wareloom.classifiers.talks import Asks, TalkLearner
from wareloom.classifiers.words import Seen, TextClassifier
from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.errors import InputError, SettingError
from wareloom.shop import Shop
from wareloom.shop.schema import CUSTOMER


@dataclass(kw_only=True, eq=False)
class IntentClassifier(TalkLearner):
    """Logistic regression on words and pairs of words, or on vectors of all-MiniLM-L6-v2 (extra `text`).

    The weight of its loss is the one of `penalties` with which most held-back turns are told right.
    """

    asks: ClassVar[Asks] = "intents"

    seen: Seen = "tfidf"
    """What it sees of a text: tfidf, or minilm."""
    penalties: tuple[Positive, ...] = (1.0, 10.0, 100.0)
    """Weights of the loss that are tried; more is less penalty."""
    vectors: dict[str, np.ndarray] = field(default_factory=dict, init=False)
    """What the encoder gave, by text; whoever fits several shares it"""

    def _check(self) -> None:
        if not self.penalties:
            raise SettingError("IntentClassifier: penalties is empty; give one at least.")

    def fit(self, shop: Shop, run: Run, held: Shop) -> Self:
        """Learn from customers' turns with an intent."""
        rows = told(shop)
        if not len(rows):
            raise InputError("No customer's turn has an intent: there is nothing to learn.")
        texts, labels = rows["text"].to_list(), rows["intent"].to_list()
        weight = rows["weight"].to_numpy().astype(np.float64)
        beside = told(held)
        asked, truth = beside["text"].to_list(), beside["intent"].to_numpy()
        best = -1.0
        for c in self.penalties:
            made = TextClassifier(self.seen, c, self.vectors).fit(texts, labels, weight, run)
            if len(self.penalties) == 1:
                self.model_ = made
                break
            right = float(np.mean(np.array(made.predict(asked, run)) == truth))
            if right > best:
                best, self.model_ = right, made
        self.rows_ = len(rows)
        return self

    @property
    def classes(self) -> list[str]:
        """The intents that it knows."""
        return self.model_.classes

    def scores(self, texts: list[str], run: Run) -> np.ndarray:
        """Return what speaks for each of `classes`: float64 [texts, classes]."""
        return self.model_.scores(texts, run)


def told(shop: Shop) -> pl.DataFrame:
    """The customers' turns of a shop that have a text and an intent: columns text, intent, weight."""
    rows = shop.table("dialogues")
    known = (
        (pl.col("role") == CUSTOMER) & pl.col("text").is_not_null() & pl.col("intent").is_not_null()
    )
    weight = pl.col("weight") if "weight" in rows.columns else pl.lit(1.0).alias("weight")
    return rows.filter(known).select("text", "intent", weight)
