"""Hold a release beside its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, show
from wareloom.cli._summary import Summary


def main(
    release: Annotated[Path, typer.Argument(help="The release's folder.")],
    key: Annotated[
        Path | None, typer.Option(help="The signer's public Ed25519 key in PEM.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a release is as its certificate says, without the real data; exit code 1 where it was changed."""
    from wareloom.release.certificate import verify

    told = verify(release, key)
    if told["known_signer"]:
        whose = "signed by the key that was given"
    elif told["signed_by"]:
        whose = "signed, by a key that --key has yet to confirm"
    else:
        whose = "not signed"
    said = f"{release} is what its certificate was written for: {told['files']} files, {whose}."
    summary = Summary(said, "good")
    for name in ("keeps", "unit", "epsilon", "delta", "public", "issued"):
        summary.fact(name, told[name])
    summary.note(*told["limits"] if isinstance(told["limits"], list | tuple) else [told["limits"]])
    show(told, as_json, summary.place(release))
