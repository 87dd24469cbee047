"""From requests and items to codes and numbers: fields by vocabularies and bands learned from training rows alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import polars as pl

from wareloom.rankers.clicks._numbers import (
    HISTORY,
    fold_of_users,
    follow,
    histories,
    looked_up,
    one_hot,
    rates,
    stacked,
)
from wareloom.rankers.clicks.rows import ClickQuery, Encoded, Rows, spread
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.log import NO_TIME

FOLDS = 5
"""Parts of the owners; what is known of a row's item leaves the row's own part out."""
BANDS = 10
NUMBERS = 20
"""A text column of numbers with more distinct values is cut into bands."""
HOUR = 3_600_000_000


@dataclass(frozen=True)
class Encoder:
    """What was learned of the fields."""

    fields: list[str]
    """Names: first those of items, then those of requests"""
    sizes: np.ndarray
    """int64 [fields], codes of each field, 0 (unknown) among them"""
    item_codes: np.ndarray
    """int32 [items + 1, item fields]; the last row is an unknown item"""
    maps: dict[str, np.ndarray]
    """Code by raw number, the last for unknown, of the numbered fields of requests"""
    vocabulary: pl.DataFrame
    """Columns field, value, code of the fields of text"""
    edges: dict[str, np.ndarray]
    """Inner bounds of the bands of text columns that hold numbers"""
    users: pl.DataFrame
    """user_id and its attributes"""
    rate: np.ndarray
    """float64 [items + 1], log-odds of an item's historic rate"""
    follow: Any
    """CSR [items, items], how much likelier item j is after item i than by chance, on a logarithmic scale"""
    category: np.ndarray
    """int32 [items]"""
    centre: np.ndarray
    scale: np.ndarray

    def state(self) -> dict[str, Any]:
        """Return the fields under the names that a ranker keeps them by."""
        return {f"{field.name}_": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, ranker: object) -> Self:
        """Take what `state` gave from the attributes of `ranker`."""
        return cls(**{field.name: getattr(ranker, f"{field.name}_") for field in fields(cls)})

    @property
    def width(self) -> int:
        """Number of fields of items."""
        return self.item_codes.shape[1]

    def pairs(self, asked: ClickQuery, request: np.ndarray, item: np.ndarray) -> Encoded:
        """Encode rows of a request and an item (-1: unknown) each."""
        return self._joined(asked, request, item, self._numbers(asked, request, item))

    def grid(self, asked: ClickQuery) -> Encoded:
        """Encode every request with every item, request after request."""
        n, items = len(asked), len(self.item_codes) - 1
        request, item = np.repeat(np.arange(n), items), np.tile(np.arange(items), n)
        near, count = histories(asked, items)
        group = count @ one_hot(self.category)
        per_pair = [(near @ self.follow).toarray().ravel(), count.toarray().ravel()]
        per_pair.append(group.toarray()[:, self.category].ravel())
        return self._joined(
            asked, request, item, stacked(self.rate[item], per_pair, count, request)
        )

    def _numbers(self, asked: ClickQuery, request: np.ndarray, item: np.ndarray) -> np.ndarray:
        near, count = histories(asked, len(self.item_codes) - 1)
        per_pair = looked_up(near, count, self.follow, self.category, request, item)
        return stacked(self.rate[item], per_pair, count, request)

    def _joined(
        self, asked: ClickQuery, request: np.ndarray, item: np.ndarray, numbers: np.ndarray
    ) -> Encoded:
        codes = np.concatenate([self.item_codes[item], self.request_codes(asked)[request]], axis=1)
        dense = ((numbers - self.centre) / self.scale).astype(np.float32)
        return Encoded(codes, dense, self._recent(asked), request)

    def request_codes(self, asked: ClickQuery) -> np.ndarray:
        """Codes of the fields of requests: int32 [requests, request fields]."""
        raw, text = (
            _raw(asked),
            _text(asked.context, self.edges).hstack(_known(self.users, asked.user).get_columns()),
        )
        columns = []
        for name in self.fields[self.width :]:
            if name in raw:
                columns.append(self.maps[name][np.minimum(raw[name], len(self.maps[name]) - 1)])
            else:
                known = self.vocabulary.filter(pl.col("field") == name)
                columns.append(
                    _coded(text[name], known)
                    if name in text.columns
                    else np.zeros(len(asked), np.int32)
                )
        return np.stack(columns, axis=1).astype(np.int32)

    def _recent(self, asked: ClickQuery) -> np.ndarray:
        place = asked.ends[:, None] - 1 - np.arange(HISTORY)
        there = place >= asked.starts[:, None]
        recent = np.zeros(place.shape, dtype=np.int32)
        recent[there] = self.item_codes[asked.log.item[place[there]], 0]
        return recent


