"""Publish a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import AllowCode, AsJson, Quiet, show
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.shop import Shop

BreakEven = Annotated[
    int | None,
    typer.Option(
        "--break-even",
        min=0,
        help="Items up to which vectors are searched exactly, a graph above; measured if left out.",
    ),
]
ReadBy = Annotated[
    str,
    typer.Option(
        help="What reads queries: f32, int8, or a folder of wareloom compress; refused if it loses 1 %."
    ),
]
Judged = Annotated[
    Path | None,
    typer.Option(help="A shop with judged queries, by which another encoder is compared."),
]
People = Annotated[
    Path | None,
    typer.Option(
        help="A shop whose log says which pairs five people had, so that reasons may name others."
    ),
]
RealTime = Annotated[
    Path | None,
    typer.Option(help="A TOML file that says how short sessions are written on in real time."),
]
Most = Annotated[
    str,
    typer.Option(help="How much of real users it may hold at most: people, counts, private."),
]

Unproved = Annotated[
    bool,
    typer.Option(
        "--unproved", help="Also without a proof; this is then said wherever it is named."
    ),
]
Rules = Annotated[
    Path | None,
    typer.Option(help="A TOML file of rules: pin, boost, bury, in_stock, at_most, explore."),
]
Smoke = Annotated[
    Path | None,
    typer.Option(help="A TOML file of queries and histories whose answers must hold."),
]
Store = Annotated[
    str,
    typer.Option(
        "--to", help="The store: a folder, made where there is none, or s3://BUCKET/PREFIX."
    ),
]


def _opened(shop: Path | None) -> Shop | None:
    from wareloom.shop import Shop

    return None if shop is None else Shop.open(shop)


def _tell(manifest: dict[str, Any], told: dict[str, Any], summary: Summary) -> None:
    """What was measured of vectors, and how many pairs of items people had; changes `told` and `summary`."""
    from wareloom.serving.versions.measured import said

    if vectors := manifest.get("vectors"):
        told["vectors"] = vectors
        summary.note(said(vectors))
    if pairs := manifest.get("people"):
        told["people"] = pairs
        summary.note(
            "Pairs of {at_least} people or more: {bought:,} bought, {viewed:,} viewed.".format(
                **pairs
            )
        )


def main(
    model: Annotated[Path, typer.Argument(help="The folder of a bundle.")],
    to: Store,
    slot: Annotated[str, typer.Option(help="The place in the shop that it answers for.")] = "home",
    unproved: Unproved = False,
    rules: Rules = None,
    smoke: Smoke = None,
    realtime: RealTime = None,
    break_even: BreakEven = None,
    encoder: ReadBy = "f32",
    judged: Judged = None,
    people: People = None,
    most: Most = "people",
    allow_code: AllowCode = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a bundle a version of a store, checked, and make it live in a slot."""
    from wareloom.errors import needed
    from wareloom.serving.versions.store import told_of

    needed("msgspec", "serve", "Publishing")
    from wareloom.serving.forms.realtime import read_onward
    from wareloom.serving.versions.bucket import opened, publish_to
    from wareloom.serving.versions.publish import How, read_smoke
    from wareloom.serving.versions.rules import read_rules

    version, change = publish_to(
        to,
        model,
        slot,
        unproved=unproved,
        rules=read_rules(rules) if rules else None,
        smoke=read_smoke(smoke) if smoke else (),
        allow_code=tuple(allow_code or ()),
        how=How(
            break_even,
            encoder,
            _opened(judged),
            read_onward(realtime) if realtime else None,
            most,  # type: ignore[arg-type]
            _opened(people),
        ),
    )
    told = {"version": version, "slot": slot, **told_of(change)}
    summary = Summary(f"{version} is live in {slot!r}.", "good")
    served = f"wareloom serve STORE --versions {to}" if "://" in to else f"wareloom serve {to}"
    _tell(opened(to).manifest(version), told, summary)
    if unproved:
        summary.warn("It has no proof that it does no harm; every answer says so.")
    show(told, as_json, summary.place(to, name="store").next(served))
