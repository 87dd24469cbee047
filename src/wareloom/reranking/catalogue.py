"""What rerankers know of the items: category, brand, price, text, how much they were bought; how alike two are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import polars as pl

from wareloom.core.family import weighted
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.rankers.named import item_numbers
from wareloom.rankers.vectors import text_vectors
from wareloom.shop import Log, Shop, Vocabulary

LIKENESSES = ("category", "leaf", "brand", "text")
"""What two items can be alike in."""
TEXT_SIZE = 64
"""Numbers a text is described by."""


class Catalogue:
    """The items of a shop as arrays, each read when it is first asked for."""

    def __init__(self, shop: Shop, run: Run | None = None) -> None:
        """Take the shop whose items, and events where there are any, count."""
        self.shop, self.run = shop, run or Run()
        self.items = Vocabulary(shop.table("items")["item_id"])
        self._texts: dict[str, np.ndarray] = {}

    @cached_property
    def prefixes(self) -> np.ndarray | None:
        """int32 [items, depth], a code for each item's category path cut after 1, 2, … parts, -1 beyond its end."""
        if not self.shop.has("items", "category"):
            return None
        path = self.shop.table("items").select(path=pl.col("category").list.drop_nulls())["path"]
        depth = path.list.len().max()
        if not depth:
            return None
        cut = [
            pl.when(pl.col("path").list.len() > d)
            .then(pl.col("path").list.head(d + 1).list.join("\x1f").rank("dense"))
            .alias(str(d))
            for d in range(int(str(depth)))
        ]
        return path.to_frame().select(cut).fill_null(0).to_numpy().astype(np.int32) - 1

    @cached_property
    def leaf(self) -> np.ndarray | None:
        """int32 [items], a code for each item's whole category path, -1 where it has none."""
        return self.level(0)

    def level(self, parts: int) -> np.ndarray | None:
        """int32 [items], a code for the first `parts` of the path, all where it is 0 or beyond the end; -1 for none."""
        if self.prefixes is None:
            return None
        prefixes = self.prefixes[:, : parts or None]
        last = (prefixes >= 0).sum(axis=1) - 1
        code = prefixes[np.arange(len(last)), np.maximum(last, 0)].astype(np.int64)
        joint = np.where(last >= 0, code * prefixes.shape[1] + np.maximum(last, 0), -1)
        _, dense = np.unique(joint, return_inverse=True)
        return (dense - int((last < 0).any())).astype(np.int32)

    @cached_property
    def brand(self) -> np.ndarray | None:
        """int32 [items], a code for each item's brand, -1 where it is unknown."""
        if not self.shop.has("items", "brand") or self.shop.table("items")["brand"].is_null().all():
            return None
        codes = self.shop.table("items")["brand"].rank("dense").fill_null(0).to_numpy()
        return codes.astype(np.int32) - 1

    @cached_property
    def counts(self) -> np.ndarray:
        """float64 [items], weight of the events of each item."""
        return (
            Log.of(self.shop).counts(weighted=True)
            if self.shop.has("events")
            else np.zeros(len(self.items))
        )

    def number(self, column: str) -> np.ndarray:
        """float64 [items], the price, or a number among the attributes by name; NaN where unknown.

        Raises `InputError` where no item has such a number.
        """
        return item_numbers(self.shop.table("items"), column)

    def text(self, embedder: str) -> np.ndarray:
        """float32 [items, at most `TEXT_SIZE`], rows of length 1, zeros for an item without text."""
        if embedder not in self._texts:
            with self.run.limits():
                self._texts[embedder] = text_vectors(self.shop, embedder, TEXT_SIZE, self.run)
        return self._texts[embedder]


def parse_likeness(reranker: str, similarity: str) -> dict[str, float]:
    """Read "category^2 brand" as {"category": 2.0, "brand": 1.0}; a wrong name or weight raises `SettingError`."""
    return weighted(reranker, "similarity", similarity, LIKENESSES, "likeness by")


class Similarity:
    """How alike items are, from 0 (for texts from -1) to 1, 1 for the same item: the weighted mean over what is known.

    category: parts that two paths share from the top / √(product of their lengths); leaf and brand: 1 where they are
    the same; text: the cosine. An unknown value is like nothing but itself. The matrix of all items is positive
    semidefinite: each is an inner product. What the shop lacks altogether is passed over.
    """

    def __init__(self, reranker: str, similarity: str, catalogue: Catalogue, embedder: str) -> None:
        """Raises `InputError` where the shop has none of what is asked for."""
        wanted = parse_likeness(reranker, similarity)
        make: dict[str, Callable[[], Callable[[np.ndarray, np.ndarray], np.ndarray] | None]] = {
            "category": lambda: _paths(catalogue.prefixes),
            "leaf": lambda: _equal(catalogue.leaf),
            "brand": lambda: _equal(catalogue.brand),
            "text": lambda: _cosine(catalogue.text(embedder)),
        }
        made = {name: make[name]() for name in wanted}
        self._parts = [(wanted[name], part) for name, part in made.items() if part is not None]
        self._total = sum(weight for weight, _ in self._parts)
        if not self._parts:
            raise InputError(
                f"The reranker {reranker!r} compares items by {', '.join(wanted)}, but the shop's items have none of "
                f"it: fill the column, or set similarity to another of {', '.join(LIKENESSES)}."
            )

    def __call__(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Similarity of one item a request (codes [requests]) to others ([requests, n]): float64 [requests, n]."""
        found = np.zeros(others.shape)
        for weight, part in self._parts:
            found += weight / self._total * part(one[:, None], others)
        return np.where(others == one[:, None], 1.0, found)


def _equal(codes: np.ndarray | None) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    if codes is None:
        return None
    return lambda one, others: (codes[one] == codes[others]) & (codes[one] >= 0)


def _paths(prefixes: np.ndarray | None) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    if prefixes is None:
        return None
    length = np.maximum((prefixes >= 0).sum(axis=1), 1).astype(np.float64)

    def shared(one: np.ndarray, others: np.ndarray) -> np.ndarray:
        same = sum(((p[one] == p[others]) & (p[one] >= 0)).astype(np.float64) for p in prefixes.T)
        found: np.ndarray = same / np.sqrt(length[one] * length[others])
        return found

    return shared


def _cosine(vectors: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def cosine(one: np.ndarray, others: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.einsum("rs,rns->rn", vectors[one[:, 0]], vectors[others])
        return found

    return cosine
