"""MovieLens: ratings of movies, in the releases 100K, 1M, 10M and 20M and later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.values import LIST
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import delimited, need, pairs, trace
from wareloom.readers._text import Piece, first_line, known, pick, pieces

RATED = ("user_id", "item_id", "rating", "time")
GENRES = (
    "unknown Action Adventure Animation Children Comedy Crime Documentary Drama Fantasy Film-Noir Horror "
    "Musical Mystery Romance Sci-Fi Thriller War Western"
)
UNIT = "\x1f"


@dataclass(kw_only=True, eq=False)
class MovieLens(Reader):
    """MovieLens: u.data and u.item (100K), ratings.dat and movies.dat (1M, 10M), ratings.csv and movies.csv (20M on).

    A rating is an event of the kind of the setting `event`, with its stars in `rating`. Users' data is read where it
    is there.
    """

    meta: ClassVar[dict[str, str]] = {"language": "en"}
    example: ClassVar[dict[str, str]] = {
        "ratings.csv": ("userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n"),
        "movies.csv": ("movieId,title,genres\n2,Jumanji (1995),Adventure|Children\n"),
    }

    event: str = "purchase"
    """The kind of event that a rating is taken for."""
    encoding: str = ""
    """The encoding; empty takes the release's own: latin-1 for .dat and u.*, UTF-8 for .csv."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether the files of a release are there."""
        found = known(source)
        table = pick(found, "ratings.csv")
        return bool(pick(found, "u.data", "ratings.dat")) or any(
            first_line(p).startswith("userId,movieId,") for p in table
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return events, and items and users where their files are there."""
        found = pieces(source)
        ratings = pick(found, "u.data", "ratings.dat", "ratings.csv")
        if not ratings:
            names = ", ".join(p.name for p in found) or "no files"
            raise SourceError(
                f"{source} lacks ratings: u.data, ratings.dat or ratings.csv; it has {names}."
            )
        tables = {"events": self._ratings(ratings[0], intake)}
        for piece in pick(found, "u.item", "movies.dat", "movies.csv")[:1]:
            tables["items"] = self._movies(piece, intake)
        for piece in pick(found, "u.user", "users.dat")[:1]:
            columns = ["user_id", "gender", "age", "occupation", "zip"]
            if piece.name == "u.user":
                columns = ["user_id", "age", "gender", "occupation", "zip"]
            frame = self._plain(piece, intake, columns)
            tables["users"] = frame.select(*trace(frame), "user_id", attributes=pairs(columns[1:]))
        return tables

    def _plain(
        self, piece: Piece, intake: Intake, columns: list[str] | tuple[str, ...]
    ) -> pl.LazyFrame:
        """Scan a file without header, its fields between "::", tabs or bars."""
        encoding = self.encoding or "latin-1"
        if piece.name.endswith(".dat"):
            text = intake.text(piece, encoding=encoding, replace=(b"::", UNIT.encode()))
            return delimited(text, separator=UNIT, columns=columns, quote=None)
        separator = "\t" if piece.name == "u.data" else "|"
        return intake.delimited(piece, separator, encoding=encoding, columns=columns, quote=None)

    def _ratings(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        if piece.name.endswith(".csv"):
            frame = intake.delimited(piece, encoding=self.encoding or "utf-8")
            need(frame, ["userId", "movieId", "rating", "timestamp"], piece.name)
            frame = frame.rename({"userId": "user_id", "movieId": "item_id", "timestamp": "time"})
        else:
            frame = self._plain(piece, intake, RATED)
        return frame.select(*trace(frame), *RATED, event=pl.lit(self.event))

    def _movies(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        if piece.name == "u.item":
            return self._u_item(piece, intake)
        if piece.name.endswith(".csv"):
            frame = intake.delimited(piece, encoding=self.encoding or "utf-8")
            need(frame, ["movieId", "title", "genres"], piece.name)
            frame = frame.rename({"movieId": "item_id", "genres": "category"})
        else:
            frame = self._plain(piece, intake, ["item_id", "title", "category"])
        listed = pl.col("category") != "(no genres listed)"
        return frame.select(
            *trace(frame), "item_id", "title", category=pl.when(listed).then("category")
        )

    def _u_item(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        genres = GENRES.split()
        columns = ["item_id", "title", "released", "video", "url", *genres]
        frame = self._plain(piece, intake, columns)
        marks = [
            pl.when(pl.col(g) == "1").then(pl.lit(LIST + g)).otherwise(pl.lit("")) for g in genres
        ]
        released = pl.col("released").str.to_date("%d-%b-%Y", strict=False)
        return frame.select(
            *trace(frame),
            "item_id",
            "title",
            category=pl.concat_str(marks),
            attributes=pairs(["url"]),
            launched_at=released,
        )
