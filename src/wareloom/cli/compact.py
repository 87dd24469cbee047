"""Make tables of a store's events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, show


def main(
    store: Annotated[Path, typer.Argument(help="The store.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write all events so far to this shop.")
    ] = None,
    ubi: Annotated[
        Path | None,
        typer.Option("--ubi", help="Also write all events so far to this new folder as UBI 1.3."),
    ] = None,
    events: Annotated[
        str, typer.Option(help="Also read on in this PostgreSQL: postgresql://USER@HOST/NAME.")
    ] = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn finished segments of the log of events into tables, each event once, checked as any source is."""
    from wareloom.core.files import free_folder
    from wareloom.errors import needed
    from wareloom.serving.versions.store import Store

    needed("msgspec", "serve", "Compacting")
    from wareloom.serving.events.compact import compact_all, whole_shop
    from wareloom.serving.events.parts import partitions
    from wareloom.serving.events.ubi import write_ubi
    from wareloom.shop import Shop

    opened = Store.open(store)
    done = compact_all(opened, events)
    told = {
        key: value for key, value in done._asdict().items() if value is not None and key != "more"
    }
    if to is not None:
        told["shop"] = str(whole_shop(opened, to).path)
    if ubi is not None:
        free_folder(ubi)
        write_ubi(
            ubi,
            [Shop.open(part / "shop") for part in partitions(opened) if (part / "shop").is_dir()],
        )
        told["ubi"] = str(ubi)
    show(told, as_json)
