"""Make an encoder of queries smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wareloom.cli._shared import (
    AllowCode,
    AsJson,
    Force,
    Quiet,
    Seed,
    Set,
    Threads,
    To,
    free,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary


def main(
    model: Annotated[Path, typer.Argument(help="The folder of a bundle of bi_encoder.")],
    to: To,
    judged: Annotated[
        Path | None,
        typer.Option(
            help="A shop with judged queries that were not learned from; else agreement is measured."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="int8, pruned, distilled or magnitude; may be given again. All, if not."),
    ] = None,
    set: Set = None,
    threads: Threads = 1,
    allow_code: AllowCode = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write smaller encoders of a bundle's queries, with what each costs and loses: in 8 bits, pruned, distilled."""
    from wareloom.core.settings import configure
    from wareloom.serving.vectors.compress import TABLE, Compression, compress
    from wareloom.shop import Shop

    chosen: dict[str, Any] = settings(set) | ({"only": tuple(only)} if only else {})
    how = configure(Compression, chosen)
    free(to, force, TABLE)
    told = compress(
        model,
        to,
        judged=Shop.open(judged) if judged else None,
        how=how,
        run=run_of(seed, quiet, threads=threads),
        allow_code=tuple(allow_code or ()),
    )
    show(told, as_json, _summary(told, model, to))


def _summary(told: dict[str, Any], model: Path, to: Path) -> Summary:
    """The table, and the quickest encoder that loses no more than it may."""
    whole = told["encoders"][0]
    rows = [
        (
            row["name"],
            f"{row['mebibytes']:.1f}",
            f"{row['ms']:.2f}",
            f"{row['verdict']['after']:.4f}",
            _interval(row["verdict"]["interval"]),
            "yes" if row["verdict"]["holds"] else "no",
        )
        for row in told["encoders"]
    ]
    holds = [row for row in told["encoders"][1:] if row["verdict"]["holds"]]
    holds = [row for row in holds if row["name"] != "magnitude"]
    best = min(holds, key=lambda row: row["ms"], default=None)
    head = "No smaller encoder answers as well as the whole one."
    if best is not None:
        head = (
            f"{best['name']} answers as well, in {best['ms'] / whole['ms']:.0%} of the time and "
            f"{best['mebibytes'] / whole['mebibytes']:.0%} of the size."
        )
    summary = Summary(head, "strong" if best is None else "good")
    measure = told["measure"]
    summary.table(("encoder", "MiB", "CPU ms", measure, "difference", "may serve"), rows, "encoder")
    summary.place(to)
    if best is not None:
        summary.next(f"wareloom publish {model} --encoder {to / best['name']} --to STORE")
    return summary


def _interval(ends: list[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:+.4f} to {ends[1]:+.4f}"
