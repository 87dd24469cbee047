"""The leak screen on real data: honest generators, and some of the held-out users planted among what they made.

    python benchmarks/leak.py [--draws N] [--shares S ...] [--json FILE]

Amazon Beauty, leave-last-out: each draw fits a generator on the training part alone, samples as many users as there are
real ones, and puts the whole rows (training, validation and test) of a share of the real users among them under new
names. The screen is shown the validation and test parts, as in every proof. Bars: no honest draw is refused; of the
draws with a planted 1 % all are. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.family import SCREENS, SYNTHESIZERS
from wareloom.readers import read
from wareloom.run import Run
from wareloom.shop import Shop
from wareloom.shop.splits import Split, SplitSettings, split

GENERATORS = ("independent", "markov", "teacher")


def planted(made: Shop, parts: Split, share: float, rng: np.random.Generator) -> Shop:
    """The synthetic shop with the whole histories of a share of the real users, under other names."""
    if share == 0:
        return made
    users = parts.test.table("events")["user_id"].unique().sort()
    chosen = users.gather(np.sort(rng.permutation(len(users))[: round(share * len(users))]))
    whole = pl.concat([part.table("events") for part in parts], how="diagonal")
    rows = whole.filter(pl.col("user_id").is_in(chosen.implode()))
    origin = pl.lit(made.table("events")["origin"].first())
    rows = rows.with_columns(user_id=pl.format("planted-{}", "user_id"), origin=origin)
    return made.with_tables(events=pl.concat([made.table("events"), rows], how="diagonal"))


def measure(name: str, parts: Split, draws: int, shares: list[float]) -> list[dict[str, Any]]:
    """How often the screen refuses a generator with each share planted."""
    found: dict[float, list[dict[str, Any]]] = {share: [] for share in shares}
    for draw in range(draws):
        run = Run(seed=draw, threads=2)
        made: Shop = SYNTHESIZERS.make(name).fit(parts.train, run)
        made = made.sample(parts.test.table("events")["user_id"].n_unique(), run)  # type: ignore[attr-defined]
        for share in shares:
            shop = planted(made, parts, share, run.rng("planted", share))
            found[share].append(SCREENS.make("leak").examine(shop, parts.train, parts.held_out(), run))
    rows = []
    for share, told in found.items():
        row: dict[str, Any] = {"generator": name, "share": share, "draws": draws}
        row["refused"] = sum(bool(one["leak"]) for one in told)
        for of, each in (("pairs", told), ("runs", [one["runs"] for one in told])):
            row[of] = {k: float(np.median([one[k] for one in each])) for k in ("pairs", "held", "expected")}
            row[of]["p_value"] = [min(one["p_value"] for one in each), max(one["p_value"] for one in each)]
        rows.append(row)
        print(f"{name:<12} {share:>5.1%} planted: refused {row['refused']} of {draws}", flush=True)
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.005, 0.01, 0.02])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("amazon_beauty"), to=f"{folder}/shop")
        found = split(shop, SplitSettings(by="leave-last-out"))
        parts = Split(*(part.in_memory() for part in found), found.how)
        rows = [row for name in GENERATORS for row in measure(name, parts, chosen.draws, chosen.shares)]
    held = all(row["refused"] == 0 for row in rows if row["share"] == 0)
    held &= all(row["refused"] == row["draws"] for row in rows if row["share"] >= 0.01)
    write(chosen.json, "leak", machine(chosen.note), rows=rows, held=bool(held))


if __name__ == "__main__":
    main()
