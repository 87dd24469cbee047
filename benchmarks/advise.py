"""Advice: whether it says what is true, how near it comes to the full recipes, and what it takes.

    python benchmarks/advise.py [--of truths|noise|beauty|homedepot|events ...] [--minutes 30] [--json FILE]

truths: twelve made-up shops whose truth is known (`tests/advice_shops.py`): synthesis helps, distillation suffices,
nothing does, cold items, leaks, noise, no texts, a log sorted by item, too few shoppers. Bar: right of 11.

noise: 50 shops in which nothing foretells more than popularity does. Bar: not one "synthesis helps" or "distil".

beauty, homedepot: `wareloom advise` in the minutes given, in a process of its own. Bar: 95 % of what the full recipes'
best system reaches on the test part, within 110 % of the minutes.

events: ten million generated events in five minutes. Bar: 2 GiB.

With --json the parts that are not asked for stay as they are in the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from _common import arguments, data, machine, write
from wareloom.advising import AdviceSettings, advise
from wareloom.core.run import Run
from wareloom.shop import Shop

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from advice_shops import TRUTHS, made, noise, wrong

FULL = {"beauty": 0.0764, "homedepot": 0.425}
"""nDCG@10 of the full recipes' best system, see best_system.py and search_useful.py"""
ENOUGH, SHOPS, RIGHT, GIB = 0.95, 50, 11, 2.0
OVER, EVERY = 1.1, 0.2
"""Times the minutes that advice may take; seconds between two looks at its memory"""
EVENTS, USERS, ITEMS = 10_000_000, 1_000_000, 50_000


def truths() -> dict[str, Any]:
    rows = []
    for name in TRUTHS:
        with tempfile.TemporaryDirectory() as folder:
            shop, others = made(name, Path(folder))
            start = time.process_time()
            settings = AdviceSettings(minutes=9.9, other_shops=others)
            found = advise(shop, settings, Path(folder) / "advice", Run(seed=1, threads=1))
            seconds = time.process_time() - start
            row = {"shop": name, "answer": found.answer, "wrong": wrong(name, found.data)}
            rows.append(row | {"seconds": round(seconds, 1)})
            print(f"{name}: {found.answer}; {'; '.join(row['wrong']) or 'right'}", flush=True)
    return {"rows": rows, "right": sum(not row["wrong"] for row in rows), "bar": RIGHT}


def noises() -> dict[str, Any]:
    answers: Counter[str] = Counter()
    for seed in range(SHOPS):
        with tempfile.TemporaryDirectory() as folder:
            shop = noise(100 + seed)
            run = Run(seed=seed, threads=1)
            found = advise(shop, AdviceSettings(minutes=9.9), Path(folder) / "advice", run)
            answers[found.answer] += 1
            print(f"noise {seed}: {found.answer}", flush=True)
    return {"answers": dict(answers), "shops": SHOPS, "false": _false(answers), "bar": 0}


def _false(answers: Counter[str]) -> int:
    return answers["synthesis helps"] + answers["distil"]


def real(name: str, minutes: float) -> dict[str, Any]:
    """Advise on a real shop by the command line, and compare what is reached with the full recipe's best system."""
    folder, words = (
        ("amazon_beauty", ("--split", "leave-last-out"))
        if name == "beauty"
        else ("homedepot_search", ("--for", "search"))
    )
    with tempfile.TemporaryDirectory() as place:
        shop = Path(place) / "shop"
        _wareloom("read", data(folder), "--to", shop, "-q")
        return advised(shop, minutes, words) | {"full": FULL[name], "bar": ENOUGH}


def advised(shop: Path, minutes: float, words: tuple[str, ...] = ()) -> dict[str, Any]:
    place = shop.with_name("advice")
    start = time.perf_counter()
    peak = _wareloom("advise", shop, "--to", place, "--minutes", minutes, *words)
    seconds = time.perf_counter() - start
    found = json.loads((place / "advice.json").read_text())
    return {
        "answer": found["answer"],
        "headline": found["headline"],
        "system": (found.get("search") or found["rankers"])["label"],
        "reached": _reached(found),
        "minutes": round(seconds / 60, 2),
        "given": minutes,
        "in_time": seconds <= OVER * 60 * minutes,
        "peak_gib": round(peak, 2),
        "proves": (found.get("proves") or {}).get("label"),
        "alone": (found.get("generators") or {}).get("alone"),
        "left_out": found["left_out"],
        "share": found.get("worked", {}).get("share"),
    }


