"""Write pictures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from wareloom.cli._shared import AsJson, Force, Quiet, To, show
from wareloom.cli._summary import Summary, counted


def main(
    shop: Annotated[Path, typer.Argument(help="The folder of a shop with pictures.")],
    to: To,
    as_: Annotated[
        Literal["product", "training"],
        typer.Option(
            "--as",
            help="What they are to be: photos of products, which made-up pictures are refused as, or training data.",
        ),
    ] = "product",
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a shop's pictures to folders by class; exit code 1 where one is no photo of a product."""
    from wareloom.core.files import free_folder
    from wareloom.release.photos import LABELS, export_pictures
    from wareloom.shop import Shop

    free_folder(to, LABELS, force=force)
    number = export_pictures(Shop.open(shop), to, as_)
    told = Summary(f"Wrote {counted(number, 'picture')} as {as_} data.", "good")
    told.fact("labels", str(to / LABELS)).place(to)
    show({"pictures": number, "folder": str(to), "as": as_}, as_json, told)
