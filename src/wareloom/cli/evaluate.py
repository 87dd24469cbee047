"""Evaluate a ranker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wareloom.cli._shared import (
    AllowCode,
    AsJson,
    Force,
    Quiet,
    Seed,
    place_of,
    run_of,
    show,
)
from wareloom.cli._summary import Summary, brief


def main(
    model: Annotated[Path, typer.Argument(help="The saved ranker's folder.")],
    split: Annotated[Path, typer.Argument(help="The folder that 'wareloom split' wrote.")],
    part: Annotated[str, typer.Option(help="validation or test.")] = "test",
    metrics: Annotated[
        str,
        typer.Option(
            help="Metrics, with commas; of clicks (log_loss) for a click model, else of rankings (ndcg@10)."
        ),
    ] = "",
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write the figures to this JSON file.")
    ] = None,
    allow_code: AllowCode = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a ranker on the held-out part, with 95 % intervals over requests.

    A click model predicts held-out impressions where the shop has any, a ranker of search answers held-out queries
    where it has judgments; every other ranks the whole catalogue for each held-out request.
    """
    from wareloom.core.family import RANKERS
    from wareloom.core.state import write_whole
    from wareloom.evaluation.evaluate import judge
    from wareloom.preparing.splits import Split

    place = place_of(to, force)
    found = judge(
        RANKERS.restore(model, allow_code=tuple(allow_code or ())),
        Split.open(split),
        part,
        metrics.split(",") if metrics else (),
        run_of(seed, quiet),
    )
    result = {"model": str(model), "part": part, "of": found.of, "requests": found.requests}
    result |= {"metrics": found.table.to_dicts()}
    if place is not None:
        write_whole(place, result)
    summary = Summary(f"{found.requests:,} {found.unit} of the {part} part")
    summary.table(*_pivoted(found.table.to_dicts()), "metric")
    show(result, as_json, summary.place(place, name="file"))


def _pivoted(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """A line for each metric: mean and interval over all, then the means of the slices."""
    slices = list(dict.fromkeys(row["slice"] for row in rows if row["slice"] != "all"))
    by_place = {(row["metric"], row["slice"]): row for row in rows}
    lines = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        whole = by_place[metric, "all"]
        ends = (whole.get("low"), whole.get("high"))
        interval = "" if None in ends else " to ".join(map(brief, ends))
        of_slices = [by_place.get((metric, name), {}).get("mean") for name in slices]
        lines.append([metric, whole["mean"], interval, *of_slices])
    return ["metric", "mean", "95 %", *slices], lines
