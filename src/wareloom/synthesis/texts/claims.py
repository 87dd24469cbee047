"""What a text of a product may say: each word has to stand in a field of the item; some words it may not say at all."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from wareloom.language.personal import personal_data
from wareloom.language.safety import blocked, injected, unsupported
from wareloom.language.titles import SMALL
from wareloom.language.tokenise import tokenise
from wareloom.synthesis.texts.sizes import sizes, without

HAN = re.compile(r"[\u3400-\u9fff]{2}")
HAN_SIGN = re.compile(r"[\u3400-\u9fff]")
SCRAP = 2
"""Signs beside a blocked Chinese word that go with it"""
CLAUSES = re.compile(r"[.;!?。；！？](?!\d)|[，,](?!\d)")


@dataclass(frozen=True)
class Field:
    """What the catalogue says of an item in one place."""

    key: str
    """title, brand, category, price or description, else "attributes." and the attribute's name"""
    name: str
    """What the field is called in a text"""
    value: str

    @property
    def said(self) -> str:
        """Name and value."""
        return f"{self.name} {self.value}"


@dataclass(frozen=True)
class Claim:
    """A part of a text, and the field that says so."""

    text: str
    field: str
    """Key of the field; "" where the part says nothing of the product, as a call to look does"""


@cache
def rules() -> dict[str, Any]:
    """What the file of rules holds."""
    return tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))


@cache
def glue() -> frozenset[str]:
    """Words that say nothing of a product by themselves."""
    lists = rules()["glue"]
    words = f"{lists['en']} {lists['zh']}"
    return frozenset(tokenise(words, stem=True)) | frozenset(words.split()) | SMALL - negations()


@cache
def negations() -> frozenset[str]:
    """Words that turn what is said round."""
    return frozenset(rules()["glue"]["negations"].split())


def not_said(text: str, fields: Sequence[Field]) -> list[str]:
    """Return the words of a text that none of some fields holds and that say something, in order."""
    words = [tokenise(field.said, stem=True) for field in fields]
    held = {word for each in words for word in each}
    # Written together or apart: "non-stick" and "nonstick".
    joined = {a + b for each in words for a, b in pairwise(each)}
    rest = text
    for value in sorted((field.value for field in fields), key=len, reverse=True):
        # Where Chinese words end hangs on what stands beside them: a value that is said whole is taken as it is.
        # A number in it is whole: 500毫升 stands in no 2500毫升.
        form = rf"(?<![\d.,]){re.escape(value)}" if value[:1].isdigit() else re.escape(value)
        form += r"(?![\d.,]*\d)" if value[-1:].isdigit() else ""
        rest = re.sub(form, " ", rest) if HAN.search(value) else rest
    # A number belongs to its unit: of "3 lids, 2 L" no "3 L" is said.
    own = {size.same for field in fields for size in sizes(field.value)}
    there = sizes(rest)
    wrong = [size for size in there if size.same not in own]
    rest = without(rest, [size for size in there if size.same in own])
    said = [w for w in tokenise(rest, stem=True) if w not in held and w not in joined]
    whole = [field.value for field in fields]
    found = [
        w
        for w in said
        if w not in glue() and not (HAN.match(w) and any(w in each for each in whole))
    ]
    found += unsupported(rest, [field.said for field in fields])
    found = [size.written for size in wrong] + found
    return list(dict.fromkeys(found))


def turned(text: str, fields: Sequence[Field]) -> bool:
    """Whether a text denies what its fields say, or says what they deny: clause by clause, by the words they share.

    A size is denied by nobody: the 不 of 不粘锅 3升 is not of the three litres.
    """
    if not re.search(r"\w", without(text, sizes(text))):
        return False
    said = _words(text)
    denies = bool(said & negations())
    sharing = list[bool]()
    for field in fields:
        for clause in CLAUSES.split(field.said):
            words = _words(clause)
            if (words & said) - glue() - negations():
                sharing.append(bool(words & negations()))
    return bool(sharing) and denies not in sharing


@cache
def _patterns() -> dict[str, list[re.Pattern[str]]]:
    forms: dict[str, list[str]] = rules()["patterns"]
    return {kind: [re.compile(one) for one in ones] for kind, ones in forms.items()}


