"""How Chinese words are typed."""

from __future__ import annotations

import re

from wareloom.errors import needed

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
"""A run of Chinese characters"""


def sound(word: str) -> str:
    """Return how a Chinese word is typed: its pinyin without tones, syllables apart; needs the extra `text`."""
    pypinyin = needed("pypinyin", "text", "Words that sound alike")
    return " ".join(pypinyin.lazy_pinyin(word))
