"""What a measure of queries compares: real queries, other real queries, and as many synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.language.titles import TitleReader
from wareloom.language.tokenise import tokenise, tokenise_all
from wareloom.shop import Shop
from wareloom.shop.queries import normal_query
from wareloom.shop.schema import REAL

FEWEST = 20
"""Queries of each kind below which nothing can be said."""
MOST = 20_000
"""Queries of each kind that are drawn at most"""

NOTES = {
    "halves of real": [
        "No held-out queries: the floor is taken between two halves of those of REAL, which the synthesizer may "
        "have seen both. Held-out queries (a split by query) make a sharper test."
    ],
    "halves of holdout": [
        "REAL has no queries: the floor is taken between two halves of those that were held out."
    ],
}
"""What is said of a floor that is not taken between real queries and others that were held out"""


@dataclass(frozen=True)
class QuerySample:
    """Some queries, dealt into groups of equal size in the order in which they stand."""

    text: tuple[str, ...]
    """As they were typed, white space folded"""
    groups: int

    @cached_property
    def group(self) -> np.ndarray:
        """Group of each query, int8 [queries]."""
        return (np.arange(len(self), dtype=np.int64) * self.groups // max(1, len(self))).astype(
            np.int8
        )

    @cached_property
    def words(self) -> pl.Series:
        """The words of each query: lists of strings."""
        return tokenise_all(self.text)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of words of each query, int64 [queries]."""
        return self.words.list.len().to_numpy().astype(np.int64)

    @cached_property
    def flat(self) -> pl.Series:
        """The words of all queries, one behind the other."""
        return self.words.explode(empty_as_null=False)

    @cached_property
    def word_group(self) -> np.ndarray:
        """Group of each word of `flat`, int8."""
        return np.repeat(self.group, self.lengths)

    @cached_property
    def bags(self) -> tuple[str, ...]:
        """What stays of each query without order, number and white space: its stems in the order of the alphabet."""
        return tuple(" ".join(sorted(tokenise(text, stem=True))) for text in self.text)

    def select(self, places: np.ndarray) -> QuerySample:
        """Return the sample of some queries, in the given order."""
        return QuerySample(tuple(self.text[i] for i in places.tolist()), self.groups)

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True)
class QueryTrio:
    """Three samples of as many queries, and what stands behind them."""

    real: QuerySample
    """The reference: held-out queries where there are such, else a part of the real ones"""
    again: QuerySample
    """Other real queries; how far they are from `real` is the floor"""
    synthetic: QuerySample
    training: QuerySample | None
    """All real queries of REAL, which a synthesizer may have seen; None where it has none"""
    own: np.ndarray | None
    """int64 [queries], places in `training` of the queries of `real`; None where they were held out"""
    catalogue: pl.DataFrame
    """Titles and brands that queries may be about: columns title, brand"""
    reference: str
    """What `real` is: "held out", "halves of real" or "halves of holdout" """
    sizes: dict[str, int]
    """Queries of each shop"""
    notes: list[str] = field(default_factory=list)
    """What one should know of the samples, in plain words"""

    @property
    def samples(self) -> tuple[QuerySample, QuerySample, QuerySample]:
        """`real`, `again` and `synthetic`."""
        return self.real, self.again, self.synthetic

    @cached_property
    def reader(self) -> TitleReader | None:
        """Tells nouns and brands, learned from the catalogue; None where it has no titles."""
        titles = self.catalogue["title"].to_list()
        return (
            TitleReader.of_catalogue(titles, self.catalogue["brand"].to_list())[0]
            if titles
            else None
        )


def has_queries(shop: Shop) -> bool:
    """Whether a shop has a search or a judgment."""
    return bool(shop.rows("searches") or shop.rows("judgments"))


