"""Engineer features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    To,
    free,
    run_of,
    show,
)
from wareloom.cli._summary import Summary, brief, counted


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: To,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write feature tables: recency, frequency, monetary value, affinities, item age, popularity, hours, weekdays."""
    from wareloom.preparing.features import features, save_features
    from wareloom.shop import Shop

    free(to, force, "features.json")
    made = features(Shop.open(shop), run_of(seed, quiet))
    save_features(made, to)
    told = Summary(f"Wrote {counted(len(made), 'feature table')} of {shop}.", "good")
    for name, frame in made.items():
        told.fact(name, f"{counted(len(frame), 'row')}: {brief(frame.columns)}")
    tables = {name: {"rows": len(frame), "columns": frame.columns} for name, frame in made.items()}
    show(tables | {"folder": str(to)}, as_json, told.place(to))
