"""Keys of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, show
from wareloom.cli._summary import Summary


def main(
    store: Annotated[Path, typer.Argument(help="The store.")],
    add: Annotated[
        str | None, typer.Option(help="Make a key of this name; it is shown once.")
    ] = None,
    role: Annotated[str, typer.Option(help="What it may do: read, write or admin.")] = "read",
    days: Annotated[float, typer.Option(help="Days until it ends.")] = 365.0,
    revoke: Annotated[str | None, typer.Option(help="End the key of this name at once.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make and end the keys that clients ask with; without an option, list them."""
    import datetime as dt

    from wareloom.serving.keys import Keys
    from wareloom.serving.store import Store

    keys = Keys(Store.open(store).root / "keys.json")
    if revoke is not None:
        keys.revoke(revoke)
    if add is not None:
        made = keys.add(add, role, days)
        summary = Summary(f"The key {add!r} may {role}.", "good").fact("key", made)
        summary.warn("It is not shown again; clients send authorization: Bearer KEY.")
        show({"name": add, "role": role, "key": made}, as_json, summary)
        return
    told = {
        name: {"role": role, "until": dt.datetime.fromtimestamp(until, dt.UTC).isoformat()}
        for name, role, until in keys.names()
    }
    show(told, as_json)
