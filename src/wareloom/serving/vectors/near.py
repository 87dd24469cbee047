"""The vectors of a version: written in 32 and 8 bits, mapped, and searched exactly or by a graph."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.top import sizes
from wareloom.errors import SourceError, needed
from wareloom.serving.files.arrays import Arrays
from wareloom.serving.vectors.scan import best_exact, open_codes, rescored

PARTS = ("vectors", "small", "scale", "slack")
GRAPH = "graph.usearch"
BLOCK = 1 << 14
"""Rows that are written at once"""
CONNECTIVITY, BUILDING = 16, 128
"""Neighbours of an item in the graph, and candidates while it is built"""
FETCHED = 40
"""Items that are fetched from the graph, at least, and scored again in 32 bits"""
AGAIN = 4
"""Times k that are fetched"""
LEVEL = 1e-3
"""Spread of lengths, as a share, below which vectors count as equally long"""
ROUNDING = 4e-6
"""What sums in 32 bits may be wrong by, as a share of the lengths"""

Found = tuple[np.ndarray, np.ndarray]


def write_near(arrays: Arrays, name: str, vectors: np.ndarray, bias: np.ndarray | None) -> None:
    """Lay vectors [items, size] out in 32 and 8 bits; a bias becomes a number more, which queries multiply by 1."""
    rows, width = len(vectors), vectors.shape[1] + (bias is not None)
    with (
        arrays.begun(f"{name}vectors", (rows, width), np.float32) as whole,
        arrays.begun(f"{name}small", (rows, width), np.int8) as small,
    ):
        scale, slack = np.ones(rows, np.float32), np.zeros(rows, np.float32)
        for start in range(0, rows, BLOCK):
            part = slice(start, start + BLOCK)
            block = np.asarray(vectors[part], dtype=np.float32)
            if bias is not None:
                block = np.hstack([block, bias[part, None].astype(np.float32)])
            whole[part] = block
            small[part], scale[part], slack[part] = quantised(block)
    arrays.put(f"{name}scale", scale)
    arrays.put(f"{name}slack", slack)


def quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors [rows, size] in 8 bits, the scale of each row, and how far it is from what it was at most."""
    highest = np.abs(vectors).max(axis=1, initial=0.0)
    scale = np.where(highest > 0, highest / 127, 1.0).astype(np.float32)
    small = np.rint(vectors / scale[:, None]).clip(-127, 127).astype(np.int8)
    apart = vectors.astype(np.float64) - small * scale[:, None].astype(np.float64)
    length = np.linalg.norm(vectors.astype(np.float64), axis=1)
    slack = np.linalg.norm(apart, axis=1) * (1 + 1e-3) + ROUNDING * length
    return small, scale, slack.astype(np.float32)


class Near:
    """The nearest items to a query, by the inner product of vectors."""

    def __init__(
        self,
        vectors: np.ndarray,
        table: tuple[np.ndarray, np.ndarray, np.ndarray],
        graph: Graph | None,
    ) -> None:
        self.vectors, self.table, self.graph = vectors, table, graph

    @classmethod
    def open(cls, arrays: Arrays, name: str, told: dict[str, Any] | None) -> Near:
        """Map what `write_near` laid out; `told` is what `Graph.told` said, None where there is no graph."""
        vectors, small, scale, slack = (arrays.get(f"{name}{part}") for part in PARTS)
        graph = None if told is None else Graph.open(arrays.folder / f"{name}{GRAPH}", told)
        return cls(vectors, (small, scale, slack), graph)

    def __len__(self) -> int:
        return len(self.vectors)

    def scores(self, query: np.ndarray) -> np.ndarray:
        """The scores of all items: new float32 [items]."""
        return np.asarray(self.vectors @ query, dtype=np.float32)

    def best(self, query: np.ndarray, k: int, had: np.ndarray, barred: np.ndarray) -> Found:
        """The k best items without those that were `had` (codes) or `barred` (uint8 [items], or empty).

        Exact, unless the graph is there and costs less: then k items are found wherever k are left all the same.
        """
        passing = len(self) - int(np.count_nonzero(barred)) if len(barred) else len(self)
        if self.graph is not None and passing:
            share = passing / len(self)
            fetch = self.graph.fetch(k, len(had), share)
            if self.graph.cheaper(fetch, passing):
                found = self._by_graph(self.graph, query, k, fetch, had, barred)
                if found is not None:
                    return found
        return self.exact(query, k, had, barred)

    def exact(self, query: np.ndarray, k: int, had: np.ndarray, barred: np.ndarray) -> Found:
        """The same, always exact."""
        query = np.ascontiguousarray(query, dtype=np.float32)
        length = np.float32(np.linalg.norm(query))
        codes = open_codes(barred, had) if len(barred) else None
        rows = len(self) if codes is None else len(codes)
        width = min(k, rows)
        if not width:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        codes, scores = best_exact(
            query, length, self.vectors, self.table, codes, had, width, sizes(rows, width)
        )
        return codes, scores

    def _by_graph(
        self,
        graph: Graph,
        query: np.ndarray,
        k: int,
        fetch: int,
        had: np.ndarray,
        barred: np.ndarray,
    ) -> Found | None:
        """The k best among what the graph gives; None where fewer pass."""
        found = graph.nearest(query, fetch)
        if found is None:
            return None
        if len(barred):
            found = found[barred[found] == 0]
        if len(had):
            found = found[~np.isin(found, had)]
        if len(found) < k:
            return None
        codes, scores = rescored(
            np.ascontiguousarray(query, dtype=np.float32), self.vectors, np.sort(found), k
        )
        return codes, scores


