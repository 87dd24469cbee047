"""`wareloom compare` on a million events: seconds and peak memory, measure by measure.

    python benchmarks/compare.py [--events N] [--threads N] [--repeats N] [--json FILE]

Generated are a real shop, as many held-out users and as many synthetic ones, of N events each: sessions of views, carts
and purchases on a long-tailed catalogue of 20,000 items in 200 categories. All measures but the network are taken, each
between all users of both sides, with floors and intervals. Every repeat is a process of its own that begins with the
shops on disk and ends with `compare.json` and the page; medians. Bar: one million events below 60 s and 2 GiB on two
cores.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, machine, peak, write
from wareloom.core.run import Run
from wareloom.evaluation.compare import CompareSettings, compare
from wareloom.metrics.likeness.samples import gathered
from wareloom.report.comparison import save_comparison
from wareloom.shop import Shop

ITEMS, CATEGORIES, PER_USER = 20_000, 200, 12
SECONDS, GIB = 60.0, 2.0
"""The bar."""


def generated(events: int, seed: int, prefix: str) -> Shop:
    """A shop of so many events; an item is mostly near the one before."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(1 / PER_USER, size=events // PER_USER * 2)
    users = int(np.searchsorted(np.cumsum(lengths), events)) + 1
    user = np.repeat(np.arange(users), lengths[:users])[:events]
    popular = np.minimum(rng.zipf(1.2, size=events) - 1, 10 * ITEMS) * 7919 % ITEMS
    step = np.where(rng.random(events) < 0.5, rng.integers(1, 5, events), 0)
    item = np.where(step > 0, (np.concatenate([[0], popular[:-1]]) + step) % ITEMS, popular)
    gap = np.where(
        rng.random(events) < 0.3, rng.exponential(3 * 86_400, events), rng.exponential(120, events)
    )
    day = rng.integers(0, 60, users)[user] * 86_400
    time_ = (
        day
        + np.cumsum(gap)
        - np.cumsum(gap)[np.searchsorted(user, user)]
        + rng.normal(68_000, 9_000, users)[user]
    )
    kind = np.array(["view_item", "add_to_cart", "purchase"])[
        rng.choice(3, size=events, p=[0.8, 0.13, 0.07])
    ]
    log = pl.DataFrame(
        {
            "user_id": pl.Series(user).cast(pl.String).str.replace("^", prefix),
            "item_id": pl.Series(item).cast(pl.String),
            "event": kind,
            "time": pl.Series(time_.astype(np.int64) + 1_700_000_000).cast(pl.Int64) * 1_000_000,
        }
    ).with_columns(pl.col("time").cast(pl.Datetime("us")))
    category = [[f"shelf {i * CATEGORIES // ITEMS}"] for i in range(ITEMS)]
    return Shop(
        {
            "items": pl.DataFrame(
                {"item_id": [str(i) for i in range(ITEMS)], "category": category}
            ),
            "events": log,
        }
    )


def job(folder: Path, threads: int, parts: bool) -> dict[str, Any]:
    """Compare what lies in `folder`; with `parts` each measure alone, else all as the command does."""
    run, sides = (
        Run(threads=threads),
        [Shop.open(folder / name) for name in ("real", "synthetic", "held")],
    )
    start = time.perf_counter()
    if not parts:
        found = compare(*sides, run=run)
        save_comparison(found, folder / "compared")
        return {
            "seconds": time.perf_counter() - start,
            "gib": peak(),
            "figures": len(found.data["figures"]),
            "left_out": found.data["left_out"],
        }
    trio = gathered(*sides, 20, run)
    rows = [{"measure": "reading and drawing", "seconds": time.perf_counter() - start}]
    for name, measure in CompareSettings().chosen().items():
        start = time.perf_counter()
        measure.compare(trio, run)
        rows.append({"measure": name, "seconds": time.perf_counter() - start})
    return {"rows": rows}


def measured(folder: Path, threads: int, parts: bool) -> dict[str, Any]:
    """Run one job in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--job",
        str(folder),
        "--threads",
        str(threads),
        *(["--parts"] * parts),
    ]
    environment = os.environ | {"POLARS_MAX_THREADS": str(threads)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--job", type=Path, help="(for its own processes)")
    parser.add_argument("--parts", action="store_true", help="(for its own processes)")
    chosen = parser.parse_args()
    if chosen.job:
        print(json.dumps(job(chosen.job, chosen.threads, chosen.parts)))
        return
    about = machine(chosen.note)
    print(about)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for seed, name in enumerate(("real", "synthetic", "held")):
            generated(chosen.events, seed, name[0]).save(folder / name)
        whole = [measured(folder, chosen.threads, False) for _ in range(chosen.repeats)]
        rows = measured(folder, chosen.threads, True)["rows"]
    seconds, gib = (statistics.median(each[name] for each in whole) for name in ("seconds", "gib"))
    held = seconds < SECONDS and gib < GIB
    for row in rows:
        print(f"{row['measure']:<24} {row['seconds']:8.2f}")
    print(
        f"{'all, with the page':<24} {seconds:8.2f} s, {gib:.2f} GiB: {'held' if held else 'MISSED'}"
    )
    figures = {
        "events": chosen.events,
        "threads": chosen.threads,
        "seconds": seconds,
        "gib": gib,
        "held": held,
    }
    spread = [each["seconds"] for each in whole]
    write(
        chosen.json,
        "compare",
        about,
        **figures,
        every=spread,
        left_out=whole[0]["left_out"],
        rows=rows,
    )


if __name__ == "__main__":
    main()
