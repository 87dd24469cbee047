"""Does another shop's log help this one? The ensemble of `teacher` with and without it, by how much this shop has.

    python benchmarks/other_shop.py [--seeds N] [--shares S ...] [--json FILE]

Amazon Beauty as two shops with half of the users each. "The same products": both sell all items, each under its own
ids, and know each other's by text alone. "Other brands": one sells half of the brands, the other those left. This shop
is given a share of its own training users (0: only its catalogue), the other shop's whole log or not, and its held-out
last purchases are ranked (leave-last-out, whole catalogue). Without a user of its own what stands beside is `text_knn`,
which needs none. Each seed draws the share of users and what is translated anew; the difference has an interval over
users and seeds. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.ranking import Evaluation, evaluate
from wareloom.evaluation.tasks import Task, build_task
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.table import contrast
from wareloom.readers import read
from wareloom.shop import Shop

KINDS = ("the same products", "other brands")
METRICS = ("ndcg@10", "recall@10", "recall@50")


def some(
    events: pl.DataFrame, share: float, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events of a share of the users, and those of the others."""
    users = events["user_id"].unique().sort()
    chosen = users.gather(np.sort(rng.permutation(len(users))[: round(share * len(users))]))
    mine = pl.col("user_id").is_in(chosen.implode())
    return events.filter(mine), events.filter(~mine)


def two_shops(shop: Shop, kind: str, rng: np.random.Generator) -> tuple[Shop, Shop]:
    """This shop and the other one: other users, and the same items under other ids or those of other brands."""
    items = shop.table("items")
    here, there = some(shop.table("events"), 0.5, rng)
    if kind == KINDS[0]:
        renamed = pl.format("other-{}", "item_id").alias("item_id")
        return Shop({"items": items, "events": here}), Shop(
            {"items": items.with_columns(renamed), "events": there.with_columns(renamed)}
        )
    brands = items["brand"].fill_null("").unique().sort()
    ours = brands.gather(np.flatnonzero(rng.random(len(brands)) < 0.5))
    mine = pl.col("brand").fill_null("").is_in(ours.implode())
    shops = []
    for sold, events in ((items.filter(mine), here), (items.filter(~mine), there)):
        kept = events.filter(pl.col("item_id").is_in(sold["item_id"].implode()))
        shops.append(Shop({"items": sold, "events": kept}))
    return shops[0], shops[1]


def ranked(shop: Shop, task: Task, run: Run, **settings: Any) -> Evaluation:
    """The ensemble that `teacher` learned, as a ranker."""
    ensemble = SYNTHESIZERS.make("teacher", **settings).fit(shop, run).as_ranker()  # type: ignore[attr-defined]
    return evaluate(ensemble, task, METRICS, run)


def cells(
    shop: Shop, kind: str, share: float, seed: int, folder: Path
) -> tuple[Evaluation, Evaluation]:
    """What was reached without and with the other shop."""
    run = Run(seed=seed)
    here, there = two_shops(shop, kind, Run(seed=0).rng("two shops", kind))
    there.save(folder / "other")
    found = split(here, SplitSettings(by="leave-last-out"), None, run)
    parts = Split(*(part.in_memory() for part in found), found.how)
    task = build_task(parts, "test", "mask")
    own = parts.train.with_tables(
        events=some(parts.train.table("events"), share, run.rng("share"))[0]
    )
    other = ranked(own, task, run, other_shops=(str(folder / "other"),))
    if share > 0:
        return ranked(own, task, run), other
    # It cannot be fitted without a log, but of this one it ranks only what no text is like.
    return ranked(parts.train, task, run, weights={"text_knn": 1.0}), other


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.05, 0.2, 1.0])
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("amazon_beauty"), to=f"{folder}/shop").in_memory()
        for kind in KINDS:
            for share in chosen.shares:
                pairs = [
                    cells(shop, kind, share, seed, Path(folder, f"{kind} {share} {seed}"))
                    for seed in range(chosen.seeds)
                ]
                alone, both = ([pair[i] for pair in pairs] for i in (0, 1))
                told = contrast(
                    both, alone, "ndcg@10/all", Run(seed=0).rng("other shop", kind, share)
                )
                row: dict[str, Any] = {"kind": kind, "share": share, "seeds": chosen.seeds}
                for name, each in (("alone", alone), ("with", both)):
                    row[name] = {
                        metric: float(np.mean([one.overall[metric] for one in each]))
                        for metric in METRICS
                    }
                rows.append(row | {k: told[k] for k in ("lift", "lift_low", "lift_high")})
                print(f"{kind:<18} {share:>5.0%} of its users: {row['alone']['ndcg@10']:.4f} alone, "
                      f"{row['with']['ndcg@10']:.4f} with the other shop, {told['lift']:+.1%} "
                      f"({told['lift_low']:+.1%} to {told['lift_high']:+.1%})", flush=True)  # fmt: skip
    write(chosen.json, "other_shop", machine(chosen.note), rows=rows)


if __name__ == "__main__":
    main()
