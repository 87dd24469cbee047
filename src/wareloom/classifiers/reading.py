"""What photos say of items: which category and colour those have that lack one, and whose photo contradicts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from wareloom.classifiers import PictureClassifier
from wareloom.core.family import CLASSIFIERS
from wareloom.core.run import Run
from wareloom.core.settings import Fraction, Positive, Settings, Size
from wareloom.errors import InputError
from wareloom.language.tokenise import tokenise
from wareloom.preparing.picture_colours import colour_of
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, decode, labelled

COLOUR = "colour"
"""The attribute that is filled"""
SMALL = 64
"""Pixels of a side that colours are looked at"""
SMALLEST = 1e-6
"""Chances below this count as this: none is certain of anything"""


@dataclass(frozen=True, kw_only=True)
class ReadingSettings(Settings):
    """How photos are read."""

    classifier: str = "lite0"
    """The classifier that is taught the categories of items that have one."""
    folds: Size = 5
    """Parts of the items; each is judged by a classifier of the others, so that no item vouches for itself."""
    odds: Positive = 100.0
    """How many times likelier the photo's class has to be than the item's before the item is flagged."""
    least: Fraction = 0.8
    """Chance from which an item without a category is given the photo's, and share of pixels for a colour."""


def read_photos(
    shop: Shop, settings: ReadingSettings | None = None, run: Run | None = None
) -> pl.DataFrame:
    """Say of each item with a photo what the photo shows.

    Columns item_id; `said`, the item's class by its category, else the one that its title names; `by`, "category",
    "title" or null; `shown`, the class that its photos (their mean) show; `chance` of it, `chance_said` of what was
    said; `odds` of the two; `colour` and `colour_share`; `flagged`, whether they contradict each other. Most flagged
    first. Raises `InputError` where fewer than two categories have photos enough to be divided.
    """
    settings, run = settings or ReadingSettings(), run or Run()
    labels = labelled(shop).collect() if shop.rows("images") else None
    if labels is None or labels["class"].drop_nulls().n_unique() < 2:
        raise InputError(
            "Photos are read by what photos of two or more categories look like, and the shop has none such: it needs "
            "the table images and the column category of items."
        )
    items = labels["item_id"].unique(maintain_order=True)
    names = labels["class"].drop_nulls().unique().sort().to_list()
    chance = _crossed(shop, labels, names, settings, run)
    place = {name: row for row, name in enumerate(items.to_list())}
    of = np.array([place[one] for one in labels["item_id"].to_list()])
    known = ~np.isnan(chance).any(axis=1)
    total, count = np.zeros((len(items), len(names))), np.zeros(len(items))
    np.add.at(total, of[known], chance[known])
    np.add.at(count, of[known], 1)
    mean = np.clip(total / np.maximum(count, 1)[:, None], SMALLEST, 1)
    said, by = _said(shop, items, names)
    code = np.array([names.index(one) if one is not None else -1 for one in said])
    own = np.where(code >= 0, mean[np.arange(len(items)), code], np.nan)
    best = mean.argmax(axis=1)
    odds = mean.max(axis=1) / own
    colours = _colours(shop, items, place, of)
    frame = pl.DataFrame(
        {
            "item_id": items,
            "said": said,
            "by": by,
            "shown": [names[b] for b in best],
            "chance": mean.max(axis=1),
            "chance_said": own,
            "odds": odds,
            "colour": [one[0] for one in colours],
            "colour_share": [one[1] for one in colours],
            "flagged": np.nan_to_num(odds, nan=1.0) >= settings.odds,
        },
        schema_overrides={"said": pl.String, "by": pl.String, "colour": pl.String},
    ).filter(pl.Series(count > 0))
    frame = frame.with_columns(pl.col("chance_said", "odds").fill_nan(None))
    return frame.sort("odds", descending=True, nulls_last=True, maintain_order=True)


