"""Speed and memory beside what is possible: ALS, EASE, ranking by vectors, and what ten times the data cost.

    python benchmarks/speed.py [--json FILE] [--threads N] [--repeats N] [--only als ease ranking growth]

Amazon Beauty (`WARELOOM_DATA`, else `../shared/data`): 22,363 users, 12,101 items. Ours and the peer or limit take
turns in one process, the order changing each time; given are medians, with the least and the most, and the median of
the ratios of each turn. `cpu` counts processor seconds of all threads instead of the clock, which other jobs on the
machine disturb. `growth` makes logs with ten times the users or the items and runs each job in a process of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_info, threadpool_limits

from _common import arguments, data, machine, peak, write
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import MemoryLimitError
from wareloom.evaluation.ranking import rank_all
from wareloom.evaluation.tasks import Task
from wareloom.rankers import Ranker
from wareloom.rankers.factor.als import ALS as FittedALS
from wareloom.rankers.factor.als import fold_in
from wareloom.rankers.factor.ease import EASE
from wareloom.rankers.history import merged, recency
from wareloom.readers import read
from wareloom.shop import Log, Requests, Vocabulary

ALS = {"embedding_size": 64, "alpha": 10.0, "decay": 1.0, "regularization": 0.1, "epochs": 15}
BARS = {"als fit": 1.05, "ease fit": 1.2, "rank, vectors given": 1.5}
"""How many times the seconds of the peer or limit each may take."""
SIZES = {
    "as Beauty": (22_363, 12_101),
    "users × 10": (223_630, 12_101),
    "items × 10": (22_363, 121_010),
    "both × 10": (223_630, 121_010),
}
GROWTH: dict[str, dict[str, Any]] = {
    "popularity": {},
    "item_knn": {},
    "transitions": {},
    "ease": {},
    "als": ALS,
    "session_knn": {},
    "sasrec": {},
}
UPDATES = 100
"""Updates that `sasrec` takes; it ranks 2,000 requests, all others rank all."""

Work = Callable[[], Any]


class Given(FittedALS):
    """ALS whose requests' vectors were found before, in the order in which they are asked: what is left is ranking."""

    def know(self, requests: Requests) -> Given:
        """Fold the requests in."""
        ready, self.at = self._ready(requests), 0
        assert ready.histories is not None
        history = merged(recency(ready.histories, self.decay, 0), len(self.vectors_))
        self.known = fold_in(history, self.vectors_, (self.gram_, self._spread()), self.alpha)
        return self

    def _score(self, requests: Requests) -> np.ndarray:
        users = self.known[self.at : self.at + len(requests)]
        self.at = (self.at + len(requests)) % len(self.known)
        scores: np.ndarray = users @ self.vectors_.T
        return scores


def beauty() -> Log:
    with tempfile.TemporaryDirectory() as folder:
        return Log.of(read(data("amazon_beauty"), to=f"{folder}/shop"))


def generated(users: int, items: int) -> Log:
    """Beauty's shape: 5 events a user and a long tail more, popular items by a power law, times in order."""
    rng = np.random.default_rng(7)
    lengths = 5 + rng.geometric(0.26, users) - 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = int(offsets[-1])
    return Log(
        users=Vocabulary(pl.Series([f"u{k}" for k in range(users)])),
        items=Vocabulary(pl.Series([f"i{k}" for k in range(items)])),
        offsets=offsets,
        item=(items * rng.random(n) ** 2).astype(np.int32),
        time=np.arange(n, dtype=np.int64) * 1_000_000,
        event=np.full(n, 5, dtype=np.int8),
        session=np.zeros(n, dtype=np.int32),
        weight=np.ones(n, dtype=np.float32),
        real=np.ones(n, dtype=bool),
        timed=True,
    )


