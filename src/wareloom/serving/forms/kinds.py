"""Which ranker is served in which form, said without importing one."""

from __future__ import annotations

OWN = {"bm25": "words", "popularity": "popularity", "stack": "sum"}
"""Forms by the names of rankers; those with a table of neighbours say so themselves"""
VECTORS = (
    "als",
    "bert4rec",
    "bi_encoder",
    "bpr",
    "caser",
    "gru",
    "lightgcn",
    "sasrec",
    "two_tower",
)
"""Those whose scores are inner products"""
TABLES = ("item_knn", "transitions", "slim", "text_knn", "image_knn", "complements")


OTHERS = ("ease", "item_knn", "slim", "transitions")
"""Additive ones whose parts come from what other shoppers had: of these alone an explanation says what others did"""


def form_of(name: str) -> str:
    """Which form the ranker of a name is served in under its default settings, without importing it."""
    if name in TABLES:
        return "table"
    return "vectors" if name in VECTORS else OWN.get(name, "itself")
