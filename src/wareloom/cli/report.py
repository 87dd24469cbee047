"""Write the page of a result anew, in another language or with charts that answer the pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import Force


def main(
    result: Annotated[
        Path,
        typer.Argument(
            help="The folder of a proof, a comparison, a leaderboard or a job; or a JSON file of attacks."
        ),
    ],
    language: Annotated[
        str, typer.Option(help="en or zh.", envvar="WARELOOM_LANGUAGE", show_envvar=True)
    ] = "en",
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive", help="Charts that answer the pointer; the page has 5 MB then."
        ),
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="The page to write; beside the result where not given, with the language in its name.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write the page of a result that is there: nothing is computed anew, no test part is read."""
    from wareloom.core.files import beside, free_file
    from wareloom.core.sentences import Say
    from wareloom.report.anything import named, page_of, result_at

    Say(language)
    file = result_at(result)
    name = Path(named(file))
    place = file.with_name(f"{name.stem}.{language}{name.suffix}") if to is None else to
    if to is not None:
        free_file(place, force=force)
    page = page_of(file, language, interactive=interactive)
    with beside(place) as partial:
        partial.write_text(page, encoding="utf-8")
    typer.echo(place)
