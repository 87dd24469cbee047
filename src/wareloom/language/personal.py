"""Personal data in English and Chinese text: what is found, where it stands, and the text without it.

Rules over text: check digits (Luhn; ISO 7064 of IBAN and of Chinese identity numbers), forms, words before and after,
and lists of common names. Full-width signs, signs that are not seen, digits read out in Chinese and addresses of mail
written as "name at mail dot com" are seen through. A name that is in no list and has no word beside it passes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wareloom.language._addresses import addresses
from wareloom.language._flat import flat
from wareloom.language._known import GIVEN, NOT_LOCAL, PROVIDERS, SURNAMES
from wareloom.language._names import names
from wareloom.language._numbers import Span, numbers

KINDS = ("email", "id", "iban", "card", "order", "phone", "address", "name")
"""Kinds of personal data; where two overlap, the earlier one counts"""
_ENDINGS = (
    r"(?:com|net|org|edu|gov|cn|info|biz|io|me|co|us|uk|de|fr|es|it|nl|ca|au|jp|hk|tw|in|ru|br|mx|ch|at|se|pl"
    r"|eu|dev|app|xyz|top)"
    r"(?:(?:\.|\s?\bdot\b\s?|点)(?:cn|uk|au|jp|hk|tw|br|in|mx))?"
)
_LOCAL = r"[A-Za-z0-9À-ɏ_.+%'-]{1,64}"
_EMAIL = re.compile(
    rf"(?<![A-Za-z0-9À-ɏ_.+%-]){_LOCAL}@[A-Za-z0-9À-ɏ-]{{1,64}}(?:\.[A-Za-z0-9À-ɏ-]{{1,64}}){{1,5}}"
)
_DOT = r"(?:\s?\.\s?|\s?[(\[{<]\s?(?:dot|\.)\s?[)\]}>]\s?|\s{1,3}dot\s{1,3}|\s?点\s?)"
_SPELLED = re.compile(
    rf"(?<![A-Za-z0-9_.+-])(?P<local>[A-Za-z0-9_+-]{{1,40}}(?:(?:[._]|\s{{1,2}}(?:dot|underscore)\s{{1,2}}"
    rf"|\s?[(\[]dot[)\]]\s?)[A-Za-z0-9_+-]{{1,40}}){{0,3}})"
    rf"(?P<at>\s?[(\[{{<]\s?(?:at|@)\s?[)\]}}>]\s?|\s{{0,2}}@\s{{0,2}}|\s?艾特\s?|\s{{1,3}}at\s{{1,3}}|#(?=qq"
    rf"|163|126|gmail))"
    rf"(?P<domain>[A-Za-z0-9-]{{1,40}}(?:{_DOT}[A-Za-z0-9-]{{2,40}}){{0,2}}?){_DOT}(?:{_ENDINGS})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_MAILED = re.compile(r"(?:e-?mail|contact|write|reach|mail|邮箱|邮件)[^\n]{0,40}$", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One piece of personal data in a text."""

    kind: str
    """email, id, iban, card, order, phone, address or name."""
    text: str
    """As it stands there."""
    start: int
    """Where it begins, in characters."""


def personal_data(text: str, brands: Iterable[str] = ()) -> list[Finding]:
    """Return what identifies a person in a text, in order, none of it twice.

    Names that begin with one of `brands`, such as "Calvin Klein", are none; well-known ones are known.
    """
    plain, span = flat(text).text, flat(text).span
    known = tuple(brand.casefold() for brand in brands if brand)
    found: list[Span] = []
    for kind, start, end in _found(plain, found):
        if not any(start < there_end and there < end for _, there, there_end in found) and not (
            kind == "name" and known and _branded(plain, start, known)
        ):
            found.append((kind, start, end))
    spans = sorted((span(start, end), kind) for kind, start, end in found)
    return [Finding(kind, text[start:end], start) for (start, end), kind in spans]


def without_personal_data(text: str, brands: Iterable[str] = ()) -> tuple[str, Counter[str]]:
    """Return a text in which personal data is replaced by its kind, such as "[email]", and how many there were of each.

    What is replaced is looked through again, until there is none.
    """
    counts = Counter[str]()
    brands = tuple(brands)
    for _ in range(3):
        found = personal_data(text, brands)
        if not found:
            break
        counts.update(one.kind for one in found)
        for one in reversed(found):
            text = f"{text[: one.start]}[{one.kind}]{text[one.start + len(one.text) :]}"
    return text, counts


def _found(plain: str, taken: list[Span]) -> Iterator[Span]:
    """All candidates, surest first; `taken` is what the caller has kept of them so far."""
    if "@" in plain:
        for found in _EMAIL.finditer(plain):
            yield "email", *found.span()
    for found in _SPELLED.finditer(plain) if _spelled(plain) else ():
        if _mails(found, plain):
            yield "email", *found.span()
    yield from numbers(plain)
    yield from sorted(addresses(plain), key=lambda one: one[1] - one[2])
    yield from names(plain, [(start, end) for _, start, end in taken])


def _spelled(plain: str) -> bool:
    return (
        "@" in plain
        or "艾特" in plain
        or "#" in plain
        or re.search(r"\bat\b", plain, re.I) is not None
    )


def _mails(found: re.Match[str], plain: str) -> bool:
    """Whether words such as "name at mail dot com" are an address of mail."""
    local = found["local"].casefold()
    if found["at"].strip().casefold() != "at":
        return True
    if local in NOT_LOCAL or local.isdigit():
        return False
    domain = re.split(r"\W|\bdot\b", found["domain"].casefold())[0]
    return (
        domain in PROVIDERS
        or re.search(r"[\d._]", local) is not None
        or _MAILED.search(plain[: found.start()]) is not None
    )


def _branded(plain: str, start: int, known: tuple[str, ...]) -> bool:
    """Whether one of the known brands stands where a name begins, with or without a title before it."""
    here = plain[start:].casefold()
    title = re.search(r"[A-Za-z]{2,9}\.?\s{1,3}$", plain[:start])
    titled = plain[title.start() :].casefold() if title else here
    return here.startswith(known) or titled.startswith(known)


def common_names() -> tuple[list[str], list[str]]:
    """Return given names and surnames that many people have, in small letters, sorted."""
    return sorted(GIVEN), sorted(SURNAMES)
