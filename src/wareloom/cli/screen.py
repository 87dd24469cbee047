"""Screen synthetic data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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


def main(
    synthetic: Annotated[Path, typer.Argument(help="The synthetic shop's folder.")],
    train: Annotated[Path, typer.Argument(help="The part it was fitted on.")],
    to: To,
    holdout: Annotated[
        list[Path] | None,
        typer.Option(help="A held-out part, for the leak screen; give validation and test both."),
    ] = None,
    screens: Annotated[
        str, typer.Option(help="Screens, in order, with commas.")
    ] = "schema,impossible,copies,leak",
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
    asked = screens_of(screens)
    if not asked:
        raise SettingError(
            f"wareloom screen --screens {screens!r} names no screen: name some of {', '.join(SCREENS.names())}."
        )
    named = made(asked, settings_of(asked, set))
    held = together([Shop.open(part) for part in holdout]) if holdout else None
    screened = screen_all(named, Shop.open(synthetic), Shop.open(train), held, run_of(seed, quiet))
    save_screened(screened, to)
    report = screened.report
    kept, came = (
        one.rows("events") or one.rows("judgments") for one in (Shop.open(to), Shop.open(synthetic))
    )
    told = Summary(f"{kept:,} of {counted(came, 'synthetic row')} passed the screens.", "good")
    rows = [
        (name, of.get("seen"), of.get("rejected"), brief(of.get("reasons")), _more(of))
        for name, of in report.items()
    ]
    told.table(("screen", "seen", "taken out", "reasons", "more"), rows, "screen")
    told.place(to).next(f"wareloom mix {train} {to} --to MIXED")
    show(report | {"shop": str(to)}, as_json, told)


def _more(of: dict[str, Any]) -> str:
    """What a screen says beside its counts of rows."""
    if of.get("looked") is False:
        return "did not look: no --holdout"
    usual = ("seen", "rejected", "reasons", "looked")
    return brief(
        {name: n for name, n in of.items() if name not in usual and not isinstance(n, dict)}
    )
