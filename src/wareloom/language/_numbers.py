"""Numbers that are one person's: phones, cards, accounts, identity cards, orders; by form, check digit and context."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence

from wareloom.language._known import IBAN_LENGTHS, PROVINCES

Span = tuple[str, int, int]
"""Kind, start and end of what was found in a flat text"""

_AFTER = r"(?:\s{0,2}(?:number|num\b|nr\b|no\b|id\b|code\b|编号|号码|号|是|为|is\b|of\b)\.?){0,3}\s{0,2}[:#=]?\s{0,2}$"
_GOODS = re.compile(
    r"(?:\b(?:sku|upc|ean|gtin|isbn|asin|mpn|imei|item|model|part|article|art|ref|serial|s/n|catalogu?e?|style"
    r"|lot|batch"
    r"|barcode|product|order|invoice|tracking|shipment|internet)|货号|型号|条码|条形码|编码|款号|商品|订单|运单|单号|批号"
    r"|快递|发票|编号|尺寸|规格|序列号|流水)" + _AFTER,
    re.IGNORECASE,
)
"""What stands before the number of a thing"""
_CALLED = re.compile(
    r"(?:\b(?:my (?:new )?(?:number|no\.?)(?:'s|’s)?"
    r"|tel|telephone|telefon|phone|cell|cellphone|mobile|handy|fax|call|ring|dial|text|whatsapp|contact"
    r"|reach)\b|电话|手机|座机|固话|联系方式|热线|致电|拨打|来电|打给|微信|传真)"
    r"(?:[\s:.,#()]{0,3}(?:(?:me|us|him|her|back|at|on|the|my|his|our|new|number|num|no|nr|is|was|or|text|call)\b"
    r"|号码|号|码|是|为|我|他|她)){0,5}[\s:.#(]{0,4}$",
    re.IGNORECASE,
)
"""What stands before the number of a phone"""
_PAID = re.compile(
    r"(?:card|visa|mastercard|amex|diners|maestro|银行卡|信用卡|卡号|储蓄卡|借记卡|银联)[^\d\n]{0,20}$",
    re.IGNORECASE,
)
_E = r"(?![\w-])"
_B = r"(?<![\w.-])(?<!\d )"
_IDENTITY = re.compile(
    r"(?<![\dA-Za-z])\d{6}[ -]?\d{4}[ -]?\d{2}[ -]?\d{2}[ -]?\d{3}[\dXx](?![\dA-Za-z])"
)
_CARD = re.compile(
    r"(?<![\w-])(?:[2-6]\d{3}(?:[ .·-]?\d{4}){3}(?:[ .·-]?\d{3})?|3[47]\d{2}[ .·-]?\d{6}[ .·-]?\d{5}"
    r"|3[068]\d{2}[ .·-]\d{6}[ .·-]\d{4}|3[068]\d{12}|62\d{15,16})(?![\w-])",
    re.ASCII,
)
_ACCOUNT = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?=[ .-]?[A-Z0-9]{2})", re.ASCII | re.IGNORECASE
)
_ORDER = re.compile(
    r"(?<![\w-])(?P<amazon>\d{3}-\d{7}-\d{7})(?![\w-])|"
    r"(?:\b(?:order|invoice|tracking|shipment|bestellung|rechnung)\b|订单|运单|快递单|发票)"
    r"\s{0,3}(?:number|num\b|no\b|nr\b|id\b|code|编号|号码|号)?\.?\s{0,3}(?:is\b|是|为)?\s{0,3}[:#]?\s{0,3}#?\s{0,3}"
    r"(?P<own>(?=[A-Z-]*\d(?:[A-Z-]*\d){3})[A-Z0-9][A-Z0-9-]{5,})",
    re.IGNORECASE,
)
_MOBILE = re.compile(
    r"(?<![\w.-])(?:(?:\+|00)?86[ -]?)?(?:1[3-9]\d{9}|1[3-9]\d(?P<s>[ .·_-])\d{4}(?P=s)\d{4}"
    r"|1[3-9]\d(?P<t>[ .·_-])\d{3}(?P=t)\d{5}"
    r"|1[3-9]\d[ -]\d{8}|1[3-9]\d{5}[ -]\d{4}|1(?P<u>[ .·_-])[3-9](?:(?P=u)\d){9})(?![\w-])",
    re.ASCII,
)
_LANDLINE = re.compile(
    r"(?<![\w.-])(?:\(0[1-9]\d{1,2}\) ?|0[1-9]\d{1,2}[- ])(?:\d{7,8}|\d{3,4}[ -]\d{4})(?:(?:-| ?转 ?"
    r"| ?ext\.? ?)\d{1,5})?(?![\w-])",
    re.ASCII,
)
_ABROAD = re.compile(
    r"(?<![\w.])(?:\+|(?<!\d)00)[1-9]\d{0,2}(?:[ .·/-]{0,2}\(?\d{1,5}\)?){2,7}(?!\w)", re.ASCII
)
_AMERICAN = re.compile(
    r"(?<![\w.-])(?<!\d )(?:\+?1[-. ])?(?:\([2-9]\d{2}\) ?-?|[2-9]\d{2}(?P<s>[-. /·]))[2-9]\d{2}[-. ·]\d{4}"
    r"(?:,? ?(?:x|ext\.?|extension) ?\d{1,6})?(?![\w-])",
    re.ASCII,
)
_ANY = re.compile(r"(?<![\w.+-])\(?\d(?:[ ()./·-]{0,2}\d){6,14}(?![\w-])", re.ASCII)
"""Seven to fifteen digits: a phone where the context says so"""


def numbers(text: str) -> Iterator[Span]:
    """Yield kind, start and end of each number of a person in a flat text; they may overlap, surest first."""
    if sum(map(str.isdigit, text[:4000])) + (len(text) > 4000) < 1:
        return
    for found in _IDENTITY.finditer(text):
        if identity(re.sub("[ -]", "", found[0]).upper()):
            yield "id", *found.span()
    yield from _accounts(text)
    for found in _CARD.finditer(text):
        digits = [int(sign) for sign in found[0] if sign.isdecimal()]
        if _issued(digits, found[0], text[: found.start()]) and luhn(digits):
            yield "card", *found.span()
    for found in _ORDER.finditer(text):
        yield "order", *found.span("own" if found["own"] else "amazon")
    yield from _phones(text)


def luhn(digits: Sequence[int]) -> bool:
    """Whether the last of these digits is what Luhn's check asks (ISO/IEC 7812-1); one digit repeated is no number."""
    doubled = [
        digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
        for place, digit in enumerate(reversed(digits))
    ]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def iban(said: str) -> bool:
    """Whether letters and digits are an account's number: length by country, and 1 modulo 97 (ISO 13616)."""
    said = said.upper()
    if IBAN_LENGTHS.get(said[:2]) != len(said) or not said.isalnum():
        return False
    return int("".join(str(int(sign, 36)) for sign in said[4:] + said[:4])) % 97 == 1


