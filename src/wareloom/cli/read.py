"""Read a shop's export."""

from __future__ import annotations

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


def main(
    source: Annotated[
        str,
        typer.Argument(
            help="A file, a folder, a database URL, or the name of an installed data set."
        ),
    ],
    to: To,
    format: Annotated[
        str,
        typer.Option(
            "--as",
            help="The reader; 'wareloom list reader' shows all.",
            autocompletion=names("reader"),
        ),
    ] = "auto",
    on_error: Annotated[
        str, typer.Option(help="On malformed cells: 'stop', or 'reject' the row and go on.")
    ] = "stop",
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read an export into a shop: checked once, rejected rows kept aside with their reasons."""
    from wareloom.core.state import read_json
    from wareloom.readers import read

    free(to, force)
    read(
        source,
        to=to,
        as_=format,
        settings=settings(set),
        on_error=on_error,
        run=run_of(seed, quiet),
    )
    told = read_json(to / "read.json")
    for sentence in told.get("said", ()):
        typer.echo(sentence, err=True)
    show(told | {"shop": str(to)}, as_json)
