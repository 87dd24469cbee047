"""Addresses by their form: streets with a number, post boxes, towns with a postcode, Chinese roads and buildings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wareloom.language._known import COUNTED
from wareloom.language._numbers import Span

HAN = r"[\u4e00-\u9fff]"
STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|RI"
    "|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)
_SURE = r"Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Terrace|Highway|Hwy|Parkway|Pkwy|Turnpike|Crescent|Mews"
_UNSURE = r"Drive|Dr|Court|Ct|Place|Pl|Way|Square|Sq|Circle|Cir|Trail|Trl|Loop|Close|Gardens|Row|Walk|Plaza"
"""Ends of streets that products end in as well: they count before a comma, a flat or the end alone"""
_HOUSE = r"\b(?<![.$#-])\d{1,5}(?:-\d{1,4})?[A-Za-z]?"
_FLAT = (
    r"(?:,?\s{0,2}(?:Apt|Apartment|Unit|Suite|Ste|Flat|Room|Floor|Fl|#)\.?\s{0,2}#?(?=\w{0,3}\d"
    r"|[A-Z]\b)\w{1,5}\b)"
)
_ZIP = rf"(?:,?\s{{1,2}}(?:{STATES})\.?,?\s{{1,2}}\d{{5}}(?:-\d{{4}})?\b)"
_POSTCODE = r"(?:[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}\b)"
_TOWN = r"(?:,\s{0,2}[A-Z][a-z]{2,15}(?:\s[A-Z][a-z]{2,15}){0,2})"
_REST = rf"{_FLAT}?(?:{_TOWN}?{_ZIP}|{_TOWN}?,?\s{_POSTCODE})?"
_WORDS = (
    r"(?:[NSEW]{1,2}\.?\s{1,3}|(?:North|South|East|West)\s{1,3})?(?:(?:[A-Z][a-z]+\.?|\d+(?:st|nd|rd"
    r"|th))\s{1,3}){1,3}"
)
_WESTERN = (
    re.compile(
        rf"{_HOUSE}\s{{1,3}}{_WORDS}"
        rf"(?:(?:{_SURE})\b\.?(?!\s{{1,3}}[a-z]*(?:er|ing|light|lamp|sign|rug|chair|bed)s?\b)(?!-)"
        rf"|(?:{_UNSURE})\b\.?(?=\s{{0,3}}(?:[,;]|\.\s{{0,3}}$|$|\n|\s?(?:Apt|Unit|Suite|Ste|#)"
        rf"|{_ZIP})))(?:\s(?:[NSEW]{{1,2}})\b)?{_REST}",
        re.MULTILINE,
    ),
    re.compile(
        r"\b[A-ZÄÖÜ][a-zäöüß]+(?:straße|strasse|str\.|gasse|allee"
        r"|platz)\s{1,3}\d{1,4}[a-z]?\b(?:,\s\d{5}\s[A-ZÄÖÜ][a-zäöüß]+)?"
    ),
    re.compile(r"\bP\.?\s?O\.?\s?Box\s{1,2}\d{1,6}\b" + _REST, re.IGNORECASE),
    re.compile(rf"\b[A-Z][a-z]{{2,15}}(?:\s[A-Z][a-z]{{2,15}}){{0,2}}{_ZIP}"),
)
_LOOSE = re.compile(
    rf"(?<![.$#\w-])\d{{1,5}}[a-z]?\s{{1,3}}(?:(?:[nsew]|north|south|east"
    rf"|west)\.?\s{{1,3}})?(?:(?:[a-z]{{3,15}}|\d{{1,3}}(?:st|nd|rd|th))\s{{1,3}}){{1,3}}?"
    rf"(?:{_SURE}|{_UNSURE})\b\.?(?!\s?(?:ft|feet|in"
    rf"|inch)\b)(?P<more>{_FLAT}?(?:,?\s{{1,2}}(?:[a-z]{{3,15}}\s{{1,2}}){{0,3}}(?:{STATES})"
    rf"\s{{1,2}}\d{{5}}\b)?)",
    re.IGNORECASE,
)
"""A street in any case: it counts with a flat or a postcode after it, or with a word of living or sending before"""
_LIVES = re.compile(
    r"\b(?:address|live|lives|living|reside|resides|located|ship|shipped|shipping|deliver|delivered|delivery"
    r"|send|sent|mail|mailed"
    r"|post|moved?|lived|our home|my home|my house)\b[^.;!?\n]{0,40}$",
    re.IGNORECASE,
)
_N = r"[A-Za-z\d一二三四五六七八九十百]{1,5}"
_DOOR = (
    rf"(?:\s?(?:{_N}\s?(?:号楼|号院|栋|幢|座|单元|楼|层|室|号|户|门|期)|{HAN}{{2,8}}?(?:小区|花园|公寓|大厦|广场|新村|家园|苑|城)"
    rf"|\d{{1,4}}-\d{{1,4}}(?:-\d{{1,4}})?|(?<=[元栋幢楼座])\d{{2,4}}(?!\d)))"
)
_TAIL = rf"(?:{_DOOR}){{0,5}}"
_NOT_OWN = r"(?!\s?(?:电池|线|色|码|针|螺|字|钢|油|机油|胶|店|馆|圈|款|车|地铁|公交|楼梯))"
# Atomic: a row of such words would else be tried in all ways.
_AREA = rf"(?>{HAN}{{2,7}}?(?:省|自治区)|{HAN}{{2,5}}?市|{HAN}{{1,6}}?[区县旗]|{HAN}{{1,5}}?(?:街道|镇|乡))"
_ROAD = (
    rf"{HAN}{{1,8}}?(?:大道|大街|胡同|路|街|道|巷|弄|里)\s?(?:{HAN}{{1,2}}段)?"
    rf"\s?\d{{1,5}}(?:-\d{{1,4}})?\s?(?:号|弄){_NOT_OWN}"
)
_CHINESE = (
    re.compile(rf"(?:{_AREA}\s?){{1,4}}{_ROAD}{_TAIL}"),
    re.compile(rf"{_ROAD}(?={_DOOR}|$|[^\u4e00-\u9fff]|[收谢麻放请的附门旁对楼院]){_TAIL}"),
    re.compile(rf"(?:{_AREA}\s?){{1,4}}{HAN}{{0,12}}?(?:\d{{1,2}}期)?(?:{_N}\s?(?:号楼|栋|幢|单元|室|组|号院|号){_NOT_OWN}){_TAIL}"),
    re.compile(rf"(?:{_AREA}\s?){{0,4}}{HAN}{{2,8}}?(?:小区|花园|公寓|家园|新村|苑|大厦|社区|村)\s?(?:\d{{1,2}}期)?{_N}\s?(?:号楼|栋|幢|座|单元|组|号){_NOT_OWN}{_TAIL}"),
    re.compile(rf"(?:{_AREA}\s?){{2,4}}{HAN}{{2,10}}?(?:村|小区|花园|公寓|家园|新村|大厦|广场|中学|小学|大学|医院)"),
)  # fmt: skip


def addresses(text: str) -> Iterator[Span]:
    """Yield "address", start and end of each address in a flat text; they may overlap, surest first."""
    if not any(map(str.isdigit, text[:4000])) and not re.search("[省市县镇乡]", text):
        return
    for form in _WESTERN:
        for found in form.finditer(text):
            if not _counted(found[0]):
                yield "address", *found.span()
    for found in _LOOSE.finditer(text):
        before = text[max(0, found.start() - 60) : found.start()]
        if (found["more"].strip() or _LIVES.search(before)) and not _counted(found[0]):
            yield "address", *found.span()
    if re.search(HAN, text):
        for form in _CHINESE:
            for found in form.finditer(text):
                yield "address", *found.span()


def _counted(said: str) -> bool:
    """Whether what stands between the number and the end is of a product."""
    return bool(COUNTED & {word.casefold().strip(".,") for word in said.split()[1:2]})