def forbidden(text: str) -> list[tuple[str, str]]:
    """Return the blocked words and phrases of a text, each with the list that has it."""
    lists: dict[str, list[str]] = rules()["blocked"]
    found = [(word, kind) for kind, words in lists.items() for word in blocked(text, words)]
    plain = unicodedata.normalize("NFKC", text).casefold()
    found += [
        (match[0].strip(), kind)
        for kind, forms in _patterns().items()
        for form in forms
        for match in form.finditer(plain)
    ]
    return list(dict.fromkeys(found))


def without_forbidden(text: str) -> str:
    """Return a text without its blocked words, whatever their case, and without what hangs on them alone.

    A word goes with what a hyphen joins to it: of "best-seller" no "seller" is left. Of Chinese words that blanks part
    one goes whole where next to nothing is left of it: of 最好的 no 的 is left.
    """
    for word, _ in sorted(forbidden(text), key=lambda one: -len(one[0])):
        text = _without(text, word)
    return " ".join(text.split()).strip(" ,，-–|")


def _without(text: str, word: str) -> str:
    if not HAN_SIGN.search(word):
        # Blocked is the whole word: "best" takes nothing from "bestiary".
        before = r"(?<!\w)(?:\w+-)*" if re.match(r"\w", word) else ""
        after = r"(?:-\w+)*(?!\w)" if re.search(r"\w$", word) else ""
        form = before + re.escape(word).replace(r"\ ", r"\s+") + after
        return re.sub(form, " ", text, flags=re.IGNORECASE)
    if " " not in text:
        return text.replace(word, "")
    return " ".join(
        "" if word in one and len(one) - len(word) <= SCRAP else one.replace(word, "")
        for one in text.split()
    )


def says_nothing(value: str) -> bool:
    """Whether a value of the catalogue says that there is none, such as "n/a"."""
    return value.strip().casefold() in rules()["values"]["nothing"]


def unnamed(value: str) -> bool:
    """Whether a value says nothing without its field's name: "yes", "none", a number without a unit."""
    return value.strip().casefold() in rules()["values"]["unnamed"] or not re.search(
        r"[^\W\d_]", value
    )


def refusal(text: str, fields: Sequence[Field], naming: Sequence[Field] = ()) -> str:
    """Return why a text may not be said of what its fields hold; "" where it may.

    Blocked are superlatives and effects on health, whoever says them; then orders to a model and personal data; then
    each word and number that no field holds, and what a field denies. `naming`: fields that name the product, such as
    its category; a sentence about a field may take words of them, but no number.
    """
    if found := forbidden(text):
        return f"{found[0][1]}: {found[0][0]!r}"
    if injected(text):
        return "speaks to a model"
    if personal_data(text):
        return "personal data"
    if not fields:
        return "cites no field"
    named = {word for field in naming for word in tokenise(field.value, stem=True)}
    if words := [w for w in not_said(text, fields) if w not in named or re.search(r"\d", w)]:
        return f"no field says {words[0]!r}"
    return "a field says the opposite" if turned(text, fields) else ""


def naming_fields(fields: Sequence[Field]) -> list[Field]:
    """Return the fields that say what the product is and by whom."""
    return [field for field in fields if field.key in ("title", "brand", "category")]


def unsupported_claims(text: str, claims: Sequence[Claim], fields: Sequence[Field]) -> list[str]:
    """Return what is wrong with a whole suggestion: parts of it that no claim covers, and claims that are refused.

    The machine check of the measure: it reads the text and the catalogue alone, and asks nobody who wrote it.
    """
    known = {field.key: field for field in fields}
    rest, wrong = text, list[str]()
    for claim in sorted(claims, key=lambda one: -len(one.text)):
        if claim.text not in text:
            wrong.append(f"not in the text: {claim.text!r}")
        rest = rest.replace(claim.text, " ", 1)
        cited = [known[claim.field]] if claim.field in known else []
        if claim.field and (why := refusal(claim.text, cited, naming_fields(fields))):
            wrong.append(f"{claim.text!r}: {why}")
    calls = {word for call in rules()["calls"].values() for word in tokenise(call, stem=True)}
    alone = [claim.text for claim in claims if not claim.field]
    for part in (rest, *alone):
        wrong += [
            f"no claim says {word!r}"
            for word in tokenise(part, stem=True)
            if word not in glue() and word not in calls
        ]
    return wrong


def _words(text: str) -> set[str]:
    for name in rules()["glue"]["named"].split():
        text = text.replace(name, " ")
    return {*tokenise(text, stem=True), *text.lower().split()} | {
        sign for sign in text if sign in negations()
    }