def turns(
    ours: dict[str, Work], limits: dict[str, Work], repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds and processor seconds of each, one after the other, the order reversed at every other turn."""
    works = {**ours, **limits}
    found: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in works}
    for turn in range(repeats + 1):
        for name in list(works)[:: 1 if turn % 2 else -1]:
            wall, cpu = time.perf_counter(), time.process_time()
            works[name]()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                found[name]["wall"].append(spent[0])
                found[name]["cpu"].append(spent[1])
    return found


def rows(
    found: dict[str, dict[str, list[float]]], pairs: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """A row a work; ours beside the quickest of its limits."""
    out = []
    for name, spent in found.items():
        row: dict[str, Any] = {"name": name}
        for clock in ("wall", "cpu"):
            row[f"{clock}_s"] = statistics.median(spent[clock])
            row[f"{clock}_range"] = [min(spent[clock]), max(spent[clock])]
        if name in pairs:
            row["limit"] = min(
                pairs[name], key=lambda limit: statistics.median(found[limit]["wall"])
            )
            for clock in ("wall", "cpu"):
                both = zip(spent[clock], found[row["limit"]][clock], strict=True)
                row[f"{clock}_ratio"] = statistics.median(one / other for one, other in both)
            row["bar"] = BARS.get(name)
        out.append(row)
    return out


def als(log: Log, run: Run, repeats: int) -> list[dict[str, Any]]:
    """Fitting and ranking beside `implicit` alone with the same settings."""
    from implicit.cpu.als import AlternatingLeastSquares

    def peer() -> Any:
        with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            matrix = log.matrix()
            matrix.data = 1.0 + np.float32(10.0) * matrix.data
            model = AlternatingLeastSquares(
                factors=64,
                regularization=0.1,
                iterations=15,
                num_threads=run.cores,
                random_state=run.seed_for("als") % 2**32,
            )
            model.fit(matrix, show_progress=False)
            return model

    fitted, theirs = RANKERS.make("als", **ALS).fit(log, run), peer()
    known, users, asked = log.matrix(), np.arange(len(log.users)), Requests.of(log)

    def recommend() -> None:
        with threadpool_limits(1, user_api="blas"):
            theirs.recommend(
                users, known, N=10, filter_already_liked_items=True, recalculate_user=True
            )

    def ours() -> None:
        with run.limits():
            fitted.rank(asked, 10)

    fits = turns(
        {"als fit": lambda: RANKERS.make("als", **ALS).fit(log, run)},
        {"implicit fit": peer},
        repeats,
    )
    ranks = turns({"als rank": ours}, {"implicit recommend": recommend}, repeats)
    return rows(fits | ranks, {"als fit": ["implicit fit"], "als rank": ["implicit recommend"]})


def plain_ease(log: Log, way: str) -> np.ndarray:
    """EASE as a notebook has it, in 32 bits: the Gram matrix, the ridge, the inverse, the weights."""
    from scipy.linalg import lapack

    x = log.matrix()
    x.data = np.sqrt(x.data)
    gram = (x.T @ x).toarray(order="C")
    gram.ravel()[:: len(gram) + 1] += np.float32(100.0)
    if way == "inv":
        p = np.linalg.inv(gram)
    else:
        p = lapack.spotri(lapack.spotrf(gram.T, lower=0, overwrite_a=1)[0], lower=0, overwrite_c=1)[
            0
        ].T
        p = np.tril(p) + np.tril(p, -1).T
    p /= -np.diag(p).copy()
    np.fill_diagonal(p, 0.0)
    return p


def ease(log: Log, run: Run, repeats: int) -> list[dict[str, Any]]:
    """Fitting as the paper has it and with our defaults beside the plain dense solve."""
    paper: dict[str, Any] = {"decay": 1.0, "pair_decay": 1.0}

    def limited(way: str) -> None:
        with run.limits():
            plain_ease(log, way)

    works: dict[str, Work] = {
        "ease fit": lambda: RANKERS.make("ease", **paper).fit(log, run),
        "ease fit, defaults": lambda: RANKERS.make("ease").fit(log, run),
    }
    plain = {"plain potrf, potri": lambda: limited("potri"), "plain inv": lambda: limited("inv")}
    found = turns(works, plain, repeats)
    mine, other = RANKERS.make("ease", **paper).fit(log, run), plain_ease(log, "potri")
    assert isinstance(mine, EASE)
    np.testing.assert_allclose(mine.weights_, other, atol=2e-4)
    return rows(found, {key: list(plain) for key in works})


def ranking(log: Log, run: Run, repeats: int) -> list[dict[str, Any]]:
    """Ranking by vectors of 64, seen items masked, beside the bare product in blocks of several sizes."""
    fitted = Given(**(ALS | {"epochs": 2})).fit(log, run)  # type: ignore[arg-type]
    whole = RANKERS.make("als", **(ALS | {"epochs": 2})).fit(log, run)
    last = log.offsets[1:] - 1
    rest = np.ones(len(log), dtype=bool)
    rest[last] = False
    asked = Requests.of(log.keep(rest))
    n = len(asked)
    task = Task(
        requests=asked,
        offsets=np.arange(n + 1),
        item=log.item[last],
        repeats=False,
        popularity=log.counts(),
        groups=None,
        flags={},
        left_out=0,
    )
    left, right = run.rng("product").random((n, 64), dtype=np.float32), fitted.vectors_.T
    fitted.know(asked)

    def product(block: int) -> None:
        out = np.empty((block, len(log.items)), dtype=np.float32)
        with run.limits():
            for first in range(0, n, block):
                part = left[first : first + block]
                np.matmul(part, right, out=out[: len(part)])

    def ours(ranker: Ranker) -> None:
        with run.limits():
            ranker.rank(asked, 10)

    blocks = {
        f"product, blocks of {size}": (lambda size=size: product(size))
        for size in (256, 512, 1024, 2048)
    }
    works: dict[str, Work] = {
        "rank, vectors given": lambda: ours(fitted),
        "rank, folded in": lambda: ours(whole),
        "rank_all, folded in": lambda: rank_all(whole, task, run),
    }
    return rows(turns(works, blocks, repeats), {key: list(blocks) for key in works})


def job(name: str, size: str, run: Run) -> dict[str, Any]:
    """Fit and rank one ranker on a generated log; printed by a process of its own."""
    log = generated(*SIZES[size])
    before, start = peak(), time.perf_counter()
    try:
        ranker = RANKERS.make(name, **GROWTH[name])
        ranker.fit(log, replace(run, updates=UPDATES) if name == "sasrec" else run)
    except MemoryLimitError as error:
        return {"ranker": name, "size": size, "refused": str(error)}
    fitted = time.perf_counter()
    asked = Requests.of(log)
    with run.limits():
        ranker.rank(asked.part(0, 2000) if name == "sasrec" else asked, 10)
    done = time.perf_counter()
    return {
        "ranker": name,
        "size": size,
        "fit_s": fitted - start,
        "rank_s": done - fitted,
        "gib": peak(),
        "log_gib": before,
    }


def growth(run: Run, jobs: list[str] | None, sizes: list[str] | None) -> list[dict[str, Any]]:
    """Each ranker at each size in a process of its own."""
    out = []
    for name in jobs or GROWTH:
        for size in sizes or SIZES:
            command = [
                sys.executable,
                __file__,
                "--job",
                name,
                "--size",
                size,
                "--threads",
                str(run.cores),
            ]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            said = (
                done.stdout
                if done.returncode == 0
                else json.dumps({"ranker": name, "size": size, "error": True})
            )
            out.append(json.loads(said.splitlines()[-1]))
            print(out[-1], flush=True)
    return out


def show(row: dict[str, Any]) -> None:
    ratio = (
        f"{row['wall_ratio']:6.2f} {row['cpu_ratio']:6.2f}  of {row['limit']}"
        if "limit" in row
        else ""
    )
    low, high = row["wall_range"]
    said = f"{row['wall_s']:8.2f} ({low:.2f}-{high:.2f}) cpu {row['cpu_s']:8.2f}"
    print(f"{row['name']:<26} {said}  {ratio}", flush=True)


def main() -> None:
    parts = {"als": als, "ease": ease, "ranking": ranking}
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=0, help="0 takes the physical cores")
    parser.add_argument("--repeats", type=int, default=5, help="turns that are measured")
    parser.add_argument("--only", nargs="+", choices=[*parts, "growth"], default=[*parts, "growth"])
    parser.add_argument("--rankers", nargs="+", choices=list(GROWTH), help="of growth")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), help="of growth")
    parser.add_argument("--job", help="internal: one process of growth")
    parser.add_argument("--size", help="internal: its size")
    chosen = parser.parse_args()
    run = Run(threads=chosen.threads)
    if chosen.job:
        print(json.dumps(job(chosen.job, chosen.size, run)))
        return
    kernels = sorted(
        {str(each.get("architecture")) for each in threadpool_info() if each["user_api"] == "blas"}
    )
    about = machine(chosen.note) | {
        "threads": run.cores,
        "repeats": chosen.repeats,
        "kernels": kernels,
    }
    print(about)
    found: list[dict[str, Any]] = []
    log = beauty() if set(chosen.only) & set(parts) else None
    for name, measure in parts.items():
        if name in chosen.only and log is not None:
            for row in measure(log, run, chosen.repeats):
                found.append(row)
                show(row)
    held = all(row["wall_ratio"] <= row["bar"] for row in found if row.get("bar"))
    grown = growth(run, chosen.rankers, chosen.sizes) if "growth" in chosen.only else []
    write(chosen.json, "speed", about, rows=found, growth=grown, bars=BARS, held=held)


if __name__ == "__main__":
    main()
