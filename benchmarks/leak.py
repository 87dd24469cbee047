"""The leak screen on real data: honest generators, some of the held-out users planted, and generators that saw all.

    python benchmarks/leak.py [--draws N] [--shares S ...] [--json FILE]

Amazon Beauty, leave-last-out, whose items have texts, and YooChoose by time and leave-last-out, whose items have none:
each draw fits a generator on the training part alone, samples as many users as there are real ones, and puts the whole
rows (training, validation and test) of a share of the held-out users among them under new names; `seen` fits on all
parts, and `many` samples eight honest users for each real one. The screen is shown the validation and test parts, as in
every proof. Bars: no honest draw is refused; of the draws with a planted 1 % all are, and of those of a `markov` or
`teacher` that saw everything. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import SCREENS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.readers import read
from wareloom.shop import Log, Shop

SHOPS = (
    ("amazon_beauty", "leave-last-out"),
    ("yoochoose100k", "time"),
    ("yoochoose100k", "leave-last-out"),
)
MANY = 8
"""Users drawn for each real one where an honest generator draws many"""
GENERATORS = ("independent", "markov", "teacher")


def planted(made: Shop, parts: Split, share: float, rng: np.random.Generator) -> Shop:
    """The synthetic shop with the whole histories of a share of the real users, under other names."""
    if share == 0:
        return made
    key = next(name for name in ("user_id", "session_id") if name in parts.test.columns("events"))
    users = parts.held_out().table("events")[key].unique().sort()
    chosen = users.gather(np.sort(rng.permutation(len(users))[: round(share * len(users))]))
    rows = everything(parts).table("events").filter(pl.col(key).is_in(chosen.implode()))
    origin = pl.lit(made.table("events")["origin"].first())
    rows = rows.with_columns(pl.format("planted-{}", key).alias(key), origin=origin)
    return made.with_tables(events=pl.concat([made.table("events"), rows], how="diagonal"))


def everything(parts: Split) -> Shop:
    """All parts as one shop."""
    return parts.train.with_tables(
        events=pl.concat([part.table("events") for part in parts], how="diagonal")
    )


def measure(
    name: str, shop: str, parts: Split, draws: int, shares: list[float]
) -> list[dict[str, Any]]:
    """How often the screen refuses a generator with each share planted, and one that saw everything."""
    found: dict[float | str, list[dict[str, Any]]] = {
        share: [] for share in (*shares, "many", "seen")
    }
    for draw in range(draws):
        run, users = Run(seed=draw, threads=2), len(Log.of(parts.train).users)
        honest, saw = (
            SYNTHESIZERS.make(name).fit(part, run)  # type: ignore[attr-defined]
            for part in (parts.train, everything(parts))
        )
        few = honest.sample(users, run)
        samples = {"many": honest.sample(MANY * users, run), "seen": saw.sample(users, run)}
        for share, told in found.items():
            made = samples.get(str(share))
            if made is None:
                made = planted(few, parts, float(share), run.rng("planted", share))
            told.append(SCREENS.make("leak").examine(made, parts.train, parts.held_out(), run))
    rows = []
    for share, told in found.items():
        row: dict[str, Any] = {"data": shop, "generator": name, "share": share, "draws": draws}
        row["refused"] = sum(bool(one["leak"]) for one in told)
        for of, each in (("pairs", told), ("runs", [one["runs"] for one in told])):
            row[of] = {
                k: float(np.median([one[k] for one in each])) for k in ("pairs", "held", "expected")
            }
            row[of]["p_value"] = [
                min(one["p_value"] for one in each),
                max(one["p_value"] for one in each),
            ]
        rows.append(row)
        print(
            f"{shop:<29} {name:<12} {share!s:>6} planted: refused {row['refused']} of {draws}",
            flush=True,
        )
    return rows


def held(row: dict[str, Any]) -> bool:
    """Whether a row is as it should be, where the bars speak of it."""
    if row["share"] in (0, "many"):
        return bool(row["refused"] == 0)
    seen = row["share"] == "seen" and row["generator"] != "independent"
    planted = row["share"] != "seen" and row["share"] >= 0.01
    return bool(row["refused"] == row["draws"]) if seen or planted else True


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.005, 0.01, 0.02])
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, by in SHOPS:
            found = split(read(data(name), to=f"{folder}/{name}-{by}"), SplitSettings(by=by))
            parts = Split(*(part.in_memory() for part in found), found.how)
            for generator in GENERATORS:
                rows += measure(generator, f"{name}, {by}", parts, chosen.draws, chosen.shares)
    write(chosen.json, "leak", machine(chosen.note), rows=rows, held=all(map(held, rows)))


if __name__ == "__main__":
    main()
