"""Mix real and synthetic data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Set,
    To,
    free,
    names,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary, counted


def main(
    real: Annotated[Path, typer.Argument(help="The real training part.")],
    synthetic: Annotated[Path, typer.Argument(help="The screened synthetic shop.")],
    to: To,
    mixer: Annotated[
        str,
        typer.Option(
            help="The mixer; 'wareloom list mixer' shows all.", autocompletion=names("mixer")
        ),
    ] = "ratio",
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Blend real and synthetic rows into one training shop."""
    import polars as pl

    from wareloom.core.family import MIXERS
    from wareloom.shop import Shop

    free(to, force)
    mixed = (
        MIXERS.make(mixer, **settings(set))
        .mix(Shop.open(real), Shop.open(synthetic), run_of(seed, quiet))
        .save(to)
    )
    origins = mixed.scan("events").group_by("origin").agg(pl.len()).sort("origin").collect()
    counts = dict(origins.iter_rows())
    told = Summary(f"{mixer} blended {counted(sum(counts.values()), 'event')}.", "good")
    total = max(1, sum(counts.values()))
    told.table(
        ("origin", "events", "share"), [(name, n, f"{n / total:.0%}") for name, n in counts.items()]
    )
    told.place(to).next(f"wareloom train ease {to} --to MODEL")
    show({"shop": str(to), "events": counts}, as_json, told)
