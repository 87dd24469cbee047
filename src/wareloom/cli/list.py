"""List algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wareloom.cli._shared import AsJson, show

if TYPE_CHECKING:
    from wareloom.core.family import Entry


def main(
    family: Annotated[
        str | None,
        typer.Argument(
            help="reader, synthesizer, screen, mixer, ranker, metric, embedder or reranker; all where not given."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List algorithms, each with one line of what it is."""
    from wareloom.core.family import FAMILIES
    from wareloom.errors import unknown

    if family is not None and family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    wanted = {family: FAMILIES[family]} if family else FAMILIES
    show(
        {
            kind: {entry.name: _told(entry) for entry in each.entries()}
            for kind, each in wanted.items()
        },
        as_json,
    )


def _told(entry: Entry) -> str:
    """What an algorithm is, what it keeps of real users, the package that brought it, and how it is served."""
    kept = f" Keeps {entry.keeps}." if entry.keeps else ""
    brought = f" [{entry.package}]" if entry.package else ""
    served = ""
    if entry.family == "ranker":
        from wareloom.serving.kinds import form_of

        form = form_of(entry.name)
        served = " Served by asking it." if form == "itself" else f" Served as {form}."
    return f"{entry.summary}{brought}{kept}{served}"
