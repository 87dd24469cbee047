"""Queries alone: what people typed, one a line, with a number before each or without."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import trace
from wareloom.readers._text import Piece, first_line, known, pieces, without_notes

NAMED = re.compile(r"quer(y|ies)|search|keyword|搜索", re.IGNORECASE)
ENDINGS = (".txt", ".tsv")
LONGEST = 300
"""Characters of a line that can be a query"""
NO_MARK = "\x1f"
"""A separator that no text holds"""


@dataclass(kw_only=True, eq=False)
class Queries(Reader):
    """Files of queries: a query a line, or an id, a tab and the query; their names have query, search or keyword.

    They become searches, in the order of the file. There are no items: the shop is something to learn the language of
    queries from, and to hold synthetic ones beside. An id that is used twice is a malformed row.
    """

    generality: ClassVar[int] = 5
    example: ClassVar[dict[str, str]] = {
        "queries.txt": ("1\tred shoes\n2\t连衣裙\n"),
    }

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether all files are .txt or .tsv with such a name and a first line of this form."""
        found = known(source)
        return bool(found) and all(_fits(piece) for piece in found)

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the searches, and items without a row."""
        found = [
            piece for piece in without_notes(pieces(source)) if piece.name.lower().endswith(ENDINGS)
        ]
        if any(NAMED.search(piece.name) for piece in found):
            found = [piece for piece in found if NAMED.search(piece.name)]
        if not found:
            raise SourceError(f"{source} holds no file of queries (.txt or .tsv, a query a line).")
        searches = pl.concat([self._searches(piece, intake) for piece in found], how="diagonal")
        return {
            "items": pl.LazyFrame(schema={"item_id": pl.String, "title": pl.String}),
            "searches": searches,
        }

    def _searches(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        if "\t" in first_line(piece):
            frame = intake.delimited(
                piece, "\t", columns=("id", "query"), quote=None, encoding=self.encoding
            )
            return frame.select(*trace(frame), search_id="id", query="query")
        frame = intake.delimited(
            piece, NO_MARK, columns=("query",), quote=None, encoding=self.encoding
        )
        number = pl.format("{}-{}", pl.lit(piece.name), pl.int_range(1, pl.len() + 1))
        return frame.select(*trace(frame), search_id=number, query="query")


def _fits(piece: Piece) -> bool:
    line = first_line(piece)
    fields = line.split("\t")
    named = piece.name.lower().endswith(ENDINGS) and NAMED.search(piece.name)
    return (
        bool(named)
        and 0 < len(line) <= LONGEST
        and (len(fields) == 1 or (len(fields) == 2 and fields[0].isdigit()))
    )
