"""Look at a shop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Force, Quiet, Seed, place_of, show


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write the figures to this JSON file.")
    ] = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count, measure and warn: sparsity, long tail, activity, sessions, funnel, time span, ties."""
    from wareloom.core.state import write_whole
    from wareloom.preparing.statistics import statistics
    from wareloom.shop import Shop

    place = place_of(to, force)
    found = statistics(Shop.open(shop), now=datetime.now(UTC).replace(tzinfo=None))
    if place is not None:
        write_whole(place, found)
    show(found, as_json)
