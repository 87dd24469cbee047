"""YooChoose (RecSys Challenge 2015): anonymous sessions of clicks and purchases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import need, trace
from wareloom.readers._text import Piece, first_line, known, pick, pieces

CLICK = re.compile(r"^\d+,\d{4}-\d\d-\d\dT[\d:.]+Z,\d+,\w+$")
BUY = re.compile(r"^\d+,\d{4}-\d\d-\d\dT[\d:.]+Z,\d+,\d+,\d+$")
HEADER = ["SessionId", "ItemId", "Time"]


@dataclass(kw_only=True, eq=False)
class YooChoose(Reader):
    """YooChoose's original clicks and buys (.dat), or the processed SessionId, ItemId, Time tables, tab-separated.

    A click is a view_item, a buy a purchase whose value is price times quantity. There are no users, only sessions.
    Of the
    processed files train_full comes before test, and train_tr and train_valid, which are parts of it, are not read
    again.
    """

    example: ClassVar[dict[str, str]] = {
        "yoochoose-clicks.dat": "1,2014-04-07T10:51:09.277Z,214536502,0\n",
        "yoochoose-buys.dat": "1,2014-04-07T10:54:09.868Z,214536502,12462,2\n",
    }

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file's first line is a click, a buy or the processed header."""
        return any(_kind(piece) for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the events."""
        found = [(piece, kind) for piece in pieces(source) if (kind := _kind(piece))]
        if pick([p for p, _ in found], "*train_full*"):
            found = [(p, k) for p, k in found if not pick([p], "*train_tr*", "*train_valid*")]
        if not found:
            raise SourceError(
                f"{source} holds neither clicks or buys of YooChoose nor tables with {', '.join(HEADER)}."
            )
        found.sort(key=lambda pair: ("test" in pair[0].name, pair[1] == "buy", pair[0].name))
        return {"events": pl.concat([self._events(p, k, intake) for p, k in found], how="diagonal")}

    def _events(self, piece: Piece, kind: str, intake: Intake) -> pl.LazyFrame:
        if kind == "table":
            frame = intake.delimited(piece, "\t", encoding=self.encoding)
            need(frame, HEADER, piece.name)
            names = {"session_id": "SessionId", "item_id": "ItemId"}
            seconds = pl.col("Time").cast(pl.Float64, strict=False)
            written = pl.from_epoch(
                (seconds * 1e6).round().cast(pl.Int64, strict=False), time_unit="us"
            )
            time = pl.coalesce(written.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"), pl.col("Time"))
            return frame.select(*trace(frame), **names, event=pl.lit("view_item"), time=time)
        columns = [
            "session_id",
            "time",
            "item_id",
            *(["price", "quantity"] if kind == "buy" else ["category"]),
        ]
        frame = intake.delimited(piece, encoding=self.encoding, columns=columns)
        own = [*trace(frame), "session_id", "item_id", "time"]
        if kind == "click":
            intake.not_recognised[piece.name] = ["category"]
            return frame.select(*own, event=pl.lit("view_item"))
        value = pl.col("price").cast(pl.Float64, strict=False) * pl.col("quantity").cast(
            pl.Float64, strict=False
        )
        return frame.select(*own, "quantity", event=pl.lit("purchase"), value=value)


def _kind(piece: Piece) -> str:
    line = first_line(piece)
    if line.split("\t")[:3] == HEADER:
        return "table"
    return "buy" if BUY.match(line) else "click" if CLICK.match(line) else ""
