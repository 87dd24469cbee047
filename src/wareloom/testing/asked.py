"""Shops of titles and queries whose likeness is known, for what is measured of queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from wareloom.shop import Shop

THINGS = [
    f"{a}{b}"
    for a in ("lam", "sof", "rug", "dril", "saw", "pip")
    for b in ("per", "ton", "mel", "dor", "kin")
]
KINDS = [
    f"{a}{b}"
    for a in ("gre", "bla", "woo", "smo", "ste", "thi", "lon", "sha")
    for b in ("ny", "ck", "den", "wer")
]
KINDS += [f"{a}{b}" for a in KINDS[:20] for b in ("ish", "er", "al")]
BRANDS = ["acmeco", "bolton", "cortex", "duraware"]


def typed(number: int, seed: int) -> list[str]:
    """Queries: mostly one to three describing words by Zipf, the thing last, now and then a brand before."""
    rng = np.random.default_rng(seed)
    zipf = 1 / np.arange(1, len(KINDS) + 1)
    zipf /= zipf.sum()
    found = []
    for _ in range(number):
        words = [
            KINDS[i]
            for i in rng.choice(len(KINDS), 1 + rng.binomial(2, 0.6), replace=False, p=zipf)
        ]
        brand = [BRANDS[rng.integers(4)]] if rng.random() < 0.25 else []
        size = [f"{rng.integers(2, 90)}in"] if rng.random() < 0.3 else []
        thing = [THINGS[int(len(THINGS) * rng.random() ** 2)]] if rng.random() < 0.9 else []
        found.append(" ".join([*brand, *words, *size, *thing]))
    return found


def titles() -> pl.DataFrame:
    """The catalogue: brand, two describing words, thing."""
    rng = np.random.default_rng(99)
    rows = [
        (BRANDS[rng.integers(4)], *rng.choice(KINDS, 2, replace=False), THINGS[rng.integers(30)])
        for _ in range(200)
    ]
    frame = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(200)], "title": [" ".join(row) for row in rows]}
    )
    return frame.with_columns(brand=pl.Series([row[0] for row in rows]))


def asked(queries: Sequence[str], origin: str = "real", *, judged: bool = False) -> Shop:
    """A shop of a log of searches, or of judgments."""
    ids = [f"i{n % 200}" for n in range(len(queries))]
    if judged:
        judgments = pl.DataFrame({"query": queries, "item_id": ids}).with_columns(
            grade=3.0, origin=pl.lit(origin)
        )
        return Shop({"items": titles(), "judgments": judgments})
    searches = pl.DataFrame(
        {"search_id": [f"{origin}{n}" for n in range(len(queries))], "query": queries}
    )
    return Shop({"items": titles(), "searches": searches.with_columns(origin=pl.lit(origin))})
