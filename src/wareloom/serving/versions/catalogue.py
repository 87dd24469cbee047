"""The catalogue of a version: what is shown of each item, and which items a filter lets through."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from wareloom.serving.files.arrays import Arrays
from wareloom.serving.files.kept import Tally
from wareloom.serving.files.lookup import Lookup, write_texts
from wareloom.serving.wire import Filter

if TYPE_CHECKING:
    from wareloom.serving.versions.stocked import Stocked

LEVELS = " > "
"""Between the levels of a category"""
FILTERS = 128
"""Filters whose items are remembered, at most"""
FILTER_BYTES = 32 << 20
"""What they may take, a byte an item"""
CARDS = 20_000
"""Cards that are remembered as they are written"""
SHOWN = ("title", "brand", "price")


def write_catalogue(items: pl.DataFrame, ids: pl.Series, folder: Path) -> None:
    """Lay out the rows of `items` in the order of `ids`."""
    frame = pl.DataFrame({"item_id": ids}).join(
        items, on="item_id", how="left", maintain_order="left"
    )
    arrays, names = Arrays(folder), [n for n in SHOWN if n in frame.columns]
    cards = [_card(row, names) for row in frame.select("item_id", *names).iter_rows(named=True)]
    write_texts(arrays, "cards", cards)
    titles = frame["title"].fill_null("").to_list() if "title" in names else [""] * len(frame)
    write_texts(arrays, "titles", [one.encode() for one in titles])
    brands = frame["brand"].fill_null("").to_list() if "brand" in names else [""] * len(frame)
    _put_codes(arrays, "brand", brands)
    paths = [""] * len(frame)
    if "category" in frame.columns:
        paths = [LEVELS.join(p or ()) for p in frame["category"].to_list()]
    _put_codes(arrays, "category", paths)
    price = frame["price"].cast(pl.Float64) if "price" in names else pl.Series([None] * len(frame))
    counts = frame["events"] if "events" in frame.columns else pl.Series([0.0] * len(frame))
    popular = counts.cast(pl.Float64).fill_null(0.0).to_numpy().astype(np.float32)
    arrays.put("popular.scores", popular)
    arrays.put("popular.order", np.argsort(-popular, kind="stable").astype(np.int32))
    arrays.put("price", price.cast(pl.Float64).fill_null(np.nan).to_numpy())


@dataclass
class _Kept:
    """What a filter does not let through, and how much of what changed since publication it has taken over."""

    shut: np.ndarray
    begun: int = -1
    at: int = 0


class Catalogue:
    """What `write_catalogue` wrote, mapped."""

    def __init__(self, folder: Path, ids: Lookup) -> None:
        arrays = Arrays(folder)
        self.ids = ids
        self._cards, self._card_bounds = _texts(arrays, "cards")
        self._titles, self._title_bounds = _texts(arrays, "titles")
        self.brands, self.brand = Lookup.read(arrays, "brand"), arrays.get("brand.of")
        self.categories, self.category = Lookup.read(arrays, "category"), arrays.get("category.of")
        self.price = arrays.get("price")
        self.popular = arrays.get("popular.scores"), arrays.get("popular.order")
        """Weight of the events of each item, and the items in the order of it"""
        self._known: dict[int, bytes] = {}
        self._filters: OrderedDict[Filter, _Kept] = OrderedDict()
        self.tally = Tally()
        """Of filters"""

    def card(self, code: int) -> bytes:
        """What is shown of an item, as JSON between its braces."""
        found = self._known.get(code)
        if found is None:
            found = bytes(self._cards[self._card_bounds[code] : self._card_bounds[code + 1]])
            if len(self._known) >= CARDS:
                self._known.clear()
            self._known[code] = found
        return found

    def title(self, code: int) -> str:
        """The title of an item, its id where it has none."""
        found = bytes(self._titles[self._title_bounds[code] : self._title_bounds[code + 1]])
        return found.decode() or self.ids.text(code)

    def barred(self, wanted: Filter, since: Stocked | None = None) -> np.ndarray:
        """Which items a filter does not let through: uint8 [items]; not to be changed.

        `since`: what changed since publication.
        """
        kept = self._filters.get(wanted)
        if kept is not None:
            self._filters.move_to_end(wanted)
            self.tally.hits += 1
        else:
            self.tally.misses += 1
            kept = self._filters[wanted] = _Kept(self._published(wanted))
            most = max(1, min(FILTERS, FILTER_BYTES // max(1, len(kept.shut))))
            while len(self._filters) > most:
                self._filters.popitem(last=False)
        if since is not None and (kept.begun, kept.at) != (since.begun, len(since.edits)):
            codes = since.edits[kept.at :] if kept.begun == since.begun else [*since.edited]
            for code in dict.fromkeys(codes):
                kept.shut[code] = not self.passes(self._row(code) | since.edited[code], wanted)
            kept.begun, kept.at = since.begun, len(since.edits)
        return kept.shut

    def _row(self, code: int) -> dict[str, Any]:
        """What filters look at, as it was published."""
        path, price = self.categories.text(int(self.category[code])), float(self.price[code])
        return {
            "brand": self.brands.text(int(self.brand[code])),
            "category": path.split(LEVELS) if path else [],
            "price": None if math.isnan(price) else price,
        }

    def _published(self, wanted: Filter) -> np.ndarray:
        shut = np.zeros(len(self.ids), dtype=bool)
        if wanted.brand:
            shut |= _others(len(self.brands), self.brands.codes(wanted.brand))[self.brand]
        if wanted.category:
            below = np.array(self._below(wanted.category), dtype=np.int32)
            shut |= _others(len(self.categories), below)[self.category]
        if wanted.price_from is not None:
            shut |= ~(self.price >= wanted.price_from)
        if wanted.price_to is not None:
            shut |= ~(self.price <= wanted.price_to)
        return shut.astype(np.uint8)

    def passes(self, item: dict[str, Any], wanted: Filter) -> bool:
        """Whether a product is let through by what is said of it."""
        path, price = LEVELS.join(item.get("category") or ()), item.get("price")
        low, high = wanted.price_from, wanted.price_to
        return (
            (not wanted.brand or item.get("brand") in wanted.brand)
            and (not wanted.category or _within(path, wanted.category))
            and (low is None or (price is not None and price >= low))
            and (high is None or (price is not None and price <= high))
        )

    def _below(self, category: str) -> list[int]:
        every = range(len(self.categories))
        return [code for code in every if _within(self.categories.text(code), category)]


def _others(count: int, codes: np.ndarray) -> np.ndarray:
    """Which of so many values are none of those of some codes, -1 for unknown ones: bool [count]."""
    found = np.ones(count, dtype=bool)
    found[codes[codes >= 0]] = False
    return found


def _within(path: str, category: str) -> bool:
    return path == category or path.startswith(category + LEVELS)


def card_of(item: dict[str, Any]) -> bytes:
    """What is shown of a product that is not in the catalogue, as JSON between its braces."""
    return _card(item, [n for n in SHOWN if item.get(n) is not None])


def _card(row: dict[str, Any], names: list[str]) -> bytes:
    told = {"item_id": row["item_id"]} | {n: row[n] for n in names if row[n] is not None}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))[1:-1].encode()


def _put_codes(arrays: Arrays, name: str, values: list[str]) -> None:
    known = sorted(set(values))
    place = {value: code for code, value in enumerate(known)}
    Lookup.write(arrays, name, known)
    arrays.put(f"{name}.of", np.array([place[value] for value in values], dtype=np.int32))


def _texts(arrays: Arrays, name: str) -> tuple[memoryview, np.ndarray]:
    return memoryview(arrays.get(f"{name}.texts").data), arrays.get(f"{name}.bounds")
