"""Show pictures: real ones, made ones, and those that screens took."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Force, Quiet, show
from wareloom.cli._summary import Summary, counted


def main(
    real: Annotated[Path, typer.Argument(help="The real shop's folder.")],
    to: Annotated[Path, typer.Option("--to", help="The page to write, an HTML file.")],
    made: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of made pictures, with what screens took of them."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a page with a few pictures of each: real, made, and taken out with the reason."""
    from wareloom.core.files import beside, free_file
    from wareloom.report.gallery import gallery_page
    from wareloom.shop import Shop

    place = free_file(to, force=force)
    shop, samples = Shop.open(real), [Shop.open(one) for one in made or ()]
    page = gallery_page(shop, samples, real.name)
    with beside(place) as partial:
        partial.write_text(page, encoding="utf-8")
    told = {
        "page": str(to),
        "real": shop.rows("images"),
        "made": {
            str(path): one.rows("images") for path, one in zip(made or (), samples, strict=True)
        },
        "bytes": len(page.encode()),
    }
    found = Summary(f"A gallery of {counted(shop.rows('images'), 'real picture')}.", "good")
    for path, one in zip(made or (), samples, strict=True):
        found.fact(str(path), f"{one.rows('images'):,} pictures")
    show(told, as_json, found.place(place, name="page"))
