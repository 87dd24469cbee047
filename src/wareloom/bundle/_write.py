"""How a bundle is made: saved beside, opened once, then renamed."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom._version import __version__
from wareloom.bundle._algorithms import algorithms, outsiders
from wareloom.bundle._bundle import EVENTS, ITEMS, RECIPE, Bundle
from wareloom.bundle._files import stored
from wareloom.bundle._manifest import (
    MANIFEST,
    VERSION,
    Kind,
    Made,
    Manifest,
    Named,
    ProofNote,
    plain,
    write_manifest,
)
from wareloom.core.family import Algorithm
from wareloom.core.files import replacing
from wareloom.core.state import write_json
from wareloom.errors import InputError
from wareloom.rankers import Ranker
from wareloom.reranking import Reranker
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.keeps import least, worst


def write_bundle(
    folder: str | Path,
    *,
    ranker: Ranker,
    shop: Shop,
    reranker: Reranker | None = None,
    recipe: Mapping[str, Any] | str,
    choice: Mapping[str, Any],
    proof: ProofNote | None,
    seed: int,
) -> Bundle:
    """Write a bundle to `folder`, which is replaced if it holds one, and return it opened.

    The same input gives the same bytes. `ranker`: fitted. `shop`: the training shop, whose items are the catalogue.
    `recipe`: every value, as a table or as TOML. `choice`: generator, ratio, mixer, ranker with settings. Raises
    `NotFittedError` for a ranker without a fit, `InputError` where it knows items that the shop lacks, or where JSON
    does not know a value.
    """
    folder = Path(folder)
    ranker.check_fitted()
    items = _items(shop)
    _check_known(ranker, items)
    with replacing(folder, marker=MANIFEST) as partial:
        ranker.save(partial / "ranker")
        if reranker is not None:
            reranker.save(partial / "reranker")
        items.write_parquet(partial / ITEMS)
        write_json(partial / RECIPE, plain("The recipe", _values(recipe)))
        files = stored(partial)
        manifest = Manifest(
            version=VERSION,
            wareloom=__version__,
            kind=_kind(ranker),
            created_from=Made(shop.fingerprint, _meta(shop), len(items)),
            ranker=_named(ranker),
            reranker=None if reranker is None else _named(reranker),
            choice=plain("The choice", dict(choice)),
            proof=proof,
            seed=seed,
            files=files,
            keeps=worst(ranker.kept(), least("counts", shop.keeps)),
        )
        write_manifest(partial, manifest)
        # What is running already may run again: whoever opens the folder later is asked.
        own = algorithms(partial, files)
        here = [name.partition(":")[0] for found in own for name in outsiders(found)]
        made = Bundle.open(partial, check="sizes", allow_code=here)
    return dataclasses.replace(made, folder=folder)


def _meta(shop: Shop) -> dict[str, Any]:
    """What the training shop says of itself, and what it keeps where it says so: a real log does not."""
    told = shop.meta | ({"keeps": shop.keeps} if shop.keeps else {})
    found: dict[str, Any] = plain("meta of the shop", told)
    return found


def _values(recipe: Mapping[str, Any] | str) -> dict[str, Any]:
    if not isinstance(recipe, str):
        return dict(recipe)
    try:
        return tomllib.loads(recipe)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The recipe of the bundle is not valid TOML: {error}.") from error


def _named(algorithm: Algorithm) -> Named:
    return Named(algorithm.name, plain(f"Settings of {algorithm.name!r}", algorithm.settings()))


def _items(shop: Shop) -> pl.DataFrame:
    """The catalogue, with the weight of each item's events."""
    items = shop.table("items")
    weight = Log.of(shop).counts(weighted=True) if shop.has("events") else np.zeros(len(items))
    return items.with_columns(pl.Series(EVENTS, weight, dtype=pl.Float64))


def _check_known(ranker: Ranker, items: pl.DataFrame) -> None:
    codes = Vocabulary(items["item_id"]).encode(ranker.items_)
    if (codes < 0).any():
        name = ranker.items_.filter(pl.Series(codes < 0))[0]
        raise InputError(
            f"The ranker {ranker.name!r} knows {int((codes < 0).sum()):,} items that the shop lacks, such as {name!r}: "
            "give the shop that it was fitted on."
        )


def _kind(ranker: Ranker) -> Kind:
    from wareloom.rankers.clicks.base import ClickRanker
    from wareloom.rankers.search.base import SearchRanker

    if isinstance(ranker, SearchRanker):
        return "search"
    return "clicks" if isinstance(ranker, ClickRanker) else "recommendation"