def identity(said: str) -> bool:
    """Whether 18 signs are a Chinese identity number: province, date of birth, ISO 7064 MOD 11-2 (GB 11643)."""
    try:
        born = datetime.date(int(said[6:10]), int(said[10:12]), int(said[12:14]))
    except ValueError:
        return False
    weighed = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(said[:17]))
    return (
        said[:2] in PROVINCES
        and 1900 <= born.year <= 2100
        and "10X98765432"[weighed % 11] == said[17]
    )


def _accounts(text: str) -> Iterator[Span]:
    for found in _ACCOUNT.finditer(text):
        length = IBAN_LENGTHS.get(found[0][:2].upper(), 0)
        end, held = found.start(), ""
        while len(held) < length and end < len(text):
            if text[end].isascii() and text[end].isalnum():
                held += text[end]
            elif text[end] not in " .-":
                break
            end += 1
        beyond = text[end : end + 1]
        if length and iban(held) and not (beyond.isascii() and beyond.isalnum()):
            yield "iban", found.start(), end


def _issued(digits: Sequence[int], said: str, before: str) -> bool:
    """Whether a card's number begins as its length asks, and is not told to be the number of a thing."""
    if _GOODS.search(before[-40:]):
        return False
    head, length = int("".join(map(str, digits[:4]))), len(digits)
    paid = _PAID.search(before[-40:]) is not None
    if length == 14:
        # Trade numbers have fourteen digits as well.
        return (not said.isdecimal() or paid) and (3000 <= head <= 3059 or head // 100 in (36, 38))
    if length == 15:
        return head // 100 in (34, 37)
    if length in (17, 18, 19):
        return head // 100 == 62 or (length == 19 and paid)
    return (
        head // 1000 == 4
        or 5100 <= head <= 5599
        or 2221 <= head <= 2720
        or 3528 <= head <= 3589
        or head == 6011
        or 6440 <= head <= 6599
        or head // 100 == 62
        or (paid and head // 1000 in (5, 6))
    )


def _phones(text: str) -> Iterator[Span]:
    for form in (_MOBILE, _LANDLINE, _AMERICAN, _ABROAD):
        for found in form.finditer(text):
            digits = sum(map(str.isdecimal, found[0]))
            if 7 <= digits <= 20 and not _GOODS.search(
                text[max(0, found.start() - 40) : found.start()]
            ):
                if form is _ABROAD and not (8 if found[0][0] == "+" else 11) <= digits <= 17:
                    continue
                yield "phone", *found.span()
    for found in _ANY.finditer(text):
        before = text[max(0, found.start() - 48) : found.start()]
        groups = [len(group) for group in re.findall(r"\d+", found[0])]
        if not _CALLED.search(before) or not 7 <= sum(groups) <= 15:
            continue
        if max(groups) >= 3 and min(groups[1:] or [3]) >= 2 and not _sizes(groups, found[0]):
            yield "phone", *found.span()


def _sizes(groups: Sequence[int], said: str) -> bool:
    """Whether groups of digits look like a row of sizes, such as 128 256 512, rather than a number that is dialled."""
    return len(groups) > 2 and max(groups) <= 3 and said[0] != "0" and sum(groups) < 10
