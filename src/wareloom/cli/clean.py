"""Clean a shop."""

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
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary, brief, counted


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: To,
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Clean a shop: duplicates, impossible values, outliers, robots, text; rejected rows are kept with reasons."""
    from wareloom.core.settings import configure
    from wareloom.core.state import read_json
    from wareloom.preparing.cleaning import CleanSettings, clean
    from wareloom.shop import Shop

    free(to, force)
    clean(Shop.open(shop), configure(CleanSettings, settings(set)), to, run_of(seed, quiet))
    told = read_json(to / "clean.json")
    show(told | {"shop": str(to)}, as_json, _summary(told, shop, to))


def _summary(told: dict[str, Any], shop: Path, to: Path) -> Summary:
    """Rows before and after by table, and what was taken, blanked or changed for which reason."""
    tables: dict[str, Any] = told["tables"]
    before, after = (sum(one[side] for one in tables.values()) for side in ("before", "after"))
    gone = before - after
    found = Summary(
        f"Cleaned {shop}: {after:,} of {counted(before, 'row')} are left"
        f"{f', {gone:,} were set aside' if gone else ', none was set aside'}.",
        "good",
    )
    rows = [
        (
            name,
            one["before"],
            one["after"],
            _said(one.get("rejected")),
            _said(one.get("blanked")),
            _said(one.get("changed")),
        )
        for name, one in tables.items()
    ]
    found.table(("table", "before", "after", "set aside", "blanked", "changed"), rows, "table")
    of = (
        " --of search --with attributes" if "judgments" in tables and "events" not in tables else ""
    )
    return found.place(to).next(
        f"wareloom split {to} --to PARTS", f"wareloom prove {to}{of} --to PROOF"
    )


def _said(counts: Any) -> str:
    """Rows or cells by why."""
    return brief({why: n for why, n in (counts or {}).items() if n})