def learn(
    rows: Rows, shop: Shop | None, items: Vocabulary, least: int, rng: np.random.Generator
) -> tuple[Encoder, Encoded]:
    """Learn the fields from training rows, and encode these with nothing of their own labels in them.

    Values of fewer than `least` rows count as unknown.
    """
    raw_items, category = _item_fields(shop, items)
    item_codes, sizes = [], []
    for raw in raw_items.values():
        codes, size = _kept(
            raw, np.bincount(raw[rows.item][rows.item >= 0], minlength=raw.max() + 2), least
        )
        item_codes.append(codes)
        sizes.append(size)
    used = rows.asked.take(rows.request) if len(rows.asked) != len(rows) else rows.asked
    maps = {}
    for name, raw in _raw(used).items():
        top = raw[raw < UNKNOWN].max(initial=-1) + 1
        counts = np.bincount(np.minimum(raw, top), minlength=top + 1)
        maps[name], size = _mapped(counts, least)
        sizes.append(size)
    users, edges = _user_fields(shop), _edges(used.context)
    text = _text(used.context, edges).hstack(_known(users, used.user).get_columns())
    vocabulary, more = _vocabulary(text, least)
    whole = Encoder(
        fields=[*raw_items, *maps, *text.columns],
        sizes=np.array(sizes + more, dtype=np.int64),
        item_codes=np.stack(item_codes, axis=1).astype(np.int32),
        maps=maps,
        vocabulary=vocabulary,
        edges=edges,
        users=users,
        rate=np.zeros(1),
        follow=None,
        category=category,
        centre=np.zeros(1),
        scale=np.ones(1),
    )
    return _with_numbers(whole, rows, rng)


def _known(users: pl.DataFrame, who: pl.Series) -> pl.DataFrame:
    """The attributes of each request's user."""
    asked = who.rename("user_id").to_frame()
    return asked.join(users, on="user_id", how="left", maintain_order="left").drop("user_id")


def _vocabulary(text: pl.DataFrame, least: int) -> tuple[pl.DataFrame, list[int]]:
    """Columns field, value, code of the values that are frequent enough, and the number of codes of each field."""
    parts, sizes = (
        [pl.DataFrame(schema={"field": pl.String, "value": pl.String, "code": pl.Int32})],
        [],
    )
    for name in text.columns:
        counted = (
            text[name]
            .drop_nulls()
            .rename("value")
            .value_counts(name="rows")
            .filter(pl.col("rows") >= least)
        )
        code = pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
        parts.append(counted.sort("value").select(field=pl.lit(name), value="value", code=code))
        sizes.append(len(counted) + 1)
    return pl.concat(parts), sizes


UNKNOWN = np.iinfo(np.int64).max
"""The raw number of what is unknown: beyond every map's end, which is its last entry, 0."""


