"""TREC relevance judgments: qrels with a file of queries, as the benchmarks of retrieval have them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.core.settings import Count
from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import trace
from wareloom.readers._text import Piece, first_line, known, pieces

QRELS = re.compile(r"^\S+[\t ]+\S+[\t ]+\S+[\t ]+-?\d+$")
QUERY_FILE = re.compile(r"quer|topic", re.IGNORECASE)
ITEM_FILE = re.compile(r"corpus|collection|product|item", re.IGNORECASE)


@dataclass(kw_only=True, eq=False)
class Qrels(Reader):
    """TREC qrels (query id, an unused field, item id, grade; tabs or blanks) beside queries (id, tab, text).

    A file of items (id, tab, title; its name has corpus, collection, product or item) is read where there is one; else
    items are those that were judged. Grades are mapped linearly from 0 … the highest found, or from `top`, to 0 … 3;
    negative ones are 0. A judgment whose query has no text is set aside.
    """

    example: ClassVar[dict[str, str]] = {
        "topics.txt": "q1\tred shoes\n",
        "qrels.txt": ("q1\t0\ta\t2\nq1\t0\tb\t0\n"),
    }

    top: Count = 0
    """The grade that means perfect; 0 takes the highest found."""
    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether there is a file of judgments with a file of queries beside it."""
        found = known(source)
        return any(_judged(p) for p in found) and any(_named(p, QUERY_FILE) for p in found)

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return judgments, and items where there is a file of them."""
        found = pieces(source)
        judged = [p for p in found if _judged(p)]
        asked = [p for p in found if _named(p, QUERY_FILE) and not _judged(p)]
        if not judged or not asked:
            raise SourceError(
                f"{source} needs a file of qrels (query id, 0, item id, grade) and one of queries (id, tab, text; its "
                f"name has 'quer' or 'topic'); it has {', '.join(p.name for p in found) or 'no files'}."
            )
        texts = pl.concat(
            [
                intake.delimited(
                    p, "\t", columns=("id", "query"), quote=None, encoding=self.encoding
                )
                for p in asked
            ]
        )
        label = pl.concat([self._label(p, intake) for p in judged])
        value = pl.col("grade").cast(pl.Float64, strict=False)
        top = self.top or label.select(value.max()).collect().item() or 1.0
        grade = (
            pl.when(value.is_null())
            .then(pl.col("grade"))
            .otherwise((value.clip(0, top) * 3.0 / top).cast(pl.String))
        )
        rows = label.join(
            texts.select("id", "query").unique("id", keep="first"),
            on="id",
            how="left",
            maintain_order="left",
        )
        tables = {
            "judgments": rows.select(
                *trace(rows), "query", "item_id", grade=grade, source=pl.lit("qrels")
            )
        }
        if catalogue := [
            p for p in found if _named(p, ITEM_FILE) and p not in judged and p not in asked
        ]:
            items = intake.delimited(
                catalogue[0], "\t", columns=("item_id", "title"), quote=None, encoding=self.encoding
            )
            tables["items"] = items.select(*trace(items), "item_id", "title")
        return tables

    def _label(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        mark = "\t" if "\t" in first_line(piece) else " "
        names = ("id", "unused", "item_id", "grade")
        return intake.delimited(piece, mark, columns=names, quote=None, encoding=self.encoding)


def _judged(piece: Piece) -> bool:
    return QRELS.match(first_line(piece).strip()) is not None


def _named(piece: Piece, pattern: re.Pattern[str]) -> bool:
    return pattern.search(piece.name) is not None and "\t" in first_line(piece)
