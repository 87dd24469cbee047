"""What a user's items are, when they were chosen and in what company: numbers with names, for those who tell users.

What is known of items is learned from other real users and from the catalogue, and held to both sides alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.metrics.likeness.users.features import Known, features
from wareloom.shop.log import NO_TIME

DAY = 86_400_000_000
LATEST = 20
"""Last different items of a user that are held beside one another"""
WORDS = r"\p{Han}|[\p{L}\p{N}--\p{Han}]+"
"""What is a word of a title: a Chinese character, or a run of other letters and digits"""


class Dates:
    """When others chose each item: its dates in order, item after item."""

    def __init__(self, sample: Sample) -> None:
        log, n = sample.log, len(sample.log.items)
        there = np.flatnonzero(log.time != NO_TIME)
        order = there[np.lexsort((log.time[there], log.item[there]))]
        self.time = log.time[order]
        """int64, rising within an item"""
        number = np.bincount(log.item[order], minlength=n)
        self.start = np.concatenate([[0], np.cumsum(number)])
        """int64 [items + 1]"""
        self.moments = np.unique(self.time)
        self._key = log.item[order].astype(np.int64) * self._width + self._at(self.time, "left")

    @property
    def _width(self) -> int:
        return len(self.moments) + 1

    def _at(self, time: np.ndarray, side: str) -> np.ndarray:
        return np.searchsorted(self.moments, time, side=side)  # type: ignore[call-overload]

    def before(self, item: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in `time` behind the item's dates that are earlier, and behind those that are no later: int64."""
        base = item.astype(np.int64) * self._width
        earlier = np.searchsorted(self._key, base + self._at(time, "left"))
        return earlier, np.searchsorted(self._key, base + self._at(time, "right"))


