"""Embedders: text into vectors, so that like texts lie near one another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from wareloom.core.asked import Kind, a_run
from wareloom.core.asked import texts as texts_asked
from wareloom.core.family import EMBEDDERS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.errors import InputError

LEAN: dict[str, dict[str, Any]] = {"tfidf": {"embedding_size": 0}}
"""Settings by name with which an embedder learns no more than `vectors` needs."""


@dataclass(kw_only=True, eq=False)
class Embedder(Algorithm, ABC):
    """Base of all embedders. One implements `_embed` and, where it learns from the texts, `_fit`."""

    family: ClassVar[Family] = EMBEDDERS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "fit": {"texts": texts_asked, "run": a_run},
        "embed": {"texts": texts_asked, "run": a_run},
        "vectors": {"texts": texts_asked, "run": a_run},
    }
    learns: ClassVar[bool] = True
    """Whether it has to be fitted; false for encoders that come trained."""

    def fit(self, texts: Sequence[str | None], run: Run | None = None) -> Self:
        """Learn from the texts what there is to learn.

        Raises `InputError` where an embedder that learns is given not one word.
        """
        run = run or Run()
        if self.learns:
            with run.limits():
                self._fit(clean(texts), run)
        return self

    def embed(self, texts: Sequence[str | None], run: Run | None = None) -> np.ndarray:
        """Return new float32 [texts, size] of length 1; a text without a known word gets zeros."""
        self.check_fitted()
        run = run or Run()
        with run.limits():
            return normalised(self._embed(clean(texts), run))

    def vectors(self, texts: Sequence[str | None], run: Run | None = None) -> Any:
        """Return the vectors in the form that takes least memory: here dense, as `embed` does; tf-idf gives CSR."""
        return self.embed(texts, run)

    def check_fitted(self) -> None:
        """Raise `NotFittedError` where there was something to learn and nothing was."""
        if self.learns:
            super().check_fitted()

    def _fit(self, texts: list[str], run: Run) -> None:
        """Learn; what is learned goes to attributes ending in an underscore."""

    @abstractmethod
    def _embed(self, texts: list[str], run: Run) -> np.ndarray:
        """Return new float32 vectors [texts, size] of any length."""


def clean(texts: Sequence[str | None]) -> list[str]:
    """Return the texts as a list, null ones empty; `InputError` for one string, or for what is no text."""
    if isinstance(texts, str):
        raise InputError(
            f"An embedder was given the one string {texts[:40]!r}: give a list of texts."
        )
    found = ["" if text is None else text for text in texts]
    for place, text in enumerate(found):
        if not isinstance(text, str):
            raise InputError(
                f"Text {place} is {text!r}, a {type(text).__name__}: give strings, or None for no text."
            )
    return found


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Bring each row to length 1, in place where the type allows; rows of zeros stay."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(length > 0, length, 1.0)
    return vectors
