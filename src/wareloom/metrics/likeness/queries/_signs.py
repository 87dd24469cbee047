"""Runs of characters and words of queries as hashed features, and the logistic regression that reads them."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import optimize, sparse

from wareloom.metrics.likeness.queries.samples import QuerySample

BITS = 18
"""Features are hashed to 2^18 columns"""
STEPS = 60
"""Steps of the optimiser at most"""
_DIGITS = re.compile(r"\d")


def by_words(sample: QuerySample) -> list[Counter[str]]:
    """Words, pairs of words and runs of 2 to 4 characters of each query, as it was typed but for capitals."""
    found = []
    for text, words in zip(sample.text, sample.words.to_list(), strict=True):
        typed = f"^{unicodedata.normalize('NFKC', text).lower()}$"
        held = Counter(f"c{typed[i : i + n]}" for n in (2, 3, 4) for i in range(len(typed) - n + 1))
        held.update(f"w{word}" for word in words)
        held.update(f"p{a} {b}" for a, b in zip(["^", *words], [*words, "$"], strict=True))
        held.update(_length(text, words))
        found.append(held)
    return found


def by_form(sample: QuerySample) -> list[Counter[str]]:
    """What each query looks like, whatever it is about: lengths, and runs of kinds of characters and of words."""
    found = []
    for text, words in zip(sample.text, sample.words.to_list(), strict=True):
        kinds = f"^{''.join(map(_kind, text))}$"
        held = Counter(f"k{kinds[i : i + n]}" for n in (2, 3, 4) for i in range(len(kinds) - n + 1))
        shapes = [
            "^",
            *(
                f"{_kind(word[0])}{min(len(word), 9)}{bool(_DIGITS.search(word)):d}"
                for word in words
            ),
            "$",
        ]
        held.update(
            f"s{' '.join(shapes[i : i + n])}" for n in (1, 2, 3) for i in range(len(shapes) - n + 1)
        )
        held.update(_length(text, words))
        found.append(held)
    return found


def _length(text: str, words: Sequence[str]) -> list[str]:
    """Lengths as signs that are there or not: each number of words, and of characters by fours."""
    return [f"n{min(len(words), 20)}", f"l{min(len(text) // 4, 40)}"]


def _kind(sign: str) -> str:
    """One letter for what a character is: digit, white space, Latin letter, other letter by its script, else itself."""
    if sign.isdigit():
        return "9"
    if sign.isspace():
        return " "
    if sign.isascii():
        return ("A" if sign.isupper() else "a") if sign.isalpha() else sign
    return unicodedata.name(sign, "?")[0].lower() if sign.isalpha() else sign


def hashed(rows: Iterable[Counter[str]]) -> sparse.csr_matrix:
    """Return features as a matrix [queries, 2^18] of unit rows of 1 + ln counts, float64, the same on every machine."""
    columns, values, starts = list[int](), list[float](), [0]
    for held in rows:
        columns += [
            zlib.crc32(sign.encode("utf-8", "surrogatepass")) >> (32 - BITS) for sign in held
        ]
        values += held.values()
        starts.append(len(columns))
    made = sparse.csr_matrix(
        (1 + np.log(np.array(values)), columns, starts), shape=(len(starts) - 1, 1 << BITS)
    )
    made.sum_duplicates()
    norm = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(norm, 1e-12)) @ made)


def logistic(table: sparse.csr_matrix, label: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Fit a logistic regression by L-BFGS: weights, float64 [columns], and the constant.

    `label`: 1 or 0, float64 [rows]. Half the squared weights, times `ridge` by row, are added to the mean loss.
    """
    sign, rows = 2 * label - 1, len(label)
    turned = sparse.csr_matrix(table.T)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (table @ weights[:-1] + weights[-1])
        wrong = -sign / (1 + np.exp(np.clip(margin, -500, 500))) / rows
        slope = np.append(turned @ wrong + ridge / rows * weights[:-1], wrong.sum())
        return float(
            np.logaddexp(0, -margin).mean() + ridge / rows / 2 * weights[:-1] @ weights[:-1]
        ), slope

    start = np.zeros(table.shape[1] + 1)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return found.x[:-1], float(found.x[-1])
