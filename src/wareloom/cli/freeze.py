"""Freeze a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AllowCode, AsJson, show
from wareloom.cli._summary import Summary


def main(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    seen: Annotated[
        list[str] | None,
        typer.Option(
            "--seen",
            metavar="TEXT",
            help="What was seen of the test part before, in your words; kept and shown with the proof. "
            "May be given again.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Freeze anew; the freeze that is there is kept in the file."),
    ] = False,
    allow_code: AllowCode = None,
    as_json: AsJson = False,
) -> None:
    """Write down digests of recipe, code and data before the test part is read, so that its proof can say so."""
    from wareloom.recipe.freeze import freeze, when

    made = freeze(recipe, seen=seen or (), force=force, allow_code=tuple(allow_code or ()))
    told = Summary(f"Frozen on {when(made.at)}.", "good")
    told.note(*(f"Declared as seen before: {one}" for one in made.seen))
    told.place(made.path, name="file").next(f"wareloom run {recipe}, once")
    show({"path": str(made.path), **made.data}, as_json, told)
