"""Text into words: English, other spaced scripts and Chinese; measures and model numbers stay whole.

"Men's 1/2 in. Chuck, 18-Volt DCD780-C2" becomes men, 1/2in, chuck, 18v, dcd780-c2. The same text gives the same words
on every machine: nothing is learned and no dictionary outside the package is read.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

import polars as pl

from wareloom.errors import needed

_UNITS = {
    "in": "in inch inches",
    "ft": "ft foot feet",
    "yd": "yd yds yard yards",
    "sqft": "sqft sq.ft sq.ft. sq-ft",
    "mm": "mm millimeter millimeters",
    "cm": "cm centimeter centimeters",
    "m": "meter meters metre metres",
    "oz": "oz ounce ounces",
    "floz": "floz fl.oz fl.oz.",
    "lb": "lb lbs pound pounds",
    "g": "gr gram grams gramme grammes",
    "mg": "mg",
    "kg": "kg kgs kilogram kilograms",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "l": "liter liters litre litres ltr",
    "gal": "gal gallon gallons",
    "qt": "qt quart quarts",
    "pt": "pint pints",
    "v": "volt volts",
    "w": "watt watts",
    "kw": "kw kilowatt kilowatts",
    "a": "amp amps ampere amperes",
    "mah": "mah",
    "hp": "hp horsepower",
    "hz": "hz hertz",
    "gb": "gb gigabyte gigabytes",
    "tb": "tb terabyte terabytes",
    "mb": "mb megabyte megabytes",
    "ct": "ct count counts",
    "pk": "pk pack packs",
    "pc": "pc pcs piece pieces",
}
"""Ways to write a unit, by the one it becomes. Those of several words are joined before."""
_SHORT = ("m", "g", "l", "v", "w", "a", "t")
"""Units of one letter, which count only where they touch their number: "12v", not "12 a"."""
NAMES = {name: unit for unit, names in _UNITS.items() for name in names.split()} | {
    u: u for u in _SHORT
}
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
NUMBER = r"\d+(?:[- ]\d+/\d+|/\d+)?(?:\.\d+)?"
_LONG = "|".join(
    sorted((re.escape(n) for n in NAMES if len(n) > 1 and n != "in"), key=len, reverse=True)
)
_PART = r"(?:[a-z]*\d[a-z0-9]*|[a-z]{1,3}(?![^\W_]))"


def _tokens(marks: str) -> re.Pattern[str]:
    """The words of a text; `marks` are the characters that belong to the letter before them, as a class holds them."""
    letter = rf"(?:[^\W_]|[{marks}])" if marks else r"[^\W_]"
    return re.compile(
        rf"(?P<plain>[a-z]+(?!{letter}|['./-]))"
        rf"|(?<![^\W_])(?P<number>{NUMBER})(?:[\s-]?(?P<unit>{_LONG}|in(?![\s-]\d))|-?(?P<short>[{''.join(_SHORT)}]))(?![a-z0-9])"
        rf"|(?<![^\W_])(?P<code>{_PART}(?:[-/.]{_PART})+)(?![^\W_])"
        rf"|(?P<han>[{_HAN}]+)"
        rf"|(?P<word>[^\W_]{letter}*(?:'{letter}+)*)"
    )


_ASCII = _tokens("")
_MARKS = range(0x300, 0x1F000)
"""Characters among which the marks of all scripts are"""
_NO_LETTERS = (range(0x20D0, 0x2100), range(0xFE00, 0xFE10))
"""Marks around symbols and figures, and those that choose how a sign is drawn"""
_POINTS = (
    *(range(0x0591, 0x05BE), range(0x05BF, 0x05C0), range(0x05C1, 0x05C3), range(0x05C4, 0x05C6)),
    *(range(0x05C7, 0x05C8), range(0x0610, 0x061B), range(0x0640, 0x0641), range(0x064B, 0x0660)),
    *(range(0x0670, 0x0671), range(0x06D6, 0x06DD), range(0x06DF, 0x06E5), range(0x06E7, 0x06E9)),
    *(range(0x06EA, 0x06EE), range(0x08D3, 0x08E2), range(0x08E3, 0x0900)),
)
"""Vowel signs of Hebrew and Arabic, which most people leave out, and the stroke that draws an Arabic word out"""
_UNSEEN = (0x00AD, 0x200C, 0x200D, 0x2060, 0xFEFF)
"""Soft hyphen, joiners and the byte order mark"""
_LEFT_OUT = dict.fromkeys([*_UNSEEN, *(code for points in _POINTS for code in points)])
_TURKISH = (("i\u0307", "i"), ("\u0131", "i"))
"""Turkish has i with and without its dot, in both cases; many keyboards have but one of them"""
_HAN_RUN = re.compile(f"[{_HAN}]+")
_QUOTES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u2032": "'", "\u2033": '"', "\u201d": '"', "\u2044": "/"}
)
_VULGAR = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_BARE_POINT = re.compile(r"(?<![\w.])\.(?=\d)")
_SPREAD = re.compile(r"(?<=[\d ])(fl|sq)\.? (oz|ft|ounces?|feet|foot)\b")
_INCHES = re.compile(r"(?<=\d)\s?(?:\"|'')(x?)")
_FEET = re.compile(r"(?<=\d)'(x?)(?![^\W\d_])")
_ZEROS = re.compile(r"(\.\d*?)0+$")


def tokenise(text: str, *, stem: bool = False) -> list[str]:
    """Return the words of `text` in order, with their case folded and in Unicode's form NFKC.

    A word is letters of any script with their marks; the vowel signs of Arabic and Hebrew are left out, and the Turkish
    letters i with and without a dot are one. A number and its unit are one word in one spelling ("3/4 in.", '3/4"',
    "3/4-inch" → "3/4in"), and so is a model number. Chinese is divided by jieba, which is loaded at the first Chinese
    character (`MissingExtraError` where it is not installed). `stem` takes the plural's s from English words (Harman
    1991).
    """
    words: list[str] = []
    text = _plain(text)
    for match in (_ASCII if text.isascii() else _marked()).finditer(text):
        kind = match.lastgroup
        if kind == "plain":
            words.append(_singular(match.group()) if stem else match.group())
        elif kind == "word":
            words.append(_word(match.group(), stem))
        elif kind == "han":
            words += _chinese().lcut(match.group())
        elif kind == "code":
            words += _code(match.group(), stem)
        else:
            words.append(_size(match["number"]) + NAMES[match["unit"] or match["short"]])
    return words


def tokenise_all(texts: Iterable[str], *, stem: bool = False) -> pl.Series:
    """Return the words of many texts: a Series of lists of strings, one a text."""
    return pl.Series([tokenise(text, stem=stem) for text in texts], dtype=pl.List(pl.String))


def ngrams(words: pl.Series, longest: int) -> pl.DataFrame:
    """Return every run of 1 … `longest` words: columns row (place of the text, UInt32) and term (words with spaces)."""
    flat = (
        words.rename("term")
        .to_frame()
        .with_row_index("row")
        .explode("term", empty_as_null=True)
        .drop_nulls()
    )
    grown, parts = flat["term"], [flat]
    for step in range(1, longest):
        follows = flat.select(
            pl.col("term").shift(-step), same=pl.col("row") == pl.col("row").shift(-step)
        )
        grown = grown + " " + follows["term"]
        parts.append(flat.with_columns(term=grown).filter(follows["same"].fill_null(False)))
    return pl.concat(parts)


def _plain(text: str) -> str:
    """Bring characters, fractions and signs of units to one form."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text)).translate(_QUOTES)
    text = text.lower() if text.isascii() else _folded(text)
    if not text.isascii():
        # A language's own letters beside Han characters are words of their own.
        text = _HAN_RUN.sub(r" \g<0> ", text)
    if "," in text:
        text = _THOUSANDS.sub("", text)
    if "." in text:
        text = _BARE_POINT.sub("0.", text)
    if '"' in text or "'" in text:
        text = _FEET.sub(r"ft \1 ", _INCHES.sub(r"in \1 ", text))
    return _SPREAD.sub(_joined, text)


