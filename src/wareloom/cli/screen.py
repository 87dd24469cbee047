"""Screen synthetic data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    To,
    free,
    run_of,
    screens_of,
    settings_of,
    show,
)
from wareloom.cli._summary import Summary, brief, counted

if TYPE_CHECKING:
    from wareloom.screening import Screened
    from wareloom.shop import Shop

USUAL = "schema,impossible,copies,leak"
OF_PICTURES = "image_blank,image_class,image_copies"


def main(
    synthetic: Annotated[Path, typer.Argument(help="The synthetic shop's folder.")],
    train: Annotated[Path, typer.Argument(help="The part it was fitted on.")],
    to: To,
    holdout: Annotated[
        list[Path] | None,
        typer.Option(help="A held-out part, for the leak screen; give validation and test both."),
    ] = None,
    screens: Annotated[
        str,
        typer.Option(
            help=f"Screens, in order, with commas; {USUAL} where not given, for pictures {OF_PICTURES}.",
            show_default=False,
        ),
    ] = "",
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SCREEN.NAME=VALUE", help="A setting of a screen; may be given again."
        ),
    ] = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Reject bad synthetic rows and say why; exit code 1 where the synthetic data knows the held-out part."""
    from wareloom.core.family import SCREENS
    from wareloom.errors import SettingError
    from wareloom.preparing.splits import together
    from wareloom.screening import made, save_screened, screen_all
    from wareloom.shop import Shop

    free(to, force)
    shop = Shop.open(synthetic)
    pictures = shop.has("images") and not (shop.has("events") or shop.has("judgments"))
    asked = screens_of(screens or (OF_PICTURES if pictures else USUAL))
    if not asked:
        raise SettingError(
            f"wareloom screen --screens {screens!r} names no screen: name some of {', '.join(SCREENS.names())}."
        )
    named = made(asked, settings_of(asked, set))
    held = together([Shop.open(part) for part in holdout]) if holdout else None
    screened = screen_all(named, shop, Shop.open(train), held, run_of(seed, quiet))
    save_screened(screened, to)
    found = _said(screened, (shop, Shop.open(to)), (train, to), pictures)
    show(screened.report | {"shop": str(to)}, as_json, found)


def _said(
    screened: Screened, shops: tuple[Shop, Shop], places: tuple[Path, Path], pictures: bool
) -> Summary:
    """How many passed of what came, and what each screen took; `shops`: before and after."""
    train, to = places
    tables = ("images",) if pictures else ("events", "judgments")
    came, kept = (
        next((one.rows(table) for table in tables if one.rows(table)), 0) for one in shops
    )
    what = "synthetic picture" if pictures else "synthetic row"
    told = Summary(f"{kept:,} of {counted(came, what)} passed the screens.", "good")
    rows = [
        (name, of.get("seen"), of.get("rejected"), brief(of.get("reasons")), _more(of))
        for name, of in screened.report.items()
    ]
    told.table(("screen", "seen", "taken out", "reasons", "more"), rows, "screen")
    return told.place(to).next(
        f"wareloom gallery {train} {to} --to gallery.html"
        if pictures
        else f"wareloom mix {train} {to} --to MIXED"
    )


def _more(of: dict[str, Any]) -> str:
    """What a screen says beside its counts of rows."""
    if of.get("looked") is False:
        return "did not look: no --holdout"
    usual = ("seen", "rejected", "reasons", "looked")
    return brief(
        {name: n for name, n in of.items() if name not in usual and not isinstance(n, dict)}
    )
