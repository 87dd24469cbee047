"""Titles with their parts marked by people: a character or word and its BIO tag a line, a blank line between titles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import TRACE
from wareloom.readers._text import Piece, Text, first_line, known, pieces, without_notes
from wareloom.shop.schema import MAP

LINE = re.compile(r"^(\S+|\s)[ \t]+(O|[BI]-\S+)$")
ENDINGS = (".txt", ".bio", ".conll", ".tsv")
TAGS = {"HPPX": "brand", "HCCX": "product", "XH": "pattern", "MISC": "specification"}
"""What the tags of Taobao's titles mean"""
_LATIN = re.compile(r"[a-zA-Z0-9]{2}")


@dataclass(kw_only=True, eq=False)
class Bio(Reader):
    """Titles in CoNLL's columns, as Taobao's marked ones are: B- begins a part, I- goes on, O is none.

    After Ramshaw and Marcus (1995). A title is an item; its first part that is a brand becomes the brand, all other
    parts become attributes under the names that `tags` gives their tags. Items are numbered file by file.
    """

    example: ClassVar[dict[str, str]] = {
        "titles.txt": ("红 B-HPPX\n豆 I-HPPX\n女 B-HCCX\n鞋 I-HCCX\n\nA O\n1 B-XH\n"),
    }

    tags: dict[str, str] = field(default_factory=lambda: dict(TAGS))
    """What a tag means; "brand" is the column. A tag that is not named keeps its own name."""
    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file's first line is a character or word and a tag."""
        return any(_fits(piece) for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the items."""
        found = [
            piece for piece in without_notes(pieces(source)) if piece.name.lower().endswith(ENDINGS)
        ]
        if not found:
            raise SourceError(f"{source} holds no file of tagged titles ({', '.join(ENDINGS)}).")
        return {"items": pl.concat([self._items(piece, intake) for piece in found])}

    def _items(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        text = intake.text(piece, encoding=self.encoding)
        stem = piece.name.rpartition(".")[0]
        rows = [
            self._item(f"{stem}-{number}", *each)
            for number, each in enumerate(_titles(text), start=1)
        ]
        if not rows:
            raise SourceError(
                f"{piece.where} has no title: a line is a character or word, a blank and its tag."
            )
        types = {"item_id": pl.String, "title": pl.String, "brand": pl.String, "attributes": MAP}
        schema: dict[str, Any] = types | {
            TRACE[0]: pl.Int64,
            TRACE[1]: pl.String,
            TRACE[2]: pl.String,
        }
        return pl.DataFrame(
            [(*row, text.name, wrong) for *row, wrong in rows], schema=schema, orient="row"
        ).lazy()

    def _item(
        self, item: str, line: int, marks: list[tuple[str, str]], wrong: str | None
    ) -> tuple[Any, ...]:
        parts = [{"name": self.tags.get(tag, tag), "value": value} for tag, value in _parts(marks)]
        brand = next((part["value"] for part in parts if part["name"] == "brand"), None)
        rest = [part for part in parts if part["name"] != "brand"]
        return item, _written([sign for sign, _ in marks]), brand, rest or None, line, wrong


def _fits(piece: Piece) -> bool:
    return (
        piece.name.lower().endswith(ENDINGS) and LINE.match(first_line(piece).rstrip()) is not None
    )


def _titles(text: Text) -> Iterator[tuple[int, list[tuple[str, str]], str | None]]:
    """The first line of each title, its signs with their tags, and what is wrong with it."""
    first, marks, wrong = 1, list[tuple[str, str]](), None
    with text.path.open(encoding="utf-8") as lines:
        number = 0
        for number, line in enumerate(lines, start=1):
            told = line.rstrip().lstrip("\ufeff")
            if not told:
                if marks or wrong:
                    yield first, marks, wrong
                first, marks, wrong = number + 1, [], None
            elif fits := LINE.match(told):
                marks.append((fits[1], fits[2]))
            else:
                wrong = (
                    wrong
                    or f"line {number} is {told[:40]!r}, not a character or word, a blank and its tag"
                )
    if marks or wrong:
        yield first, marks, wrong


def _parts(marks: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The parts that are marked: tag and text. A part that goes on without having begun begins there."""
    held, tag = list[str](), ""
    for sign, mark in [*marks, ("", "O")]:
        kind, _, name = mark.partition("-")
        if held and (kind != "I" or name != tag):
            yield tag, _written(held)
            held = []
        if kind != "O":
            tag = name
            held.append(sign)


def _written(signs: list[str]) -> str:
    """Put characters side by side, and whole words with a blank between those of Latin letters."""
    words = any(_LATIN.search(sign) for sign in signs)
    text = ""
    for sign in signs:
        text += f" {sign}" if words and text and text[-1].isascii() and sign[:1].isascii() else sign
    return text
