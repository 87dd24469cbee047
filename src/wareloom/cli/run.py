"""Run a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import (
    AllowCode,
    AsJson,
    Cells,
    Device,
    Jobs,
    On,
    Precision,
    Quiet,
    Threads,
    Track,
    cells_at,
    run_of,
    show_job,
)


def main(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder to write to; runs/NAME where not given.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Another source than the recipe's: your own export.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the job of another recipe, and do anew what differs."
        ),
    ] = False,
    allow_code: AllowCode = None,
    cache: Cells = "",
    seed: Annotated[int | None, typer.Option(help="Another seed than the recipe's.")] = None,
    threads: Threads = 0,
    jobs: Jobs = 1,
    on: On = "local",
    device: Device = "cpu",
    precision: Precision = "auto",
    track: Track = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Do a whole job: read, clean, split, prove, make."""
    from dataclasses import replace

    from wareloom.recipe import Recipe, run_recipe
    from wareloom.recipe.freeze import beside
    from wareloom.recipe.steps import ReadStep

    loaded = Recipe.load(recipe, allow_code=tuple(allow_code or ()))
    if seed is not None:
        loaded = replace(loaded, seed=seed)
    if source is not None:
        loaded = replace(loaded, read=ReadStep(source=source))
    folder = to or Path("runs") / loaded.name
    run = run_of(
        loaded.seed,
        quiet,
        threads=threads,
        jobs=jobs,
        on=on,
        device=device,
        precision=precision,
        track=track,
        **cells_at(cache),
    )
    frozen = beside(recipe) if beside(recipe).exists() else None
    done = run_recipe(loaded, folder, run, resume=resume, frozen=frozen)
    show_job(done, as_json, track)
    raise typer.Exit(1 if done.proof and done.proof.verdict == "hurts" else 0)
