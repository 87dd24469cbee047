"""What is known of an item, and how its shop speaks of such items: fields, and sentences with holes."""

from __future__ import annotations

import html
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from wareloom.errors import InputError, near
from wareloom.language.safety import injected
from wareloom.language.titles import (
    BRAND,
    DESCRIBES,
    FINISH,
    HEAD,
    MODEL,
    NOUN,
    SIZE,
    USE,
    Title,
    TitleReader,
)
from wareloom.language.tokenise import tokenise
from wareloom.shop import Shop
from wareloom.synthesis.texts.claims import (
    HAN,
    HAN_SIGN,
    Field,
    glue,
    refusal,
    says_nothing,
    without_forbidden,
)
from wareloom.synthesis.texts.sizes import BARE, sizes

HOLE = "{value}"
SENTENCES = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
LONGEST = 120
"""Characters of a sentence that is taken for a frame"""
TIMES = 2
"""Items that a frame has to stand in: what one item alone says may be no frame"""
OTHERS = 2_000
"""Items of a category that are read at most"""
MOST_READ = 20_000
"""Titles that parts of titles are learned from, at most"""
NUMBERED = re.compile(r"(^|[ _-])(ids?|codes?)$|编号$", re.IGNORECASE)
"""Names of attributes that number things: what is in them is for machines"""
TAGS = re.compile(
    r"<(script|style)\b.*?</\1\s*>|</?[a-z][^<>]*>|<!--.*?-->", re.IGNORECASE | re.DOTALL
)
BITS = re.compile(r"[^\W_]+|\S")
LETTERS = string.ascii_letters
PIECES = 8
"""Runs of letters and figures, and signs, that one word of a title may go over, as "2-1/2 in" does"""


@dataclass(frozen=True)
class Known:
    """An item's fields, and its shop's ways to say them."""

    item_id: str
    fields: tuple[Field, ...]
    frames: dict[str, str]
    """Sentence with a hole by the key of the field, from other items of the category"""
    title: Title
    """The parts of the item's title"""
    barred: tuple[tuple[str, str], ...] = ()
    """Fields that speak to a model instead of about a product, and are not read: value and reason"""

    def of(self, key: str) -> Field | None:
        """Return a field by its key."""
        return next((field for field in self.fields if field.key == key), None)

    @property
    def sayable(self) -> list[Field]:
        """Short fields: all but the description."""
        return [field for field in self.fields if field.key != "description"]


