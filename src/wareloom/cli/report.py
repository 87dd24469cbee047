"""Write the page of a result anew, in another language or with charts that answer the pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Force, Quiet, show
from wareloom.cli._summary import Summary


def main(
    result: Annotated[
        Path,
        typer.Argument(
            help="The folder of a proof, a comparison, a leaderboard or a job; or a JSON file of attacks."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="The page to write; beside the result where not given, with the language in its name.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the page of a result that is there: nothing is computed anew, no test part is read."""
    from wareloom.core.files import beside, free_file
    from wareloom.core.sentences import Say
    from wareloom.report.anything import named, page_of, result_at

    file = result_at(result)
    name, say = Path(named(file)), Say.of()
    place = file.with_name(f"{name.stem}.{say.language}{name.suffix}") if to is None else to
    if to is not None:
        free_file(place, force=force)
    page = page_of(file)
    with beside(place) as partial:
        partial.write_text(page, encoding="utf-8")
    show(
        {"page": str(place)},
        as_json,
        Summary("Wrote the page anew.", "good").place(place, name="page"),
    )
