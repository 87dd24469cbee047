"""The gate's calibration: what a proof says of data that cannot help, of a control drawn twice, of data that helps.

    python benchmarks/gate.py [--of noise|aa|planted|seeds ...] [--ranker NAME ...] [--cache DIR] [--json FILE]

Every run generates a shop of users who walk on a ring of items, splits it leave-last-out and proves with three seeds:
300 users and 150 items, for a ranker that is trained by gradients 100 and 40. Counted are the verdicts and what was
said of each comparison.

noise: the synthetic data is `shuffled`, real users with their items dealt anew. Bar: not one verdict "helps".

aa: it is a second draw of the naive control, so that "real + synthetic" and "real + naive" are two draws of one thing.
Bar: a verdict "helps" in 5 of 100 runs at most, and against naive "helps" and "hurts" each in 2.5, but for chance.

planted: a share of it walks as the real users do, the rest is naive: an effect that is there. Only the last event of
each user, the one that is asked for, is drawn anew with each run, and all that is random in the training: so the true
effect is the same in every run, and the mean of what the runs observe is close to it. Of that effect each run computes
its power, and how many runs find it is counted. Bar: the share of finds, but for chance, within .1 of the mean power.

seeds: nothing is trained. What each user and each seed is worth is drawn, see `_luck.py`, once without any effect and
once with one of the power .8. Bar: against naive "helps" and "hurts" each in 2.5 of 100 runs, but for chance, and the
share of finds, but for chance, at its power.

With `--cache` finished trainings are kept there: a stopped run goes on, and another rule is judged on the same ones.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from _common import arguments, machine, write
from _luck import Luck, LuckSettings
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED, NAIVE, REAL, REPEATED
from wareloom.experiment.result import Proof
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.prove import prove, prove_study
from wareloom.proof.recommendation import ProofSettings
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.stats.power import Spread, detectable, power
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour.independent import Independent

VERDICTS = ("helps", "no evidence", "hurts")
AGAINST = {"real alone": REAL, "repeated": REPEATED, "naive": NAIVE}
OF = ("noise", "aa", "planted", "seeds")
STEPS = [0.5, 0.25, 0.15, 0.1]
"""Chances of a step of one to four places on the ring"""
STAYS = 0.7
"""Chance of a step on the ring; the other events go by popularity"""
SEEDS = ((2, 10.0), (3, 10.0), (3, 1.0), (5, 10.0))
"""How many seeds, and how much more they add to the variance of a mean difference than users do"""


@dataclass(frozen=True)
class Bed:
    """What a ranker is put to the proof on."""

    users: int = 300
    items: int = 150
    settings: dict[str, Any] = field(default_factory=dict)
    """The ranker's"""
    runs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OF, 200))
    share: float = 0.4
    """Part of the planted users who know the ring"""


BEDS = {
    "sasrec": Bed(
        users=100,
        items=40,
        settings={
            "embedding_size": 16,
            "layers": 1,
            "max_length": 8,
            "dropout": 0.1,
            "batch_size": 1024,
            "learning_rate": 0.1,
            "epochs": 20,
            "patience": 0,
            "validation": 0.0,
        },
        runs={"noise": 60, "aa": 140, "planted": 60},
        share=1.0,
    )
}
"""Rankers that are trained by gradients: small shops, few updates"""


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

    share: float = 0.4
    """Part of the users who know the ring"""
    items: int = 150
    """How many stand on it"""

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw as `independent` does, and put walks in the place of the items of the first users."""
        run = run or Run()
        shop = super().sample(n, run, given)
        events = shop.table("events")
        user = events["user_id"].rle_id().to_numpy()
        mine = user < round(self.share * n)
        walked = walk(
            np.bincount(user[mine]),
            popularity(np.random.default_rng(0), self.items),
            run.rng("planted"),
        )
        items = np.array(events["item_id"].to_list(), dtype=object)
        items[mine] = [f"i{i}" for i in walked]
        return shop.with_tables(events=events.with_columns(item_id=pl.Series(items.tolist())))


def popularity(rng: np.random.Generator, items: int) -> np.ndarray:
    """How often an event that is no step leads to each item; the first thing drawn of a shop."""
    weight = 1.0 / (1.0 + rng.permutation(items))
    popular: np.ndarray = weight / weight.sum()
    return popular


def walk(lengths: np.ndarray, popular: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Items of users of these lengths: 7 of 10 steps lead to one of the next four of the ring."""
    total = int(lengths.sum())
    item = rng.choice(len(popular), size=total, p=popular)
    step, stays = rng.choice(4, size=total, p=STEPS) + 1, rng.random(total) < STAYS
    stays[(np.cumsum(lengths) - lengths)[lengths > 0]] = False
    for i in np.flatnonzero(stays):
        item[i] = (item[i - 1] + step[i]) % len(popular)
    return item


def ring(rng: np.random.Generator, bed: Bed, last: np.random.Generator | None = None) -> Shop:
    """A shop of users with 4 events and geometrically many more, 10 in the mean, each at a time of its own.

    `last`: draws each user's last event anew, which is what the test part asks for.
    """
    users, items = bed.users, bed.items
    popular = popularity(rng, items)
    lengths = 3 + rng.geometric(1 / 7, users)
    item = walk(lengths, popular, rng)
    ends, total = np.cumsum(lengths) - 1, int(lengths.sum())
    if last is not None:
        jump, step = last.choice(items, users, p=popular), last.choice(4, users, p=STEPS) + 1
        item[ends] = np.where(last.random(users) < STAYS, (item[ends - 1] + step) % items, jump)
    order = np.arange(total) - np.repeat(ends + 1 - lengths, lengths)
    day = np.repeat(rng.integers(0, 100, users), lengths) + order
    events = pl.DataFrame(
        {"user": np.repeat(np.arange(users), lengths), "item": item, "day": day}
    ).select(
        user_id=pl.format("u{}", "user"),
        item_id=pl.format("i{}", "item"),
        event=pl.lit("purchase"),
        time=pl.lit(1_700_000_000_000_000) + pl.col("day") * 86_400_000_000,
    )
    timed = events.with_columns(pl.col("time").cast(pl.Datetime("us")))
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(items)]}), "events": timed}
    )


