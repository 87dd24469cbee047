"""What a user's sequence is like, in numbers with names, for those who tell synthetic users from real ones."""

from __future__ import annotations

import numpy as np

from wareloom.metrics.diversity.category_entropy import entropies
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.metrics.likeness.users.repeat_rate import repeated
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS

SECOND = 1_000_000
DAY = 86_400 * SECOND


class Known:
    """What other real users, whom nobody judges, chose: popularity of items and steps between them."""

    def __init__(self, sample: Sample) -> None:
        n = len(sample.log.items)
        self.popularity = np.log1p(sample.log.counts() * (1e4 / max(1, len(sample.log))))
        """Log of 1 + events of ten thousand, float64 [items]"""
        rows = sample.inner()
        key = sample.log.item[rows - 1].astype(np.int64) * n + sample.log.item[rows]
        self.steps, self.times = np.unique(key, return_counts=True)

    def times_of(self, key: np.ndarray) -> np.ndarray:
        """How often each step (item · items + item) was taken: int64 [steps]."""
        if len(self.steps) == 0:
            return np.zeros(len(key), dtype=np.int64)
        place = np.minimum(np.searchsorted(self.steps, key), len(self.steps) - 1)
        return np.where(self.steps[place] == key, self.times[place], 0)


def features(sample: Sample, known: Known, trio: Trio) -> dict[str, np.ndarray]:
    """Describe each user: float64 [users] by name; NaN where a user has nothing of it, such as gaps of one event."""
    return {
        **_items(sample, known),
        **_steps(sample, known),
        **(_categories(sample, trio.category) if trio.category is not None else {}),
        **(_times(sample) if "times" not in trio.lacks else {}),
        **(_sessions(sample) if "sessions" not in trio.lacks else {}),
        **_kinds(sample, trio),
    }


def _sum(sample: Sample, rows: np.ndarray | slice, values: np.ndarray) -> np.ndarray:
    return np.bincount(sample.user[rows], weights=values, minlength=len(sample))


def _moments(
    sample: Sample, rows: np.ndarray | slice, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation by user; NaN where there are no values."""
    number = np.bincount(sample.user[rows], minlength=len(sample)).astype(np.float64)
    number[number == 0] = np.nan
    mean = _sum(sample, rows, values) / number
    return mean, np.sqrt(np.maximum(_sum(sample, rows, values * values) / number - mean**2, 0.0))


def _items(sample: Sample, known: Known) -> dict[str, np.ndarray]:
    """Length, repeats, popularity."""
    every, log = slice(None), sample.log
    popular = known.popularity[log.item]
    mean, spread = _moments(sample, every, popular)
    return {
        "events": log.lengths().astype(np.float64),
        "share of repeats": _moments(sample, every, repeated(sample).astype(np.float64))[0],
        "popularity, mean": mean,
        "popularity, spread": spread,
        "popularity of the first item": popular[log.offsets[:-1]],
        "popularity of the last item": popular[log.offsets[1:] - 1],
        "share of items nobody else chose": _moments(
            sample, every, (popular == 0).astype(np.float64)
        )[0],
    }


def _steps(sample: Sample, known: Known) -> dict[str, np.ndarray]:
    """How well known the steps from item to item are."""
    rows, item = sample.inner(), sample.log.item
    times = known.times_of(item[rows - 1].astype(np.int64) * len(sample.log.items) + item[rows])
    return {
        "share of known transitions": _moments(sample, rows, (times > 0).astype(np.float64))[0],
        "known transitions, mean log count": _moments(sample, rows, np.log1p(times))[0],
        "share of the same item again at once": _moments(
            sample, rows, (item[rows] == item[rows - 1]) * 1.0
        )[0],
    }


def _categories(sample: Sample, category: np.ndarray) -> dict[str, np.ndarray]:
    rows, own = sample.inner(), category[sample.log.item]
    return {
        "category entropy": entropies(sample, category),
        "share of steps within a category": _moments(
            sample, rows, (own[rows] == own[rows - 1]) * 1.0
        )[0],
    }


def _times(sample: Sample) -> dict[str, np.ndarray]:
    """Pace, time of day and of week, and how times are rounded."""
    rows, gaps = sample.gaps
    log_gap = np.log10(1 + np.maximum(gaps, 0) / SECOND)
    mean, spread = _moments(sample, rows, log_gap)
    there = np.flatnonzero(sample.log.time != NO_TIME)
    time = sample.log.time[there]
    angle = 2 * np.pi * (time % DAY) / DAY
    return {
        "gaps, mean log": mean,
        "gaps, spread of log": spread,
        "share of gaps of no time": _moments(sample, rows, (gaps == 0) * 1.0)[0],
        "share of gaps below a minute": _moments(sample, rows, (gaps < 60 * SECOND) * 1.0)[0],
        "time of day, sine": _moments(sample, there, np.sin(angle))[0],
        "time of day, cosine": _moments(sample, there, np.cos(angle))[0],
        "share at weekends": _moments(sample, there, ((time // DAY + 3) % 7 >= 5) * 1.0)[0],
        "share at midnight": _moments(sample, there, (time % DAY == 0) * 1.0)[0],
        "share at a whole second": _moments(sample, there, (time % SECOND == 0) * 1.0)[0],
    }


def _sessions(sample: Sample) -> dict[str, np.ndarray]:
    log = sample.log
    new = (sample.place == 0) | (np.diff(log.session, prepend=-1) != 0)
    number = _sum(sample, slice(None), new.astype(np.float64))
    return {"sessions": number, "events of a session": log.lengths() / number}


def _kinds(sample: Sample, trio: Trio) -> dict[str, np.ndarray]:
    """Shares of the kinds of event, where there are several."""
    there = np.flatnonzero(sum(each.kinds.sum(axis=0) for each in trio.samples))
    total = sample.kinds.sum(axis=1)
    return (
        {f"share of {EVENTS[k]}": sample.kinds[:, k] / total for k in there}
        if len(there) > 1
        else {}
    )
