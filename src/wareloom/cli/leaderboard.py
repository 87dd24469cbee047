"""Compare rankers on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Jobs,
    On,
    Quiet,
    Seed,
    Set,
    To,
    free,
    listed,
    run_of,
    settings_of,
    show,
    table,
)


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder, whole: it is split here.")],
    to: To,
    rankers: Annotated[
        str, typer.Option(help="Rankers, with commas.")
    ] = "popularity,personal,transitions,item_knn,ease",
    split: Annotated[str, typer.Option(help="time, leave-last-out or user.")] = "time",
    seeds: Annotated[int, typer.Option(help="How often everything random is drawn anew.")] = 3,
    metrics: Annotated[
        str, typer.Option(help="Metrics; the first orders the table.")
    ] = "ndcg@10,recall@10,recall@50",
    ties: Annotated[str, typer.Option(help="Order of events of one time.")] = "shuffled,file",
    threads: Annotated[
        int, typer.Option(help="Threads to compute with; 0 takes the physical cores.")
    ] = 0,
    jobs: Jobs = 1,
    on: On = "local",
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train rankers on real data alone and judge them on the held-out part, with intervals over seeds and users.

    --set RANKER.NAME=VALUE sets a setting of one of them.
    """
    import polars as pl

    from wareloom.proof.leaderboard import leaderboard
    from wareloom.recipe.load import Recipe
    from wareloom.shop import Shop

    free(to, force, "leaderboard.json")
    named = listed(rankers)
    own = settings_of(named, set)
    asked = {
        "rankers": {name: own.get(name, {}) for name in named},
        "seeds": seeds,
        "metrics": metrics,
        "ties": ties,
    }
    raw = {"stages": ("leaderboard",), "leaderboard": asked, "split": {"by": split}}
    how = Recipe.of(raw).contest()
    found = leaderboard(
        Shop.open(shop), how, run_of(seed, quiet, threads=threads, jobs=jobs, on=on)
    )
    found.save(to)
    shown = (
        found.table().drop("seeds").with_columns(behind=pl.col("behind").struct.field("difference"))
    )
    show(found.data, as_json, f"{found}\n\n{table(shown)}\n{to / 'leaderboard.json'}")