class Pairs:
    """Which items others had together, among the last `LATEST` different ones of each."""

    def __init__(self, sample: Sample) -> None:
        self.items = len(sample.log.items)
        user, item = latest(sample)
        self.users = np.bincount(item, minlength=self.items)
        """How many had each item: int64 [items]"""
        a, b = beside(user)
        key = np.sort(_key(item[a], item[b], self.items))
        first = np.flatnonzero(np.diff(key, prepend=-1))
        self._key, self._times = key[first], np.diff(first, append=len(key))
        self._all = len(sample)

    def together(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How many had both items: int64 [pairs]."""
        key = _key(one, other, self.items)
        if len(self._key) == 0:
            return np.zeros(len(key), dtype=np.int64)
        place = np.minimum(np.searchsorted(self._key, key), len(self._key) - 1)
        return np.where(self._key[place] == key, self._times[place], 0)

    def cosine(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Cosine of the two items' columns of users: float64 [pairs]."""
        size = np.sqrt(np.maximum(self.users[one] * self.users[other], 1.0))
        return self.together(one, other) / size

    def information(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Pointwise mutual information in bits (Church and Hanks 1990), NaN where nobody had both."""
        both = self.together(one, other).astype(np.float64)
        both[both == 0] = np.nan
        return np.log2(both * self._all / (self.users[one] * self.users[other] + 1e-9))


class KnownItems:
    """All that is known of items: dates, company, brand, price and words; None where the shop has none of it."""

    def __init__(self, sample: Sample, trio: Trio) -> None:
        counts, catalogue = sample.log.counts(), trio.catalogue
        self.counts = counts
        self.dates = Dates(sample) if "times" not in trio.lacks else None
        self.pairs = Pairs(sample)
        self.brand = brand_codes(catalogue["brand"]) if "brand" in catalogue.columns else None
        self.price = self.level = None
        if "price" in catalogue.columns:
            self.price = np.log1p(catalogue["price"].cast(pl.Float64).fill_null(np.nan).to_numpy())
            self.level = self.price - _usual(self.price, counts, trio.category)
        self.words = word_vectors(catalogue["title"]) if "title" in catalogue.columns else None


def brand_codes(brands: pl.Series) -> np.ndarray:
    """Code of each item's brand, letters' case aside: int32 [items], -1 where unknown."""
    names = brands.str.strip_chars().str.to_lowercase()
    names = names.set(names == "", None)
    codes: np.ndarray = (names.rank("dense").cast(pl.Int32) - 1).fill_null(-1).to_numpy()
    return codes


def word_vectors(titles: pl.Series) -> sparse.csr_matrix:
    """Words of titles by tf-idf, rows of length 1: float32 CSR [items, words]; a title without words is empty."""
    frame = pl.DataFrame({"row": np.arange(len(titles)), "word": titles.fill_null("")})
    words = pl.col("word").str.to_lowercase().str.extract_all(WORDS)
    frame = frame.with_columns(words).explode("word").drop_nulls()
    frame = frame.group_by("row", "word").len().with_columns(many=pl.len().over("word"))
    frame = frame.with_columns(code=pl.col("word").rank("dense").cast(pl.Int64) - 1)
    frame = frame.sort("row", "code")
    weight = frame["len"].log1p() * ((1 + len(titles)) / (1 + frame["many"])).log()
    place = frame["row"].to_numpy(), frame["code"].to_numpy()
    shape = (len(titles), int(place[1].max(initial=-1)) + 1)
    found = sparse.csr_matrix((weight.to_numpy().astype(np.float32), place), shape=shape)
    size = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    return (sparse.diags(1.0 / np.maximum(size, 1e-9)) @ found).tocsr().astype(np.float32)


def _usual(value: np.ndarray, counts: np.ndarray, category: np.ndarray | None) -> np.ndarray:
    """Mean of a value over the events of each item's category, or of all items: float64 [items]."""
    group = np.zeros(len(value), np.int64) if category is None else category.astype(np.int64) + 1
    known = ~np.isnan(value)
    times = np.where(known, counts + 1.0, 0.0)
    total = np.bincount(group, weights=times)
    summed = np.bincount(group, weights=times * np.where(known, value, 0.0))
    return (summed / np.maximum(total, 1e-9))[group]


def latest(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of the last `LATEST` different items of each user, in the order in which each was chosen last."""
    log = sample.log
    rows = pl.DataFrame({"user": sample.user, "item": log.item, "row": np.arange(len(log))})
    last = rows.group_by("user", "item").agg(pl.col("row").max()).sort("row")
    last = last.filter(pl.int_range(pl.len()).reverse().over("user") < LATEST)
    return last["user"].to_numpy(), last["item"].to_numpy()


def beside(user: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all pairs of entries of one user, the earlier and the later: int64 [pairs]; `user` never falls."""
    one, other = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for far in range(1, LATEST):
        rows = np.arange(far, len(user))
        rows = rows[user[rows] == user[rows - far]]
        one.append(rows - far)
        other.append(rows)
    return np.concatenate(one), np.concatenate(other)


def _key(one: np.ndarray, other: np.ndarray, items: int) -> np.ndarray:
    low, high = np.minimum(one, other).astype(np.int64), np.maximum(one, other).astype(np.int64)
    return low * items + high


def describing(known: Sample, trio: Trio) -> Callable[[Sample], dict[str, np.ndarray]]:
    """Return what describes the users of a sample by all features, of sequences and of items.

    What is known of items is learned from the `known` users, who should not be described themselves.
    """
    of_steps, of_items = Known(known), KnownItems(known, trio)
    return lambda sample: {
        **features(sample, of_steps, trio),
        **item_features(sample, of_items),
    }


def item_features(sample: Sample, known: KnownItems) -> dict[str, np.ndarray]:
    """Describe each user by its items: float64 [users] by name; NaN where a user has nothing of it."""
    return {
        **(_ages(sample, known.dates) if known.dates is not None else {}),
        **(_brands(sample, known.brand) if known.brand is not None else {}),
        **(_prices(sample, known) if known.price is not None else {}),
        **_company(sample, known),
    }


def _by_user(user: np.ndarray, value: np.ndarray, users: int) -> dict[str, np.ndarray]:
    """Mean, spread, least and most of values by user, NaN where there are none; `user` in any order."""
    there = ~np.isnan(value)
    user, value = user[there], value[there]
    number = np.bincount(user, minlength=users).astype(np.float64)
    number[number == 0] = np.nan
    mean = np.bincount(user, weights=value, minlength=users) / number
    square = np.bincount(user, weights=value * value, minlength=users) / number
    least, most = np.full(users, np.nan), np.full(users, np.nan)
    np.fmin.at(least, user, value)
    np.fmax.at(most, user, value)
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    return {"mean": mean, "spread": spread, "least": least, "most": most}


def _named(name: str, found: dict[str, np.ndarray], *wanted: str) -> dict[str, np.ndarray]:
    return {f"{name}, {each}": found[each] for each in wanted}


def _days(time: np.ndarray) -> np.ndarray:
    """Signed logarithm of a time in days."""
    days = time / DAY
    return np.sign(days) * np.log10(1 + np.abs(days))


def _ages(sample: Sample, dates: Dates) -> dict[str, np.ndarray]:
    """When a user chose items, beside the dates at which others did: items that were not sold yet, or no longer."""
    log, users = sample.log, len(sample)
    there = log.time != NO_TIME
    there &= dates.start[log.item + 1] > dates.start[log.item]
    user, item, time = sample.user[there], log.item[there], log.time[there]
    first, behind = dates.start[item], dates.start[item + 1]
    earlier, no_later = dates.before(item, time)
    age, left = time - dates.time[first], dates.time[behind - 1] - time
    middle = time - dates.time[(first + behind - 1) // 2]
    place = ((earlier + no_later) / 2 - first) / (behind - first)
    near = np.full(len(time), np.iinfo(np.int64).max)
    for at in (earlier - 1, no_later):
        inside = (at >= first) & (at < behind)
        near[inside] = np.minimum(
            near[inside], np.abs(time - dates.time[np.where(inside, at, 0)])[inside]
        )
    near[no_later > earlier] = 0

    def told(name: str, value: np.ndarray, *wanted: str) -> dict[str, np.ndarray]:
        return _named(name, _by_user(user, value.astype(np.float64), users), *wanted)

    every = ("mean", "spread", "least", "most")
    return {
        **told("share of events before an item's first date", age < 0, "mean"),
        **told("share of events after an item's last date", left < 0, "mean"),
        **told("days from an item's first date", _days(age), *every),
        **told("days to an item's last date", _days(left), *every),
        **told("days from an item's median date", _days(middle), *every),
        **told("days from an item's median date, either way", np.abs(_days(middle)), "mean"),
        **told("days to an item's nearest date", _days(near), "mean", "spread", "most"),
        **told("place among an item's dates", place, *every),
    }


def _brands(sample: Sample, brand: np.ndarray) -> dict[str, np.ndarray]:
    """How far a user keeps to brands."""
    own, users = brand[sample.log.item], len(sample)
    there = own >= 0
    rows = pl.DataFrame(
        {"user": sample.user[there], "brand": own[there], "item": sample.log.item[there]}
    )
    each = rows.unique().group_by("user", "brand").len().group_by("user")
    found = each.agg(brands=pl.len(), items=pl.col("len").sum(), most=pl.col("len").max())
    user = found["user"].to_numpy()
    items = found["items"].to_numpy()
    brands, most = np.full(users, np.nan), np.full(users, np.nan)
    brands[user] = found["brands"].to_numpy() / items
    most[user] = found["most"].to_numpy() / items
    return {
        "share of events without a brand": _by_user(sample.user, (~there) * 1.0, users)["mean"],
        "brands by items": brands,
        "share of the chief brand among items": most,
    }


def _prices(sample: Sample, known: KnownItems) -> dict[str, np.ndarray]:
    """How dear a user's items are, and how dear for their category."""
    assert known.price is not None
    assert known.level is not None
    user, item, users = sample.user, sample.log.item, len(sample)
    every = ("mean", "spread", "least", "most")
    unknown = np.isnan(known.price[item]) * 1.0
    return {
        "share of events without a price": _by_user(user, unknown, users)["mean"],
        **_named("log price", _by_user(user, known.price[item], users), *every),
        **_named(
            "log price beside the category's", _by_user(user, known.level[item], users), *every
        ),
    }


def _company(sample: Sample, known: KnownItems) -> dict[str, np.ndarray]:
    """How well a user's items go together: by what others had together, words, brands and prices."""
    user, item = latest(sample)
    a, b = beside(user)
    one, other, users = item[a], item[b], len(sample)
    values = {
        "cosine of items in a history": known.pairs.cosine(one, other),
        "information between items in a history": known.pairs.information(one, other),
    }
    if known.words is not None:
        values["likeness of titles in a history"] = _dot(known.words, one, other)
    found = {
        "share of pairs that others had": _by_user(
            user[a], (known.pairs.together(one, other) > 0) * 1.0, users
        )["mean"]
    }
    for name, value in values.items():
        found |= _named(name, _by_user(user[a], value, users), "mean", "spread", "most")
    for name, value in list(values.items()):
        if name.startswith("information"):
            continue
        best = np.full(len(item), np.nan)
        np.fmax.at(best, a, value)
        np.fmax.at(best, b, value)
        found |= _named(
            f"{name}, the best for each item", _by_user(user, best, users), "mean", "least"
        )
    near = b == a + 1
    if known.brand is not None:
        mine, theirs = known.brand[one], known.brand[other]
        same = np.where((mine >= 0) & (theirs >= 0), (mine == theirs) * 1.0, np.nan)
        found["share of pairs of one brand"] = _by_user(user[a], same, users)["mean"]
        found["share of steps within a brand"] = _by_user(user[a][near], same[near], users)["mean"]
    if known.level is not None:
        apart = np.abs(known.level[one] - known.level[other])
        found |= _named("log price apart", _by_user(user[a], apart, users), "mean", "least")
    return found


def _dot(rows: sparse.csr_matrix, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Dot products of rows: float64 [pairs]."""
    key, back = np.unique(_key(one, other, rows.shape[0]), return_inverse=True)
    a, b = key // rows.shape[0], key % rows.shape[0]
    found = np.zeros(len(key))
    for part in np.array_split(np.arange(len(key)), max(1, len(key) // 200_000)):
        found[part] = np.asarray(rows[a[part]].multiply(rows[b[part]]).sum(axis=1)).ravel()
    return found[back]
