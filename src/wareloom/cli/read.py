"""Read a shop's export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Set,
    To,
    free,
    names,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary, brief, counted


def main(
    source: Annotated[
        str,
        typer.Argument(
            help="A file, a folder, a database URL, or the name of an installed data set."
        ),
    ],
    to: To,
    format: Annotated[
        str,
        typer.Option(
            "--as",
            help="The reader; 'wareloom list reader' shows all.",
            autocompletion=names("reader"),
        ),
    ] = "auto",
    on_error: Annotated[
        str, typer.Option(help="On malformed cells: 'stop', or 'reject' the row and go on.")
    ] = "stop",
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read an export into a shop: checked once, rejected rows kept aside with their reasons."""
    from wareloom.core.state import read_json
    from wareloom.readers import read

    free(to, force)
    read(
        source,
        to=to,
        as_=format,
        settings=settings(set),
        on_error=on_error,
        run=run_of(seed, quiet),
    )
    told = read_json(to / "read.json")
    show(told | {"shop": str(to)}, as_json, _summary(told, to))


def _summary(told: dict[str, Any], to: Path) -> Summary:
    """Rows in and out by table, what each column was taken for, what was set aside, and what was decided."""
    tables: dict[str, Any] = told["tables"]
    taken = sum(one["taken"] for one in tables.values())
    aside = {name: sum(one["rejected"].values()) for name, one in tables.items()}
    lost = sum(aside.values())
    found = Summary(
        f"Read {told['source']} as {told['reader']}: {counted(taken, 'row')} in {counted(len(tables), 'table')}, "
        f"{f'{lost:,} set aside' if lost else 'none set aside'}.",
        "warn" if lost else "good",
    )
    for name, one in tables.items():
        rows = f"{one['taken']:,} of {counted(one['came'], 'row')}"
        found.fact(name, ": ".join(each for each in (rows, _columns(name, told, to)) if each))
    for name, one in tables.items():
        for reason, rows in one["rejected"].items():
            found.warn(
                f"{counted(rows, 'row')} of {name} set aside: {reason} (rejected/{name}.parquet)"
            )
    found.warn(*told["warnings"], *told["said"], *told["notes"])
    unused = {name: columns for name, columns in told["not_recognised"].items() if columns}
    unused |= told["left_out"]
    found.fact(
        "not used", "; ".join(f"{name}: {brief(columns)}" for name, columns in unused.items())
    )
    return found.place(to).next(f"wareloom check {to}")


def _columns(table: str, told: dict[str, Any], to: Path) -> str:
    """The columns of a table, each with the column of the source that was taken for it where their names differ."""
    from wareloom.shop import Shop

    ours = {
        column: source
        for by_column in told["columns"].values()
        for source, of in by_column.items()
        for name, _, column in [of.partition(".")]
        if name == table
    }
    there = [one for one in Shop.open(to).columns(table) if one not in ("origin", "weight")]
    return ", ".join(
        name if ours.get(name, name) == name else f"{name} ← {ours[name]}" for name in there
    )
