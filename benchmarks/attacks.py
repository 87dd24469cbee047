"""Attacks: what each tells of each generator, and what a large shop costs.

    python benchmarks/attacks.py [--users N] [--generators NAMES] [--json FILE]

Amazon Beauty, half of the users fitted by `markov` on outlines, its chain, `independent` and others that are named, as
many users sampled, the other half the holdout: area, its interval and the members told at one false alarm in 1,000.
Then all attacks but the slow ones on a made-up shop of N members, as many held out and as many of a synthetic shop that
re-uses the outlines of a half of the members: seconds and peak memory, on two threads. Bars: `rhythm` ≥ .90 and
`pattern` ≥ .93 of outlines, `pairs` ≥ .80 of a chain and ≤ .53 of `independent`; 100,000 users under 5 minutes and
2 GiB. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, peak, write
from wareloom.attacks import AttackReport, run_attacks
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.readers import read
from wareloom.shop import Log, Shop

GENERATORS = "markov,chain,independent"
ITEMS, LEAVES, DAYS = 30_000, 300, 400
DAY = 86_400_000_000


def halves(shop: Shop, run: Run) -> tuple[Shop, Shop]:
    """The users dealt into members and others."""
    events = shop.table("events")
    users = events["user_id"].unique().sort()
    inside = users.gather(run.rng("halves").permutation(len(users))[: len(users) // 2])
    member = pl.col("user_id").is_in(inside.implode())
    return tuple(shop.with_tables(events=events.filter(m)) for m in (member, ~member))  # type: ignore[return-value]


def made_up(users: int, seed: int, prefix: str) -> Shop:
    """Users of some leaves and an hour of their own; seven events on average, days apart."""
    rng = np.random.default_rng(seed)
    length = 2 + rng.geometric(0.2, users)
    user = np.repeat(np.arange(users), length)
    leaf = rng.integers(LEAVES, size=(users, 3))[user, rng.integers(3, size=len(user))]
    within = np.minimum((ITEMS // LEAVES) * rng.random(len(user)) ** 2, ITEMS // LEAVES - 1)
    gap = (
        np.floor(rng.exponential(9.0, len(user))) * DAY
        + rng.integers(0, 4 * 3600, len(user)) * 1_000_000
    )
    first = (
        rng.integers(DAYS, size=users) * DAY
        + rng.normal(15, 4, users).astype(np.int64) * 3_600_000_000
    )
    ends = np.cumsum(gap)
    since = ends - np.repeat(ends[np.cumsum(length) - length], length)
    when = 1_600_000_000_000_000 + first[user] + since.astype(np.int64)
    events = pl.DataFrame({"u": user, "i": (within.astype(np.int64) * LEAVES + leaf), "time": when})
    events = events.select(
        user_id=pl.format(prefix + "{}", "u"),
        item_id=pl.format("i{}", "i"),
        event=pl.lit("purchase"),
        time=pl.col("time").cast(pl.Datetime("us")),
    )
    paths = [["Shop", f"Aisle {i % LEAVES // 20}", f"Shelf {i % LEAVES}"] for i in range(ITEMS)]
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)], "category": paths})
    return Shop.trusted({"items": items, "events": events})


def moved(members: Shop, others: Shop, seed: int) -> Shop:
    """A shop of others in which a half are members, three weeks later, each item another of its leaf."""
    rng, events = np.random.default_rng(seed), members.table("events")
    half = events.filter(pl.col("user_id").hash(seed) % 2 == 0)
    code = half["item_id"].str.slice(1).cast(pl.Int64).to_numpy()
    other = code % LEAVES + LEAVES * rng.integers(ITEMS // LEAVES, size=len(code))
    half = half.with_columns(
        item_id=pl.format("i{}", pl.Series(other)), time=pl.col("time") + pl.duration(weeks=3)
    )
    rest = others.table("events").filter(pl.col("user_id").hash(seed) % 2 == 0)
    whole = pl.concat([half, rest])
    return members.with_tables(events=whole.with_columns(user_id=pl.format("s{}", "user_id")))


def told(report: AttackReport, what: str) -> list[dict[str, Any]]:
    """Print the attacks of a report, and return them."""
    rows = []
    for row in report.table().iter_rows(named=True):
        rows.append({"data": what, **row})
        print(
            f"{what:<28} {row['attack']:<9} {row['area']:.3f} ({row['low']:.3f} to {row['high']:.3f})  at .1 %: "
            f"{row['tpr .1 %']:.2%}  {row['caught']}",
            flush=True,
        )
    return rows


def generator(name: str) -> Any:
    """One by its name; `chain` is `markov` without outlines."""
    return (
        SYNTHESIZERS.make("markov", structure="chain")
        if name == "chain"
        else SYNTHESIZERS.make(name)
    )


def beauty(names: list[str], run: Run) -> list[dict[str, Any]]:
    """Each generator attacked on Beauty."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        real, held = halves(read(data("amazon_beauty"), to=folder).in_memory(), run)
        for name in names:
            synth = generator(name).fit(real, run).sample(len(Log.of(real).users), run)
            rows += told(run_attacks(real, synth, held, run), f"beauty {name}")
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--generators", default=GENERATORS)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    run = Run(seed=0, threads=chosen.threads)
    rows = beauty(chosen.generators.split(","), run) if chosen.generators else []
    cost: dict[str, Any] = {}
    if chosen.users:
        real, held, others = (made_up(chosen.users, seed, p) for seed, p in enumerate("mho"))
        synth = moved(real, others, 0)
        clock, cpu = time.perf_counter(), time.process_time()
        report = run_attacks(real, synth, held, run.with_(quiet=False))
        cost = {"users": chosen.users, "seconds": time.perf_counter() - clock}
        cost |= {"cpu_seconds": time.process_time() - cpu, "peak_gib": peak()}
        rows += told(report, f"made up, {chosen.users:,} users")
        print({name: round(value, 2) for name, value in cost.items()})
    write(chosen.json, "attacks", machine(chosen.note), rows=rows, cost=cost)


if __name__ == "__main__":
    main()
