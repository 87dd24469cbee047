"""Show and check a bundle, or write a copy for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import AllowCode, AsJson, Force, free, kept_note, show
from wareloom.cli._summary import Summary, counted

if TYPE_CHECKING:
    from wareloom.bundle import Bundle


def main(
    folder: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    shop: Annotated[
        Path | None, typer.Option(help="Refuse the bundle unless it was made from this shop.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at the sizes of files, not at their digests.")
    ] = False,
    allow_code: AllowCode = None,
    of: Annotated[
        Path | None, typer.Option("--of", help="With --to: the release that it was made of.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Write a copy that may be handed to others, where it was made of a release.",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Show what a bundle holds, from what and why it was made, and check that it is whole.

    With --to and --of write a copy for others; exit code 1 where it may not be handed on.
    """
    import dataclasses

    from wareloom.bundle import MANIFEST, Bundle
    from wareloom.errors import SettingError
    from wareloom.shop import Shop

    if to is None and of is not None:
        raise SettingError(
            "--of says what a copy for others was made of: give --to FOLDER as well."
        )
    if to is not None:
        from wareloom.release.bundles import for_others

        free(to, force, MANIFEST)
        for_others(folder, to, of, tuple(allow_code or ()))
        folder = to
    opened = Bundle.open(
        folder, check="sizes" if quick else "whole", allow_code=tuple(allow_code or ())
    )
    if shop is not None:
        opened.check_shop(Shop.open(shop))
    manifest = opened.manifest
    told: dict[str, Any] = {"bundle": str(folder), "id": opened.id}
    told |= {"checked": "sizes" if quick else "whole"} | dataclasses.asdict(manifest)
    remedy = "make it of a release, and write a copy by --of RELEASE --to OUT"
    if note := kept_note(manifest.keeps, remedy):
        told["note"] = note
    show(told, as_json, _summary(folder, opened, told).next(f"wareloom rank {folder} --shop SHOP"))


def _summary(folder: Path, opened: Bundle, told: dict[str, Any]) -> Summary:
    """What matters of a bundle in a few lines."""
    manifest = opened.manifest
    size = f"{counted(len(manifest.files), 'file')}, {manifest.size:,} bytes"
    summary = Summary(f"{folder} is whole: {size}.", "good")
    summary.fact("id", opened.id).fact("checked", told["checked"])
    summary.fact("ranker", manifest.ranker.name)
    summary.fact("reranker", manifest.reranker.name if manifest.reranker else None)
    chosen = {name: n for name, n in manifest.choice.items() if isinstance(n, str | int | float)}
    summary.fact("choice", chosen).fact("keeps", manifest.keeps)
    summary.note(manifest.proof.sentence if manifest.proof else "")
    return summary.warn(told.get("note", ""))