class Graph:
    """An HNSW graph over vectors of 8 bits (usearch). Malkov and Yashunin (2018).

    It finds what is near by angle. Where vectors are not equally long, each gets one number more that makes them so,
    and queries a 0 there: the order by angle is then that by inner product (Bachrach et al. 2014).
    """

    def __init__(self, index: Any, told: dict[str, Any]) -> None:
        self.index = index
        self.longest = told["longest"]
        """The length that all are brought to; 0 where they are equally long as they come"""
        self.width: int = told["width"]
        """Candidates that are kept for each item that is fetched"""
        self.break_even: int = told["break_even"]
        """Items that are searched exactly in the time of one search of the graph"""
        self._one = threading.Lock()

    def told(self) -> dict[str, Any]:
        """What opening needs to know."""
        return {"longest": self.longest, "width": self.width, "break_even": self.break_even}

    @classmethod
    def open(cls, path: Path, told: dict[str, Any]) -> Graph:
        """Map a graph; raises `SourceError` where its file is missing, a link, or no graph."""
        if path.is_symlink() or not path.is_file():
            raise SourceError(
                f"{path} is not there, or is a link: the version was not copied whole. Publish it again."
            )
        try:
            index = usearch().Index.restore(str(path), view=True)
        except (RuntimeError, ValueError, OSError) as error:
            raise SourceError(f"{path} is damaged: {error}. Publish it again.") from error
        if index is None:
            raise SourceError(f"{path} is damaged: it holds no graph. Publish it again.")
        return cls(index, told)

    @classmethod
    def build(cls, vectors: np.ndarray, path: Path) -> Graph:
        """Build a graph over vectors [items, size] and write it."""
        lengths = np.array(
            [
                np.linalg.norm(vectors[s : s + BLOCK], axis=1).max()
                for s in range(0, len(vectors), BLOCK)
            ]
        )
        least = min(
            float(np.linalg.norm(vectors[s : s + BLOCK], axis=1).min())
            for s in range(0, len(vectors), BLOCK)
        )
        longest = float(lengths.max())
        level = least >= longest * (1 - LEVEL)
        size = vectors.shape[1] + (not level)
        index = usearch().Index(
            ndim=size,
            metric="cos",
            dtype="i8",
            connectivity=CONNECTIVITY,
            expansion_add=BUILDING,
            enable_key_lookups=False,
        )
        made = cls(index, {"longest": 0.0 if level else longest, "width": 2, "break_even": 0})
        for start in range(0, len(vectors), BLOCK):
            block = made._laid(np.asarray(vectors[start : start + BLOCK]), items=True)
            # One thread: the same vectors give the same graph.
            index.add(np.arange(start, start + len(block), dtype=np.uint64), block, threads=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        index.save(str(path))
        return made

    def fetch(self, k: int, had: int, share: float) -> int:
        """How many items are fetched, so that k are left where a share of all items passes."""
        return max(FETCHED, AGAIN * k, int(1.5 * (k + had) / max(share, 1e-9)) + 1)

    def cheaper(self, fetch: int, passing: int) -> bool:
        """Whether fetching so many costs less than looking at all that pass."""
        return passing > self.break_even * fetch / FETCHED

    def nearest(self, query: np.ndarray, fetch: int) -> np.ndarray | None:
        """Codes of the items nearest to a query, int32 [at most fetch]; None for a query without a direction."""
        if not query.any():
            return None
        laid = self._laid(query[None], items=False)[0]
        with self._one:
            self.index.expansion_search = self.width * fetch
            found = self.index.search(laid, fetch, threads=1)
        return np.asarray(found.keys).astype(np.int32)

    def _laid(self, vectors: np.ndarray, *, items: bool) -> np.ndarray:
        if self.longest:
            more = np.zeros(len(vectors), dtype=np.float32)
            if items:
                squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
                more = np.sqrt(np.maximum(self.longest**2 - squares, 0.0)).astype(np.float32)
            vectors = np.hstack([vectors, more[:, None]])
        return quantised(vectors)[0]


def usearch() -> Any:
    """The module `usearch.index`; raises `MissingExtraError` without it."""
    import importlib.util

    # Whichever comes second of the two libraries must not be ONNX Runtime (1.32 beside usearch 2.26: it crashes).
    if importlib.util.find_spec("onnxruntime") is not None:
        import onnxruntime  # noqa: F401
    return needed("usearch.index", "serve", "Searching vectors by a graph")


def warm() -> None:
    """Load the compiled loops, by searching among two items; no library is loaded that begins a thread."""
    vectors = np.eye(2, dtype=np.float32)
    near = Near(vectors, quantised(vectors), None)
    for barred in (np.zeros(0, dtype=np.uint8), np.zeros(2, dtype=np.uint8)):
        near.exact(vectors[0], 1, np.zeros(0, dtype=np.int32), barred)
    rescored(vectors[0], vectors, np.zeros(1, dtype=np.int32), 1)
