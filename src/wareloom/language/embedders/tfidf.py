"""Tf-idf: words and pairs of words, those that are rare among the texts counting most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Count, Size
from wareloom.errors import InputError
from wareloom.language.embedders import Embedder, clean
from wareloom.language.tokenise import ngrams, tokenise_all
from wareloom.shop import Vocabulary

OVERSAMPLING = 16
ROUNDS = 4
"""Directions beyond those kept, and power iterations, of the randomised decomposition."""


@dataclass(kw_only=True, eq=False)
class TfIdf(Embedder):
    """Weigh each word and each pair of neighbouring words by how often the text, and how few texts, have it.

    tf is 1 + ln(count), or the count; idf is ln((1 + texts) / (1 + texts with the term)) + 1; rows have length 1.
    `sparse` gives this matrix, one column a term. `embed` gives its best approximation in `embedding_size` dimensions,
    latent semantic analysis (Deerwester et al. 1990) by a randomised decomposition (Halko et al. 2011).

    Memory: 12 bytes an entry of the sparse matrix; for `embed` 4 × terms × `embedding_size` bytes more.
    """

    ngrams: Size = 2
    """Longest run of words that makes a term; 1 takes single words only."""
    sublinear: bool = True
    """Whether the tenth mention of a word counts less than the first: 1 + ln(count) instead of the count."""
    minimum: Size = 1
    """Texts that must have a term; terms of fewer are left out."""
    stem: bool = False
    """Whether English plurals are taken for their singular."""
    embedding_size: Count = 128
    """Dimensions of `embed`, fewer where the texts have fewer; 0 learns none, `embed` then has one for each term."""

    def _fit(self, texts: list[str], run: Run) -> None:
        terms = ngrams(tokenise_all(texts, stem=self.stem), self.ngrams).unique()
        counts = terms.group_by("term").len().filter(pl.col("len") >= self.minimum).sort("term")
        if counts.is_empty():
            raise InputError(
                f"tfidf has nothing to learn from: {len(texts)} texts have no term that {self.minimum} of them share. "
                "Give texts with words, or a lower minimum."
            )
        self.terms_ = counts["term"]
        self.idf_ = (np.log((1 + len(texts)) / (1 + counts["len"].to_numpy())) + 1).astype(
            np.float32
        )
        if self.embedding_size:
            self.components_ = _components(
                self.sparse(texts), self.embedding_size, run.rng("tfidf", "components")
            )

    def sparse(self, texts: Sequence[str | None]) -> sparse.csr_matrix:
        """Return float32 CSR [texts, terms], rows of length 1; one without a known term is empty."""
        self.check_fitted()
        texts = clean(texts)
        found = ngrams(tokenise_all(texts, stem=self.stem), self.ngrams)
        codes = Vocabulary(self.terms_).encode(found["term"])
        known = codes >= 0
        shape = (len(texts), len(self.terms_))
        place = (found["row"].to_numpy()[known], codes[known])
        matrix = sparse.csr_matrix((np.ones(len(place[1]), dtype=np.float32), place), shape=shape)
        if self.sublinear:
            matrix.data = 1 + np.log(matrix.data)
        matrix.data *= self.idf_[matrix.indices]
        row = np.repeat(np.arange(len(texts)), np.diff(matrix.indptr))
        length = np.sqrt(
            np.bincount(row, weights=matrix.data.astype(np.float64) ** 2, minlength=len(texts))
        )
        matrix.data = (matrix.data / length[row]).astype(np.float32)
        return matrix

    def vectors(self, texts: Sequence[str | None], run: Run | None = None) -> Any:
        """Return `sparse`."""
        return self.sparse(texts)

    def _embed(self, texts: list[str], run: Run) -> np.ndarray:
        matrix = self.sparse(texts)
        dense: np.ndarray = matrix @ self.components_ if self.embedding_size else matrix.toarray()
        return dense


def _components(matrix: sparse.csr_matrix, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the leading right singular vectors of `matrix` as columns, float32 [terms, ≤ size]."""
    width = min(size + OVERSAMPLING, *matrix.shape)
    basis = matrix @ rng.standard_normal((matrix.shape[1], width), dtype=np.float32)
    for _ in range(ROUNDS):
        basis = matrix @ (matrix.T @ np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    right = np.linalg.svd(matrix.T @ basis, full_matrices=False)[0]
    return np.ascontiguousarray(right[:, : min(size, width)], dtype=np.float32)
