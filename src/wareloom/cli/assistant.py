"""Check an assistant with simulated customers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Threads,
    place_of,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.synthesis.dialogues.assistant import Assistant


def main(
    shop: Annotated[Path, typer.Argument(help="The folder of a shop with dialogues.")],
    assistant: Annotated[
        str,
        typer.Argument(
            help="package.module:Class of an assistant; the agent by rules where none is named."
        ),
    ] = "",
    tasks: Annotated[int, typer.Option(help="Worlds, each with what a customer wants.")] = 100,
    repeats: Annotated[int, typer.Option(help="Talks of each; pass^k needs k of them right.")] = 4,
    least: Annotated[
        float, typer.Option(help="Share of talks that have to end in the planned order state.")
    ] = 0.99,
    fewest: Annotated[
        int, typer.Option(help="Phrases of a wish that the agent by rules learns from, at least.")
    ] = 10,
    language: Annotated[
        str, typer.Option("--language", help="en or zh; that of most dialogues where not said.")
    ] = "",
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write the figures to this JSON file.")
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of flow, whose customers talk, as catalogue=SHOP; may be given again.",
        ),
    ] = None,
    threads: Threads = 0,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Let simulated customers talk to an assistant, and look at where orders end; exit code 1 below --least."""
    from wareloom.core.family import SYNTHESIZERS
    from wareloom.core.state import write_whole
    from wareloom.shop import Shop
    from wareloom.synthesis.dialogues.assistant import check_assistant

    place, run = place_of(to, force), run_of(seed, quiet, threads=threads)
    named = _named(assistant) if assistant else None
    flow = SYNTHESIZERS.make("flow", **settings(set)).fit(Shop.open(shop), run)
    report = check_assistant(flow, tasks, repeats, run, named, language, fewest)
    data = {"assistant": assistant or "rules", "least": least, **report.data}
    if place is not None:
        write_whole(place, data)
    passed = report.success >= least
    show(data, as_json, _summary(str(report), data, passed).place(place, name="file"))
    raise typer.Exit(0 if passed else 1)


def _named(name: str) -> Assistant:
    """Make one's own assistant; raises `SettingError` where it is none."""
    from wareloom.core.outside import imported
    from wareloom.errors import SettingError
    from wareloom.synthesis.dialogues.assistant import Assistant

    if ":" not in name:
        raise SettingError(
            f"{name!r} names no assistant: write package.module:Class of a subclass of "
            "wareloom.synthesis.dialogues.assistant.Assistant."
        )
    found = imported("assistant", name)
    if not (isinstance(found, type) and issubclass(found, Assistant)):
        raise SettingError(
            f"{name!r} is no assistant: it must be a subclass of wareloom.synthesis.dialogues.assistant.Assistant."
        )
    return found()


def _summary(said: str, data: dict[str, Any], passed: bool) -> Summary:
    """What was found, wish by wish, those first that end wrong most often."""
    told = Summary(said, "good" if passed else "bad")
    rows = sorted(data["goals"], key=lambda row: (row["success"], row["goal"]))
    told.table(
        ("with simulated customers", "talks", "end right"),
        [(row["goal"], row["talks"], f"{row['success']:.1%}") for row in rows],
        "wish",
    )
    passes = ", ".join(f"pass^{k} {one:.1%}" for k, one in enumerate(data["passes"], 1))
    told.fact("passes", passes)
    changing = data["changing"]
    if changing["talks"]:
        told.fact(
            "order changes", f"{changing['success']:.1%} of {changing['talks']:,} talks end right"
        )
    for trial in data["failed"][:1]:
        told.warn(
            f"Task {trial['task']} ({trial['goal']}) ends as {trial['found']}; planned was {trial['expected']}."
        )
    return told.note("Real customers are harder than simulated ones: this is no rate of theirs.")
