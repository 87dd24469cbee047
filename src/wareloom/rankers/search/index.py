"""Words of items as sparse counts, and how well those of a query match them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.language.tokenise import tokenise_all
from wareloom.shop import Vocabulary


def trigrams(texts: Sequence[str], size: int = 3) -> pl.Series:
    """Return the runs of three characters, or of `size`, of each text, spaces at its ends and between its words: lists
    of strings.

    They still agree where a word is misspelt.
    """
    words = tokenise_all(texts).list.join(" ").to_list()
    return pl.Series([_runs(f" {text} ", size) for text in words], dtype=pl.List(pl.String))


def _runs(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(len(text) - size + 1)]


def learn_terms(words: Sequence[pl.Series]) -> pl.Series:
    """Return every term that occurs in some of these columns of lists, sorted."""
    parts = [column.rename("term").explode(empty_as_null=True).drop_nulls() for column in words]
    return pl.concat(parts).unique().sort()


def counted(words: pl.Series, terms: pl.Series) -> sparse.csr_matrix:
    """Count known terms of each list: float32 CSR [lists, terms], columns in order."""
    flat = (
        words.rename("term")
        .to_frame()
        .with_row_index("row")
        .explode("term", empty_as_null=True)
        .drop_nulls()
    )
    codes = Vocabulary(terms).encode(flat["term"])
    known = codes >= 0
    place = (flat["row"].to_numpy()[known].astype(np.int64), codes[known])
    shape = (len(words), len(terms))
    matrix = sparse.csr_matrix((np.ones(int(known.sum()), dtype=np.float32), place), shape=shape)
    matrix.sum_duplicates()
    return matrix


def idf(counts: sparse.csr_matrix) -> np.ndarray:
    """ln(1 + (N - n + ½) / (n + ½)) of each term that n of N texts hold: float32 [terms].

    Robertson and Zaragoza (2009), with a 1 that keeps it above 0.
    """
    held = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.log1p((counts.shape[0] - held + 0.5) / (held + 0.5)).astype(np.float32)


def bm25(counts: sparse.csr_matrix, k1: float, b: float, delta: float = 0.0) -> sparse.csr_matrix:
    """Weigh counts [items, terms] so that the product with a query's counts is its BM25 score: float32 CSR.

    idf × (tf × (k1 + 1) / (tf + k1 × (1 - b + b × length / mean length)) + delta). Robertson et al. (1994); with a
    delta above 0 it is BM25+ of Lv and Zhai (2011). Less than one mention gets its share of the delta.
    """
    length = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    mean = length.mean() if len(length) and length.sum() > 0 else 1.0
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    tf = counts.data.astype(np.float64)
    value = tf * (k1 + 1) / (tf + k1 * (1 - b + b * length[row] / mean))
    value += delta * np.minimum(tf, 1.0)
    value *= idf(counts)[counts.indices]
    return sparse.csr_matrix(
        (value.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape
    )


def unit(counts: sparse.csr_matrix, weight: np.ndarray) -> sparse.csr_matrix:
    """Weigh counts by term and give rows the length 1: float32 CSR; an empty row stays empty."""
    value = (1 + np.log(counts.data)) * weight[counts.indices]
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    length = np.sqrt(
        np.bincount(row, weights=value.astype(np.float64) ** 2, minlength=counts.shape[0])
    )
    scaled = (value / length[row]).astype(np.float32)
    return sparse.csr_matrix((scaled, counts.indices, counts.indptr), shape=counts.shape)


def at_pairs(
    queries: sparse.csr_matrix,
    items: sparse.csr_matrix,
    query: np.ndarray,
    item: np.ndarray,
    block: int = 1 << 16,
) -> np.ndarray:
    """Inner products of rows `query` of one matrix with rows `item` of the other: float64 [pairs]."""
    found = np.zeros(len(query))
    for start in range(0, len(query), block):
        part = slice(start, start + block)
        found[part] = np.asarray(
            queries[query[part]].multiply(items[item[part]]).sum(axis=1)
        ).ravel()
    return found
