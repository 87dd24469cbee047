"""Rank items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wareloom.cli._shared import (
    AllowCode,
    AsJson,
    Force,
    Quiet,
    Seed,
    names,
    place_of,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary, brief, counted

if TYPE_CHECKING:
    import polars as pl

    from wareloom.rankers import Ranker
    from wareloom.reranking import Reranker
    from wareloom.shop import Log, Shop


def main(
    model: Annotated[Path, typer.Argument(help="The folder of a saved ranker, or of a bundle.")],
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
            help="A reranker that orders the best candidates anew; a bundle's own where none is named.",
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
    allow_code: AllowCode = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rank the catalogue for users of a shop."""
    from wareloom.bundle import MANIFEST, Bundle
    from wareloom.reranking import Catalogue
    from wareloom.shop import Requests, Shop

    run, place = run_of(seed, quiet), place_of(to, force)
    order = _reranker(rerank, rerank_set)
    opened = Shop.open(shop)
    requests = Requests.of(_histories(opened, user or []))
    if (model / MANIFEST).exists():
        bundle = Bundle.open(model, allow_code=tuple(allow_code or ()))
        if bundle.difference(opened).missing == len(bundle.items):
            bundle.check_shop(opened)
        ranked = bundle.rank(
            requests, k, exclude_seen=not repeats, candidates=candidates, reranker=order
        )
    else:
        depth = max(k, candidates) if order else k
        ranked = _saved(model, allow_code).rank(requests, depth, exclude_seen=not repeats)
        if order:
            ranked = order.apply(ranked, Catalogue(opened, run), k, requests)
    _written(ranked, place)
    show({"ranking": ranked.to_dicts()}, as_json, _summary(ranked, place))


def _summary(ranked: pl.DataFrame, place: Path | None) -> Summary:
    """The items of each user on a line, the best first, by title where there are titles."""
    label = "title" if "title" in ranked.columns else "item_id"
    who = "user_id" if "user_id" in ranked.columns else "request"
    groups = [group for _, group in ranked.group_by("request", maintain_order=True)]
    found = Summary(
        f"{counted(len(ranked), 'item')} for {counted(len(groups), 'user')}, the best first."
    )
    rows = [
        (
            group[who][0],
            ", ".join(
                f"{one} {brief(score)}" for one, score in group.select(label, "score").iter_rows()
            ),
        )
        for group in groups
    ]
    found.table((who, "items with their scores"), rows, "user")
    return found.place(place, name="file")


def _written(ranked: pl.DataFrame, place: Path | None) -> None:
    """Write a ranking, whole or not at all."""
    from wareloom.core.files import beside

    if place is not None:
        with beside(place) as partial:
            ranked.write_parquet(partial)


def _saved(model: Path, allow_code: list[str] | None) -> Ranker:
    from wareloom.core.family import RANKERS

    found: Ranker = RANKERS.restore(model, allow_code=tuple(allow_code or ()))
    return found


def _reranker(name: str | None, given: list[str] | None) -> Reranker | None:
    """Make the reranker that is named; raises `SettingError` for settings of none."""
    from wareloom.core.family import RERANKERS
    from wareloom.errors import SettingError

    if name:
        made: Reranker = RERANKERS.make(name, **settings(given))
        return made
    if given:
        raise SettingError(
            "--rerank-set sets a reranker, but none is named: add --rerank, for example --rerank mmr."
        )
    return None


def _histories(shop: Shop, users: list[str]) -> Log:
    """The events of some users, of all where none is named; raises `UnknownNameError` for one that there is not."""
    import numpy as np

    from wareloom.errors import absent
    from wareloom.shop import Log

    log = Log.of(shop)
    if not users:
        return log
    codes = log.users.encode(users)
    if (codes < 0).any():
        first = users[int(np.flatnonzero(codes < 0)[0])]
        raise absent("user", first, log.users.ids)
    return log.select(codes)
