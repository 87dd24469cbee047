"""Look at a shop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, Seed, show


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write the figures to this JSON file.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count, measure and warn: sparsity, long tail, activity, sessions, funnel, time span, ties."""
    from wareloom.core.state import write_json
    from wareloom.preparing.statistics import statistics
    from wareloom.shop import Shop

    found = statistics(Shop.open(shop), now=datetime.now(UTC).replace(tzinfo=None))
    if to is not None:
        write_json(to, found)
    show(found, as_json)
