"""Take a part of a shop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    To,
    free,
    pairs,
    show,
)
from wareloom.cli._summary import Summary, counted


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: To,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An attribute of users; A|B takes either; may be given again.",
        ),
    ] = None,
    since: Annotated[str, typer.Option(help="Events from this day or time on.")] = "",
    until: Annotated[str, typer.Option(help="Events before this day or time.")] = "",
    category: Annotated[
        str, typer.Option(help="Events on items with this name in their category.")
    ] = "",
    event: Annotated[
        list[str] | None, typer.Option(help="Events of this kind; may be given again.")
    ] = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Take the users of a segment, a season or a campaign out of a shop; `wareloom synth --like` wants them so."""
    from wareloom.preparing.segments import SegmentSettings, segment
    from wareloom.shop import Log, Shop

    free(to, force)
    how = SegmentSettings(
        where=pairs(where, "--where"),
        since=since,
        until=until,
        category=category,
        events=tuple(event or ()),
    )
    made = segment(Shop.open(shop), how).save(to)
    rows = {table: made.rows(table) for table in made.names}
    users = len(Log.of(made).users)
    told = Summary(f"{counted(users, 'user')} of {shop} are in the segment.", "good")
    told.fact("rows", rows).place(to)
    told.next(f"wareloom synth markov {shop} --like {to} --to SYNTH")
    found = {"shop": str(to), "users": users, "rows": rows, "fingerprint": made.fingerprint}
    show(found, as_json, told)