class Facts:
    """Reads a catalogue once and says what is known of any item of it."""

    def __init__(self, shop: Shop) -> None:
        self.items = shop.table("items")
        self.currency = str(shop.meta.get("currency") or "")
        titles = _texts(self.items, "title")
        brands = _texts(self.items, "brand")
        # Spread over the catalogue: files are often sorted by maker or kind.
        step = max(1, len(titles) // MOST_READ)
        self.reader = TitleReader.learn(titles[::step], brands[::step])
        self.place = {name: i for i, name in enumerate(self.items["item_id"].to_list())}
        self._groups: dict[str, list[int]] | None = None

    def known(self, item: str) -> Known:
        """Return what is known of an item; raises `InputError` where the catalogue lacks it."""
        if item not in self.place:
            if not self.place:
                raise InputError(
                    f"There is no item {item!r}: the catalogue is empty. Read one (wareloom read EXPORT --to SHOP)."
                )
            raise InputError(
                f"There is no item {item!r} in the catalogue.{near(item, list(self.place)[:10_000])}"
            )
        place = self.place[item]
        every = self._fields(place)
        barred = [field for field in every if injected(field.value)]
        fields = [field for field in every if field not in barred]
        said = next((field.value for field in fields if field.key == "title"), "")
        title = self.reader.read(without_forbidden(said))
        frames = {}
        if "description" in self.items.columns:
            others = [other for other in self.group(place, title) if other != place]
            frames = self._frames(fields, others)
        why = tuple((field.value, "speaks to a model") for field in barred)
        return Known(item, tuple(fields), frames, title, why)

    def group(self, place: int, title: Title) -> list[int]:
        """Places of items of the same category; of the same head word where there are no categories."""
        if self._groups is None:
            self._groups = {}
            leaves = (
                self.items["category"].list.last().to_list()
                if "category" in self.items.columns
                else [None] * len(self.items)
            )
            titles = _texts(self.items, "title")
            for other, (leaf, text) in enumerate(zip(leaves, titles, strict=True)):
                key = leaf or _head(self.reader.read(text))
                if key:
                    self._groups.setdefault(key, []).append(other)
        category = self._category(place)
        return self._groups.get(category[-1] if category else _head(title), [])[:OTHERS]

    def _category(self, place: int) -> list[str]:
        if "category" not in self.items.columns:
            return []
        levels = self.items["category"].gather([place]).to_list()[0]
        return [level for level in levels or () if level]

    def _fields(self, place: int) -> list[Field]:
        row = self.items.row(place, named=True)
        texts = {key: plain(str(row.get(key) or "")) for key in ("title", "brand", "description")}
        found = [
            Field(key, key, text)
            for key, text in texts.items()
            if re.search(r"\w", text) and not says_nothing(text)
        ]
        if levels := self._category(place):
            found.append(Field("category", "category", levels[-1]))
        # A price of nothing is one that the catalogue does not know.
        if row.get("price"):
            found.append(Field("price", "price", f"{row['price']:.2f} {self.currency}".strip()))
        values: dict[str, list[str]] = {}
        for one in row.get("attributes") or ():
            value = plain(one["value"] or "")
            if one["name"] and re.search(r"\w", value) and not says_nothing(value):
                if NUMBERED.search(one["name"].strip()) and not re.search(r"[^\W\d_]", value):
                    continue
                if value not in (own := values.setdefault(one["name"], [])):
                    own.append(value)
        for key, own in values.items():
            between = "、" if HAN.search(own[0]) else ", "
            name = " ".join(key.replace("_", " ").split())
            found.append(Field(f"attributes.{key}", name, between.join(own)))
        return found

    def _frames(self, fields: Sequence[Field], others: Sequence[int]) -> dict[str, str]:
        """Sentences of other items' descriptions with a hole where their own value of a field stood.

        All other words have to say nothing by themselves, or be the field's name or the category's: nothing of another
        item comes along.
        """
        category = [field for field in fields if field.key == "category"]
        found: dict[str, Counter[str]] = {}
        keys = {field.key: field for field in fields if field.key not in ("title", "description")}
        for other in others:
            own = {field.key: field for field in self._fields(other) if field.key in keys}
            text = self.items["description"][other] or ""
            for sentence in SENTENCES.split(text):
                for key, field in own.items():
                    if field.value not in sentence or len(sentence) > LONGEST:
                        continue
                    frame = " ".join(sentence.replace(field.value, HOLE, 1).split())
                    if "{" not in frame.replace(HOLE, "", 1) and _says_nothing(
                        frame, field, category
                    ):
                        found.setdefault(key, Counter())[frame] += 1
        best = {key: max(sorted(n.items()), key=lambda one: one[1]) for key, n in found.items()}
        return {key: frame for key, (frame, times) in best.items() if times >= TIMES}


def plain(text: str) -> str:
    """A text of a catalogue without its marks: entities as signs, no tags of HTML, no scripts, single blanks."""
    return " ".join(TAGS.sub(" ", html.unescape(text)).split())


def parts_of(known: Known) -> dict[str, str]:
    """What a title says of its product, by part: brand, product, size, model, finish and use, where it has them.

    Words stand as the title writes them: "0.37 Ounce", not "0.37oz".
    """
    words, roles = known.title.words, known.title.roles
    own = known.of("title")
    text = without_forbidden(own.value) if own else ""
    measured = [size.written for size in sizes(text)]
    found = {}
    for name, wanted in (
        ("brand", {BRAND}),
        ("product", {NOUN, HEAD, DESCRIBES}),
        ("size", {SIZE}),
        ("model", {MODEL}),
        ("finish", {FINISH}),
        ("use", {USE}),
    ):
        said = [word for word, role in zip(words, roles, strict=True) if role in wanted]
        if name == "product":
            # The unit of 3升 is no word of the product.
            said = [word for word in said if not (measured and word in BARE)]
        # A bare number is no size, and "2" of "2-handle" none at all.
        if name == "size":
            said = [word for word in said if not word.replace(".", "").isdigit()]
            said += [one for one in measured if one not in said]
        if said:
            between = ", " if name == "size" else " "
            found[name] = between.join(
                word if word in measured else as_written(word, text) for word in said
            )
    return found


def as_written(word: str, title: str) -> str:
    """Return a word of a title, or a brand of several, as it stands there: its unit, its capitals, its apostrophe.

    "0.37oz" is "0.37 Ounce" in "Concealer, 0.37 Ounce". A word that stands inside of others is returned as it is.
    """
    wanted = tokenise(word)
    bits = [(bit.start(), bit.end()) for bit in BITS.finditer(title)]
    for size in range(1, PIECES + 1):
        for (start, _), (_, end) in zip(bits, bits[size - 1 :], strict=False):
            # ".8 oz" is a number of its own, and the end of "0.8 oz" is none.
            if title[start] == "." and title[start - 1 : start].isdigit():
                continue
            if tokenise(title[start:end]) == wanted:
                # A possessive is the word's own: "Maker's".
                own = re.match(r"['\u2019]s\b", title[end:])
                return title[start : end + (own.end() if own else 0)]
    at = title.lower().find(word)
    if at > 0 and HAN_SIGN.fullmatch(word):
        # One sign that letters lead: T恤, U盘.
        at -= len(title[:at]) - len(title[:at].rstrip(LETTERS))
        return title[at : title.lower().find(word) + 1]
    return title[at : at + len(word)] if at >= 0 else word


def covered(text: str, known: Known) -> float:
    """Return the share of an item's fields, its description apart, whose words all stand in a text.

    Fields that may not be said count as well: what is left out shows.
    """
    fields = [field for field in known.sayable if tokenise(field.value)]
    said = {*tokenise(text, stem=True)}
    there = [set(tokenise(field.value, stem=True)) - glue() <= said for field in fields]
    return sum(there) / len(there) if there else 0.0


def _says_nothing(frame: str, field: Field, category: Sequence[Field]) -> bool:
    """Whether a frame holds for any value of its field."""
    rest = frame.replace(HOLE, " ")
    bare = [Field(field.key, field.name, "")]
    return bool(rest.strip(" .:：。")) and not refusal(rest, bare, category)


def _head(title: Title) -> str:
    return next((w for w, role in zip(title.words, title.roles, strict=True) if role == HEAD), "")


def _texts(items: pl.DataFrame, name: str) -> list[str]:
    if name not in items.columns:
        return [""] * len(items)
    return [str(text) for text in items[name].fill_null("").to_list()]
