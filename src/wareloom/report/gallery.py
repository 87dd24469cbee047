"""The gallery: a few real pictures, a few of each made sample, and what screens took, with the reason."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.core.sentences import Say
from wareloom.errors import InputError
from wareloom.report.templating import filled
from wareloom.report.views import Table, table
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, encode, labelled, opened

SHOWN = 24
"""Pictures of a part, at most"""
SIDE = 96
"""Pixels of the longer side at which pictures are shown, at most"""
KINDS = 12
"""Reasons that are listed, at most"""


@dataclass(frozen=True)
class Shot:
    """One picture: where it comes from, what it says to who does not see it, and what stands below."""

    source: str
    """A data URI; "" where there is no picture that can be shown"""
    alt: str
    width: int
    height: int
    below: str


@dataclass(frozen=True)
class Part:
    """One part of the gallery."""

    title: str
    lead: str
    shots: tuple[Shot, ...]
    reasons: Table | None = None


@dataclass(frozen=True)
class GalleryPage:
    """What the page says."""

    title: str
    shop: str
    parts: tuple[Part, ...]


def gallery_page(real: Shop, made: Sequence[Shop], name: str, language: str = "") -> str:
    """Return the gallery of a real shop's pictures and of made samples: one HTML file below 1 MB, without a network.

    What screens took is read from `rejected/images.parquet` beside a sample. Raises `InputError` where the real shop
    has no pictures.
    """
    if not real.rows("images"):
        raise InputError(
            f"{real.path or 'The shop'} has no table images: read photos first (wareloom read FOLDER --as clothing)."
        )
    view = view_of(real, made, name, Say.of(language))
    return filled("gallery.html.j2", view, language, pictures=True)


def view_of(real: Shop, made: Sequence[Shop], name: str, say: Say) -> GalleryPage:
    """Return what the gallery says."""
    parts = [_real(real, say)]
    if (aside := _rejected(real)) is not None:
        lead = say("gallery.set_aside_lead", count=f"{len(aside):,}")
        parts.append(Part(say("gallery.set_aside"), lead, (), _reasons(aside, say)))
    for one in made:
        parts += _made(one, say)
    number = sum(one.rows("images") for one in made)
    title = say("gallery.title", real=f"{real.rows('images'):,}", made=f"{number:,}")
    return GalleryPage(title, name, tuple(parts))


def _real(real: Shop, say: Say) -> Part:
    labels = labelled(real).collect()
    count, classes = f"{len(labels):,}", f"{labels['class'].n_unique():,}"
    lead = say("gallery.real_lead", count=count, classes=classes)
    return Part(say("gallery.real"), lead, _shots(real, labels, say))


def _made(made: Shop, say: Say) -> list[Part]:
    """A part for each origin in a sample, and one for what screens took of it."""
    labels, parts = labelled(made).collect().with_row_index("row"), list[Part]()
    for origin in labels["origin"].unique(maintain_order=True).to_list():
        own = labels.filter(pl.col("origin") == origin)
        product = (own["purpose"].fill_null("") == "product").all()
        kind = "altered" if (own["item_id"] != own["image_id"]).all() else "training"
        lead = say(f"gallery.{'product' if product else kind}", count=f"{len(own):,}")
        parts.append(Part(say("gallery.made", origin=origin), lead, _shots(made, own, say)))
    taken = _rejected(made)
    if taken is not None:
        lead = say("gallery.taken_lead", count=f"{len(taken):,}")
        shots = tuple(
            _shot(row["image"], row["origin"], say.retold("reason", row["reason"]), say)
            for row in _in_turn(taken, "reason").to_dicts()
        )
        title = say("gallery.taken", origin=str(taken["origin"][0]))
        parts.append(Part(title, lead, shots, _reasons(taken, say)))
    return parts


def _rejected(shop: Shop) -> pl.DataFrame | None:
    """The pictures that were set aside or taken, where the shop's folder has any."""
    place = Path(shop.path or "") / "rejected" / "images.parquet"
    if shop.path is None or not place.is_file():
        return None
    rows = pl.read_parquet(place, glob=False)
    if "origin" not in rows.columns:
        rows = rows.with_columns(origin=pl.lit("real"))
    return rows if len(rows) else None


def _reasons(rows: pl.DataFrame, say: Say) -> Table:
    """How many for which reason; where each has its own, they are listed."""
    counts = rows.group_by("reason", maintain_order=True).len().sort("len", descending=True)
    found = [(say.retold("reason", reason), n) for reason, n in counts.head(KINDS).rows()]
    return table((say("gallery.reason"), say("gallery.count")), found)


def _in_turn(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """Some rows, the values of a column in turn, the most frequent first."""
    place = pl.int_range(pl.len()).over(by)
    often = pl.len().over(by)
    order = rows.with_columns(place.alias("_place"), often.alias("_often"))
    order = order.sort(["_place", "_often"], descending=[False, True], maintain_order=True)
    return order.head(SHOWN).drop("_place", "_often")


def _shots(shop: Shop, labels: pl.DataFrame, say: Say) -> tuple[Shot, ...]:
    """Some of a shop's pictures, the classes in turn; `labels` has their rows."""
    if "row" not in labels.columns:
        labels = labels.with_row_index("row")
    chosen = _in_turn(labels.with_columns(pl.col("class").fill_null("")), "class")
    rows = shop.scan("images").with_row_index("row").select("row", "image")
    data = dict(rows.filter(pl.col("row").is_in(chosen["row"].implode())).collect().rows())
    return tuple(_of_label(data[row["row"]], row, say) for row in chosen.to_dicts())


def _of_label(data: bytes, row: dict[str, object], say: Say) -> Shot:
    below = str(row["class"] or say("gallery.unknown"))
    if row["mixed_class"]:
        share = f"{float(str(row['mixed_weight'])):.0%}"
        below = say("gallery.mixed", one=below, other=str(row["mixed_class"]), share=share)
    return _shot(data, str(row["origin"]), below, say)


def _shot(data: bytes | None, origin: str, below: str, say: Say) -> Shot:
    """A small picture for the page."""
    alt = say("gallery.alt", kind=below, origin=origin)
    try:
        picture = opened(data or b"", side=SIDE)
    except PictureError:
        return Shot("", say("gallery.unread"), SIDE, SIDE, below)
    scale = min(1.0, SIDE / max(picture.size))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    small = encode(np.asarray(picture.resize(size, 2)), "JPEG")
    # A picture of 32 pixels is shown larger, not blurred: what is there is to be seen.
    times = max(1, SIDE // max(size))
    source = "data:image/jpeg;base64," + base64.b64encode(small).decode()
    return Shot(source, alt, size[0] * times, size[1] * times, below)
