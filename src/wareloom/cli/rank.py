"""Rank items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

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
    from collections.abc import Sequence

    import polars as pl

    from wareloom.core.run import Run
    from wareloom.rankers import Ranker
    from wareloom.reranking import Reranker
    from wareloom.shop import Log, Requests, Shop


def main(
    model: Annotated[Path, typer.Argument(help="The folder of a saved ranker, or of a bundle.")],
    shop: Annotated[Path, typer.Option(help="The shop that holds the users' histories.")],
    user: Annotated[
        list[str] | None, typer.Option(help="A user; may be given again; all users where none is.")
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            help="What is searched for, of a ranker of search; may be given again; with one --user that user's."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Items a user, or a query.")] = 10,
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
    """Rank the catalogue for users of a shop, or for queries."""
    from wareloom.shop import Shop

    place, opened = place_of(to, force), Shop.open(shop)
    how = Asking(k, not repeats, candidates, _reranker(rerank, rerank_set), run_of(seed, quiet))
    ranked = _ranked(model, opened, user or [], query or [], how, tuple(allow_code or ()))
    _written(ranked, place)
    show({"ranking": ranked.to_dicts()}, as_json, _summary(ranked, place))


class Asking(NamedTuple):
    """How a ranker is asked."""

    k: int
    exclude_seen: bool
    candidates: int
    order: Reranker | None
    run: Run


def _ranked(
    model: Path,
    shop: Shop,
    users: list[str],
    queries: list[str],
    how: Asking,
    allowed: tuple[str, ...],
) -> pl.DataFrame:
    """The best items of a saved ranker or of a bundle, whose own reranker counts where none is named."""
    from wareloom.bundle import MANIFEST, Bundle
    from wareloom.core.family import RANKERS
    from wareloom.reranking import Catalogue

    if (model / MANIFEST).exists():
        bundle = Bundle.open(model, allow_code=allowed)
        if bundle.difference(shop).missing == len(bundle.items):
            bundle.check_shop(shop)
        options: Any = {"candidates": how.candidates, "reranker": how.order}
        asked = _asked(bundle.ranker, shop, users, queries)
        found = [bundle.rank(one, how.k, exclude_seen=how.exclude_seen, **options) for one in asked]
        return _together(found, queries)
    ranker: Ranker = RANKERS.restore(model, allow_code=allowed)
    asked = _asked(ranker, shop, users, queries)
    depth = max(how.k, how.candidates) if how.order else how.k
    found = [ranker.rank(one, depth, exclude_seen=how.exclude_seen) for one in asked]
    if how.order:
        catalogue, pairs = Catalogue(shop, how.run), zip(found, asked, strict=True)
        found = [how.order.apply(best, catalogue, how.k, one) for best, one in pairs]
    return _titled(_together(found, queries), shop)


def _titled(ranked: pl.DataFrame, shop: Shop) -> pl.DataFrame:
    """What queries found, with titles: whoever searched knows no ids."""
    if "query" not in ranked.columns or not shop.has("items", "title"):
        return ranked
    titles = shop.table("items").select("item_id", "title")
    return ranked.join(titles, on="item_id", how="left", maintain_order="left")


def _asked(ranker: Ranker, shop: Shop, users: list[str], queries: list[str]) -> list[Requests]:
    """What is asked: one request a user, or all queries of somebody unknown, or each query of one user.

    Raises `InputError` for queries of a ranker that reads none, for none of one that reads them where the shop has no
    users, and for queries of several users.
    """
    from dataclasses import replace

    from wareloom.errors import InputError
    from wareloom.rankers.search.base import SearchRanker
    from wareloom.shop import Requests

    searches = isinstance(ranker, SearchRanker)
    if queries and not searches:
        raise InputError(
            f"The ranker {ranker.name!r} reads no queries: leave --query away, or train a ranker of search such as "
            "bm25."
        )
    if searches and not queries and not shop.rows("events"):
        raise InputError(
            f"The ranker {ranker.name!r} answers queries, and the shop has no users: say what is searched for, "
            "for example --query 'red shoes'."
        )
    if len(users) > 1 and queries:
        raise InputError(f"Queries are one user's, and {len(users)} are named: give one --user.")
    if queries and not users:
        return [replace(Requests.sessions([[] for _ in queries]), queries=list(queries))]
    asked = Requests.of(_histories(shop, users))
    return [replace(asked, queries=[one]) for one in queries] or [asked]


def _together(ranked: Sequence[pl.DataFrame], queries: Sequence[str]) -> pl.DataFrame:
    """One table of what was ranked, beside each request its query where there is one."""
    import polars as pl

    if not queries:
        return ranked[0]
    of = [frame.with_columns(pl.col("request") + n) for n, frame in enumerate(ranked)]
    found = pl.concat(of)
    said = pl.Series("query", list(queries), dtype=pl.String).gather(found["request"])
    return found.insert_column(1, said)


def _summary(ranked: pl.DataFrame, place: Path | None) -> Summary:
    """The items of each user on a line, the best first, by title where there are titles."""
    label = "title" if "title" in ranked.columns else "item_id"
    who = next((name for name in ("query", "user_id") if name in ranked.columns), "request")
    groups = [group for _, group in ranked.group_by("request", maintain_order=True)]
    many = ("query", "queries") if who == "query" else ("user",)
    asked = counted(len(groups), *many)
    found = Summary(f"{counted(len(ranked), 'item')} for {asked}, the best first.")
    rows = [
        (
            group[who][0],
            ", ".join(
                f"{one} {brief(score)}" for one, score in group.select(label, "score").iter_rows()
            ),
        )
        for group in groups
    ]
    found.table((who, "items with their scores"), rows, many[0])
    return found.place(place, name="file")


def _written(ranked: pl.DataFrame, place: Path | None) -> None:
    """Write a ranking, whole or not at all."""
    from wareloom.core.files import beside

    if place is not None:
        with beside(place) as partial:
            ranked.write_parquet(partial)


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
