"""How people write what a tokeniser brings to one form: measures with their units, words with or without spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence

WAYS = {
    "in": (" in", " inch", '"', "in", "-inch"),
    "ft": (" ft", " foot", "'", "ft", " feet"),
    "sqft": (" sq ft", " square feet"),
    "oz": (" oz", "oz", " ounce"),
    "floz": (" fl oz", " oz"),
    "lb": (" lb", "lb", " lbs", " pound"),
    "gal": (" gallon", " gal"),
    "v": ("v", " volt", "-volt", " v"),
    "w": ("w", " watt", "-watt", " w"),
    "a": (" amp", "-amp", "a"),
    "hp": (" hp", "hp"),
    "ct": (" ct", " count"),
    "pk": (" pack", "-pack", " pk"),
    "pc": (" piece", " pc", "-piece"),
    "ml": ("ml", " ml"),
    "l": ("l", " l", " liter"),
    "g": ("g", " g"),
    "kg": ("kg", " kg"),
    "cm": ("cm", " cm"),
    "mm": ("mm", " mm"),
    "gb": ("gb", " gb"),
}
"""Ways to write a unit behind its number, the commonest first"""
_MEASURE = re.compile(r"^(\d[\d./-]*)([a-z]+)$")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def ways(word: str) -> tuple[str, ...]:
    """Return the ways to write a word, the commonest first: "3/4in" as "3/4 in", "3/4 inch" …; most have one."""
    found = _MEASURE.match(word)
    if not found or found[2] not in WAYS:
        return (word,)
    number = re.sub(r"-(?=\d+/)", " ", found[1])
    return tuple(number + unit for unit in WAYS[found[2]])


def joined(words: Sequence[str]) -> str:
    """Put words side by side, with a space but beside Chinese ones."""
    text = ""
    for word in words:
        apart = text and not (_HAN.match(text[-1]) or _HAN.match(word[:1]))
        text += f" {word}" if apart else word
    return text
