"""Pictures of a shop: looked at before they are decoded, decoded safely, encoded, and read batch after batch.

What a file says of its size is compared with limits before a pixel is decoded, so that a small file cannot fill the
memory. Only the decoders named here are tried, whatever a file's name ends in.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from wareloom.errors import MissingExtraError, SourceError, needed
from wareloom.shop.schema import REAL
from wareloom.shop.shop import Shop

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Decoders of Pillow that are tried"""
LARGEST_FILE = 64 << 20
"""Bytes of a picture's file, at most"""
LARGEST_PICTURE = 50_000_000
"""Pixels of a picture, at most: 150 MB when decoded; the largest cameras of phones make as many"""
SMALLEST_SIDE = 8
"""Pixels of a picture's shorter side, at least: fewer show nothing"""
AT_ONCE = 256
"""Pictures that are held decoded at once"""
HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
"""Brands of files of High Efficiency Image Format that Pillow alone does not read"""
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{kind}"/></rdf:RDF></x:xmpmeta>'
)
"""What the International Press Telecommunications Council says that a made picture's file carries"""
TRAINED = "trainedAlgorithmicMedia"
ALGORITHMIC = "algorithmicMedia"
COMPOSITE = "compositeSynthetic"
ENHANCED = "algorithmicallyEnhanced"
"""Kinds of source by IPTC: by a model that learned from pictures, by a rule, real and made parts, a real one altered"""
Fit = Literal["stretch", "pad", "crop"]
"""How a picture becomes a square: both sides scaled on their own; bars in the border's colour; the middle square"""


class PictureError(SourceError):
    """A picture that cannot be used; the message is one sentence with the file and the remedy."""


@dataclass(frozen=True)
class Look:
    """What the head of a picture's file says; nothing was decoded."""

    format: str
    width: int
    height: int
    frames: int
    mode: str
    """How pixels lie in the file, by Pillow: RGB, RGBA, L, I;16, CMYK, P …"""


def look(data: bytes | Path, name: str = "The picture") -> Look:
    """Return what a file's head says of the picture; raises `PictureError` for what is none, or passes a limit."""
    with _open(_bytes(data, name), name) as file:
        moving = file.format in ("GIF", "WEBP", "PNG", "AVIF", "TIFF")
        frames = int(getattr(file, "n_frames", 1)) if moving else 1
        return Look(str(file.format), file.size[0], file.size[1], frames, str(file.mode))


def opened(data: bytes | Path, name: str = "The picture", side: int = 0) -> Any:
    """Return a picture of Pillow in RGB, upright, the first of several, what is transparent white.

    `side`: the smallest side that is wanted; a JPEG is then decoded at no more than it needs. Raises `PictureError` for
    what is no picture, cut short, damaged, or beyond a limit; `MissingExtraError` without Pillow.
    """
    data = _bytes(data, name)
    image = needed("PIL.Image", "images", "Reading pictures")
    turned = needed("PIL.ImageOps", "images", "Reading pictures").exif_transpose
    with _open(data, name) as file:
        try:
            if side:
                file.draft("RGB", (2 * side, 2 * side))
            return _rgb(turned(file), image)
        except MemoryError as error:
            raise PictureError(f"{name} does not fit into memory: make it smaller.") from error
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError) as error:
            cut = "truncated" in str(error).lower() or "broken" in str(error).lower()
            what = "is cut short" if cut else "is damaged"
            raise PictureError(
                f"{name} {what} ({_plain(error)}): fetch it, or save it, again."
            ) from error


def decode(
    data: bytes | Path, side: int, fit: Fit = "stretch", name: str = "The picture"
) -> np.ndarray:
    """Return a picture as a square: uint8 [side, side, 3], red, green and blue; see `opened` for what it raises."""
    return squared(opened(data, name, side), side, fit)


def squared(picture: Any, side: int, fit: Fit = "stretch") -> np.ndarray:
    """Bring a picture of Pillow in RGB to uint8 [side, side, 3]."""
    if fit == "crop":
        short, (width, height) = min(picture.size), picture.size
        left, top = (width - short) // 2, (height - short) // 2
        picture = picture.crop((left, top, left + short, top + short))
    if fit != "pad" or picture.width == picture.height:
        return np.asarray(picture.resize((side, side), 2), dtype=np.uint8)
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    small = np.asarray(picture.resize(size, 2), dtype=np.uint8)
    made = np.empty((side, side, 3), dtype=np.uint8)
    made[:] = border(small).round().astype(np.uint8)
    top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
    made[top : top + small.shape[0], left : left + small.shape[1]] = small
    return made


def border(pixels: np.ndarray) -> np.ndarray:
    """The median colour of a picture's rim: float64 [3]."""
    rim = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    return np.asarray(np.median(np.concatenate(rim), axis=0), dtype=np.float64)


