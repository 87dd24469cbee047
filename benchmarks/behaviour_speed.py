"""How fast synthesizers of behaviour are: fitting, events a second, memory, growth, and one live session.

    python benchmarks/behaviour_speed.py [--generators NAME ...] [--sizes SIZE ...] [--threads N] [--json FILE]

Generated logs of Amazon Beauty's shape: five events a user and more, a long-tailed catalogue in 200 categories, titles
of three words. Each generator and size is a process of its own: seconds to fit, events a second of `sample` (the median
of three draws of as many users, tables included), peak memory, and the milliseconds in which one session of five events
is continued by three (median of 50, the model loaded). Bars: walks 2 million events a second on two cores, networks
50,000; a live session below 20 ms.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, machine, peak, write
from behaviour_fidelity import GENERATORS as FIDELITY
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import WareloomError
from wareloom.shop import Shop
from wareloom.synthesis import Given

SIZES = {
    "as Beauty": (22_363, 12_101),
    "users × 10": (223_630, 12_101),
    "users × 100": (2_236_300, 12_101),
    "items × 10": (22_363, 121_010),
    "a million items": (223_630, 1_000_000),
}
WALKS = {
    name: FIDELITY[name]
    for name in ("markov", "markov, chain", "independent", "neighbours", "teacher")
}
NETWORKS = {
    name: (name, {"epochs": 1}) for name in ("vae", "gan", "diffusion", "gru", "transformer")
}
"""Networks are fitted for one epoch: what counts is the time of it, and how fast they sample."""
GENERATORS = WALKS | NETWORKS
LARGE = ("markov", "markov, chain", "independent")
"""Those that are measured with a hundred times the users."""
MANY_ITEMS = (*LARGE, "teacher")
"""Those that are measured with a million items."""
EVENTS_S = {**dict.fromkeys(WALKS, 2_000_000), **dict.fromkeys(NETWORKS, 50_000)}
LIVE_MS = 20.0


def generated(users: int, items: int) -> Shop:
    """A shop of Beauty's shape."""
    rng = np.random.default_rng(7)
    lengths = 5 + rng.geometric(0.26, users) - 1
    user, n = np.repeat(np.arange(users), lengths), int(lengths.sum())
    day = np.sort(rng.integers(0, 3_000, users))[user] + np.arange(n) % 50
    events = pl.DataFrame(
        {
            "user_id": pl.Series(user).cast(pl.String).str.replace("^", "u"),
            "item_id": pl.Series((items * rng.random(n) ** 2).astype(np.int64)).cast(pl.String),
            "event": pl.repeat("purchase", n, eager=True),
            "time": pl.Series(day * 86_400_000_000).cast(pl.Datetime("us")),
        }
    )
    words = rng.integers(2_000, size=(items, 3))
    catalogue = {
        "item_id": [str(i) for i in range(items)],
        "title": [f"word{a} word{b} word{c}" for a, b, c in words],
        "category": [[f"aisle {i % 6}", f"shelf {i % 200}"] for i in range(items)],
    }
    return Shop({"items": pl.DataFrame(catalogue), "events": events})


def job(generator: str, size: str, threads: int) -> dict[str, Any]:
    """Fit, sample and continue one session."""
    name, settings = GENERATORS[generator]
    users, items = SIZES[size]
    shop, run = generated(users, items), Run(seed=1, threads=threads)
    before, start = peak(), time.perf_counter()
    fitted = SYNTHESIZERS.make(name, **settings).fit(shop, run)
    fit = time.perf_counter() - start
    fitted.sample(200, run)
    rates = []
    for seed in range(3):
        start = time.perf_counter()
        made = fitted.sample(users, run.with_(seed=seed))
        rates.append(made.rows("events") / (time.perf_counter() - start))
    row = {"fit_s": fit, "events_s": statistics.median(rates), "gib": peak(), "shop_gib": before}
    session = Shop({"items": shop.table("items"), "events": shop.table("events").head(5)})
    alone, given = run.with_(threads=1), Given(histories=session, length=3)
    spent = []
    for seed in range(51):
        start = time.perf_counter()
        fitted.sample(1, alone.with_(seed=seed), given)
        spent.append(1e3 * (time.perf_counter() - start))
    return row | {"live_ms": statistics.median(spent[1:])}


def measured(generator: str, size: str, threads: int) -> dict[str, Any]:
    """Run one job in a process of its own."""
    command = [sys.executable, __file__, "--job", generator, size, "--threads", str(threads)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        return {
            "error": done.stderr.strip().splitlines()[-1]
            if done.stderr.strip()
            else f"exit {done.returncode}"
        }
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--generators", nargs="+", default=list(GENERATORS), choices=list(GENERATORS)
    )
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--job", nargs=2, help="(for its own processes)")
    chosen = parser.parse_args()
    if chosen.job:
        try:
            print(json.dumps(job(*chosen.job, chosen.threads)))
        except WareloomError as error:
            sys.exit(str(error))
        return
    rows = []
    for generator in chosen.generators:
        for size in chosen.sizes:
            if generator not in {"users × 100": LARGE, "a million items": MANY_ITEMS}.get(
                size, GENERATORS
            ):
                continue
            if size != "as Beauty" and generator in NETWORKS:
                continue
            found = {"generator": generator, "size": size, "bar": EVENTS_S[generator]}
            rows.append(found | measured(generator, size, chosen.threads))
            print(rows[-1], flush=True)
    about = machine(chosen.note) | {"threads": chosen.threads}
    done = [row for row in rows if "error" not in row and row["size"] == "as Beauty"]
    missed = [
        row["generator"] for row in done if row["events_s"] < row["bar"] or row["live_ms"] > LIVE_MS
    ]
    write(chosen.json, "behaviour_speed", about, rows=rows, missed=missed)


if __name__ == "__main__":
    main()
