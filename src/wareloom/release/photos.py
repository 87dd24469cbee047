"""Pictures of a shop as files, for those who show them: what was made for training is no photo of a product."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Literal

from wareloom.core.files import replacing
from wareloom.errors import GateError, InputError, needed
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, labelled, look, parts, training_pictures
from wareloom.shop.schema import REAL

LABELS = "labels.csv"
ENDING = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}
ENDING |= {"TIFF": "tif", "AVIF": "avif", "HEIF": "heic"}
COLUMNS = ("image", "item_id", "label", "split", "purpose", "origin")
GPS, INNER, AUTHOR, OWNER, NUMBERS = 0x8825, 0x8769, 0x013B, 0xA430, (0xA431, 0xA435)
"""Tags of Exif 2.32: places, further tags, author, the camera's owner, serial numbers of camera and lens"""
Purpose = Literal["product", "training"]


def export_pictures(shop: Shop, folder: str | Path, purpose: Purpose = "product") -> int:
    """Write a shop's pictures to `folder`/CLASS/NAME and a table labels.csv, which `wareloom read` takes.

    Returns how many. As "product" nothing is written where one of them was made for training: raises `GateError` with
    the remedy. As "training" all are written, and labels.csv says of each what it is for and who made it. Raises
    `InputError` without pictures.
    """
    if not shop.rows("images"):
        raise InputError(
            f"{shop.path or 'The shop'} has no table images: there is nothing to export."
        )
    if purpose == "product":
        refuse_training(shop)
    labels = labelled(shop).collect()
    written, names = 0, set[str]()
    with (
        replacing(Path(folder), marker=LABELS) as partial,
        (partial / LABELS).open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for part in parts(shop):
            for data in part["image"].to_list():
                row = labels.row(written, named=True)
                name = _name(row, data, written, names)
                (partial / name).parent.mkdir(exist_ok=True)
                (partial / name).write_bytes(data)
                said = (row[c] or "" for c in ("item_id", "class", "split", "purpose", "origin"))
                table.writerow([name, *said])
                written += 1
    return written


def refuse_training(shop: Shop) -> None:
    """Raise `GateError` where a picture was made for training and would be shown as a product's photo."""
    found = training_pictures(shop)
    if not len(found):
        return
    makers = found["origin"].unique().sort().head(3).to_list()
    who = ", ".join("what their metadata name" if one == REAL else one for one in makers)
    example = found["image_id"].fill_null(found["item_id"])[0]
    raise GateError(
        f"{len(found):,} of {shop.rows('images'):,} pictures were made for training by {who} ({example}), and show "
        "no product that there is. Put real photos before your own background (wareloom synth "
        "image_background SHOP --to DIR), which changes no pixel of a product; or export with --as training."
    )


def signs_of(data: bytes) -> tuple[str, ...]:
    """What a picture's metadata (Exif) say of whoever took it: "photo's place", "photo's author", "camera's number".

    What is no picture says nothing. Raises `MissingExtraError` without Pillow.
    """
    image = needed("PIL.Image", "images", "Reading the metadata of pictures")
    try:
        look(data)
        with image.open(io.BytesIO(data)) as file:
            exif = file.getexif()
            place, inner = exif.get_ifd(GPS), exif.get_ifd(INNER)
    except (PictureError, OSError, ValueError, SyntaxError):
        return ()
    found = ["photo's place"] if place else []
    found += ["photo's author"] if exif.get(AUTHOR) or inner.get(OWNER) else []
    found += ["camera's number"] if any(inner.get(tag) for tag in NUMBERS) else []
    return tuple(found)


def _name(row: dict[str, object], data: bytes, number: int, names: set[str]) -> str:
    """A file's name: its class and its id as far as a file may be called so, and no two alike."""
    try:
        ending = ENDING.get(look(data).format, "bin")
    except PictureError:
        ending = "bin"
    kind = _plain(str(row["class"] or "unknown"))
    stem = _plain(str(row["image_id"] or row["item_id"]))
    name = f"{kind}/{stem}.{ending}"
    if name.casefold() in names:
        name = f"{kind}/{stem}-{number}.{ending}"
    names.add(name.casefold())
    return name


def _plain(text: str) -> str:
    """Text as one part of a path: no separators, no signs that systems refuse, no leading point."""
    kept = re.sub(r'[\x00-\x1f<>:"/\\|?*\u202a-\u202e\u2066-\u2069]+', "_", text).strip(" .")
    return kept[:80] or "_"
