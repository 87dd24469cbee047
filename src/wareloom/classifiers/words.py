"""What a text is about: logistic regression on its words, or on the vectors of a sentence encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.language.embedders import Embedder
from wareloom.stats.multinomial import fit_multinomial

Seen = Literal["tfidf", "minilm"]


class TextClassifier:
    """Logistic regression: C times the summed loss beside half the squared weights, as scikit-learn has it.

    `seen`: "tfidf", words and pairs of words by how rare they are among the texts it learns from; "minilm", vectors of
    a frozen encoder. `c`: weight of the loss, above 0; more is less penalty. `vectors`: what the encoder gave for texts
    before, kept up; classifiers that share it encode no text twice.
    """

    def __init__(
        self, seen: Seen = "tfidf", c: float = 1.0, vectors: dict[str, np.ndarray] | None = None
    ) -> None:
        if c <= 0:
            raise SettingError(f"TextClassifier: c is {c:g}; give a number above 0.")
        self.seen, self.c = seen, c
        self.known: dict[str, np.ndarray] = {} if vectors is None else vectors
        self.embedder: Embedder = EMBEDDERS.make(
            seen, **({"embedding_size": 0} if seen == "tfidf" else {})
        )
        self.classes: list[str] = []
        self.weights: Any = None
        self.bias: Any = None

    def fit(
        self, texts: Sequence[str], labels: Sequence[str], weight: np.ndarray, run: Run
    ) -> TextClassifier:
        """Learn from texts with labels and weights, float [texts]; raises `InputError` for fewer than two labels."""
        self.classes = sorted(set(labels))
        if len(self.classes) < 2:
            raise InputError(
                f"A classifier tells labels apart, and {len(texts):,} texts have {len(self.classes)}: add others."
            )
        places = {label: place for place, label in enumerate(self.classes)}
        target = np.zeros((len(texts), len(self.classes)))
        target[np.arange(len(texts)), [places[label] for label in labels]] = 1.0
        self.embedder.fit(texts, run)
        x = self._vectors(texts, run)
        with run.limits():
            self.weights, self.bias = fit_multinomial(
                x, target, weight, 1 / (self.c * weight.sum())
            )
        return self

    def predict(self, texts: Sequence[str], run: Run) -> list[str]:
        """Return the likeliest label of each text."""
        return [self.classes[place] for place in self.scores(texts, run).argmax(axis=1)]

    def scores(self, texts: Sequence[str], run: Run) -> np.ndarray:
        """Return what speaks for each of `classes`: float64 [texts, classes]."""
        found: np.ndarray = self._vectors(texts, run) @ self.weights + self.bias
        return found

    def _vectors(self, texts: Sequence[str], run: Run) -> np.ndarray:
        if self.seen == "tfidf":
            return np.asarray(self.embedder.embed(texts, run), dtype=np.float64)
        if new := [text for text in dict.fromkeys(texts) if text not in self.known]:
            self.known.update(zip(new, self.embedder.embed(new, run), strict=True))
        return np.stack([self.known[text] for text in texts]).astype(np.float64)
