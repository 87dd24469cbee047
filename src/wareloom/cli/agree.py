"""Compare labels with people's."""

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
    Threads,
    names,
    place_of,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary


def main(
    labels: Annotated[
        str,
        typer.Argument(
            help="The synthesizer of labels: lexical, distilled or judge.",
            autocompletion=names("synthesizer"),
        ),
    ],
    shop: Annotated[
        Path, typer.Argument(help="A shop's folder with judgments, whole: it is split by query.")
    ],
    labelled: Annotated[
        int | None,
        typer.Option(
            help="Queries whose judgments it is given; all of the training part where not said."
        ),
    ] = None,
    most: Annotated[int, typer.Option(help="Held-out queries that are labelled; 0 for all.")] = 0,
    seeds: Annotated[int, typer.Option(help="How often the labelled queries are drawn anew.")] = 3,
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write the figures to this JSON file.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep vectors, and a language model's answers, here.")
    ] = None,
    set: Set = None,
    threads: Threads = 0,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how far synthetic labels agree with people's on held-out queries: kappa, tau, accuracy, reliability."""
    from wareloom.api import agree
    from wareloom.core.state import write_whole
    from wareloom.shop import Shop

    place = place_of(to, force)
    run = run_of(seed, quiet, threads=threads, cache=cache)
    found = agree(
        Shop.open(shop),
        labels,
        run=run,
        labelled=labelled,
        most=most,
        seeds=seeds,
        settings=settings(set),
    )
    if place is not None:
        write_whole(place, found.data)
    show(found.data, as_json, _summary(found.data).place(place, name="file"))


def _summary(data: dict[str, Any]) -> Summary:
    """Every measure of agreement with its interval."""
    told = Summary(
        f"{data['labels']}: {data['pairs']:,} pairs of {data['queries']:,} held-out queries"
    )
    rows = [
        (
            m["measure"],
            f"{m['mean']:.3f}",
            "" if m["low"] is None else f"{m['low']:.3f} to {m['high']:.3f}",
        )
        for m in data["measures"]
    ]
    return told.table(("measure", "mean", "95 %"), rows, "measure")
