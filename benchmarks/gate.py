"""The gate's calibration: what a proof says of data that cannot help, of a control drawn twice, of data that helps.

    python benchmarks/gate.py [--of noise|aa|planted] [--runs N] [--ranker NAME ...] [--json FILE]

Every run generates a shop of 300 users who walk on a ring of 150 items, splits it leave-last-out and proves with three
seeds. Counted are the verdicts and what was said of each comparison.

noise: the synthetic data is `shuffled`, real users with their items dealt anew. Bar: not one verdict "helps".

aa: it is a second draw of the naive control, so that "real + synthetic" and "real + naive" are two draws of one thing.
Bar: a verdict "helps" in 5 of 100 runs at most, and against naive "helps" and "hurts" each in 2.5, but for chance.

planted: a share of it walks as the real users do, the rest is naive: an effect that is there. Only the last event of
each user, the one that is asked for, is drawn anew with each run, and all that is random in the training: so the true
effect is the same in every run, and the mean of what the runs observe is close to it. Of that effect each run computes
its power, and how many runs find it is counted. Bar: the share of finds, but for chance, within .1 of the mean power.
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
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED, NAIVE, REAL, REPEATED
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.stats.power import Spread, power
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour.independent import Independent

USERS, ITEMS = 300, 150
VERDICTS = ("helps", "no evidence", "hurts")
AGAINST = {"real alone": REAL, "repeated": REPEATED, "naive": NAIVE}
NAMES = {"noise": "gate", "aa": "gate_aa", "planted": "gate_planted"}
STEPS = [0.5, 0.25, 0.15, 0.1]
"""Chances of a step of one to four places on the ring"""
STAYS = 0.7
"""Chance of a step on the ring; the other events go by popularity"""


@dataclass(kw_only=True, eq=False)
class Again(Independent):
    """The naive control, drawn with another seed than the control's own."""

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw as `independent` does."""
        run = run or Run()
        return super().sample(n, run.with_(seed=run.seed_for("again")), given)


@dataclass(kw_only=True, eq=False)
class Planted(Independent):
    """Naive users, a share of whom walk the ring as the real ones of the fixed shop do."""

    share: float = 0.1
    """Part of the users who know the ring"""

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw as `independent` does, and put walks in the place of the items of the first users."""
        run = run or Run()
        shop = super().sample(n, run, given)
        events = shop.table("events")
        user = events["user_id"].rle_id().to_numpy()
        mine = user < round(self.share * n)
        walked = walk(
            np.bincount(user[mine]), popularity(np.random.default_rng(0)), run.rng("planted")
        )
        items = np.array(events["item_id"].to_list(), dtype=object)
        items[mine] = [f"i{i}" for i in walked]
        return shop.with_tables(events=events.with_columns(item_id=pl.Series(items.tolist())))


def popularity(rng: np.random.Generator) -> np.ndarray:
    """How often an event that is no step leads to each item; the first thing drawn of a shop."""
    weight = 1.0 / (1.0 + rng.permutation(ITEMS))
    popular: np.ndarray = weight / weight.sum()
    return popular


