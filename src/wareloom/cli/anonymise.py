"""Take names out of a shop's log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from wareloom.cli._shared import AsJson, Force, Quiet, Set, To, free, place_of, settings, show
from wareloom.cli._summary import Summary


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    key: Annotated[
        Path,
        typer.Option(help="A file with a secret of 16 bytes or more, outside of both folders."),
    ],
    to: To,
    time: Annotated[
        Literal["kept", "hour", "day", "week"], typer.Option(help="The unit that times are cut to.")
    ] = "day",
    k: Annotated[int, typer.Option(help="Users who share all their attributes, at least.")] = 5,
    set: Set = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Take names out of a log: keyed pseudonyms, coarser times and places, texts without personal data, checks.

    Exit code 1 where users stand out by their attributes; nothing is written then.
    """
    from wareloom.core.settings import configure
    from wareloom.release.anonymise import AnonymiseSettings, anonymise
    from wareloom.release.places import inside_of
    from wareloom.shop import Shop

    free(to, force)
    inside = place_of(inside_of(to), force)
    wanted = configure(AnonymiseSettings, {"time": time, "k": k, **settings(set)})
    done = anonymise(Shop.open(shop), to, key, wanted)
    told = Summary(f"{to} has no names of users.", "good")
    told.table(("table", "rows", "left"), [(name, *pair) for name, pair in done["rows"].items()])
    for name in ("coarser", "texts"):
        told.fact(
            name,
            {key: n for key, n in done[name].items() if n}
            if isinstance(done[name], dict)
            else done[name],
        )
    told.warn("it is a log of real people all the same, and stays where it may be")
    told.place(to).place(inside, name="inside")
    show(done, as_json, told.next(f"wareloom check {to}"))
