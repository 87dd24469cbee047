"""Products that are new or changed since a version was published: a file that all processes read on.

    stock.put(items)        # on the disk when it returns
    stock.refresh()         # before each answer: costs one look at the file's size

A product that a version does not know is found by its words. One that is deleted, out of stock or expired is not shown.
"""

from __future__ import annotations

import fcntl
import math
import os
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from wareloom.errors import SourceError
from wareloom.language.sizes import Terms
from wareloom.serving.files.frames import MAGIC, datasync, framed, records_in

K1, B, DELTA, PAIRS = 1.2, 0.75, 1.0, 0.15
TERMS = Terms(pairs=True)
BESIDE = 50
"""Products that are sorted beside those that are wanted, as some may not be shown"""
SPARE = 10_000
"""Changes that are remembered beyond twice the products"""


class Stock:
    """What is known of products beside the catalogue."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._at = 0
        self.number = 0
        """Grows with each change that was read"""
        self.items: dict[str, dict[str, Any]] = {}
        """All that was said of each product, the latest of each field"""
        self.words: dict[str, Counter[str]] = {}
        """Words of the products' texts, with how often each is there"""
        self.changes: list[str] = []
        """Ids in the order in which they changed: whoever looks again begins where it ended, unless `epoch` grew"""
        self.epoch = 0
        self.expiring: dict[str, int] = {}
        """Microseconds from which products are not shown, of those that have an end"""
        self._holding: dict[str, dict[str, int]] = {}
        """Products by the words of their texts, with how often each is there"""
        self._lengths: dict[str, int] = {}
        self.refresh()

    def put(self, items: Collection[dict[str, Any]]) -> None:
        """Write what changed of some products, each a dictionary with `item_id`; raises `OSError`."""
        content = framed(msgspec.json.encode(item) for item in items)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            size = self._whole()
            if size == 0:
                content = MAGIC + content
            try:
                done = 0
                while done < len(content):
                    done += os.write(self._file, content[done:])
                datasync(self._file)
            except OSError:
                os.ftruncate(self._file, size)
                raise
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _whole(self) -> int:
        """Cut off what a process that was killed left half-written behind the last record; returns the size."""
        at, size = self._at, os.fstat(self._file).st_size
        if size < len(MAGIC):
            os.ftruncate(self._file, 0)
            return 0
        left = MAGIC + os.pread(self._file, size - at, at)
        end = at + records_in(left, len(MAGIC) if at else 2 * len(MAGIC)).end - len(MAGIC)
        if end < size:
            os.ftruncate(self._file, end)
        return end

    def refresh(self) -> None:
        """Read what was written since the last time, by whichever process."""
        size = os.fstat(self._file).st_size
        if size < max(self._at + 1, len(MAGIC)):
            return
        # From its beginning only the first time; a record that is still being written is read the next time.
        content = MAGIC + os.pread(self._file, size - self._at, self._at)
        start = len(MAGIC) if self._at else 2 * len(MAGIC)
        found = records_in(content, start)
        for record in found.records:
            self._take(msgspec.json.decode(record))
        self._at += found.end - len(MAGIC)
        self.number += bool(found.records)

    def _take(self, item: dict[str, Any]) -> None:
        if not isinstance(item, dict) or "item_id" not in item:
            raise SourceError(f"{self.path} holds a record that is no product: move the file away.")
        name = item["item_id"]
        both = self.items.get(name, {}) | item
        if item.get("deleted"):
            both = {"item_id": name, "deleted": True}
        elif "deleted" in both and not item.get("deleted"):
            both.pop("deleted")
        self.items[name] = both
        self.changes.append(name)
        if len(self.changes) > 2 * len(self.items) + SPARE:
            self.changes, self.epoch = [*self.items], self.epoch + 1
        if "expires" in both:
            self.expiring[name] = both["expires"]
        else:
            self.expiring.pop(name, None)
        texts = (
            both.get("title"),
            both.get("brand"),
            *(both.get("category") or ()),
            both.get("description"),
        )
        held = _found_by(text for text in texts if text)
        before = self.words.get(name) or Counter[str]()
        for word in before.keys() - held.keys():
            del self._holding[word][name]
        for word, times in held.items():
            self._holding.setdefault(word, {})[name] = times
        self.words[name], self._lengths[name] = held, _length(held)

    def found(self, query: str, idf: Any, mean: float, among: Container[str]) -> dict[str, float]:
        """BM25 of some products for a query, those above 0 alone; `idf` gives the rarity of a word."""
        scores: dict[str, float] = {}
        for term, times in Counter(TERMS.asked(query)).items():
            rare = times * _worth(term) * idf(term)
            if rare <= 0:
                continue
            for name, tf in self._holding.get(term, {}).items():
                if name in among:
                    found = _mentioned(tf, self._lengths[name] / mean)
                    scores[name] = scores.get(name, 0.0) + rare * found
        return scores


def best_first(scores: dict[str, float], most: int) -> Iterator[str]:
    """Names by falling scores, equal ones by name; quick for whoever takes some `most` of them."""
    if len(scores) > 4 * (most + BESIDE):
        values = np.fromiter(scores.values(), dtype=np.float64, count=len(scores))
        cut = np.partition(values, -(most + BESIDE))[-(most + BESIDE)]
        top = {name: score for name, score in scores.items() if score >= cut}
        yield from sorted(top, key=lambda name: (-top[name], name))
        scores = {name: score for name, score in scores.items() if score < cut}
    yield from sorted(scores, key=lambda name: (-scores[name], name))


def is_gone(item: dict[str, Any], now: int) -> bool:
    """Whether a product is deleted, out of stock or expired."""
    return bool(
        item.get("deleted")
        or item.get("available") is False
        or item.get("expires", math.inf) <= now
    )


def of_itself(title: str, idf: Any, mean: float) -> float:
    """What a title scores for itself by BM25."""
    held = _found_by([title])
    length = _length(held) / mean
    return float(
        sum(
            times * _worth(term) * idf(term) * _mentioned(held[term], length)
            for term, times in Counter(TERMS.asked(title)).items()
            if held[term]
        )
    )


def _mentioned(times: int, length: float) -> float:
    """What so many mentions of a word count in a text, whose length is told in units of the mean."""
    return times * (K1 + 1) / (times + K1 * (1 - B + B * length)) + DELTA


def _found_by(texts: Iterable[str]) -> Counter[str]:
    """Words and pairs by which a product with these texts is found, as BM25 has them."""
    found = Counter[str]()
    for text in texts:
        for terms in TERMS.read(text):
            found.update(terms)
    return found


def _length(held: Counter[str]) -> int:
    """Words of a product; pairs make no text longer."""
    return sum(times for term, times in held.items() if " " not in term)


def _worth(term: str) -> float:
    return PAIRS if " " in term else 1.0
