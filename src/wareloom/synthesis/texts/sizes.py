"""Sizes whose unit is one letter or Chinese: "3 L", 500毫升, 36码; the tokeniser knows those of several letters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

UNITS = {
    "l": "L l 升 公升",
    "ml": "毫升",
    "m": "m 米 公尺",
    "dm": "分米",
    "cm": "厘米 公分",
    "mm": "毫米",
    "km": "千米 公里",
    "in": "英寸 寸",
    "ft": "英尺 尺",
    "g": "g 克",
    "mg": "毫克",
    "kg": "千克 公斤",
    "t": "吨",
    "斤": "斤 市斤",
    "两": "两",
    "w": "w W 瓦 瓦特",
    "kw": "千瓦",
    "v": "v V 伏 伏特",
    "A": "A 安培",
    "mAh": "毫安时 毫安",
    "m²": "平方米 平米 平方",
    "°": "度",
    "码": "码",
    "号": "号",
    "岁": "岁",
}
"""How units are written, by the unit. Letters stand as they do beside figures: M and G are names of sizes."""
COUNTED = "件 个 只 片 枚 颗 粒 块 张 条 根 支 双 对 套 包 盒 瓶 袋 桶 罐 卷 本"
"""What pieces are counted by, each a unit of its own: twelve pairs are no twelve packs"""
_OF = {way: unit for unit, ways in UNITS.items() for way in ways.split()}
_OF |= {way: way for way in COUNTED.split()}
_WAYS = "|".join(sorted((re.escape(way) for way in _OF if not way.isascii()), key=len)[::-1])
_LETTERS = "".join(way for way in _OF if way.isascii())
NUMBER = r"(?:\d+(?:[.,]\d+)*|\.\d+)(?:\s?/\s?\d+)?"
SIZES = re.compile(
    rf"(?<!\d[.,/])(?<![\d.A-Za-z])(?P<number>{NUMBER})"
    rf"(?:\s?(?P<sign>{_WAYS})|(?:\s|-)?(?P<letter>[{_LETTERS}])(?![\w²³/]))"
)
BARE = frozenset(way for way in _OF if not way.isascii())
"""Chinese units as words of their own"""


@dataclass(frozen=True)
class Size:
    """A number with its unit, and where they stand in the text."""

    number: str
    unit: str
    written: str
    start: int
    end: int

    @property
    def same(self) -> tuple[str, str]:
        """What is alike in all ways to write it: "3L", "3 L" and 3升 are one."""
        return self.number, self.unit


def sizes(text: str) -> list[Size]:
    """Return the sizes of a text in their order; a text in full width is read as one in half width."""
    # Letters and figures alone: a comma in full width parts numbers, one in half width may be within one.
    plain = "".join(
        half if len(half := unicodedata.normalize("NFKC", sign)) == 1 and half.isalnum() else sign
        for sign in text
    )
    return [
        Size(
            _number(m["number"]),
            _OF[m["sign"] or m["letter"]],
            text[m.start() : m.end()],
            *m.span(),
        )
        for m in SIZES.finditer(plain)
    ]


def without(text: str, gone: list[Size]) -> str:
    """Return a text with blanks in the place of sizes of it."""
    for size in gone:
        text = text[: size.start] + " " * (size.end - size.start) + text[size.end :]
    return text


def _number(written: str) -> str:
    """A number without what stands between its thousands, with a point, and without noughts at its end."""
    written = f"0{written}" if written.startswith(".") else written
    plain = re.sub(r",(?=\d{3}(?!\d))", "", written.replace(" ", "")).replace(",", ".")
    return plain.rstrip("0").rstrip(".") if "." in plain and "/" not in plain else plain
