"""Say what is live."""

from __future__ import annotations

from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, show


def main(
    store: Annotated[str, typer.Argument(help="The store: a folder, or s3://BUCKET/PREFIX.")],
    slot: Annotated[str | None, typer.Option(help="One slot; all where not given.")] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="What was live then: 2026-11-03T10:00, UTC.")
    ] = None,
    set_: Annotated[
        str | None,
        typer.Option("--set", help="Make this version live; the beginning of its id is enough."),
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option(help="Ask this version beside the live one, unseen; 'none' ends it."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERSION=SHARE",
            help="Let this version answer a share of the shoppers, always the same ones; may be given again; "
            "'none' ends it.",
        ),
    ] = None,
    roll_back: Annotated[
        bool, typer.Option("--roll-back", help="Make the version before live again.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Show every change, oldest first.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say which version is live in each slot, or was, and change it."""
    from wareloom.errors import SettingError
    from wareloom.serving.versions.bucket import opened as opened_at
    from wareloom.serving.versions.store import told_of

    opened = opened_at(store)
    changes = sum([set_ is not None, shadow is not None, bool(split), roll_back])
    if changes > 1 or (changes and (at or history)):
        raise SettingError("Give one of --set, --shadow, --split, --roll-back, --at and --history.")
    names = [slot] if slot else opened.names()
    if changes and len(names) != 1:
        raise SettingError(f"Say which slot with --slot: {', '.join(names)}.")
    if set_ is not None:
        opened.set_live(names[0], opened.named(set_))
    elif shadow is not None:
        opened.set_shadow(names[0], None if shadow == "none" else opened.named(shadow))
    elif split:
        opened.set_arms(names[0], None if split == ["none"] else _shares(split))
    elif roll_back:
        opened.roll_back(names[0])
    if history:
        show({name: [told_of(c) for c in opened.history(name)] for name in names}, as_json)
        return
    found = {name: opened.live(name, at) for name in names}
    show({name: told_of(c) if c else "nothing yet" for name, c in found.items()}, as_json)
    raise typer.Exit(0 if all(found.values()) else 1)


def _shares(given: list[str]) -> dict[str, float]:
    """Read VERSION=SHARE; raises `SettingError` for what is no number."""
    from wareloom.cli._shared import pairs
    from wareloom.errors import SettingError

    found = {}
    for version, share in pairs(given, "--split").items():
        try:
            found[version] = float(share)
        except ValueError:
            raise SettingError(f"--split {version}={share}: give a number, such as 0.5.") from None
    return found
