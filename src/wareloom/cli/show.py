"""Show one algorithm, or what a proof found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wareloom.cli._shared import AsJson
from wareloom.cli._shared import show as show_value

if TYPE_CHECKING:
    from wareloom.errors import InputError


def main(
    name: Annotated[
        str,
        typer.Argument(
            help="An algorithm of any family, such as 'ease' or 'markov'; one of your own, 'package.module:Class'; "
            "'recipe'; or the folder of a proof or of a job."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show an algorithm or a recipe: settings with defaults, as JSON their schema; or a proof: its verdict."""
    from wareloom.core.family import FAMILIES, family_of
    from wareloom.core.schema import schema_of

    folder = next(
        (at for at in (Path(name), Path(name) / "proof") if (at / "proof.json").exists()), None
    )
    if folder is not None:
        from wareloom.cli._proof import told
        from wareloom.experiment.result import Proof

        proof, page = Proof.open(folder), folder / "report.html"
        summary = told(proof).place(page if page.exists() else None, name="report")
        show_value(proof.data, as_json, summary)
        return
    if name == "recipe":
        from wareloom.recipe.schema import outline, recipe_schema

        show_value(recipe_schema(), as_json, "\n".join(outline()))
        return
    named = [family for family in FAMILIES.values() if name in family.names()]
    holders = [family_of(name)] if ":" in name else named
    if not holders:
        raise _no_such(name)
    for family in holders:
        entry = family.describe(name)
        settings = {
            s.name: {"type": s.type, "default": s.default, "doc": s.doc} for s in entry.settings
        }
        lines = [f"{entry.name} ({entry.family}): {entry.summary}"]
        lines += [f"  {s.name}: {s.type} = {s.default}\n      {s.doc}" for s in entry.settings]
        if entry.package:
            lines[0] += f" [{entry.package}]"
        shown = {
            "name": entry.name,
            "family": entry.family,
            "summary": entry.summary,
            "settings": settings,
        }
        if entry.keeps:
            shown["keeps"] = entry.keeps
            lines.insert(1, f"  keeps {entry.keeps} of a real log, under these settings")
        if entry.package:
            shown["package"] = entry.package
        if as_json:
            shown["schema"] = schema_of(family.load(name), name)
        show_value(shown, as_json, "\n".join(lines))


def _no_such(name: str) -> InputError:
    """The error for what is neither an algorithm nor the folder of a proof."""
    from wareloom.core.family import FAMILIES
    from wareloom.errors import SourceError, UnknownNameError, near

    if Path(name).exists() or len(Path(name).parts) > 1:
        there = "holds no proof" if Path(name).exists() else "is not there"
        return SourceError(
            f"{name} {there}: give the folder of a proof or of a job, or an algorithm's name."
        )
    known = {n for family in FAMILIES.values() for n in family.names()}
    return UnknownNameError(
        f"No algorithm is called {name!r}, and no folder of a proof.{near(name, known)} wareloom list names all."
    )
