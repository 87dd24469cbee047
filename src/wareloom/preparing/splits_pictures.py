"""A split of photos: by the source's own parts where it has them, else class by class, an item's photos together."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.splits import PARTS, Split, SplitSettings, written
from wareloom.shop.buckets import CODE, coded
from wareloom.shop.pictures import labelled
from wareloom.shop.shop import Shop

OWN = "own parts"
BY_CLASS = "class"


def split_pictures(shop: Shop, settings: SplitSettings, to: str | Path | None = None) -> Split:
    """Split the table images into train, validation and test; all other tables are in each part.

    Where photos of a shop name all three parts (the attribute `split` of their items, as the reader `clothing` writes
    it), these are taken, and photos that name none are for training. Else each class is parted by `settings.parts`, in
    the order of a hash of the item. With `to`, the parts are written there as `split` writes them. Raises `SchemaError`
    where no photo has a class, `SettingError` where a part would be empty.
    """
    labels = labelled(shop).with_row_index("row").collect() if shop.rows("images") else None
    if labels is None or not labels["class"].count():
        raise SchemaError(
            "A split of pictures needs photos of items with a category: `wareloom read FOLDER --as clothing` reads "
            "folders of photos by class."
        )
    named = set(labels["split"].drop_nulls().unique()) >= set(PARTS)
    if named:
        place = {name: number for number, name in enumerate(PARTS)}
        codes = np.array([place.get(one, 0) for one in labels["split"].to_list()], dtype=np.int64)
    else:
        codes = _dealt(labels, settings)
    rows = {part: int((codes == number).sum()) for number, part in enumerate(PARTS)}
    wanted = [part for part, share in zip(PARTS, settings.parts, strict=True) if named or share > 0]
    if empty := [part for part in wanted if not rows[part]]:
        raise SettingError(
            f"The split of pictures leaves {' and '.join(empty)} without photos: {rows}. Choose other parts, or read "
            "more photos."
        )
    how = {"settings": dataclasses.asdict(settings) | {"by": OWN if named else BY_CLASS}}
    how |= {"cuts": {}, "rows": {"images": rows}}
    both = coded(shop.scan("images"), codes)
    frames = [both.filter(pl.col(CODE) == number).drop(CODE) for number in range(3)]
    if to is not None:
        written(shop, {"images": frames}, how, to)
        return Split.open(to)
    train, validation, test = (shop.with_tables(images=one.collect()) for one in frames)
    return Split(train, validation, test, how)


def _dealt(labels: pl.DataFrame, settings: SplitSettings) -> np.ndarray:
    """The part of each photo, class by class: int64 [photos]; photos without a class are for training."""
    codes = np.zeros(len(labels), dtype=np.int64)
    edges = np.cumsum(settings.parts) / np.sum(settings.parts)
    for (kind,), group in labels.drop_nulls("class").group_by("class", maintain_order=True):
        ids = sorted(
            set(group["item_id"]), key=lambda one: _digest(settings.seed, str(kind), str(one))
        )
        place = np.searchsorted(np.round(edges[:2] * len(ids)), np.arange(len(ids)), side="right")
        of = dict(zip(ids, place.tolist(), strict=True))
        codes[group["row"].to_numpy()] = [of[one] for one in group["item_id"].to_list()]
    return codes


def _digest(*what: object) -> bytes:
    """An order that is the same everywhere."""
    return hashlib.blake2b("\x1f".join(map(str, what)).encode(), digest_size=8).digest()
