"""What a query says beside the thing itself: how much it may cost, and for whom it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONEY = r"(?:dollars?|bucks|usd|euros?|eur|yuan|rmb|元|块钱?|[$€£¥￥])"
_SUM = rf"(?:[$€£¥￥]\s?)?(\d+(?:[.,]\d+)?)(?:\s?{_MONEY})?"
_SIZES = "in inch foot feet ft cm mm m v volt w watt lb oz gal amp pack ct"
_NOT_A_SIZE = rf"(?!\d|[.,]\d|\s?(?:[-/x×'\"”%]|(?:{_SIZES.replace(' ', '|')})(?:es|s)?\b|[寸米升克斤岁码号]|厘米))"
_BETWEEN = re.compile(
    rf"(?:between|from)\s+{_SUM}\s+(?:and|to)\s+{_SUM}{_NOT_A_SIZE}", re.IGNORECASE
)
_RANGE = re.compile(
    r"(?:[$€£¥￥]\s?(\d+(?:\.\d+)?)\s?(?:-|–|to)\s?(?:[$€£¥￥]\s?)?(\d+(?:\.\d+)?)"
    r"|(\d+(?:\.\d+)?)\s?(?:-|–|to|到|至)\s?(\d+(?:\.\d+)?)\s?(?:dollars?|bucks|元|块钱?))",
    re.IGNORECASE,
)
_MOST = re.compile(
    rf"(?:\b(?:under|below|less than|cheaper than|at most|up to|max(?:imum)?)\s+{_SUM}{_NOT_A_SIZE}"
    r"|(?:不超过|低于|少于)\s?(\d+(?:\.\d+)?)\s?(?:元|块钱?)?|(\d+(?:\.\d+)?)\s?(?:元|块钱?)?(?:以下|以内|之内))",
    re.IGNORECASE,
)
_LEAST = re.compile(
    rf"(?:\b(?:over|above|more than|at least|from)\s+(?:[$€£¥￥]\s?)(\d+(?:\.\d+)?)"
    rf"|\b(?:over|above|more than|at least)\s+{_SUM}{_NOT_A_SIZE}"
    r"|(?:高于|超过)\s?(\d+(?:\.\d+)?)\s?(?:元|块钱?)?|(\d+(?:\.\d+)?)\s?(?:元|块钱?)以上)",
    re.IGNORECASE,
)
READ = ((_BETWEEN, True, True), (_RANGE, True, True), (_MOST, False, True), (_LEAST, True, False))
"""What is looked for, and whether it names the lowest price, and the highest"""
_PEOPLE = {
    "girls": (
        r"\bfor (?:my |a )?(?:daughter|girl|niece|granddaughter)s?\b|给(?:女儿|闺女|孙女|女孩)",
        "girls 女童 女孩",
    ),
    "boys": (
        r"\bfor (?:my |a )?(?:son|boy|nephew|grandson)s?\b|给(?:儿子|孙子|男孩)",
        "boys 男童 男孩",
    ),
    "women": (
        r"\bfor (?:my |a )?(?:wife|mother|mom|mum|girlfriend|her|woman|women)\b|给(?:老婆|妻子|妈妈|女朋友|女友)",
        "women 女 女士",
    ),
    "men": (
        r"\bfor (?:my |a )?(?:husband|father|dad|boyfriend|him|man|men)\b|给(?:老公|丈夫|爸爸|男朋友|男友)",
        "men 男 男士",
    ),
}
_PEOPLE_RE = {
    name: (re.compile(pattern, re.IGNORECASE), words.split())
    for name, (pattern, words) in _PEOPLE.items()
}
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True)
class Wishes:
    """A query without its price and its person, and what these were."""

    text: str
    """What is looked for; the person as catalogues write it, "for my daughter" as "girls" """
    least: float | None = None
    """The lowest price that is wanted, in the shop's currency"""
    most: float | None = None
    """The highest"""
    person: str = ""
    """girls, boys, women or men; empty where nobody is named"""


def read_wishes(query: str) -> Wishes:
    """Read prices ("under $50", "20-40 dollars", "50元以下") and people ("for my wife", "给女儿") in a query.

    A number with a unit of size is no price. What is read is taken out of the text, unless nothing would be left.
    """
    text, least, most = query, None, None
    for pattern, low, high in (
        (_BETWEEN, True, True),
        (_RANGE, True, True),
        (_MOST, False, True),
        (_LEAST, True, False),
    ):
        if (found := pattern.search(text)) is None:
            continue
        numbers = [float(part.replace(",", ".")) for part in found.groups() if part]
        least = min(numbers) if low else least
        most = max(numbers) if high else most
        text = text[: found.start()] + " " + text[found.end() :]
    person = ""
    for name, (pattern, words) in _PEOPLE_RE.items():
        if (found := pattern.search(text)) is not None:
            chinese = bool(_HAN.search(found.group()))
            said = next(word for word in words if bool(_HAN.match(word)) == chinese)
            text = f"{text[: found.start()]} {said} {text[found.end() :]}"
            person = name
            break
    text = " ".join(text.split())
    return Wishes(text or query, least, most, person)
