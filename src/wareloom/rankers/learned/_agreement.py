"""How far to teach an encoder where nobody labelled anything: as far as it agrees best with words on real queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.top import top_k
from wareloom.language.tokenise import tokenise_all
from wareloom.neural.tuning import draw_back, put_weights, tuned_weights
from wareloom.rankers.search.index import bm25, counted, learn_terms
from wareloom.rankers.search.judged import UNCHECKED
from wareloom.shop import Shop
from wareloom.shop.queries import normal_query

SHARES = (UNCHECKED, 0.6, 1.0)
"""Shares of the way that are tried"""
ENOUGH, ASKED, ITEMS, DEPTH = 50, 300, 4_000, 10
"""Queries that are needed and that are asked at most, items they are asked of, and places that are compared"""
K1, B = 1.2, 0.75


def own_queries(shop: Shop) -> list[str]:
    """The different queries of a shop's log of searches, in order of how they are compared."""
    if not shop.rows("searches"):
        return []
    rows = shop.scan("searches").select("query", key=normal_query()).drop_nulls().collect()
    rows = rows.filter(pl.col("key") != "").unique("key", keep="first", maintain_order=True)
    return list(rows.sort("key")["query"])


def agreed(
    net: Any,
    start: dict[str, np.ndarray],
    vectors: Callable[[Sequence[str]], np.ndarray],
    texts: Sequence[str],
    queries: Sequence[str],
    run: Run,
) -> float:
    """Return the share of the way at which the first ten of an encoder and of BM25 have most in common.

    `net` was taught from the weights `start`, and is left as it is; `vectors` reads texts by it. The shortest of equal
    shares is taken. What is taught is how titles are written, so that on queries made of titles agreement rises with
    every step; people's queries are written otherwise, and there it falls where a step goes too far.
    """
    rng, taught = run.rng("bi_encoder", "agreement"), tuned_weights(net)
    asked = [queries[i] for i in np.sort(rng.permutation(len(queries))[:ASKED])]
    read = [texts[i] for i in np.sort(rng.permutation(len(texts))[:ITEMS])]
    words = by_words(asked, read)
    best, most = UNCHECKED, -1.0
    for share in SHARES:
        put_weights(net, taught, "the ranker 'bi_encoder'")
        draw_back(net, start, share)
        found = shared(np.asarray(vectors(asked) @ vectors(read).T, dtype=np.float32), words)
        if found > most + 1e-9:
            best, most = share, found
    put_weights(net, taught, "the ranker 'bi_encoder'")
    return best


def by_words(queries: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Scores of texts by BM25: float32 [queries, texts]."""
    words = tokenise_all(texts, stem=True)
    terms = learn_terms([words])
    asked = counted(tokenise_all(queries, stem=True), terms)
    return np.asarray((asked @ bm25(counted(words, terms), K1, B).T).toarray(), dtype=np.float32)


def shared(scores: np.ndarray, words: np.ndarray) -> float:
    """The share of the first `DEPTH` texts by words, of those that hold one, that are among the first by `scores`.

    Both float32 [queries, texts]; queries without a word of any text say nothing, and 0 comes of these alone.
    """
    depth = min(DEPTH, scores.shape[1])
    ours, theirs = top_k(scores, depth), top_k(words, depth)
    said = [
        np.isin(own[row[own] > 0], first).mean()
        for first, own, row in zip(ours, theirs, words, strict=True)
        if (row[own] > 0).any()
    ]
    return float(np.mean(said)) if said else 0.0