def _raw(asked: ClickQuery) -> dict[str, np.ndarray]:
    """The fields of requests that are numbers, `UNKNOWN` where unknown."""
    timed, length = asked.time != NO_TIME, asked.ends - asked.starts
    last = np.full(len(asked), UNKNOWN)
    some = np.flatnonzero(length > 0)
    last[some] = asked.log.item[asked.ends[some] - 1]
    return {
        "position": np.where(asked.position >= 0, asked.position, UNKNOWN),
        "hour": np.where(timed, asked.time // HOUR % 24, UNKNOWN),
        "weekday": np.where(timed, (asked.time // (24 * HOUR) + 3) % 7, UNKNOWN),
        "history": np.log2(length + 1.0).astype(np.int64),
        "last_item": last,
    }


def _mapped(counts: np.ndarray, least: int) -> tuple[np.ndarray, int]:
    """Code by raw number where it is counted often enough; the last entry stands for unknown and is 0."""
    often = counts >= max(1, least)
    often[-1] = False
    return np.where(often, np.cumsum(often), 0).astype(np.int32), int(often.sum()) + 1


def _kept(raw: np.ndarray, counts: np.ndarray, least: int) -> tuple[np.ndarray, int]:
    """The same for a raw number an item, whose last entry is an unknown item."""
    codes, size = _mapped(counts, least)
    return np.append(codes[raw[:-1]], 0), size


def _item_fields(shop: Shop | None, items: Vocabulary) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Raw numbers by field, int64 [items + 1], and a code of the leaf category, int32 [items]."""
    n = len(items)
    columns: dict[str, pl.Series] = {}
    category = np.zeros(n, dtype=np.int32)
    if shop is not None:
        frame = (
            items.ids.rename("item_id")
            .to_frame()
            .join(shop.table("items"), on="item_id", how="left", maintain_order="left")
        )
        if "brand" in frame.columns:
            columns["brand"] = frame["brand"]
        if "category" in frame.columns:
            columns |= {
                "department": frame["category"].list.first(),
                "category": frame["category"].list.last(),
            }
            category = columns["category"].rank("dense").fill_null(0).cast(pl.Int32).to_numpy()
        if "price" in frame.columns:
            columns["price"] = _banded(frame["price"], _quantiles(frame["price"]))
        if "attributes" in frame.columns:
            wide = spread(frame["attributes"])
            wide = _text(wide, _edges(wide))
            columns |= {f"item:{name}": wide[name] for name in wide.columns}
    raw = {"item_id": np.append(np.arange(n), n)}
    for name, values in columns.items():
        number = values.rank("dense").fill_null(0).cast(pl.Int64)
        top = int(number.to_numpy().max(initial=0)) + 1
        raw[name] = np.append(np.where(number == 0, top, number), top)
    return raw, category


def _user_fields(shop: Shop | None) -> pl.DataFrame:
    if shop is None or not shop.has("users", "attributes"):
        return pl.DataFrame(schema={"user_id": pl.String})
    users = shop.table("users")
    wide = spread(users["attributes"])
    wide = _text(wide, _edges(wide))
    return pl.DataFrame(
        {"user_id": users["user_id"], **{f"user:{name}": wide[name] for name in wide.columns}}
    )


def _edges(frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """Inner bounds of bands for each text column that holds many numbers."""
    found = {}
    for name in frame.columns:
        known = frame[name].drop_nulls()
        number = known.cast(pl.Float64, strict=False)
        if (
            len(known)
            and number.null_count() == 0
            and number.is_finite().all()
            and number.n_unique() > NUMBERS
        ):
            found[name] = _quantiles(number)
    return found


def _quantiles(number: pl.Series) -> np.ndarray:
    known = number.drop_nulls().to_numpy()
    return np.unique(np.quantile(known, np.arange(1, BANDS) / BANDS)) if len(known) else np.zeros(0)


def _banded(number: pl.Series, edges: np.ndarray) -> pl.Series:
    band = pl.Series(np.searchsorted(edges, number.fill_null(0.0).to_numpy(), side="right")).cast(
        pl.String
    )
    return pl.select(pl.when(number.is_not_null()).then(band)).to_series().rename(number.name)


def _text(frame: pl.DataFrame, edges: dict[str, np.ndarray]) -> pl.DataFrame:
    """Turn the columns that have edges into bands."""
    return frame.with_columns(
        _banded(frame[name].cast(pl.Float64, strict=False), bounds)
        for name, bounds in edges.items()
        if name in frame.columns
    )


def _coded(values: pl.Series, known: pl.DataFrame) -> np.ndarray:
    frame = (
        values.rename("value").to_frame().join(known, on="value", how="left", maintain_order="left")
    )
    return frame["code"].fill_null(0).to_numpy()


def _with_numbers(blank: Encoder, rows: Rows, rng: np.random.Generator) -> tuple[Encoder, Encoded]:
    """Learn rates and what follows what: from all rows for later, and for each fold's rows from the other folds."""
    n = len(blank.item_codes) - 1
    fold = rng.integers(FOLDS, size=int(rows.owner.max(initial=0)) + 1)[rows.owner]
    of_owner = fold_of_users(rows, fold)
    near, count = histories(rows.asked, n)
    numbers = np.zeros((len(rows), 5))
    for part in range(FOLDS):
        here = np.flatnonzero(fold == part)
        if len(here) == 0:
            continue
        rate = rates(rows, fold != part, n)
        after = follow(rows.asked.log, of_owner != part)
        request, item = rows.request[here], rows.item[here]
        per_pair = looked_up(near, count, after, blank.category, request, item)
        numbers[here] = stacked(rate[item], per_pair, count, request)
    centre, scale = numbers.mean(axis=0), numbers.std(axis=0)
    learned = {
        "rate": rates(rows, np.ones(len(rows), dtype=bool), n),
        "follow": follow(rows.asked.log, None),
    }
    scale = np.where(scale > 1e-9, scale, 1.0)
    encoder = Encoder(**{**vars(blank), **learned, "centre": centre, "scale": scale})
    return encoder, encoder._joined(rows.asked, rows.request, rows.item, numbers)
