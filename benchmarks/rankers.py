"""Rankers on Amazon Beauty: quality and speed, beside `implicit` alone and the bare matrix product.

    python benchmarks/rankers.py [--json FILE] [--threads N] [--shuffle-ties SEED] [--only NAME ...]

Leave-last-out: each user's last event is the target, all before it the history, and all but the last two are learnt
from. Every item is ranked (no sampled negatives), what is in the history is left out. Data: `WARELOOM_DATA`, else
`../shared/data`. "tuned" settings were chosen on the second-last event with the history before it.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from _common import arguments, data, machine, write
from wareloom.core.family import METRICS, RANKERS
from wareloom.core.run import Run
from wareloom.metrics import Ranked
from wareloom.metrics.collect import Collector
from wareloom.rankers import mask_seen
from wareloom.readers import read
from wareloom.shop import Log, Requests

ROWS: list[tuple[str, dict[str, Any]]] = [
    ("popularity", {}),
    ("item_knn", {"decay": 1.0, "neighbours": 100, "shrink": 0.0}),
    ("item_knn", {}),
    ("item_knn", {"decay": 0.6, "neighbours": 1000, "shrink": 50.0}),
    ("transitions", {}),
    (
        "transitions",
        {"neighbours": 300, "reverse": 0.2, "row_power": 0.25, "window": 12, "window_decay": 0.8},
    ),
    ("ease", {"decay": 1.0, "pair_decay": 1.0}),
    ("ease", {}),
    ("ease", {"decay": 0.6}),
    ("als", {"alpha": 10.0, "decay": 1.0, "embedding_size": 64}),
    ("als", {}),
    ("als", {"decay": 0.6, "embedding_size": 256, "regularization": 5.0}),
]
"""What is measured: each ranker in its textbook form, as it comes, and with the settings tuned for Beauty."""

BARS = {"transitions": 0.048, "ease": 0.042}
"""NDCG@10 that must be reached, events of one time in file order."""


def read_beauty(shuffle_ties: int | None) -> Log:
    """Read the events, those of one time in the order of the file or shuffled."""
    with tempfile.TemporaryDirectory() as folder:
        return Log.of(read(data("amazon_beauty"), to=f"{folder}/shop"), shuffle_ties=shuffle_ties)


def without_last(log: Log, n: int) -> Log:
    """Return the log without the last n events of each user."""
    place = np.arange(len(log)) - np.repeat(log.offsets[:-1], log.lengths())
    keep = place < np.repeat(log.lengths() - n, log.lengths())
    columns = {
        c: getattr(log, c)[keep] for c in ("item", "time", "event", "session", "weight", "real")
    }
    return replace(
        log, offsets=np.concatenate([[0], np.cumsum(keep)])[log.offsets].astype(np.int64), **columns
    )


def figures(ranked: Ranked) -> dict[str, float]:
    """Recall@10 and NDCG@10, each with half the width of its 95 % interval over users."""
    found = {}
    for name in ("recall", "ndcg"):
        values = METRICS.make(name, k=10).per_request(ranked)
        found[f"{name}@10"] = float(values.mean())
        found[f"{name}@10 ±"] = float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
    found["coverage@10"] = METRICS.make("coverage", k=10).measure(ranked)
    return found


def measure(
    name: str, settings: dict[str, Any], train: Log, asked: Requests, target: np.ndarray, run: Run
) -> dict[str, float]:
    """Fit one ranker and rank the whole catalogue for everybody."""
    start = time.perf_counter()
    ranker = RANKERS.make(name, **settings).fit(train, run)
    fitted = time.perf_counter()
    collector = Collector(train.counts(), depth=10)
    with run.limits():
        for first, block, scores in ranker.blocks(asked):
            mask_seen(scores, block)
            n = len(scores)
            collector.add(scores, np.arange(n + 1), target[first : first + n])
    ranked = collector.finish()
    done = time.perf_counter()
    return {"fit_s": fitted - start, "rank_s": done - fitted, **figures(ranked)}


def of_lists(lists: np.ndarray, target: np.ndarray, train: Log) -> Ranked:
    """Make the outcome of lists of ten alone: a target beyond them has the last place."""
    hit = lists == target[:, None]
    items, n = len(train.items), len(target)
    rank = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, items)
    counts = np.full(n, items, dtype=np.int64)
    ones = np.ones(n)
    return Ranked(
        np.arange(n + 1), rank, ones, target, counts, lists.astype(np.int32), train.counts()
    )


Peer = tuple[str, dict[str, Any], Callable[[], tuple[float, np.ndarray]]]


def peers(train: Log, asked: Requests, run: Run) -> Iterator[Peer]:
    """`implicit` alone, with its own fit and its own lists."""
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    assert asked.histories is not None
    known, users = asked.histories.matrix(), np.arange(len(asked))

    def lists(model: Any, matrix: Any, **options: Any) -> tuple[float, np.ndarray]:
        with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            model.fit(matrix, show_progress=False)
            fitted = time.perf_counter() - start
            return fitted, model.recommend(
                users, known, N=10, filter_already_liked_items=True, **options
            )[0]

    cosine = CosineRecommender(K=100, num_threads=run.cores)
    yield "implicit cosine", {"K": 100}, lambda: lists(cosine, train.matrix())
    weighed = train.matrix()
    weighed.data = 1.0 + 10.0 * weighed.data
    with threadpool_limits(1, user_api="blas"):
        als = AlternatingLeastSquares(
            factors=64,
            regularization=0.1,
            iterations=15,
            num_threads=run.cores,
            random_state=run.seed_for("als") % 2**32,
        )
    yield (
        "implicit ALS",
        {"factors": 64, "iterations": 15},
        lambda: lists(als, weighed, recalculate_user=True),
    )


def product(users: int, items: int, run: Run) -> float:
    """Seconds of the bare product [users, 64] × [64, items] in blocks of 1,024: the floor under ranking by vectors."""
    rng = run.rng("product")
    left, right = (
        rng.random((users, 64), dtype=np.float32),
        rng.random((64, items), dtype=np.float32),
    )
    with run.limits():
        start = time.perf_counter()
        for first in range(0, users, 1024):
            left[first : first + 1024] @ right
        return time.perf_counter() - start


def bars(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The best NDCG@10 of each ranker that a bar is set for, and whether the bars are held."""
    best = {
        name: max((r["ndcg@10"] for r in rows if r["name"] == name), default=None) for name in BARS
    }
    held = all(value is not None and value >= BARS[name] for name, value in best.items())
    return {"bars": BARS, "best": best, "held": held}


