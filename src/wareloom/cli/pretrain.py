"""Let an encoder learn a shop's words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Device,
    Force,
    Precision,
    Quiet,
    Seed,
    Set,
    Threads,
    To,
    Track,
    free,
    run_of,
    settings,
    show,
    tracked,
)
from wareloom.cli._summary import Summary


def main(
    shop: Annotated[Path, typer.Argument(help="The training shop's folder.")],
    to: To,
    model: Annotated[
        str, typer.Option(help="A folder with the encoder to begin with; MiniLM where not given.")
    ] = "",
    set: Set = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep the state of training here: the same call goes on.")
    ] = None,
    threads: Threads = 0,
    device: Device = "cpu",
    precision: Precision = "auto",
    track: Track = "",
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Let a text encoder guess words left out of the items' texts, before it is tuned: no label is needed."""
    from wareloom.api import pretrain
    from wareloom.shop import Shop

    free(to, force, "config.json")
    run = run_of(
        seed, quiet, threads=threads, device=device, precision=precision, track=track, cache=cache
    )
    told = pretrain(Shop.open(shop), to, run, **({"model": model} | settings(set)))
    before, after = told["perplexity_before"], told["perplexity"]
    said = f"{told['texts']:,} texts, {told['updates']:,} updates"
    if before is not None and after is not None:
        said += f"; perplexity of words left out of {told['held_out']:,} other texts: "
        said += f"{before:,.1f} before, {after:,.1f}"
    summary = Summary(said, "good").place(to).place(tracked(track), name="curves")
    show(
        told, as_json, summary.next(f"wareloom train bi_encoder {shop} --set model={to} --to MODEL")
    )