def encode(pixels: np.ndarray, kind: str = "PNG", said: dict[str, str] | None = None) -> bytes:
    """Return the file of a picture: uint8 [rows, columns, 3] to PNG (exact) or JPEG.

    `said`: what its metadata say, text by name; "source" is a kind of source by IPTC.
    """
    image, file = needed("PIL.Image", "images", "Writing pictures"), io.BytesIO()
    said = dict(said or {})
    xmp = XMP.format(kind=said.pop("source")) if "source" in said else ""
    made = image.fromarray(np.ascontiguousarray(pixels))
    if kind == "PNG":
        notes = needed("PIL.PngImagePlugin", "images", "Writing pictures").PngInfo()
        for key, text in said.items():
            notes.add_itxt(key, text)
        if xmp:
            notes.add_itxt("XML:com.adobe.xmp", xmp)
        made.save(file, "PNG", pnginfo=notes, compress_level=3)
    else:
        words = "; ".join(f"{key}: {text}" for key, text in said.items())
        how = {"comment": words.encode()} if words else {}
        made.save(file, kind, quality=90, **how, **({"xmp": xmp.encode()} if xmp else {}))
    return file.getvalue()


def said_of(data: bytes) -> dict[str, str]:
    """What the metadata of a made picture say, as `encode` wrote them: text by name."""
    with _open(data, "The picture") as file:
        file.load()
        text = {k: str(v) for k, v in getattr(file, "text", {}).items() if ":" not in k}
        xmp = str(file.info.get("xmp", b"") or file.info.get("XML:com.adobe.xmp", ""))
        if comment := file.info.get("comment"):
            pairs = (one.partition(": ") for one in comment.decode(errors="replace").split("; "))
            text |= {key: value for key, _, value in pairs}
        if found := re.search(r"digitalsourcetype/(\w+)", xmp):
            text["source"] = found[1]
        return text


def made_for_training(data: bytes) -> bool:
    """Whether a picture's own metadata say that it was made, and not by putting a product before another background.

    By the press council's word for media of trained or other algorithms, whoever wrote it; a photo that was altered
    counts where wareloom says so, since cameras call their own photos enhanced.
    """
    found = re.search(rb"digitalsourcetype/(\w+)", data)
    kind = found[1].decode() if found else ""
    return kind in (TRAINED, ALGORITHMIC) or (kind == ENHANCED and b"wareloom " in data)


def fault(data: bytes | Path, name: str) -> str:
    """Why a picture cannot be used, in one sentence with file and remedy; "" where it can.

    It is decoded whole, a JPEG at an eighth of its size: what is cut short shows itself nowhere else.
    """
    try:
        opened(data, name, SMALLEST_SIDE)
    except PictureError as error:
        return str(error)
    return ""


def labelled(shop: Shop) -> pl.LazyFrame:
    """Return what each picture shows, in the order of the table images, without the pictures.

    Columns: item_id, image_id, class (the last level of the item's category, null where it has none), mixed_class and
    mixed_weight (what was mixed in, and how much; null and 0 for most), split (an attribute of the item, or null),
    purpose, origin.
    """
    items = shop.scan("items")
    had = items.collect_schema()
    empty = pl.lit(None, dtype=pl.String)
    split = pl.col("attributes").list.eval(
        pl.element().filter(pl.element().struct.field("name") == "split")
    )
    about = items.select(
        "item_id",
        (pl.col("category").list.last() if "category" in had else empty).alias("class"),
        (split.list.first().struct.field("value") if "attributes" in had else empty).alias("split"),
    )
    images = shop.scan("images")
    there = images.collect_schema()
    frame = images.select(
        "item_id",
        *(
            pl.col(c) if c in there else empty.alias(c)
            for c in ("image_id", "mixed_item_id", "purpose")
        ),
        (pl.col("mixed_weight") if "mixed_weight" in there else pl.lit(0.0, pl.Float32))
        .fill_null(0.0)
        .alias("mixed_weight"),
        "origin",
    )
    other = about.select(mixed_item_id="item_id", mixed_class="class")
    joined = frame.join(about, on="item_id", how="left", maintain_order="left")
    joined = joined.join(other, on="mixed_item_id", how="left", maintain_order="left")
    return joined.select(
        "item_id", "image_id", "class", "mixed_class", "mixed_weight", "split", "purpose", "origin"
    )


def soft_labels(labels: pl.DataFrame, classes: list[str]) -> np.ndarray:
    """What is to be learned of each picture: float32 [pictures, classes], rows sum to 1, or 0 where no class is known.

    `labels`: rows of `labelled`. A picture that was mixed of two has a part of each class.
    """
    code = {name: place for place, name in enumerate(classes)}
    made = np.zeros((len(labels), len(classes)), dtype=np.float32)
    share = labels["mixed_weight"].to_numpy()
    for column, weight in (("class", 1 - share), ("mixed_class", share)):
        place = np.array([code.get(name, -1) for name in labels[column].to_list()], dtype=np.int64)
        rows = np.flatnonzero(place >= 0)
        np.add.at(made, (rows, place[rows]), weight[rows])
    return made


