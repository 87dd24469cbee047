"""Spans of slots: what of a text a slot is, and how spans follow a text that was changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any
from unicodedata import normalize

Slot = dict[str, Any]
"""One slot: name and value, both text, start and end, both whole numbers of characters"""


def fits(slot: Mapping[str, Any], text: str) -> bool:
    """Whether a slot's value is what stands at its span in a text."""
    start, end = slot.get("start"), slot.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or not slot.get("name"):
        return False
    return 0 <= start < end <= len(text) and text[start:end] == slot.get("value")


def found(name: str, value: str, text: str, after: int = 0) -> Slot | None:
    """Return the slot of the first place from `after` on where a text has a value; None where it has not."""
    start = text.find(value, after) if value else -1
    if start < 0:
        return None
    return {"name": name, "value": value, "start": start, "end": start + len(value)}


def moved(slots: Iterable[Slot], old: str, new: str) -> list[Slot]:
    """Return the slots of a text that was changed, at their new spans and with the values that stand there now.

    What was changed within a slot changes its value; a slot of which nothing is left goes.
    """
    slots = list(slots)
    if old == new or not slots:
        return slots
    # A full-width sign is the plain one that it becomes.
    plain = "".join(n if len(n := normalize("NFKC", sign)) == 1 else sign for sign in old)
    blocks = SequenceMatcher(None, plain, new, autojunk=False).get_opcodes()
    kept: list[Slot] = []
    for slot in slots:
        start, end = (
            _place(blocks, slot["start"], first=True),
            _place(blocks, slot["end"], first=False),
        )
        while start < end and new[start].isspace():
            start += 1
        while end > start and new[end - 1].isspace():
            end -= 1
        if start < end:
            kept.append({"name": slot["name"], "value": new[start:end], "start": start, "end": end})
    return kept


def _place(blocks: Sequence[tuple[str, int, int, int, int]], place: int, *, first: bool) -> int:
    """Where a place of the old text lies in the new one; the outer end of what was put in its stead."""
    for kind, start, end, new, new_end in blocks:
        inside = start <= place < end if first else start < place <= end
        if inside:
            if kind == "equal":
                return new + place - start
            return new if first else new_end
    return blocks[-1][4] if blocks and place >= blocks[-1][2] else 0
