"""How programs write that there is nothing."""

from __future__ import annotations

from typing import Any

_SIGNS = (
    r"\N", "<NA>", "<null>", "<none>", "[null]", "(null)", "(none)", "(not set)", "(not provided)",
    "(empty)", "(blank)", "#N/A", "#NA", "#NULL!", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!",
)  # fmt: skip
_WORDS = (
    "NA",
    "N/A",
    "n.a.",
    "null",
    "none",
    "nil",
    "nan",
    "NaN",
    "NaT",
    "undefined",
    "-",
    "--",
    "---",
    "–",
    "—",
)


def _written(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words as they come: as they are, small, large, and with a capital."""
    return tuple(dict.fromkeys(v for w in words for v in (w, w.lower(), w.upper(), w.capitalize())))


SIGNS = ("", *_written(_SIGNS))
"""What cannot be anything else, even in a title or a query."""
EMPTY = (*SIGNS, *_written(_WORDS))
"""What means nothing in an id, a brand, a number or a time; a product may be called so, and somebody may ask for it."""
NO_NUMBER = tuple(word for word in EMPTY if word.lower() != "nan")
"""What means nothing among numbers: NaN is what a computation left, and is said."""
NO_DAY = ("0000-00-00", "0000-00-00 00:00:00")
"""What MySQL writes where there is no date."""


def no_word(text: Any) -> Any:
    """Whether text (a series or an expression) says something where a time may stand."""
    return ~text.is_in([*EMPTY, *NO_DAY])