def training_pictures(shop: Shop) -> pl.DataFrame:
    """The pictures that are no photos of products, whoever says nothing of it: item_id, image_id, origin, purpose.

    These are all that were made and do not say that they show a product.
    """
    rows = labelled(shop).select("item_id", "image_id", "origin", "purpose").collect()
    made = pl.col("origin") != REAL
    product = pl.col("purpose").fill_null("") == "product"
    return rows.filter((pl.col("purpose").fill_null("") == "training") | (made & ~product))


def parts(shop: Shop, size: int = AT_ONCE) -> Iterator[pl.DataFrame]:
    """The table images, so many rows at once."""
    images = shop.scan("images")
    for start in range(0, shop.rows("images"), size):
        yield images.slice(start, size).collect()


def batches(
    shop: Shop, side: int, fit: Fit = "stretch", size: int = AT_ONCE
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Decode a shop's pictures, so many at once: (places in the table images, uint8 [pictures, side, side, 3]).

    What cannot be decoded is passed over; `wareloom read` sets such rows aside.
    """
    start = 0
    for part in parts(shop, size):
        places, made = list[int](), list[np.ndarray]()
        for row, data in enumerate(part["image"].to_list()):
            try:
                made.append(decode(data, side, fit))
            except MissingExtraError:
                raise
            except PictureError:
                continue
            places.append(start + row)
        start += len(part)
        if made:
            yield np.array(places, dtype=np.int64), np.stack(made)


def _bytes(data: bytes | Path, name: str) -> bytes:
    """A file's bytes; raises `PictureError` for an empty or a too large one, the latter unread."""
    if isinstance(data, Path):
        try:
            with data.open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise PictureError(f"{name} cannot be read: {error.strerror}.") from error
    if not data:
        raise PictureError(f"{name} is empty: fetch it again.")
    if len(data) > LARGEST_FILE:
        raise PictureError(
            f"{name} is larger than {LARGEST_FILE >> 20} MiB: save it smaller, or as JPEG."
        )
    return data


def _open(data: bytes, name: str) -> Any:
    """Open a picture's file and look at its head alone."""
    image = needed("PIL.Image", "images", "Reading pictures")
    formats = list(FORMATS)
    if data[4:8] == b"ftyp" and data[8:12] in HEIC:
        _reads_heic(name)
        formats.append("HEIF")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = image.open(io.BytesIO(data), formats=formats)
    except image.DecompressionBombError as error:
        raise _too_large(name, "") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError) as error:
        raise PictureError(_no_picture(data, name)) from error
    width, height = file.size
    if width * height > LARGEST_PICTURE:
        raise _too_large(name, f" of {width:,} × {height:,} pixels")
    if min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"{name} has {width:,} × {height:,} pixels and shows nothing: give one of at least {SMALLEST_SIDE} a side."
        )
    return file


def _reads_heic(name: str) -> None:
    """Have Pillow read HEIC, by the extra's library or by its larger sister; raises `PictureError` without either."""
    for library in ("pi_heif", "pillow_heif"):
        try:
            needed(library, "heic", "Reading HEIC").register_heif_opener()
        except MissingExtraError:
            continue
        return
    raise PictureError(
        f"{name} is in HEIC, which Pillow does not read: pip install 'wareloom[heic]', or save it as JPEG."
    )


def _too_large(name: str, size: str) -> PictureError:
    return PictureError(
        f"{name}{size} would fill the memory (limit {LARGEST_PICTURE:,} pixels): save it smaller."
    )


def _no_picture(data: bytes, name: str) -> str:
    """What a file is that is no picture, and the remedy."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return f"{name} is a drawing in SVG, which has no pixels: export it as PNG."
    if head.startswith((b"<!doctype html", b"<html")):
        return f"{name} is a web page, no picture: was its download refused? Fetch it again."
    try:
        data[:1024].decode()
        text = b"\0" not in data[:1024]
    except UnicodeDecodeError:
        text = False
    if text:
        return f"{name} is a text, no picture: replace it, or take it out of the folder."
    known = ", ".join(FORMATS)
    return f"{name} is no picture that can be read: save it as one of {known}."


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _rgb(file: Any, image: Any) -> Any:
    """A picture in red, green and blue, 8 bits each; the first frame."""
    file.load()
    if file.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in file.info:
        layer = file.convert("RGBA")
        return image.alpha_composite(image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if file.mode.startswith("I"):
        deep = np.asarray(file).astype(np.int64)
        scaled = deep >> 8 if file.mode.startswith("I;16") or deep.max(initial=0) > 255 else deep
        return image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
    if file.mode == "F":
        light = np.nan_to_num(np.asarray(file))
        scaled = light * 255 if light.max(initial=0) <= 1 else light
        return image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
    return file.convert("RGB")
