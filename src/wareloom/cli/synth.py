"""Synthesise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, Seed, Set, To, names, run_of, settings, show


def main(
    name: Annotated[
        str,
        typer.Argument(
            help="The synthesizer; 'wareloom list synthesizer' shows all.", autocompletion=names("synthesizer")
        ),
    ],
    shop: Annotated[Path, typer.Argument(help="The training part's folder.")],
    to: To,
    users: Annotated[int, typer.Option(help="Synthetic users; 0 for as many as are fitted.")] = 0,
    continue_: Annotated[
        Path | None, typer.Option("--continue", help="Continue the users of this shop instead.")
    ] = None,
    start: Annotated[
        list[str] | None, typer.Option(help="Begin every user with this item; may be given again.")
    ] = None,
    length: Annotated[int | None, typer.Option(help="Events of every user.")] = None,
    set: Set = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a synthesizer on a shop and sample another from it."""
    from wareloom.family import SYNTHESIZERS
    from wareloom.shop import Log, Shop
    from wareloom.synthesis import Given

    run, real = run_of(seed, quiet), Shop.open(shop)
    fitted = SYNTHESIZERS.make(name, **settings(set)).fit(real, run)
    histories = Shop.open(continue_) if continue_ else None
    count = users or len(Log.of(histories or real).users)
    made = fitted.sample(count, run, Given(histories, tuple(start or ()), length)).save(to)
    rows = {table: made.rows(table) for table in made.names}
    show({"shop": str(to), "origin": fitted.origin, "rows": rows, "fingerprint": made.fingerprint}, as_json)
