"""Publish a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from wareloom.cli._shared import AllowCode, AsJson, Quiet, show
from wareloom.cli._summary import Summary


def main(
    model: Annotated[Path, typer.Argument(help="The folder of a bundle.")],
    to: Annotated[Path, typer.Option("--to", help="The store, which is made where there is none.")],
    slot: Annotated[str, typer.Option(help="The place in the shop that it answers for.")] = "home",
    unproved: Annotated[
        bool,
        typer.Option(
            "--unproved", help="Also without a proof; this is then said wherever it is named."
        ),
    ] = False,
    rules: Annotated[
        Path | None, typer.Option(help="A TOML file of rules: pin, boost, bury, at_most, explore.")
    ] = None,
    smoke: Annotated[
        Path | None,
        typer.Option(help="A TOML file of queries and histories whose answers must hold."),
    ] = None,
    break_even: Annotated[
        int | None,
        typer.Option(
            "--break-even",
            min=0,
            help="Items up to which vectors are searched exactly, a graph above; measured where it is left out.",
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            help="What reads queries: f32, int8, or a folder that wareloom compress wrote. Refused if it loses 1 %."
        ),
    ] = "f32",
    judged: Annotated[
        Path | None,
        typer.Option(help="A shop with judged queries, by which another encoder is compared."),
    ] = None,
    most: Annotated[
        str,
        typer.Option(help="How much of real users it may hold at most: people, counts, private."),
    ] = "people",
    allow_code: AllowCode = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a bundle a version of a store, checked, and make it live in a slot."""
    from wareloom.core.state import read_json
    from wareloom.errors import needed
    from wareloom.serving.store import told_of
    from wareloom.shop import Shop
    from wareloom.shop.keeps import Keeps

    needed("msgspec", "serve", "Publishing")
    from wareloom.serving.measured import said
    from wareloom.serving.publish import How, publish, read_smoke
    from wareloom.serving.rules import read_rules

    version, change = publish(
        model,
        to,
        slot,
        unproved=unproved,
        rules=read_rules(rules) if rules else None,
        smoke=read_smoke(smoke) if smoke else (),
        allow_code=tuple(allow_code or ()),
        most=cast(Keeps, most),
        how=How(break_even, encoder, Shop.open(judged) if judged else None),
    )
    vectors = read_json(to / "versions" / version / "version.json").get("vectors")
    told = {"version": version, "slot": slot, **told_of(change)}
    summary = Summary(f"{version} is live in {slot!r}.", "good")
    if vectors:
        told["vectors"] = vectors
        summary.note(said(vectors))
    if unproved:
        summary.warn("It has no proof that it does no harm; every answer says so.")
    show(told, as_json, summary.place(to, name="store").next(f"wareloom serve {to}"))
