"""What lies beside the log: photos and dialogues, counted."""

from __future__ import annotations

from typing import Any

import polars as pl

from wareloom.shop import Shop
from wareloom.shop.languages import language_of
from wareloom.shop.pictures import labelled, training_pictures
from wareloom.shop.schema import AGENT, CUSTOMER, INTERACTIONS, REAL

FEW_PHOTOS, FEW_UTTERANCES, FEW_PHRASES = 10, 40, 500
"""Photos of a class below which a classifier has next to nothing to be judged by; different utterances of an intent
that a proof takes; phrases of a language that `flow` speaks with"""
LOOKED = 20_000
"""Turns, at most, that the languages of dialogues are told from"""


def photos(shop: Shop) -> dict[str, Any]:
    """Count a shop's photos: of items, of items that nobody has had, by class; empty where there are none."""
    if not shop.rows("images"):
        return {}
    rows = labelled(shop).select("item_id", "class", "origin").collect()
    real = rows.filter(pl.col("origin") == REAL)
    items = shop.scan("items").select("item_id").unique().collect()["item_id"]
    shown = real.filter(pl.col("item_id").is_in(items.implode()))["item_id"].unique()
    had = _had(shop)
    classes = real.drop_nulls("class").group_by("class").len().sort("len", "class")
    enough = classes.filter(pl.col("len") >= FEW_PHOTOS)
    return {
        "photos": len(real),
        "made": len(rows) - len(real),
        "made_for_training": len(training_pictures(shop)),
        "items": len(items),
        "items_shown": len(shown),
        "items_shown_and_had": int(shown.is_in(had.implode()).sum()),
        "items_shown_and_new": int((~shown.is_in(had.implode())).sum()),
        "classes": len(classes),
        "classes_enough": len(enough),
        "smallest": [classes["class"][0], classes["len"][0]] if len(classes) else None,
        "largest": [classes["class"][-1], classes["len"][-1]] if len(classes) else None,
    }


def _had(shop: Shop) -> pl.Series:
    """Items that somebody chose."""
    if not shop.rows("events"):
        return pl.Series([], dtype=pl.String)
    chosen = shop.scan("events").filter(pl.col("event").is_in(INTERACTIONS))
    found = chosen.select("item_id").unique().drop_nulls().collect(engine="streaming")
    return found["item_id"]


def dialogues(shop: Shop) -> dict[str, Any]:
    """Count a shop's real dialogues: turns by role, intents, slots, languages; empty where there are none."""
    if not shop.rows("dialogues"):
        return {}
    names = shop.columns("dialogues")
    wanted = [
        n for n in ("dialogue_id", "role", "text", "intent", "slots", "language") if n in names
    ]
    rows = shop.scan("dialogues").filter(pl.col("origin") == REAL).select(wanted).collect()
    if not len(rows):
        return {}
    said = rows.filter(pl.col("text").is_not_null())
    customers = said.filter(pl.col("role") == CUSTOMER)
    intents = pl.DataFrame({"len": []}, schema={"len": pl.UInt32})
    if "intent" in names:
        known = customers.drop_nulls("intent")
        intents = known.group_by("intent").agg(len=pl.col("text").str.to_lowercase().n_unique())
    slots = pl.Series([], dtype=pl.String)
    if "slots" in names:
        slots = customers["slots"].explode().drop_nulls().struct.field("name").unique()
    return {
        "dialogues": rows["dialogue_id"].n_unique(),
        "turns": len(said),
        "customers": len(customers),
        "agents": int((said["role"] == AGENT).sum()),
        "agents_unseen": len(rows) - len(said),
        "intents": len(intents),
        "intents_enough": len(intents.filter(pl.col("len") >= FEW_UTTERANCES)),
        "slots": len(slots),
        "languages": _languages(said),
        "phrases": _phrases(customers),
    }


def _languages(said: pl.DataFrame) -> dict[str, int]:
    """Dialogues by language: as the log says, else by their letters; of some where there are many."""
    step = max(1, len(said) // LOOKED)
    known = pl.col("language").drop_nulls().first() if "language" in said.columns else pl.lit(None)
    own = said.group_by("dialogue_id", maintain_order=True).agg("text", said=known)
    found: dict[str, int] = {}
    for text, name in own.gather_every(step).select("text", "said").iter_rows():
        language = name or language_of(text)
        found[language] = found.get(language, 0) + step
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _phrases(customers: pl.DataFrame) -> int:
    """Different texts of customers that have letters."""
    texts = customers["text"].str.strip_chars().str.to_lowercase()
    return texts.filter(texts.str.contains(r"\p{L}")).n_unique()
