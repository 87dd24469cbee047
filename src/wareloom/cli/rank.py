"""Rank items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, Seed, run_of, show, table


def main(
    model: Annotated[Path, typer.Argument(help="The saved ranker's folder.")],
    shop: Annotated[Path, typer.Option(help="The shop that holds the users' histories.")],
    user: Annotated[list[str] | None, typer.Option(help="A user; may be given again; all users where none is.")] = None,
    k: Annotated[int, typer.Option("-k", help="Items a user.")] = 10,
    to: Annotated[Path | None, typer.Option("--to", help="Also write the ranking to this Parquet file.")] = None,
    repeats: Annotated[bool, typer.Option(help="Rank items of the history too.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rank the catalogue for users of a shop."""
    import numpy as np

    from wareloom.errors import unknown
    from wareloom.family import RANKERS
    from wareloom.shop import Log, Requests, Shop

    run_of(seed, quiet)
    log = Log.of(Shop.open(shop))
    if user:
        codes = log.users.encode(user)
        if (codes < 0).any():
            raise unknown("user", user[int(np.flatnonzero(codes < 0)[0])], log.users.ids.head(10_000).to_list())
        log = log.select(codes)
    ranked = RANKERS.restore(model).rank(Requests.of(log), k, exclude_seen=not repeats)
    if to is not None:
        ranked.write_parquet(to)
    show({"ranking": ranked.to_dicts()}, as_json, table(ranked))
