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
    person: Annotated[
        str | None,
        typer.Option(
            help="Let this person sign in to the console; the password is asked for, or the first line that comes in."
        ),
    ] = None,
    forget: Annotated[
        str | None, typer.Option(help="Let this person sign in no more, and end what is signed in.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make and end the keys that clients ask with, and who may sign in; without an option, list both."""
    import datetime as dt

    from wareloom.serving.versions.store import Store
    from wareloom.serving.web.keys import Keys
    from wareloom.serving.web.people import FILE, People

    keys = Keys(Store.open(store).root / "keys.json")
    people = People(keys.path.with_name(FILE))
    if forget is not None:
        people.forget(forget)
    if person is not None:
        people.add(person, _password())
        summary = Summary(f"{person!r} may sign in at /console.", "good")
        show({"person": person}, as_json, summary)
        return
    if revoke is not None:
        keys.revoke(revoke)
    if add is not None:
        made = keys.add(add, role, days)
        summary = Summary(f"The key {add!r} may {role}.", "good").fact("key", made)
        summary.warn("It is not shown again; clients send authorization: Bearer KEY.")
        show({"name": add, "role": role, "key": made}, as_json, summary)
        return
    told: dict[str, dict[str, str]] = {
        name: {"role": role, "until": dt.datetime.fromtimestamp(until, dt.UTC).isoformat()}
        for name, role, until in keys.names()
    }
    if names := people.names():
        told |= {name: {"signs in": "/console"} for name in names if name not in told}
    show(told, as_json)


def _password() -> str:
    """Asked for twice at a terminal, else the first line that comes in; never an argument, which others see."""
    import sys

    if sys.stdin.isatty():
        found: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return found
    return sys.stdin.readline().rstrip("\n")
