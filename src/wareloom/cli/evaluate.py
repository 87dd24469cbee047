"""Evaluate a ranker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, Seed, run_of, show, table


def main(
    model: Annotated[Path, typer.Argument(help="The saved ranker's folder.")],
    split: Annotated[Path, typer.Argument(help="The folder that 'wareloom split' wrote.")],
    part: Annotated[str, typer.Option(help="validation or test.")] = "test",
    metrics: Annotated[str, typer.Option(help="Metrics, with commas.")] = "ndcg@10,recall@10,recall@50,mrr,coverage@10",
    to: Annotated[Path | None, typer.Option("--to", help="Also write the figures to this JSON file.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rank the whole catalogue for every held-out request and measure, with 95 % intervals over requests."""
    from wareloom.family import RANKERS
    from wareloom.proof.evaluate import evaluate, intervals
    from wareloom.proof.task import build_task
    from wareloom.shop.splits import Split
    from wareloom.state import write_json

    run, task = run_of(seed, quiet), build_task(Split.open(split), part)
    found = evaluate(RANKERS.restore(model), task, metrics.split(","), run)
    frame = intervals(found, run)
    result = {"model": str(model), "part": part, "requests": len(task), "metrics": frame.to_dicts()}
    if to is not None:
        write_json(to, result)
    show(result, as_json, f"{len(task):,} requests of the {part} part\n{table(frame)}")
