"""Publish a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AllowCode, AsJson, Quiet, show
from wareloom.cli._summary import Summary


def main(
    model: Annotated[Path, typer.Argument(help="The folder of a bundle.")],
    to: Annotated[
        str,
        typer.Option(
            "--to", help="The store: a folder, made where there is none, or s3://BUCKET/PREFIX."
        ),
    ],
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
    allow_code: AllowCode = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a bundle a version of a store, checked, and make it live in a slot."""
    from wareloom.errors import needed
    from wareloom.serving.store import told_of

    needed("msgspec", "serve", "Publishing")
    from wareloom.serving.bucket import publish_to
    from wareloom.serving.publish import read_smoke
    from wareloom.serving.rules import read_rules

    version, change = publish_to(
        to,
        model,
        slot,
        unproved=unproved,
        rules=read_rules(rules) if rules else None,
        smoke=read_smoke(smoke) if smoke else (),
        allow_code=tuple(allow_code or ()),
    )
    told = {"version": version, "slot": slot, **told_of(change)}
    summary = Summary(f"{version} is live in {slot!r}.", "good")
    served = f"wareloom serve STORE --versions {to}" if "://" in to else f"wareloom serve {to}"
    if unproved:
        summary.warn("It has no proof that it does no harm; every answer says so.")
    show(told, as_json, summary.place(to, name="store").next(served))
