"""Text brought to one width, without what is unseen, each sign with its place in the text that was given."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

UNSEEN = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""Characters that turn the direction of a text or are not seen"""
_READ = "零〇○一二三四五六七八九幺壹贰叁肆伍陆柒捌玖"
SPOKEN = str.maketrans(_READ, "0001234567891123456789")
"""Chinese digits, as numbers are read out"""
_SPOKEN_RUN = re.compile(rf"[{_READ}][{_READ}\s-]{{5,40}}[{_READ}]")


class Flat(NamedTuple):
    """A text in one width, and where each of its signs stood."""

    text: str
    places: Sequence[int]
    """The place in the given text of each sign, int [len(text)]"""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where signs `start` to `end` (not included) stood in the text that was given."""
        return self.places[start], self.places[end - 1] + 1


def flat(text: str) -> Flat:
    """Return a text in NFKC without unseen characters; Chinese digits in a row of seven or more become 0 to 9."""
    if text.isascii():
        return Flat(text, range(len(text)))
    signs, places = list[str](), list[int]()
    for place, sign in enumerate(text):
        if UNSEEN.match(sign):
            continue
        for one in unicodedata.normalize("NFKC", sign):
            signs.append(one)
            places.append(place)
    whole = _SPOKEN_RUN.sub(lambda run: run[0].translate(SPOKEN), "".join(signs))
    return Flat(whole, places)
