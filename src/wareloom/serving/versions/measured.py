"""What is measured when vectors are published: what a search costs, and how much of the exact answer it finds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.state import read_json, write_json
from wareloom.errors import InputError
from wareloom.serving.forms.base import NO_ONE, NOTHING, Asked
from wareloom.serving.vectors.form import ByText, Vectors
from wareloom.serving.vectors.near import FETCHED, GRAPH, Graph, Near
from wareloom.serving.versions.published import HEAD, Served

SMALL = 1 << 15
"""Items up to which nothing is measured: all are looked at in some tenths of a millisecond"""
ASKED = 64
"""Requests that are sampled"""
TIMED = 16
"""Those of them that are timed"""
K = 10
LEAST = 0.98
"""Share of the exact answer's items that must be found"""
WIDTHS = (2, 4, 8, 16, 32)
"""Candidates for each item that is fetched from the graph: the first that finds enough is taken"""
SHARES = {"50 %": 0.5, "10 %": 0.1, "2 %": 0.02, "0.1 %": 0.001}
"""Shares of the items that sampled filters let through"""
QUERIES, HISTORIES = "queries", "histories"
AGAINST = 0.1
"""Share of the items, those that fit a request least, that the filter lets through that is hardest for a graph"""

Case = tuple[np.ndarray, np.ndarray]
"""A request's vector, and what is barred"""


