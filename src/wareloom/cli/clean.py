"""Clean a shop."""

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
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Clean a shop: duplicates, impossible values, outliers, robots, text; rejected rows are kept with reasons."""
    from wareloom.core.settings import configure
    from wareloom.core.state import read_json
    from wareloom.preparing.cleaning import CleanSettings, clean
    from wareloom.shop import Shop

    free(to, force)
    clean(Shop.open(shop), configure(CleanSettings, settings(set)), to, run_of(seed, quiet))
    show(read_json(to / "clean.json") | {"shop": str(to)}, as_json)
