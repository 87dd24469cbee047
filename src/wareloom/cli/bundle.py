"""Show and check a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AllowCode, AsJson, kept_note, show
from wareloom.cli._summary import Summary, counted


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
    summary = Summary(
        f"{folder} is whole: {counted(len(manifest.files), 'file')}, {manifest.size:,} bytes.",
        "good",
    )
    summary.fact("id", opened.id).fact("checked", told["checked"])
    summary.fact("ranker", manifest.ranker.name)
    summary.fact("reranker", manifest.reranker.name if manifest.reranker else None)
    chosen = {name: n for name, n in manifest.choice.items() if isinstance(n, str | int | float)}
    summary.fact("choice", chosen).fact("keeps", manifest.keeps)
    summary.note(manifest.proof.sentence if manifest.proof else "")
    summary.warn(told.get("note", ""))
    show(told, as_json, summary.next(f"wareloom rank {folder} --shop SHOP"))