def measure(
    folder: Path, *, break_even: int | None = None, queries: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Decide how the vectors of a published ranker are searched, and write it to its folder; returns what was found.

    None for a ranker that is not served by vectors. Up to `break_even` items are searched exactly; where it is None it
    is measured, and a graph that finds less than 98 % of the exact answer's items is left out. `queries`: real ones,
    beside those that are sampled. Raises `InputError` where a graph is asked for and finds less.
    """
    told = read_json(folder / HEAD)
    if told["form"] != "vectors":
        return None
    served = Served.open(folder)
    form = served.form
    assert isinstance(form, Vectors)
    near, items = form.near, len(served)
    found: dict[str, Any] = {
        "search": "exact",
        "items": items,
        "size": near.vectors.shape[1],
        "break_even": break_even,
        "recall": {"all": 1.0},
    }
    if items <= (SMALL if break_even is None else break_even) or items < 2:
        return found
    kinds = by_kind(form, queries)
    asked = np.concatenate([*kinds.values()])
    graph = Graph.build(near.vectors, folder / "arrays" / GRAPH)
    near.graph = graph
    recall = _tuned(near, asked, kinds[QUERIES], break_even)
    found["break_even"] = graph.break_even
    if items <= graph.break_even:
        (folder / "arrays" / GRAPH).unlink()
        return found
    lowest = min(recall, key=recall.__getitem__)
    if recall[lowest] < LEAST:
        case = "texts are asked" if lowest == QUERIES else f"{lowest} pass"
        if break_even is None:
            # Whoever asked for no graph gets the exact answer, and not an error after an hour of building.
            (folder / "arrays" / GRAPH).unlink()
            return found | {
                "break_even": items,
                "refused": {"where": case, "recall": recall[lowest]},
            }
        raise InputError(
            f"The graph finds {recall[lowest]:.1%} of the items of exact search where {case}, {LEAST:.0%} is "
            f"wanted: publish with --break-even {items}, so that all items are looked at. Nothing was published."
        )
    write_json(folder / HEAD, {**told, "graph": graph.told()})
    return found | {
        "search": "graph",
        "width": graph.width,
        "queries": len(asked),
        "recall": recall,
    }


def _tuned(
    near: Near, asked: np.ndarray, queries: np.ndarray, break_even: int | None
) -> dict[str, float]:
    """Set the graph's width and its break-even; returns the recall in each case."""
    graph = near.graph
    assert graph is not None
    recall: dict[str, float] = {}
    exact = _seconds(lambda query: near.exact(query, K, NOTHING, NO_ONE), asked) / len(near)
    truth = [_truth(near, name, cases) for name, cases in filters(near, asked)]
    if len(queries):
        # Vectors of histories lie among the items, those of texts do not: their mean would flatter.
        truth.append(_truth(near, QUERIES, [(query, NO_ONE) for query in queries]))
    for width in WIDTHS:
        graph.width = width
        graph.break_even = break_even or 0
        if break_even is None:
            spent = _seconds(lambda query: graph.nearest(query, FETCHED), asked)
            # A power of two, so that machines of one kind make the same version.
            graph.break_even = 2 ** round(math.log2(max(spent / exact, 1.0)))
        recall = {name: recalled(near, cases, right) for name, cases, right in truth}
        if min(recall.values()) >= LEAST:
            break
    return recall


def by_kind(form: Vectors, queries: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Vectors of requests by what is asked, each float32 [requests, size]: `queries` that are given, others, histories.

    Where texts are read, others are two or three words of an item's name.
    """
    rng = np.random.default_rng(0)
    asker, items = form.asker, form.room.items
    requests: list[Asked] = [Asked(query=query) for query in queries if form.reads][: ASKED // 2]
    while len(requests) < ASKED:
        codes = rng.integers(0, items, rng.integers(1, 8)).astype(np.int32)
        if isinstance(asker, ByText) and len(requests) % 2:
            words = asker.names[int(codes[0])].split() or ["a"]
            at = int(rng.integers(0, max(1, len(words) - 2)))
            requests.append(Asked(query=" ".join(words[at : at + int(rng.integers(2, 4))])))
        else:
            requests.append(Asked(codes))
    found: dict[str, list[np.ndarray]] = {QUERIES: [], HISTORIES: []}
    for one in requests:
        query = asker.place(one)
        if query is not None and query.any():
            kind = QUERIES if one.query else HISTORIES
            found[kind].append(np.asarray(query, dtype=np.float32))
    none = np.zeros((0, form.near.vectors.shape[1]), np.float32)
    return {kind: np.stack(own) if own else none for kind, own in found.items()}


def filters(near: Near, asked: np.ndarray) -> Iterator[tuple[str, list[Case]]]:
    """Requests with filters, by what passes: drawn at random, and, against the graph, the items that fit least."""
    rng, items = np.random.default_rng(1), len(near)
    yield "all", [(query, NO_ONE) for query in asked]
    for name, share in SHARES.items():
        barred = [(rng.random(items) >= share).astype(np.uint8) for _ in range(4)]
        yield name, [(query, barred[n % 4]) for n, query in enumerate(asked)]
    count = max(1, int(AGAINST * items))
    cases = []
    for query in asked[: len(asked) // 4]:
        barred_one = np.ones(items, dtype=np.uint8)
        barred_one[np.argpartition(near.scores(query), count - 1)[:count]] = 0
        cases.append((query, barred_one))
    yield "the 10 % that fit least", cases


def _truth(near: Near, name: str, cases: list[Case]) -> tuple[str, list[Case], list[np.ndarray]]:
    right = [near.exact(query, K, NOTHING, barred)[0] for query, barred in cases]
    return name, cases, right


def recalled(near: Near, cases: Sequence[Case], right: Sequence[np.ndarray]) -> float:
    """Mean share of the items of exact search that are found; 1 where there are none."""
    shares = [
        float(np.isin(near.best(query, K, NOTHING, barred)[0], codes).sum()) / len(codes)
        for (query, barred), codes in zip(cases, right, strict=True)
        if len(codes)
    ]
    return round(float(np.mean(shares)), 4) if shares else 1.0


def _seconds(work: Callable[[np.ndarray], object], asked: np.ndarray) -> float:
    """Least processor seconds of a search, over three turns."""
    turns = []
    for _ in range(3):
        begun = time.process_time()
        for query in asked[:TIMED]:
            work(query)
        turns.append((time.process_time() - begun) / max(1, len(asked[:TIMED])))
    return max(min(turns), 1e-9)


def said(found: dict[str, Any]) -> str:
    """What was found, in a sentence."""
    if found["search"] == "exact":
        exact = f"Its {found['items']:,} vectors are searched exactly"
        if refused := found.get("refused"):
            return f"{exact}: a graph finds {refused['recall']:.1%} where {refused['where']}, {LEAST:.0%} is wanted."
        return f"{exact}."
    low = min(found["recall"].values())
    return (
        f"Its {found['items']:,} vectors are searched by a graph, exactly up to {found['break_even']:,} that pass; "
        f"recall@10 is {low:.3f} at least."
    )