def walk(lengths: np.ndarray, popular: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Items of users of these lengths: 7 of 10 steps lead to one of the next four of the ring."""
    total = int(lengths.sum())
    item = rng.choice(ITEMS, size=total, p=popular)
    step, stays = rng.choice(4, size=total, p=STEPS) + 1, rng.random(total) < STAYS
    stays[(np.cumsum(lengths) - lengths)[lengths > 0]] = False
    for i in np.flatnonzero(stays):
        item[i] = (item[i - 1] + step[i]) % ITEMS
    return item


def ring(rng: np.random.Generator, last: np.random.Generator | None = None) -> Shop:
    """A shop of users with 4 events and geometrically many more, 10 in the mean, each at a time of its own.

    `last`: draws each user's last event anew, which is what the test part asks for.
    """
    popular = popularity(rng)
    lengths = 3 + rng.geometric(1 / 7, USERS)
    item = walk(lengths, popular, rng)
    ends, total = np.cumsum(lengths) - 1, int(lengths.sum())
    if last is not None:
        jump, step = last.choice(ITEMS, USERS, p=popular), last.choice(4, USERS, p=STEPS) + 1
        item[ends] = np.where(last.random(USERS) < STAYS, (item[ends - 1] + step) % ITEMS, jump)
    order = np.arange(total) - np.repeat(ends + 1 - lengths, lengths)
    day = np.repeat(rng.integers(0, 100, USERS), lengths) + order
    events = pl.DataFrame(
        {"user": np.repeat(np.arange(USERS), lengths), "item": item, "day": day}
    ).select(
        user_id=pl.format("u{}", "user"),
        item_id=pl.format("i{}", "item"),
        event=pl.lit("purchase"),
        time=pl.lit(1_700_000_000_000_000) + pl.col("day") * 86_400_000_000,
    )
    timed = events.with_columns(pl.col("time").cast(pl.Datetime("us")))
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)]}), "events": timed}
    )


def settings(ranker: str, of: str, share: float = 0.1) -> ProofSettings:
    """One ratio, one metric, no baselines, no leak screen, which has tests of its own: a cheap proof."""
    made = {"noise": "shuffled", "aa": "gate:Again", "planted": "gate:Planted"}[of]
    return ProofSettings(
        generator=Generator(
            synthesizer=made,
            settings={"share": share} if of == "planted" else {},
            screens=("schema", "impossible", "copies"),
        ),
        ranker=ranker,
        baselines={},
        split=SplitSettings(by="leave-last-out"),
        ratios=(0.5,),
        seeds=3,
        metrics=("ndcg@10",),
    )


@dataclass(frozen=True)
class Found:
    """What one proof said."""

    verdict: str
    said: dict[str, str]
    """Of each comparison, by control"""
    observed: dict[str, float]
    """The difference, by control"""
    spreads: dict[str, Spread]
    """What the power against each control is computed of"""


def one(shop: Shop, wanted: ProofSettings, run: Run) -> Found:
    """Prove once."""
    proof = prove(shop, wanted, run)
    rows = [
        row for row in proof.data["comparisons"] if row["slice"] == "all" and row["arm"] == MIXED
    ]
    spreads = {row["against"]: Spread(**row["spread"]) for row in proof.data["power"]}
    said = {row["against"]: row["verdict"] for row in rows}
    return Found(proof.verdict, said, {row["against"]: row["difference"] for row in rows}, spreads)


def measure(
    ranker: str, of: str, runs: int, threads: int, share: float
) -> tuple[list[Found], float]:
    """Prove on `runs` shops; returns what was said, and the seconds a proof took."""
    wanted, found = settings(ranker, of, share), []
    prove(ring(np.random.default_rng(0)), wanted, Run(threads=threads, quiet=True))
    start = time.perf_counter()
    for seed in range(runs):
        run = Run(seed=seed, threads=threads, quiet=True)
        planted = of == "planted"
        shop = ring(np.random.default_rng(0), run.rng("last")) if planted else ring(run.rng("ring"))
        found.append(one(shop, wanted, run))
    return found, (time.perf_counter() - start) / runs


def counted(ranker: str, name: str, said: list[str]) -> dict[str, Any]:
    """Count what was said, with Wilson's 95 % interval for the share of "helps" and of "hurts"."""
    n, times = len(said), Counter(said)
    row: dict[str, Any] = {
        "ranker": ranker,
        "of": name,
        "runs": n,
        **{v: times[v] for v in VERDICTS},
    }
    for word in ("helps", "hurts"):
        interval = stats.binomtest(times[word], n).proportion_ci(method="wilson")
        row[f"{word}_low"], row[f"{word}_high"] = float(interval.low), float(interval.high)
    return row


def tabled(ranker: str, found: list[Found], *, planted: bool) -> list[dict[str, Any]]:
    """A row for the verdict and one for each comparison; of a planted effect with its size and the promised power.

    "helps" beside a slice that falls counts as "helps" here: it is the same comparisons that said so.
    """
    verdicts = [each.verdict.removesuffix(", but") for each in found]
    rows = [counted(ranker, "verdict", verdicts)]
    for name, control in AGAINST.items():
        row = counted(ranker, name, [each.said[control] for each in found])
        if planted:
            effect = float(np.mean([each.observed[control] for each in found]))
            promised = [power(effect, each.spreads[control]) for each in found]
            row |= {
                "effect": effect,
                "promised": float(np.mean(promised)),
                "found": row["helps"] / row["runs"],
            }
        rows.append(row)
    return rows


def held(rows: list[dict[str, Any]], of: str) -> bool:
    """Whether the bar is held by every ranker."""
    verdicts, naive = ([row for row in rows if row["of"] == name] for name in ("verdict", "naive"))
    if of == "noise":
        return all(row["helps"] == 0 for row in verdicts)
    if of == "aa":
        beyond = [row[f"{side}_low"] > 0.025 for row in naive for side in ("helps", "hurts")]
        return not any(beyond) and all(row["helps"] <= 0.05 * row["runs"] for row in verdicts)
    promised = [row for row in rows if row.get("promised")]
    return all(
        row["helps_low"] - 0.1 <= row["promised"] <= row["helps_high"] + 0.1 for row in promised
    )


def show(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    intervals = "   ".join(
        f"{row[f'{v}_low']:6.1%} to {row[f'{v}_high']:6.1%}" for v in ("helps", "hurts")
    )
    counts = " ".join(f"{row[v]:>11}" for v in VERDICTS)
    power_ = (
        f"   effect {row['effect']:+.4f}, power {row['promised']:.2f}" if "promised" in row else ""
    )
    print(f"{row['ranker']:<12} {row['of']:<12} {counts}   {intervals}{power_}", flush=True)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--of", choices=list(NAMES), default="noise", help="what the synthetic data is"
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--ranker", nargs="+", default=["transitions", "item_knn"])
    parser.add_argument(
        "--share", type=float, default=0.4, help="part of the planted users who know the ring"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="the shops are too small for more than 1"
    )
    chosen = parser.parse_args()
    if "POLARS_MAX_THREADS" not in os.environ:
        # Tables of 3,000 rows: threads would only wait for one another.
        os.execve(
            sys.executable, [sys.executable, *sys.argv], os.environ | {"POLARS_MAX_THREADS": "1"}
        )
    made = {
        "noise": "shuffled",
        "aa": "independent",
        "planted": f"independent, {chosen.share:g} of it true",
    }
    about = machine(chosen.note) | {
        "shop": f"{USERS} users, {ITEMS} items",
        "synthesizer": made[chosen.of],
    }
    print(
        f"{about}\n\n{'ranker':<12} {'of':<12} {' '.join(f'{v:>11}' for v in VERDICTS)}   95 % of helps, of hurts"
    )
    rows, seconds = [], {}
    for ranker in chosen.ranker:
        found, seconds[ranker] = measure(
            ranker, chosen.of, chosen.runs, chosen.threads, chosen.share
        )
        rows += tabled(ranker, found, planted=chosen.of == "planted")
        for row in rows[-1 - len(AGAINST) :]:
            show(row)
    good = held(rows, chosen.of)
    print(
        f"bar: {'held' if good else 'MISSED'}; {', '.join(f'{k} {v:.2f} s a proof' for k, v in seconds.items())}"
    )
    figures = {"runs": chosen.runs, "rows": rows, "seconds_a_proof": seconds, "held": good}
    write(chosen.json, NAMES[chosen.of], about, **figures)


if __name__ == "__main__":
    main()