def _reached(found: dict[str, Any]) -> float | None:
    """What the best system reaches on the whole test part, on real data alone."""
    if found.get("search"):
        return found["search"]["test"]
    if found["reached"] is not None:
        return found["reached"]
    return found["proof"]["means"]["real"] if found["proof"] else None


def _wareloom(*words: object) -> float:
    """Run a command; returns the most memory, in GiB, that its processes have held together."""
    command = [sys.executable, "-m", "wareloom", *map(str, words)]
    done = subprocess.Popen(command, env=os.environ)
    most, process = 0, psutil.Process(done.pid)
    while done.poll() is None:
        most = max(most, _held(process))
        time.sleep(EVERY)
    if done.returncode not in (0, 1):
        sys.exit(f"wareloom {words[0]} ended with {done.returncode}")
    return most / 1024**3


def _held(process: psutil.Process) -> int:
    """Resident bytes of a process and all below it; of one that has ended, nothing."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
    return total


def events(minutes: float) -> dict[str, Any]:
    """Ten million events of users who walk among items of some tastes, generated in pieces."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        parts, each = [], 1_000_000
        for part in range(EVENTS // each):
            user = rng.integers(USERS, size=each)
            item = (
                (user % 100) * (ITEMS // 100)
                + np.minimum(rng.zipf(1.3, size=each), ITEMS // 100)
                - 1
            )
            path = Path(place) / f"{part}.parquet"
            pl.DataFrame(
                {"user": user, "item": item, "time": rng.integers(0, 10**7, size=each)}
            ).select(
                user_id=pl.format("u{}", "user"),
                item_id=pl.format("i{}", "item"),
                event=pl.lit("purchase"),
                time=pl.from_epoch("time").cast(pl.Datetime("us")),
            ).write_parquet(path)
            parts.append(path)
        items = pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)]}).with_columns(
            title=pl.format(
                "thing of taste {}", pl.col("item_id").str.slice(1).cast(pl.Int64) // (ITEMS // 100)
            )
        )
        shop = Path(place) / "shop"
        Shop.trusted({"items": items, "events": pl.scan_parquet(parts)}).save(shop)
        return advised(shop, minutes) | {"events": EVENTS, "bar": GIB}


def _beside(name: str, found: dict[str, Any]) -> None:
    """Print what was reached beside the bar."""
    bar = found["bar"] * found["full"]
    reached = "nothing" if found["reached"] is None else f"{found['reached']:.4f}"
    held = found["reached"] is not None and found["reached"] >= bar
    print(
        f"{name}: {found['system']} reached {reached}, bar {bar:.4f} ({found['bar']:.0%} of {found['full']:.4f}): "
        f"{'held' if held else 'missed'}; {found['minutes']:.1f} of {found['given']:g} minutes, "
        f"{found['peak_gib']:.2f} GiB",
        flush=True,
    )


def main() -> None:
    parser = arguments(__doc__)
    every = ("truths", "noise", "beauty", "homedepot", "events")
    parser.add_argument("--of", nargs="+", choices=every, default=every)
    parser.add_argument("--minutes", type=float, default=30.0)
    args = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "truths": truths,
        "noise": noises,
        "beauty": lambda: real("beauty", args.minutes),
        "homedepot": lambda: real("homedepot", args.minutes),
        "events": lambda: events(5.0),
    }
    kept: dict[str, Any] = {}
    if args.json and args.json.exists():
        before = json.loads(args.json.read_text())
        kept = {name: before[name] for name in every if name in before}
    for name in args.of:
        kept[name] = parts[name]()
        print(name, json.dumps({k: v for k, v in kept[name].items() if k != "rows"}), flush=True)
        if "full" in kept[name]:
            _beside(name, kept[name])
        write(args.json, "advise", machine(args.note), **kept)


if __name__ == "__main__":
    main()
