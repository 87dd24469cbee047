"""Bitext's customer-service utterances: one utterance a row, with its intent and at most one entity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._dialogues import DIALOGUES, no_items
from wareloom.readers._scan import TRACE
from wareloom.readers._text import Piece, first_line, known, pieces, without_notes
from wareloom.shop.schema import CUSTOMER
from wareloom.shop.spans import Slot

HEAD = ("utterance", "intent", "entity_type", "entity_value", "start_offset", "end_offset")
BESIDE = ("category", "tags")


@dataclass(kw_only=True, eq=False)
class Bitext(Reader):
    """Bitext's utterances: utterance, intent, entity_type, entity_value, start_offset, end_offset; written, not logged.

    Each utterance is a dialogue of one turn, the customer's. Its entity is a slot whose value is as the text has it
    (the source writes "Platinum" for "platinum"); an entity whose span says something else is left out, and counted.
    """

    meta: ClassVar[dict[str, str]] = {"language": "en"}
    example: ClassVar[dict[str, str]] = {
        "bitext.csv": (
            ",".join((*HEAD, *BESIDE))
            + "\ncancel order 77,cancel_order,order_id,77,13,15,ORDER,B\n"
            "pay by card,check_payment_methods,,,,,PAYMENT,B\n"
        ),
    }

    encoding: str = "utf-8"
    """The encoding of the file."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file has the header of Bitext's."""
        return any(_fits(piece) for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return dialogues of one turn, and items without a row."""
        found = [piece for piece in without_notes(pieces(source)) if _fits(piece)]
        if not found:
            raise SourceError(f"{source} holds no file with the columns {', '.join(HEAD)}.")
        frames = [self._turns(piece, intake) for piece in found]
        return {"items": no_items(), "dialogues": pl.concat(frames).lazy()}

    def _turns(self, piece: Piece, intake: Intake) -> pl.DataFrame:
        frame = intake.delimited(piece, encoding=self.encoding).collect()
        intake.left_out[piece.name] = [name for name in BESIDE if name in frame.columns]
        rows, lost = list[tuple[Any, ...]](), 0
        stem = piece.name.rpartition(".")[0]
        for row in frame.iter_rows(named=True):
            place = tuple(row[name] for name in TRACE)
            slot = _slot(row)
            lost += bool(row["entity_type"]) and slot is None
            name = f"{stem}-{place[0]}"
            told = (name, "0", CUSTOMER, row["utterance"], row["intent"], slot and [slot])
            rows.append((*told, *place))
        if lost:
            intake.say(
                f"{piece.name}: {lost:,} entities are not what stands at their offsets, and were left out."
            )
        return pl.DataFrame(rows, schema=DIALOGUES, orient="row").with_columns(
            language=pl.lit("en")
        )


def _fits(piece: Piece) -> bool:
    return tuple(first_line(piece).strip().lstrip("\ufeff").split(","))[: len(HEAD)] == HEAD


def _slot(row: dict[str, Any]) -> Slot | None:
    """The entity of a row as a slot; None where there is none at its offsets."""
    text, name = row["utterance"] or "", row["entity_type"]
    try:
        start, end = int(row["start_offset"]), int(row["end_offset"])
    except (TypeError, ValueError):
        return None
    value = text[start:end] if 0 <= start < end else ""
    if not name or not value or value.casefold() != (row["entity_value"] or "").casefold():
        return None
    return {"name": name, "value": value, "start": start, "end": end}