def filled(shop: Shop, read: pl.DataFrame, settings: ReadingSettings | None = None) -> Shop:
    """Return the shop with what `read_photos` found of items that lack a category, or the attribute colour.

    What items have stays as it is. A category that is filled is the photo's class alone, beside it stands the attribute
    "category from" with "photo"; so it can be found and taken back.
    """
    settings = settings or ReadingSettings()
    items = shop.table("items")
    told = items.select("item_id").join(read, on="item_id", how="left", maintain_order="left")
    empty = pl.lit(None, dtype=pl.List(pl.String))
    category = pl.col("category") if "category" in items.columns else empty
    sure = told["shown"].is_not_null() & (told["chance"] >= settings.least)
    lacks = items.select(category.list.len().fill_null(0) == 0).to_series() & sure
    coloured = told["colour"].is_not_null() & (told["colour_share"] >= settings.least)
    own = items["attributes"].to_list() if "attributes" in items.columns else [None] * len(items)
    attributes = [
        _with(given, [("category from", "photo")] * filled_ + [(COLOUR, colour)] * wanted)
        for given, filled_, colour, wanted in zip(own, lacks, told["colour"], coloured, strict=True)
    ]
    shown = pl.concat_list(told["shown"].alias("category"))
    made = items.with_columns(
        pl.when(lacks).then(shown).otherwise(category).alias("category"),
        pl.Series(
            "attributes",
            attributes,
            dtype=pl.List(pl.Struct({"name": pl.String, "value": pl.String})),
        ),
    )
    return shop.with_tables(items=made)


def _with(
    given: list[dict[str, Any]] | None, more: list[tuple[str, str]]
) -> list[dict[str, Any]] | None:
    """Attributes with others that are not there yet."""
    there = {one["name"].lower() for one in given or ()} | (
        {COLOUR} if any(one["name"].lower() == "color" for one in given or ()) else set()
    )
    added = [{"name": k, "value": v} for k, v in more if k not in there]
    return given if not added else [*(given or ()), *added]


def _crossed(
    shop: Shop, labels: pl.DataFrame, names: list[str], settings: ReadingSettings, run: Run
) -> np.ndarray:
    """How likely each photo shows each class, by a classifier of other items' photos: float64 [photos, classes]."""
    items = labels["item_id"].unique().sort()
    order = run.rng("reading", "folds").permutation(len(items)) % settings.folds
    fold = dict(zip(items.to_list(), order.tolist(), strict=True))
    of = np.array([fold[one] for one in labels["item_id"].to_list()])
    found = np.full((len(labels), len(names)), np.nan)
    images = shop.table("images")
    with run.task("photos", settings.folds) as advance:
        for number in range(settings.folds):
            own = of == number
            if own.any():
                rest = shop.with_tables(images=images.filter(pl.Series(~own)))
                made: PictureClassifier = CLASSIFIERS.make(settings.classifier).fit(rest, run)
                told = made.predict(shop.with_tables(images=images.filter(pl.Series(own))), run)
                columns = [names.index(name) for name in made.classes_]
                block = np.zeros((int(own.sum()), len(names)))
                block[:, columns] = told
                found[own] = block
            advance(1)
    return found


def _said(
    shop: Shop, items: pl.Series, names: list[str]
) -> tuple[list[str | None], list[str | None]]:
    """The class of each item by its category, else the only one that its title names; and by which of the two."""
    table = shop.table("items")
    kind = table["category"].list.last().to_list()
    title = table["title"].to_list() if "title" in table.columns else [None] * len(table)
    of = dict(zip(table["item_id"].to_list(), zip(kind, title, strict=True), strict=True))
    stems = {name: set(tokenise(name, stem=True)) for name in names}
    said, by = list[str | None](), list[str | None]()
    for item in items.to_list():
        own, words = of.get(item, (None, None))
        if own is None and words:
            have = set(tokenise(words, stem=True))
            named = [name for name in names if stems[name] and stems[name] <= have]
            own = named[0] if len(named) == 1 else None
            by.append("title" if own is not None else None)
        else:
            by.append("category" if own is not None else None)
        said.append(own)
    return said, by


def _colours(
    shop: Shop, items: pl.Series, place: dict[str, int], of: np.ndarray
) -> list[tuple[str | None, float | None]]:
    """The colour of each item's first photo, and its share."""
    found: list[tuple[str | None, float | None]] = [(None, None)] * len(items)
    for row, data in zip(of, shop.table("images")["image"], strict=True):
        if found[row][0] is None:
            try:
                found[row] = colour_of(decode(data, SMALL))
            except PictureError:
                continue
    return found