def _folded(text: str) -> str:
    """Fold case, and what many leave out or cannot type, so that one word has one form in titles and in queries."""
    text = text.casefold().translate(_LEFT_OUT)
    for letter, plain in _TURKISH:
        text = text.replace(letter, plain)
    return unicodedata.normalize("NFKC", text)


@cache
def _marked() -> re.Pattern[str]:
    """The words of a text in any script: a mark belongs to the letter before it."""
    marks = (
        chr(code)
        for code in _MARKS
        if unicodedata.category(chr(code))[0] == "M"
        and not any(code in left for left in _NO_LETTERS)
    )
    return _tokens(re.escape("".join(marks)))


def _joined(match: re.Match[str]) -> str:
    return f"{match[1]}{'oz' if match[2].startswith('o') else 'ft'}"


def _word(word: str, stem: bool) -> str:
    """Take the possessive from a word, and where asked for, its plural."""
    if "'" in word:
        word = word.removesuffix("'s").replace("'", "")
    return _singular(word) if stem else word


def _singular(word: str) -> str:
    """Apply the first of Harman's three rules that fits."""
    if len(word) < 4 or word[-1] != "s" or not word.isascii():
        return word
    if word.endswith("ies"):
        return word if word[-4] in "ae" else f"{word[:-3]}y"
    if word.endswith("es"):
        return word if word[-3] in "aeo" else word[:-1]
    return word if word[-2] in "us" else word[:-1]


def _size(number: str) -> str:
    """Write a number in one way: "1 1/2" as "1-1/2", "1.50" as "1.5"."""
    number = number.replace(" ", "-")
    return _ZEROS.sub(r"\1", number).rstrip(".") if "." in number else number


def _code(code: str, stem: bool) -> list[str]:
    """Keep what holds a figure whole; "wi-fi" is two words."""
    if not any(c.isdigit() for c in code):
        return [_word(part, stem) for part in re.split(r"[-/.]", code)]
    return [_size(code) if re.fullmatch(r"\d+\.\d+", code) else code]


def in_dictionary(word: str) -> bool:
    """Whether a Chinese word is one of the language, whatever a catalogue says."""
    return bool(_chinese().FREQ.get(word, 0))


@lru_cache(maxsize=1)
def _chinese() -> Any:
    """Load jieba with its own dictionary, without the copy it would keep in a folder that all users can write."""
    with warnings.catch_warnings():
        # Old escapes in its source, and the package it finds its files by, warn where they are compiled.
        warnings.simplefilter("ignore")
        jieba = needed("jieba", "text", "Dividing Chinese text into words")
        made = jieba.Tokenizer()
        made.FREQ, made.total = made.gen_pfdict(made.get_dict_file())
    made.initialized = True
    return made