def show(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    settings = ", ".join(f"{k}={v:g}" for k, v in row["settings"].items()) or "defaults"
    quality = "   ".join(f"{row[m]:.4f} ±{row[m + ' ±']:.4f}" for m in ("recall@10", "ndcg@10"))
    times = f"{row['fit_s']:8.2f} {row['rank_s']:8.2f}"
    print(
        f"{row['name']:<16} {times}   {quality}   {row['coverage@10']:.3f}   {settings}", flush=True
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=0, help="0 takes the physical cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--shuffle-ties", type=int, help="seed; draw the order of a user's events of one time"
    )
    parser.add_argument("--only", nargs="+", default=[], help="names of rankers")
    chosen = parser.parse_args()
    run = Run(seed=chosen.seed, threads=chosen.threads)
    log = read_beauty(chosen.shuffle_ties)
    train, asked, target = (
        without_last(log, 2),
        Requests.of(without_last(log, 1)),
        log.item[log.offsets[1:] - 1],
    )
    ties = "file order" if chosen.shuffle_ties is None else f"shuffled, seed {chosen.shuffle_ties}"
    about = machine(chosen.note) | {"threads": run.cores, "seed": run.seed, "ties": ties}
    print(about)
    print(
        f"{len(log.users):,} users, {len(log.items):,} items, {len(train):,} events learnt from\n"
    )
    print(
        f"{'':<16} {'fit s':>8} {'rank s':>8}   {'Recall@10':<14}   {'NDCG@10':<14}   cover   settings"
    )
    warm = log.select(np.arange(50))
    rows = []
    for name, settings in ROWS:
        if not chosen.only or name in chosen.only:
            measure(name, {**settings}, warm, asked.part(0, 50), target[:50], run)
            figure = measure(name, settings, train, asked, target, run)
            rows.append({"name": name, "settings": settings, **figure})
            show(rows[-1])
    for name, settings, lists in peers(train, asked, run) if not chosen.only else ():
        start = time.perf_counter()
        fitted, found = lists()
        spent = time.perf_counter() - start
        quality = figures(of_lists(found, target, train))
        rows.append(
            {
                "name": name,
                "settings": settings,
                "fit_s": fitted,
                "rank_s": spent - fitted,
                **quality,
            }
        )
        show(rows[-1])
    floor = product(len(asked), len(log.items), run)
    print(f"{'matrix product':<16} {'':>8} {floor:8.2f}   users × 64 by 64 × items, no sorting")
    write(chosen.json, "rankers", about, rows=rows, matrix_product_s=floor, **bars(rows))


if __name__ == "__main__":
    main()
