"""Compare rankers on real data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
)
from wareloom.cli._summary import Summary, brief

if TYPE_CHECKING:
    from wareloom.proof.leaderboard import Leaderboard


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
    from wareloom.proof.leaderboard import leaderboard
    from wareloom.recipe.load import Recipe
    from wareloom.report.board import save_leaderboard
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
    save_leaderboard(found, to)
    summary = _summary(found).place(to / "leaderboard.html", name="page")
    best = found.table()["ranker"][0]
    show(found.data, as_json, summary.next(f"wareloom prove {shop} --ranker {best} --to PROOF"))


def _summary(found: Leaderboard) -> Summary:
    """A line for each ranker in the order of ties that decides, the best first."""
    table = found.table()
    first = table.filter(table["ties"] == table["ties"][0])
    metrics = first["metric"].unique(maintain_order=True).to_list()
    told = Summary(str(found), "good")
    rows = []
    for (ranker,), of in first.group_by("ranker", maintain_order=True):
        by_metric = {row["metric"]: row for row in of.iter_rows(named=True)}
        lead = by_metric[metrics[0]]
        ends = f"{brief(lead['low'])} to {brief(lead['high'])}" if lead["low"] is not None else ""
        others = [by_metric[metric]["mean"] for metric in metrics[1:] if metric in by_metric]
        rows.append((ranker, lead["mean"], ends, lead["behind"]["difference"], *others))
    told.table(("ranker", metrics[0], "95 %", "behind", *metrics[1:]), rows, "ranker")
    told.warn(*(f"without {name}: {why}" for name, why in found.data["refused"].items()))
    return told
