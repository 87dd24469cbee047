"""The gate's calibration: how often a proof says "helps" of synthetic data that cannot help.

    python benchmarks/gate.py [--runs N] [--aa] [--ranker NAME ...] [--json FILE]

Every run generates a shop of its own, 300 users who walk on a ring of 150 items, splits it leave-last-out and proves
`shuffled`, real users with their items dealt anew: noise. Counted are the verdicts, and beside them how often the
comparison with real data alone says "helps": what the other two controls keep out. Bar: at most 5 of 100 verdicts.

`--aa` takes for synthetic data a second draw of the naive control, so that "real + synthetic" and "real + naive" are
two draws of the same thing; "helps" and "hurts" should each come in 2.5 % of the runs at most, but for chance.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from _common import arguments, machine, write
from wareloom.proof.arms import NAIVE, REAL, REPEATED, SYNTHETIC, Generator
from wareloom.proof.prove import prove
from wareloom.proof.result import Proof
from wareloom.proof.settings import ProofSettings
from wareloom.run import Run
from wareloom.shop import Shop
from wareloom.shop.splits import SplitSettings
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour.independent import Independent

USERS, ITEMS = 300, 150
VERDICTS = ("helps", "no evidence", "hurts")
AGAINST = {"real alone": REAL, "repeated": REPEATED, "naive": NAIVE}


@dataclass(kw_only=True, eq=False)
class Again(Independent):
    """The naive control, drawn with another seed than the control's own."""

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw as `independent` does."""
        run = run or Run()
        return super().sample(n, run.with_(seed=run.seed_for("again")), given)


def ring(rng: np.random.Generator) -> Shop:
    """A shop with structure: 7 of 10 steps lead to one of the next four items of a ring, the others go by popularity.

    Users have 4 events and geometrically many more, 10 in the mean, each at a time of its own.
    """
    popular = 1.0 / (1.0 + rng.permutation(ITEMS))
    lengths = 3 + rng.geometric(1 / 7, USERS)
    total = int(lengths.sum())
    jump = rng.choice(ITEMS, size=total, p=popular / popular.sum())
    step, stays = rng.choice(4, size=total, p=[0.5, 0.25, 0.15, 0.1]) + 1, rng.random(total) < 0.7
    heads = np.cumsum(lengths) - lengths
    stays[heads] = False
    item = jump.copy()
    for i in np.flatnonzero(stays):
        item[i] = (item[i - 1] + step[i]) % ITEMS
    order = np.arange(total) - np.repeat(heads, lengths)
    day = np.repeat(rng.integers(0, 100, USERS), lengths) + order
    events = pl.DataFrame({"user": np.repeat(np.arange(USERS), lengths), "item": item, "day": day}).select(
        user_id=pl.format("u{}", "user"),
        item_id=pl.format("i{}", "item"),
        event=pl.lit("purchase"),
        time=pl.lit(1_700_000_000_000_000) + pl.col("day") * 86_400_000_000,
    )
    timed = events.with_columns(pl.col("time").cast(pl.Datetime("us")))
    return Shop({"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)]}), "events": timed})


def settings(ranker: str, *, aa: bool) -> ProofSettings:
    """One ratio, one metric, no baselines: a cheap proof."""
    return ProofSettings(
        generator=Generator(synthesizer="gate:Again" if aa else "shuffled"),
        ranker=ranker,
        baselines={},
        split=SplitSettings(by="leave-last-out"),
        ratios=(0.5,),
        seeds=3,
        metrics=("ndcg@10",),
    )


def outcome(proof: Proof) -> dict[str, str]:
    """The verdict of a proof, and of each of its comparisons, by name."""
    said = {row["against"]: row["verdict"] for row in proof.headline().iter_rows(named=True) if row["arm"] != SYNTHETIC}
    return {"verdict": proof.verdict, **{name: said[control] for name, control in AGAINST.items()}}


def counted(ranker: str, name: str, found: list[dict[str, str]]) -> dict[str, Any]:
    """Count what was said, with Wilson's 95 % interval for the share of "helps" and of "hurts"."""
    n, times = len(found), Counter(entry[name] for entry in found)
    row: dict[str, Any] = {"ranker": ranker, "of": name, "runs": n, **{v: times[v] for v in VERDICTS}}
    for said in ("helps", "hurts"):
        interval = stats.binomtest(times[said], n).proportion_ci(method="wilson")
        row[f"{said}_low"], row[f"{said}_high"] = float(interval.low), float(interval.high)
    return row


def held(rows: list[dict[str, Any]], *, aa: bool) -> bool:
    """Whether the bar is held by every ranker: 5 % of verdicts, or 2.5 % a side of A/A comparisons but for chance."""
    if aa:
        return all(row[f"{side}_low"] <= 0.025 for row in rows if row["of"] == "naive" for side in ("helps", "hurts"))
    return all(row["helps"] <= 0.05 * row["runs"] for row in rows if row["of"] == "verdict")


def measure(ranker: str, runs: int, threads: int, *, aa: bool) -> tuple[list[dict[str, Any]], float]:
    """Prove on `runs` shops; returns the counts, and the seconds a proof took."""
    wanted, found = settings(ranker, aa=aa), []
    prove(ring(np.random.default_rng(0)), wanted, Run(threads=threads, quiet=True))
    start = time.perf_counter()
    for seed in range(runs):
        run = Run(seed=seed, threads=threads, quiet=True)
        found.append(outcome(prove(ring(run.rng("ring")), wanted, run)))
    each = (time.perf_counter() - start) / runs
    return [counted(ranker, name, found) for name in ("verdict", *AGAINST)], each


def show(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    intervals = "   ".join(f"{row[f'{v}_low']:6.1%} to {row[f'{v}_high']:6.1%}" for v in ("helps", "hurts"))
    counts = " ".join(f"{row[v]:>11}" for v in VERDICTS)
    print(f"{row['ranker']:<12} {row['of']:<12} {counts}   {intervals}", flush=True)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--aa", action="store_true", help="synthetic data is a second draw of the naive control")
    parser.add_argument("--ranker", nargs="+", default=["transitions", "item_knn"])
    parser.add_argument("--threads", type=int, default=1, help="the shops are too small for more than 1")
    chosen = parser.parse_args()
    if "POLARS_MAX_THREADS" not in os.environ:
        # Tables of 3,000 rows: threads would only wait for one another.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"POLARS_MAX_THREADS": "1"})
    about = machine(chosen.note) | {
        "shop": f"{USERS} users, {ITEMS} items",
        "synthesizer": "independent" if chosen.aa else "shuffled",
    }
    print(f"{about}\n\n{'ranker':<12} {'of':<12} {' '.join(f'{v:>11}' for v in VERDICTS)}   95 % of helps, of hurts")
    rows, seconds = [], {}
    for ranker in chosen.ranker:
        counts, seconds[ranker] = measure(ranker, chosen.runs, chosen.threads, aa=chosen.aa)
        rows += counts
        for row in counts:
            show(row)
    good = held(rows, aa=chosen.aa)
    print(f"bar: {'held' if good else 'MISSED'}; {', '.join(f'{k} {v:.2f} s a proof' for k, v in seconds.items())}")
    name = "gate_aa" if chosen.aa else "gate"
    write(chosen.json, name, about, runs=chosen.runs, rows=rows, seconds_a_proof=seconds, held=good)


if __name__ == "__main__":
    main()
