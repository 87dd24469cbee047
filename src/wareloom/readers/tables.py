"""Any table: CSV, TSV, JSON lines or Parquet, plain, gzipped or zipped, with usual column names or a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SchemaError, SettingError, near, require
from wareloom.readers import Intake, Reader
from wareloom.readers._map import entry_for, load
from wareloom.readers._orders import with_headers
from wareloom.readers._pictures import ENDINGS, pictures
from wareloom.readers._scan import TRACE
from wareloom.readers._shape import graded, joined, shaped
from wareloom.readers._text import Piece, first_line, known, pieces
from wareloom.shop.schema import EVENTS

DELIMITED = (".csv", ".tsv", ".tab", ".txt", ".dat")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
TABS = ("\\t", "tab")
"""Words for the separator that is hard to give on a command line"""


@dataclass(kw_only=True, eq=False)
class Tables(Reader):
    """Any CSV, TSV, JSON lines or Parquet files, by the usual names of their columns or by a map.

    The source is a file, a folder, a pattern or a zip archive. Which table a file holds is told by its columns, and
    by its
    name where they leave it open. Columns of items and users without a usual name become attributes; those of events
    are kept as context only where the map names them. Columns that tell how an item fared (sales rank, review counts)
    are left out, since they are known only after the log.
    """

    generality: ClassVar[int] = 9
    example: ClassVar[dict[str, str]] = {
        "items.csv": ("item_id,title,price\na,Mug,9.5\nb,Jug,12\n"),
        "events.csv": (
            "user_id,item_id,time,event\n"
            "u1,a,2020-01-01 10:00:00,purchase\n"
            "u1,b,2020-01-02 10:00:00,view_item\n"
        ),
    }

    map: str = ""
    """A TOML file that says which file is which table and how its columns are called, see `docs/formats.md`."""
    event: str = "purchase"
    """The kind of all events, where no column says it."""
    encoding: str = "utf-8"
    """The encoding of text files, for example latin-1 or gb18030."""
    time_format: str = ""
    """How times are written, for example %d.%m.%Y, or s, ms, us, ns since 1970; found from the data where empty."""
    decimal: str = ""
    """The decimal mark of numbers, "." or ","; found from the data where empty."""
    grade_scale: str = ""
    """The scale "lo:hi" of grades, mapped linearly to 0–3; found from the data where empty."""
    separator: str = ""
    """The character between fields; found from the first line where empty."""
    images: str = ""
    """A folder of pictures of the products, called by item id: ID.jpg, or ID/ANY.jpg where there are several."""
    quote: str = '"'
    """The sign around fields that hold separators; none where such signs mean nothing."""

    def _check(self) -> None:
        for name, signs in (("separator", self.separator), ("quote", self.quote)):
            word = {"separator": TABS, "quote": ("none",)}[name]
            usual = signs in ("", *word) or len(signs.encode("utf-8", "replace")) == 1
            wanted = "one plain character, such as ; or ,"
            require("tables", name, signs, usual and signs not in ("\n", "\r", "\0"), wanted)
        if self.event not in EVENTS:
            raise SettingError(
                f"tables: event={self.event!r} is not known.{near(self.event, EVENTS)} Known: {', '.join(EVENTS)}."
            )

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether there is any file of a known ending."""
        return any(
            piece.name.lower().endswith((*DELIMITED, *JSON, *PARQUET)) for piece in known(source)
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the tables that are recognised; files that are not are noted."""
        entries = load(self.map)
        frames: dict[str, list[pl.LazyFrame]] = {}
        seen: dict[str, list[str]] = {}
        came: list[tuple[str, pl.LazyFrame]] = []
        for piece in pieces(source):
            frame = self._frame(piece, intake)
            if frame is None:
                if not (self.images and piece.name.lower().endswith(ENDINGS)):
                    intake.not_recognised[piece.name] = []
                continue
            seen[piece.name] = [c for c in frame.collect_schema().names() if c not in TRACE]
            came.append((piece.name, frame))
        for name, frame in with_headers(
            came, {n for n, _ in came if entry_for(entries, n)}, intake
        ):
            made = shaped(frame, name, entry_for(entries, name), event=self.event, intake=intake)
            if made is not None:
                frames.setdefault(made[0], []).append(made[1])
        if not {"items", "events", "judgments"} & set(frames):
            files = (
                "; ".join(f"{name}: {', '.join(columns)}" for name, columns in seen.items())
                or "no tables"
            )
            close = next((n for columns in seen.values() if (n := near("item_id", columns))), "")
            raise SchemaError(
                f"Nothing in {source} is recognised as a table of a shop: it needs a "
                "column item_id (or product_id, asin, sku …), "
                f"with user_id (or customer_id …) for events, or query and grade for judgments. Found {files}.{close} "
                "Name the columns in a map file: --set map=MAP.toml."
            )
        tables = joined(frames, intake)
        if self.images:
            tables["images"] = pictures(self.images, intake)
        if "judgments" in tables:
            tables["judgments"] = graded(tables["judgments"], self.grade_scale)
        return tables

    def _frame(self, piece: Piece, intake: Intake) -> pl.LazyFrame | None:
        name = piece.name.lower()
        if name.endswith(PARQUET):
            return intake.parquet(piece)
        if name.endswith(JSON):
            return intake.json_lines(piece, encoding=self.encoding)
        if name.endswith(DELIMITED):
            line = first_line(piece)
            named = "\t" if self.separator in TABS else self.separator
            separator = named or max("\t,;|", key=line.count)
            quote = None if self.quote in ("", "none") else self.quote
            return intake.delimited(piece, separator, encoding=self.encoding, quote=quote)
        return None