def gathered_queries(
    real: Shop, synthetic: Shop, holdout: Shop | None, groups: int, run: Run, most: int = MOST
) -> QueryTrio:
    """Read the queries of the shops and draw the samples by the run's seed.

    A search counts as often as it was asked where every side has a log of searches; else each query counts once, since
    judgments do not say how often it was asked. Raises `InputError` where there are fewer than `FEWEST` of a kind.
    """
    shops = {"REAL": real, "SYNTH": synthetic}
    shops |= {} if holdout is None else {"the holdout": holdout}
    sides, notes = _sides(shops, groups)
    whole, held, fake = sides.get("REAL"), sides.get("the holdout"), sides["SYNTH"]
    pool = whole or held
    if pool is None:
        raise InputError(
            "Neither REAL nor a holdout has a query: there is nothing to hold those of SYNTH beside."
        )
    reference = "held out" if whole and held else "halves of real" if whole else "halves of holdout"
    notes += NOTES.get(reference, [])
    size = min(len(fake), min(len(whole), len(held)) if whole and held else len(pool) // 2, most)
    sizes = {name: len(side) for name, side in sides.items()}
    if size < FEWEST:
        told = ", ".join(f"{number:,} of {name}" for name, number in sizes.items())
        raise InputError(
            f"A comparison takes {FEWEST} queries of a kind or more, and without a holdout beside REAL twice as many "
            f"real ones. There are {told}."
        )
    order = run.rng("compare", "real queries").permutation(len(pool))
    first = 0 if reference == "held out" else size
    drawn = pool.select(order[:size])
    if reference == "held out" and held is not None:
        drawn = held.select(run.rng("compare", "held queries").permutation(len(held))[:size])
    made = run.rng("compare", "synthetic queries").permutation(len(fake))[:size]
    return QueryTrio(
        real=drawn,
        again=pool.select(order[first : first + size]),
        synthetic=fake.select(made),
        training=whole,
        own=order[:size] if reference == "halves of real" else None,
        catalogue=_catalogue(list(shops.values())),
        reference=reference,
        sizes=sizes,
        notes=notes,
    )


def _sides(shops: dict[str, Shop], groups: int) -> tuple[dict[str, QuerySample], list[str]]:
    """The queries of each shop that has any, and of SYNTH in any case; and what is to be said of how they count."""
    asked = {name: shop for name, shop in shops.items() if has_queries(shop) or name == "SYNTH"}
    judged = [name for name, shop in asked.items() if not shop.rows("searches")]
    notes = []
    if judged:
        notes.append(
            f"Each query counts once, however often it was asked: {' and '.join(judged)} "
            f"{'has' if len(judged) == 1 else 'have'} judgments and no log of searches."
        )
    sides = {
        name: QuerySample(_asked(shop, name == "SYNTH", not judged), groups)
        for name, shop in asked.items()
    }
    return sides, notes


def _asked(shop: Shop, made: bool, logs: bool) -> tuple[str, ...]:
    """The queries of a shop, of real rows or, where there are any, of those that were `made`."""
    frames = [
        shop.scan(name).select("query", "origin")
        for name in (("searches",) if logs else ("searches", "judgments"))
        if shop.rows(name)
    ]
    if not frames:
        return ()
    rows = pl.concat(frames).collect()
    own = rows.filter((pl.col("origin") != REAL) if made else (pl.col("origin") == REAL))
    rows = (own if len(own) else rows).filter(pl.col("query").str.contains(r"\S"))
    if not logs:
        rows = rows.with_columns(form=normal_query()).unique(
            "form", keep="first", maintain_order=True
        )
    return tuple(rows["query"].str.replace_all(r"\s+", " ").str.strip_chars().to_list())


def _catalogue(shops: list[Shop]) -> pl.DataFrame:
    """The titles and brands of the first shop that has any."""
    for shop in shops:
        if shop.has("items", "title"):
            brand = (
                pl.col("brand")
                if shop.has("items", "brand")
                else pl.lit(None, dtype=pl.String).alias("brand")
            )
            found = (
                shop.scan("items")
                .select("title", brand)
                .filter(pl.col("title").is_not_null())
                .collect()
            )
            if len(found):
                return found
    return pl.DataFrame(schema={"title": pl.String, "brand": pl.String})