def settings(ranker: str, of: str, bed: Bed) -> ProofSettings:
    """One ratio, one metric, no baselines, no leak screen, which has tests of its own: a cheap proof."""
    made = {"noise": "shuffled", "aa": "gate:Again", "planted": "gate:Planted"}[of]
    return ProofSettings(
        generator=Generator(
            synthesizer=made,
            settings={"share": bed.share, "items": bed.items} if of == "planted" else {},
            screens=("schema", "impossible", "copies"),
        ),
        ranker=ranker,
        ranker_settings=bed.settings,
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


def found_in(proof: Proof) -> Found:
    """What counts of a proof."""
    rows = [
        row for row in proof.data["comparisons"] if row["slice"] == "all" and row["arm"] == MIXED
    ]
    spreads = {row["against"]: Spread(**row["spread"]) for row in proof.data["power"]}
    said = {row["against"]: row["verdict"] for row in rows}
    return Found(proof.verdict, said, {row["against"]: row["difference"] for row in rows}, spreads)


def measure(ranker: str, of: str, bed: Bed, runs: int, made: Run) -> tuple[list[Found], float]:
    """Prove on `runs` shops; returns what was said, and the seconds a proof took."""
    wanted, found = settings(ranker, of, bed), []
    prove(ring(np.random.default_rng(0), bed), wanted, made.with_(cache=None))
    start = time.perf_counter()
    for seed in range(runs):
        run, fixed = made.with_(seed=seed), np.random.default_rng(0)
        last = run.rng("last") if of == "planted" else None
        shop = ring(fixed if last else run.rng("ring"), bed, last)
        found.append(found_in(prove(shop, wanted, run)))
    return found, (time.perf_counter() - start) / runs


def measure_seeds(runs: int, made: Run) -> Iterator[dict[str, Any]]:
    """Rows of proofs of luck alone: without an effect in `runs` of them, and a quarter as many with one."""
    shop = ring(np.random.default_rng(0), Bed(users=10, items=5))
    for seeds, share in SEEDS:
        plain = LuckSettings(seeds=seeds, share=share)
        label = f"{seeds} seeds, {share:g} times the users' variance"
        gain = detectable(plain.spread)
        for wanted in (plain, replace(plain, gain=gain)):
            of = "planted" if wanted.gain else "aa"
            found = [
                found_in(prove_study(Luck, shop, wanted, made.with_(seed=seed)))
                for seed in range(runs // 4 if wanted.gain else runs)
            ]
            rows = [counted(label, "verdict", [each.verdict for each in found])]
            rows.append(counted(label, "naive", [each.said[NAIVE] for each in found]))
            if wanted.gain:
                promised = power(gain, plain.spread)
                rows[1] |= {"effect": gain, "promised": promised}
                rows[1]["found"] = rows[1]["helps"] / rows[1]["runs"]
            yield from (row | {"data": of} for row in rows)


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
    rows = [row for row in rows if row["data"] == of]
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
    print(
        f"{row['ranker']:<12} {row['data']:<8} {row['of']:<12} {counts}   {intervals}{power_}",
        flush=True,
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--of", nargs="+", choices=OF, default=["noise"], help="what the synthetic data is"
    )
    parser.add_argument("--runs", type=int, help="proofs of each kind with each ranker")
    parser.add_argument("--ranker", nargs="+", default=["transitions", "item_knn"])
    parser.add_argument("--share", type=float, help="part of the planted users who know the ring")
    parser.add_argument(
        "--threads", type=int, default=1, help="the shops are too small for more than 1"
    )
    parser.add_argument("--cache", type=Path, help="keep finished trainings in this folder")
    chosen = parser.parse_args()
    if "POLARS_MAX_THREADS" not in os.environ:
        # Tables of 3,000 rows: threads would only wait for one another.
        os.execve(
            sys.executable, [sys.executable, *sys.argv], os.environ | {"POLARS_MAX_THREADS": "1"}
        )
    about = machine(chosen.note)
    print(f"{about}\n\n{'':<34} {' '.join(f'{v:>11}' for v in VERDICTS)}   95 % of helps, of hurts")
    rows, seconds = [], {}
    made = Run(threads=chosen.threads, quiet=True, cache=chosen.cache)
    for of in chosen.of:
        if of == "seeds":
            for row in measure_seeds(chosen.runs or 500, made.with_(cache=None)):
                rows.append(row)
                show(row)
            continue
        for ranker in chosen.ranker:
            bed = BEDS.get(ranker, Bed())
            bed = replace(bed, share=chosen.share or bed.share)
            found, seconds[f"{of}, {ranker}"] = measure(
                ranker, of, bed, chosen.runs or bed.runs[of], made
            )
            rows += [r | {"data": of} for r in tabled(ranker, found, planted=of == "planted")]
            for row in rows[-1 - len(AGAINST) :]:
                show(row)
    good = all(held(rows, of) for of in ("noise", "aa", "planted"))
    took = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
    print(f"bar: {'held' if good else 'MISSED'}; a proof took: {took}")
    figures = {"rows": rows, "seconds_a_proof": seconds, "held": good}
    write(chosen.json, chosen.json.stem if chosen.json else "gate", about, **figures)


if __name__ == "__main__":
    main()
