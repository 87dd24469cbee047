"""List algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wareloom.cli._shared import AsJson, show
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.core.family import Entry, Family


def main(
    family: Annotated[
        str | None,
        typer.Argument(
            help="reader, synthesizer, screen, mixer, ranker, metric, classifier, embedder or reranker; else all."
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
    found = {
        kind: {entry.name: _told(entry) for entry in each.entries()}
        for kind, each in wanted.items()
    }
    show(found, as_json, _of_all(wanted) if family is None else _of_one(FAMILIES[family]))


def _of_all(families: dict[str, Family]) -> Summary:
    """A line for some families, and how to see all algorithms of one."""
    rows = [(kind, len(each.names()), ", ".join(each.names())) for kind, each in families.items()]
    told = Summary().next("wareloom list FAMILY says what each is, wareloom show NAME its settings")
    told.most = len(rows) + 2
    return told.table(("family", "", "algorithms"), rows, "family")


def _of_one(family: Family) -> Summary:
    """A line for each algorithm of a family: a list is as long as what it lists."""
    from wareloom.serving.forms.kinds import form_of

    told = Summary()
    rows = [
        (entry.name, entry.keeps, entry.summary + (f" [{entry.package}]" if entry.package else ""))
        for entry in family.entries()
    ]
    told.most = len(rows) + 1
    if family.kind == "ranker":
        served = [(name, keeps, form_of(name), what) for name, keeps, what in rows]
        return told.table((family.kind, "keeps", "served", "what it is"), served, "algorithm")
    return told.table((family.kind, "keeps", "what it is"), rows, "algorithm")


def _told(entry: Entry) -> str:
    """What an algorithm is, what it keeps of real users, the package that brought it, and how it is served."""
    kept = f" Keeps {entry.keeps}." if entry.keeps else ""
    brought = f" [{entry.package}]" if entry.package else ""
    served = ""
    if entry.family == "ranker":
        from wareloom.serving.forms.kinds import form_of

        form = form_of(entry.name)
        served = " Served by asking it." if form == "itself" else f" Served as {form}."
    return f"{entry.summary}{brought}{kept}{served}"
