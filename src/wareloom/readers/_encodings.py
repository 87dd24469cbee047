"""Which encoding a text that is not UTF-8 may be in, for the message that asks for its name."""

from __future__ import annotations

import contextlib
import re

COMMON = (
    "gb18030",
    "big5",
    "cp932",
    "cp949",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp874",
)
"""Encodings that spreadsheets and shop systems export in; rarer ones win by chance where a text is short"""
WESTERN = "cp1252"
SHOWN = 60
"""Characters of a line that are shown as an encoding would read them"""
MIXED = re.compile(r"[A-Za-z][\u0370-\u06ff\u0e00-\u0e7f]|[\u0370-\u06ff\u0e00-\u0e7f][A-Za-z]")
"""Latin beside Greek, Cyrillic, Hebrew, Arabic or Thai letters: no word has both, but one that is read wrongly"""
OTHERS = "gb18030, cp1252, latin-1 and utf-16"


def remedy(text: bytes) -> str:
    """Say which encoding to name, beside what it makes of the text.

    Encodings of one byte a letter often all fit, so that a person has to look: none is taken unasked.
    """
    from charset_normalizer import from_bytes

    fitting = from_bytes(text, cp_isolation=list(COMMON))
    if (best := fitting.best()) is None:
        return f"Say its encoding with --set encoding=NAME, for example {OTHERS}."
    # Western and Central European texts often fit both of theirs equally well; the former is the commoner.
    western = (one for one in fitting if one.encoding == WESTERN and one.chaos <= best.chaos)
    guess = next(western, best)
    name = WESTERN if WESTERN in guess.could_be_from_charset else guess.encoding
    read = str(guess)
    if MIXED.search(read):
        # "GrцЯe" is no word, and "Größe" is one: lists of parts have too few letters for statistics to see it.
        with contextlib.suppress(UnicodeDecodeError):
            name, read = WESTERN, text.decode(WESTERN)
    seen = next((line for line in read.splitlines() if not line.isascii()), "")
    others = [other for other in OTHERS.split(", ") if other != name]
    return (
        f"{name} would read “{seen.strip()[:SHOWN]}”: if that is right, add --set encoding={name}. "
        f"Else name another, such as {', '.join(others)}."
    )
