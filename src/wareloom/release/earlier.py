"""Earlier releases of one shop: what left before is judged together with what is to leave now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from wareloom.core.parse import read_json
from wareloom.privacy.ledger import Ledger
from wareloom.release.certificate import NAME, verify
from wareloom.shop import Shop

RELEASE = "release: "
"""How the ledger's entries for releases begin"""
STAYS = f"{RELEASE}inside"
"""How those begin that stay inside"""
SHOWN = 16
"""Digits of a certificate's digest that the ledger has"""
IDS = ("user_id", "session_id", "search_id", "dialogue_id")


def purpose_of(preset: str, keeps: str, digest: str) -> str:
    """The ledger's entry for a release."""
    return f"{RELEASE}{preset}, keeps {keeps}, {digest[:SHOWN]}"


def left(ledger: Ledger) -> list[str]:
    """The digests, as far as the ledger has them, of all releases that left: those of the preset inside did not."""
    return [
        entry.purpose.rpartition(", ")[2]
        for entry in ledger.entries()
        if entry.purpose.startswith(RELEASE) and not entry.purpose.startswith(STAYS)
    ]


def opened(folders: Sequence[Path]) -> dict[str, Shop]:
    """Earlier releases by the digests of their certificates; raises where one is not what its certificate says."""
    found = {}
    for folder in folders:
        verify(folder)
        found[str(read_json(folder / NAME)["digest"])[:SHOWN]] = Shop.open(folder)
    return found


def joined(synth: Shop, earlier: Sequence[Shop]) -> Shop:
    """A sample and earlier releases as one: rows of all, ids kept apart, the catalogues together."""
    if not earlier:
        return synth
    tables = {}
    for name in ("events", "searches", "judgments", "dialogues"):
        parts = [
            _apart(shop.scan(name), f"{place}/")
            for place, shop in enumerate([synth, *earlier])
            if shop.has(name)
        ]
        if parts:
            tables[name] = pl.concat(parts, how="diagonal").collect()
    items = synth.table("items")
    others = pl.concat([shop.scan("items").select("item_id") for shop in earlier]).unique()
    new = others.collect().join(items, on="item_id", how="anti").sort("item_id")
    items = pl.concat([items, new], how="diagonal").with_columns(
        pl.col("origin").fill_null("synthetic"), pl.col("weight").fill_null(1.0)
    )
    return synth.with_tables(items=items, **tables)


def _apart(frame: pl.LazyFrame, mark: str) -> pl.LazyFrame:
    ids = [column for column in IDS if column in frame.collect_schema().names()]
    return frame.with_columns((pl.lit(mark) + pl.col(column)).alias(column) for column in ids)
