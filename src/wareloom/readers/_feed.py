"""Product feeds in XML (RSS 2.0 or Atom with Google Merchant's names) as a frame of text cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.door import FILE
from wareloom.readers import Intake
from wareloom.readers._json import enumerate_batches
from wareloom.readers._text import CHUNK, Piece, head, opened

ENTRIES = ("item", "entry", "product", "offer")
"""Names of the elements of which each is a product"""
CODECS = ("utf-8", "utf-16-le", "utf-16-be")


def feed(piece: Piece, intake: Intake) -> pl.LazyFrame:
    """Read a feed: each item, entry, product or offer is a row, each element in it a column.

    Elements that come several times are a list. Raises `SourceError` for what is no XML, or has a document type, by
    which a small file could stand for an endless one.
    """
    start = head(piece, CHUNK)
    if any(mark in start for mark in ("<!DOCTYPE".encode(codec) for codec in CODECS)):
        raise SourceError(f"{piece.where} has a document type (<!DOCTYPE …>): take it out.")
    intake.files[piece.where.rpartition("/")[2]] = piece.path.stat().st_size
    pieces = []
    try:
        with opened(piece) as file:
            for batch in enumerate_batches(_products(file)):
                path = intake.folder / f"feed-{len(list(intake.folder.iterdir())):06d}.parquet"
                batch.write_parquet(path, compression="lz4")
                pieces.append(pl.scan_parquet(path, glob=False))
    except ElementTree.ParseError as error:
        raise SourceError(
            f"{piece.where} is no whole XML ({error}): was its writing cut short? Write it again."
        ) from error
    if not pieces:
        raise SourceError(
            f"{piece.where} holds no product: no element is called {', '.join(ENTRIES)}."
        )
    return pl.concat(pieces, how="diagonal").with_columns(pl.lit(piece.name).alias(FILE))


def _products(file: Any) -> Iterator[dict[str, Any]]:
    depth = 0
    for moment, element in ElementTree.iterparse(file, events=("start", "end")):
        depth += 1 if moment == "start" else -1
        if moment != "end" or _local(element.tag) not in ENTRIES or depth > 3:
            continue
        record: dict[str, Any] = dict(element.attrib.items())
        for child in element:
            text = _text(child) or child.attrib.get("href", "")
            if text:
                record.setdefault(_local(child.tag), []).append(text)
        yield {
            k: v if isinstance(v, str) else v[0] if len(v) == 1 else v for k, v in record.items()
        }
        element.clear()


def _text(element: ElementTree.Element) -> str:
    """The text of an element, and of those in it behind blanks."""
    if len(element) == 0:
        return (element.text or "").strip()
    return " ".join(part.strip() for part in element.itertext() if part.strip())


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
