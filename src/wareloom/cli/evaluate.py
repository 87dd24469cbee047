"""Evaluate a ranker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    table,
)


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
    show(
        result, as_json, f"{found.requests:,} {found.unit} of the {part} part\n{table(found.table)}"
    )
