"""Suggest a text for an item."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, Seed, run_of, settings, show
from wareloom.cli._summary import Summary, counted

if TYPE_CHECKING:
    from wareloom.language.models import Estimate
    from wareloom.synthesis.texts.suggest import Suggestion

SHOWN = 4
"""Claims that are named"""


def main(
    shop: Annotated[Path, typer.Argument(help="The folder of a shop with a catalogue.")],
    item: Annotated[str, typer.Argument(help="The id of an item.")],
    kind: Annotated[
        str, typer.Option("--kind", help="title, description, ad or keywords.")
    ] = "description",
    language: Annotated[
        str, typer.Option("--language", help="en or zh; values stay as the catalogue has them.")
    ] = "en",
    model: Annotated[
        str,
        typer.Option(
            help="The text model that writes: endpoint, huggingface or package.module:Class; none puts fields together."
        ),
    ] = "",
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the text model, as base_url or folder; may be given again.",
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Keep answers here: none is paid for twice.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only say what the text model would be asked for, and what that costs.",
        ),
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Suggest a text for an item, every claim with the field that says so; exit code 1 where nothing can be said."""
    from wareloom.core.family import TEXT_MODELS
    from wareloom.errors import SettingError
    from wareloom.shop import Shop
    from wareloom.synthesis.texts.suggest import Assistant

    given = settings(set)
    if given and not model:
        raise SettingError("--set is for a text model; name one with --model.")
    writer = TEXT_MODELS.make(model, **given) if model else None
    made, run = Assistant(Shop.open(shop), writer), run_of(seed, quiet, cache=cache)
    if dry_run:
        _planned(made.planned(item, kind, language, run), as_json)
        return
    found = made.suggest(item, kind, language, run)
    show(found.data, as_json, _said(found))
    raise typer.Exit(0 if found.text else 1)


def _said(found: Suggestion) -> Summary:
    """The text, its first claims with their fields, and what was refused."""
    if found.text:
        told = Summary(found.text, "good")
        rows = [(one.text, one.field or "-") for one in found.claims]
        if (more := len(rows) - SHOWN) > 0:
            rows[SHOWN:] = [(f"{more} more", "--json has all")]
        told.table(("claim", "field"), rows, "claim")
        told.fact("written by", found.how)
        told.fact("fields said", f"{found.coverage:.0%}")
    else:
        told = Summary(f"Nothing can be said of {found.item_id}: no field of it may be.", "bad")
    if found.refused:
        text, why = found.refused[0]
        told.warn(f"{counted(len(found.refused), 'claim')} refused, as {text[:60]!r}: {why}.")
    return told


def _planned(need: Estimate | None, as_json: bool) -> None:
    """Say what a text model would be asked for."""
    plan = asdict(need) if need else {"calls": 0, "note": "no language model is asked"}
    said = Summary("A dry run: nothing was asked or written.")
    for name, value in plan.items():
        said.fact(name, value)
    show(plan, as_json, said)
