"""The synthesizer `markov` on Amazon Beauty: events a second, beside what the machine's memory allows.

    python benchmarks/markov.py [--users N ...] [--threads N ...] [--repeats N] [--json FILE]

Measured are the fit, the kernels alone (walk and clock), a whole `sample` to a shop of tables, and the same to disk;
each number of users and threads in a process of its own, whose peak resident memory is reported; medians.

The limit: a walk is a chain of dependent random reads. An event that is drawn from the transition tables needs at least
three of them: where the item's row begins, the acceptance of the place drawn in it, and the item there. So events a
second ≤ random 4-byte reads a second, in a table as large as the transition tables, each telling the next one's place,
divided by three. Beside it stand the same reads when they do not wait for one another, as if many users were walked at
a time, and a stream copy, which bounds the 13 bytes an event that are written.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from _common import arguments, data, machine, peak, write
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.synthesis.behaviour._rhythm import Rhythm, Visits, clock, draw_shapes
from wareloom.synthesis.behaviour._walk import Plan, in_threads, walk

USERS = (22_363, 200_000, 1_000_000)
READS = 3
"""Dependent random reads that an event drawn from the transition tables needs at least."""
WRITTEN = 4 + 1 + 8
"""Bytes written an event: item, kind, time."""
HOPS = 20_000_000
"""Random reads timed a thread."""
STREAM = 64_000_000
"""float64 values copied, 512 MB: more than the caches hold."""


def median(work: Callable[[], Any], repeats: int) -> float:
    """Median seconds of `work` after one call to warm it up."""
    work()
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


@njit(nogil=True)
def _copy(source: np.ndarray, target: np.ndarray, first: int, last: int) -> None:
    for i in range(first, last):
        target[i] = source[i]


@njit(nogil=True)
def _chain(after: np.ndarray, place: int, hops: int) -> int:
    """Follow a chain through a table: each read says where the next one is."""
    for _ in range(hops):
        place = after[place]
    return place


@njit(nogil=True)
def _scattered(table: np.ndarray, seed: int, hops: int) -> int:
    """Read places that do not depend on what was read (xorshift; places by a multiplication)."""
    x, total, size = np.uint64(seed), 0, np.uint64(len(table))
    for _ in range(hops):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
        total += table[((x >> np.uint64(32)) * size) >> np.uint64(32)]
    return total


def one_cycle(size: int) -> np.ndarray:
    """A random permutation that is one cycle: int32 [size], the place that comes after each."""
    order = np.random.default_rng(1).permutation(size).astype(np.int32)
    after = np.empty(size, dtype=np.int32)
    after[order] = np.roll(order, -1)
    return after


def limit(size: int, threads: int, repeats: int) -> dict[str, float]:
    """Stream copy, dependent and scattered random 4-byte reads a second of all threads, and the events they allow."""
    source, target, after = np.ones(STREAM), np.ones(STREAM), one_cycle(size // 4)
    starts = np.linspace(0, len(after) - 1, threads).astype(int)

    def each(work: Callable[[int], Any]) -> Callable[[], None]:
        return lambda: in_threads(
            lambda first, last: [work(t) for t in range(first, last)] and None, threads, threads
        )

    copied = median(
        lambda: in_threads(lambda a, b: _copy(source, target, a, b), STREAM, threads), repeats
    )
    chained = threads * HOPS / median(each(lambda t: _chain(after, starts[t], HOPS)), repeats)
    scattered = threads * HOPS / median(each(lambda t: _scattered(after, 7 + t, HOPS)), repeats)
    rate = 2 * source.nbytes / copied
    found = {"copy_gb_s": rate / 1e9, "dependent_reads_s": chained, "scattered_reads_s": scattered}
    return {
        "threads": threads,
        "table_mb": size / 1e6,
        **found,
        "events_s": chained / READS,
        "events_s_scattered": scattered / READS,
        "events_s_written": rate / (2 * WRITTEN),
    }


def kernels(fitted: Any, users: int, run: Run) -> tuple[int, Callable[[], Any], Callable[[], Any]]:
    """Events to draw, and the two kernels as `sample` calls them: walk, clock."""
    rhythm = Rhythm(*(getattr(fitted, f"rhythm_{name}_") for name in Rhythm._fields))
    sessions, sizes = draw_shapes(rhythm, users, None, run.rng("shapes"))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)[sessions]
    none = np.zeros(0, dtype=np.int32)
    plan = Plan(offsets, np.zeros(users + 1, np.int64), none, none.astype(np.int8), none)
    visits, seed, model = (
        Visits(sessions, sizes, offsets, np.full(users, -1)),
        np.uint64(run.seed),
        fitted._model(),
    )
    return (
        int(offsets[-1]),
        lambda: walk(model, plan, seed, run.cores),
        lambda: clock(rhythm, visits, seed, run.cores),
    )


def job(folder: Path, users: int, threads: int, repeats: int) -> dict[str, Any]:
    """Measure one number of users and threads, with what was fitted before; users 0: the fit."""
    run = Run(threads=threads)
    if not users:
        shop, fresh = Shop.open(folder / "shop"), SYNTHESIZERS.make("markov", structure="chain")
        return {
            "threads": threads,
            "fit_s": median(lambda: fresh.fit(shop, run), repeats),
            "gib": peak(),
        }
    fitted = SYNTHESIZERS.restore(folder / "fitted")
    events, walked, timed = kernels(fitted, users, run)
    walk_s, clock_s, kernel_gib = median(walked, repeats), median(timed, repeats), peak()
    sample_s, sample_gib = median(lambda: fitted.sample(users, run), repeats), peak()
    disk_s = median(lambda: fitted.sample(users, run).save(folder / "sampled"), repeats)
    seconds = {
        "walk": walk_s,
        "clock": clock_s,
        "kernel": walk_s + clock_s,
        "sample": sample_s,
        "disk": disk_s,
    }
    rates = {f"{name}_events_s": events / value for name, value in seconds.items()}
    memory = {"kernel_gib": kernel_gib, "sample_gib": sample_gib, "gib": peak()}
    return {"users": users, "events": events, "threads": threads, **rates, **memory}


def measure(folder: Path, users: int, threads: int, repeats: int) -> dict[str, Any]:
    """Run one job in a process of its own."""
    options = {"--job": folder, "--users": users, "--threads": threads, "--repeats": repeats}
    command = [sys.executable, __file__, *(str(x) for pair in options.items() for x in pair)]
    environment = os.environ | {"POLARS_MAX_THREADS": str(threads)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table_bytes(fitted: Any) -> int:
    """Size of the transition tables."""
    return sum(part.nbytes for part in fitted._model().follow)


def show(row: dict[str, Any]) -> None:
    """Print one line of the table, millions of events a second."""
    rates = " ".join(
        f"{row[f'{name}_events_s'] / 1e6:8.2f}"
        for name in ("walk", "clock", "kernel", "sample", "disk")
    )
    ratios = " ".join(f"{row[name]:8.1%}" for name in ("kernel_to_limit", "sample_to_limit"))
    print(f"{row['users']:>9,} {row['threads']:>7} {rates} {ratios} {row['gib']:8.2f}", flush=True)


def benchmark(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure limits, fits and samples, one after the other."""
    shop = read(data("amazon_beauty"), to=folder / "shop")
    fitted = SYNTHESIZERS.make("markov", structure="chain").fit(shop)
    fitted.save(folder / "fitted")
    size = table_bytes(fitted)
    limits = {threads: limit(size, threads, chosen.repeats) for threads in chosen.threads}
    for found in limits.values():
        print({key: float(f"{value:.4g}") for key, value in found.items()}, flush=True)
    fits = [measure(folder, 0, threads, chosen.repeats) for threads in chosen.threads]
    print(fits)
    print(
        f"{'users':>9} {'threads':>7} "
        + " ".join(f"{x:>8}" for x in ("walk", "clock", "kernel", "sample", "disk"))
    )
    rows = []
    for users in chosen.users:
        for threads in chosen.threads:
            row, most = measure(folder, users, threads, chosen.repeats), limits[threads]["events_s"]
            row |= {
                f"{name}_to_limit": row[f"{name}_events_s"] / most
                for name in ("walk", "kernel", "sample", "disk")
            }
            show(row)
            rows.append(row)
    return {"reads_an_event": READS, "limits": list(limits.values()), "fits": fits, "rows": rows}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=list(USERS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.job:
        print(json.dumps(job(chosen.job, chosen.users[0], chosen.threads[0], chosen.repeats)))
        return
    about = machine(chosen.note)
    print(about)
    with tempfile.TemporaryDirectory() as folder:
        write(chosen.json, "markov", about, **benchmark(chosen, Path(folder)))


if __name__ == "__main__":
    main()
