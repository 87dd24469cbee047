"""Show and check a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AllowCode, AsJson, kept_note, outline, show


def main(
    folder: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    shop: Annotated[
        Path | None, typer.Option(help="Refuse the bundle unless it was made from this shop.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at the sizes of files, not at their digests.")
    ] = False,
    allow_code: AllowCode = None,
    as_json: AsJson = False,
) -> None:
    """Show what a bundle holds, from what and why it was made, and check that it is whole."""
    import dataclasses

    from wareloom.bundle import Bundle
    from wareloom.shop import Shop

    opened = Bundle.open(
        folder, check="sizes" if quick else "whole", allow_code=tuple(allow_code or ())
    )
    if shop is not None:
        opened.check_shop(Shop.open(shop))
    manifest = opened.manifest
    told = {"bundle": str(folder), "id": opened.id, "checked": "sizes" if quick else "whole"}
    told |= dataclasses.asdict(manifest)
    if note := kept_note(manifest.keeps, "make it with a ranker that keeps counts"):
        told["note"] = note
    counted = {"files": len(manifest.files), "bytes": manifest.size}
    show(told, as_json, "\n".join(outline(told | counted)))
