"""MultiDoGO: the customers' side of customer-service dialogues, with an intent a turn and a slot label a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from wareloom.preparing.cleaning_text import TAG
from wareloom.readers import Intake
from wareloom.readers._dialogues import TurnsByLine
from wareloom.readers._scan import TRACE
from wareloom.readers._text import Piece
from wareloom.shop.schema import AGENT, CUSTOMER
from wareloom.shop.spans import Slot

HEAD = ("conversationId", "turnNumber", "utteranceId", "utterance", "slot-labels", "intent")
OUTSIDE = "O"
FARTHEST = 1_000
"""Turn numbers that may be missing in a row; more is a slip of the source"""


@dataclass(kw_only=True, eq=False)
class Multidogo(TurnsByLine):
    """MultiDoGO's turns (Peskov et al. 2019): conversationId, turnNumber, utterance, slot-labels and intent, by tabs.

    The files hold what customers said. A turn number that is missing before a customer's is a turn of the agent that
    nobody sees: a row of the role agent without a text. Words of one label that stand side by side are one slot.
    Intents that markup joins are joined by " + ".
    """

    example: ClassVar[dict[str, str]] = {
        "media.tsv": (
            "\t".join(HEAD) + "\nc1\t0\t<CONV>c1<TURN>0\thello\tO\topeninggreeting\n"
            "c1\t2\t<CONV>c1<TURN>2\tcancel order 77\tO O order_number\tstoporder\n"
        ),
    }

    head = HEAD
    unused = ("utteranceId",)
    separator = "\t"

    def _turns(self, rows: pl.DataFrame, piece: Piece, intake: Intake) -> list[tuple[Any, ...]]:
        found, joined = list[tuple[Any, ...]](), 0
        seen: dict[str, tuple[set[int], tuple[Any, ...]]] = {}
        for row in rows.iter_rows(named=True):
            said = row["conversationId"], row["turnNumber"]
            place = tuple(row[name] for name in TRACE)
            if said[0] and (said[1] or "").isdigit() and len(said[1]) < 7:
                seen.setdefault(said[0], (set(), place))[0].add(int(said[1]))
            intent, several = _intent(row["intent"])
            joined += several
            text = row["utterance"]
            slots = list(_slots(text or "", row["slot-labels"] or "")) or None
            found.append((*said, CUSTOMER, text, intent, slots, *place))
        found += (unseen := _unseen(seen))
        intake.say(
            f"{piece.name} holds what customers said. {len(unseen):,} turns of agents that nobody sees are rows "
            "without a text."
        )
        if joined:
            intake.say(
                f"{piece.name}: {joined:,} turns have several intents, joined by markup; they were joined by ' + '."
            )
        return found


def _unseen(seen: dict[str, tuple[set[int], tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """The agents' turns between those that were seen; none where far too many numbers lack."""
    rows: list[tuple[Any, ...]] = []
    for dialogue, (turns, place) in seen.items():
        before = -1
        for turn in sorted(turns):
            if turn - before <= FARTHEST:
                for missing in range(before + 1, turn):
                    rows.append((dialogue, str(missing), AGENT, None, None, None, *place[:2], None))
            before = turn
    return rows


def _intent(cell: str | None) -> tuple[str | None, bool]:
    """An intent without markup, and whether markup joined several."""
    parts = [part.strip() for part in re.split(TAG, cell or "") if part and part.strip()]
    return " + ".join(dict.fromkeys(parts)) or None, len(parts) > 1


def _slots(text: str, labels: str) -> Iterator[Slot]:
    """The words of one label that stand side by side; nothing where there are not as many labels as words.

    Words are parted at single blanks: the source counts a line break between two blanks as a word.
    """
    words, marks = text.split(" "), labels.split()
    if len(words) != len(marks):
        return
    start, held = 0, list[tuple[str, int, int]]()
    for word, mark in zip(words, marks, strict=True):
        end = start + len(word)
        if mark != OUTSIDE and word.strip():
            if held and held[-1][0] == mark and not text[held[-1][2] : start].strip(" "):
                held[-1] = (mark, held[-1][1], end)
            else:
                held.append((mark, start, end))
        start = end + 1
    for mark, first, end in held:
        yield {"name": mark, "value": text[first:end], "start": first, "end": end}
