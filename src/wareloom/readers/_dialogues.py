"""What readers of dialogues share: their columns, a catalogue without an item, and files of a turn a line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import TRACE
from wareloom.readers._text import Piece, first_line, known, pieces, without_notes
from wareloom.shop.schema import SLOTS

DIALOGUES: dict[str, Any] = {
    "dialogue_id": pl.String,
    "turn": pl.String,
    "role": pl.String,
    "text": pl.String,
    "intent": pl.String,
    "slots": SLOTS,
    TRACE[0]: pl.Int64,
    TRACE[1]: pl.String,
    TRACE[2]: pl.String,
}
"""Columns of a row of a dialogue, and where it stood"""


def no_items() -> pl.LazyFrame:
    """Return a catalogue without an item: dialogues alone are something to learn from."""
    return pl.LazyFrame(schema={"item_id": pl.String, "title": pl.String})


@dataclass(kw_only=True, eq=False)
class TurnsByLine(Reader, ABC):
    """Base of readers of English dialogues in delimited files of a turn a line, known by their headers."""

    meta: ClassVar[dict[str, str]] = {"language": "en"}
    head: ClassVar[tuple[str, ...]]
    """The columns that a file begins with"""
    unused: ClassVar[tuple[str, ...]] = ()
    """Those of them that nothing is taken from, as from columns that follow"""
    separator: ClassVar[str] = ","

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file has the header of these."""
        return any(cls._fits(piece) for piece in known(source))

    @classmethod
    def _fits(cls, piece: Piece) -> bool:
        line = first_line(piece).strip().lstrip("\ufeff")
        return tuple(line.split(cls.separator))[: len(cls.head)] == cls.head

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return dialogues, and items without a row."""
        found = [piece for piece in without_notes(pieces(source)) if self._fits(piece)]
        if not found:
            raise SourceError(f"{source} holds no file with the columns {', '.join(self.head)}.")
        frames = []
        for piece in found:
            rows = intake.delimited(piece, self.separator, encoding=self.encoding).collect()
            used = {*self.head, *TRACE} - {*self.unused}
            intake.left_out[piece.name] = [name for name in rows.columns if name not in used]
            turns = pl.DataFrame(self._turns(rows, piece, intake), schema=DIALOGUES, orient="row")
            frames.append(turns.with_columns(language=pl.lit("en")))
        return {"items": no_items(), "dialogues": pl.concat(frames).lazy()}

    @abstractmethod
    def _turns(self, rows: pl.DataFrame, piece: Piece, intake: Intake) -> list[tuple[Any, ...]]:
        """Return turns, each as `DIALOGUES` has its columns, of the rows of one file."""
