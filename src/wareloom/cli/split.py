"""Split a shop."""

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
    run_of,
    settings,
    show,
)


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: To,
    by: Annotated[str, typer.Option(help="time, leave-last-out, user or query.")] = "time",
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Split a shop into TO/train, TO/validation and TO/test, each a shop."""
    from wareloom.core.settings import configure
    from wareloom.preparing.splits import SplitSettings, split
    from wareloom.shop import Shop

    free(to, force, "split.json")
    parts = split(
        Shop.open(shop),
        configure(SplitSettings, {"by": by, **settings(set)}),
        to,
        run_of(seed, quiet),
    )
    show(parts.how | {"parts": str(to)}, as_json)
