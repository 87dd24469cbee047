"""Rank items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, Seed, names, run_of, settings, show, table


def main(
    model: Annotated[Path, typer.Argument(help="The saved ranker's folder.")],
    shop: Annotated[Path, typer.Option(help="The shop that holds the users' histories.")],
    user: Annotated[
        list[str] | None, typer.Option(help="A user; may be given again; all users where none is.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Items a user.")] = 10,
    to: Annotated[
        Path | None, typer.Option("--to", help="Also write the ranking to this Parquet file.")
    ] = None,
    repeats: Annotated[bool, typer.Option(help="Rank items of the history too.")] = False,
    rerank: Annotated[
        str | None,
        typer.Option(
            help="A reranker that orders the best candidates anew.",
            autocompletion=names("reranker"),
        ),
    ] = None,
    rerank_set: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank-set",
            metavar="NAME=VALUE",
            help="A setting of the reranker; may be given again.",
        ),
    ] = None,
    candidates: Annotated[
        int, typer.Option(help="Items a user that the reranker chooses from.")
    ] = 100,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rank the catalogue for users of a shop."""
    import numpy as np

    from wareloom.core.family import RANKERS, RERANKERS
    from wareloom.errors import SettingError, unknown
    from wareloom.shop import Log, Requests, Shop

    if rerank_set and not rerank:
        raise SettingError(
            "--rerank-set sets a reranker, but none is named: add --rerank, for example --rerank mmr."
        )
    run = run_of(seed, quiet)
    order = RERANKERS.make(rerank, **settings(rerank_set)) if rerank else None
    opened = Shop.open(shop)
    log = Log.of(opened)
    if user:
        codes = log.users.encode(user)
        if (codes < 0).any():
            raise unknown(
                "user",
                user[int(np.flatnonzero(codes < 0)[0])],
                log.users.ids.head(10_000).to_list(),
            )
        log = log.select(codes)
    depth = max(k, candidates) if order else k
    ranked = RANKERS.restore(model).rank(Requests.of(log), depth, exclude_seen=not repeats)
    if order:
        from wareloom.reranking import Catalogue

        ranked = order.apply(ranked, Catalogue(opened, run), k, Requests.of(log))
    if to is not None:
        ranked.write_parquet(to)
    show({"ranking": ranked.to_dicts()}, as_json, table(ranked))
