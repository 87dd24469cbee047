"""What pages say, in every language they speak: one table, `wareloom/sentences/*.toml`, with whole sentences.

A file is a topic, an entry a sentence with a text for each language and the same placeholders in all. Sentences are
never put together of pieces: word order differs. Names of the data stand where the placeholders are, as they are.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from wareloom.errors import SettingError, UnknownNameError, unknown

LANGUAGES = {"en": "English", "zh": "简体中文"}
"""Codes and own names of the languages"""
VARIABLE = "WARELOOM_LANGUAGE"
"""The environment variable that says in which language pages are"""


LONGEST = 2000
"""Characters beyond which a sentence of the data is kept as it is: patterns take long over long ones"""


@cache
def sentences() -> dict[str, dict[str, str]]:
    """Return every sentence by "topic.key", each by language."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted((files("wareloom") / "sentences").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            topic = file.name.removesuffix(".toml")
            for key, texts in tomllib.loads(file.read_text(encoding="utf-8")).items():
                found[f"{topic}.{key}"] = texts
    return found


@cache
def _patterns(topic: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The English texts of a topic as patterns, those that spell out the most first."""
    found = []
    for key, texts in sentences().items():
        if key.startswith(f"{topic}."):
            parts = re.split(r"\{(\w+)\}", texts["en"])
            even = [re.escape(part) for part in parts[::2]]
            names = [f"(?P<{name}>.+?)" for name in parts[1::2]]
            woven = "".join(a + b for a, b in zip(even, [*names, ""], strict=True))
            found.append((-sum(map(len, even)), key, re.compile(woven, re.DOTALL)))
    return tuple((key, pattern) for _, key, pattern in sorted(found, key=lambda each: each[:2]))


@dataclass(frozen=True)
class Pages:
    """How pages are written where nothing else is said: in which language, and with which charts."""

    language: str = ""
    """A code; blank takes the environment variable `WARELOOM_LANGUAGE`, else English"""
    interactive: bool = False


_asked: ContextVar[Pages | None] = ContextVar("wareloom_pages", default=None)


def pages() -> Pages:
    """Return how pages are to be written where a call does not say."""
    return _asked.get() or Pages()


@contextmanager
def writing(language: str = "", *, interactive: bool = False) -> Iterator[None]:
    """Have pages that are written in the block take this language and these charts where a call does not say."""
    token = _asked.set(Pages(language, interactive))
    try:
        yield
    finally:
        _asked.reset(token)


@dataclass(frozen=True)
class Say:
    """Says sentences in one language; raises `UnknownNameError` for a language or a sentence that is not there."""

    language: str = "en"

    def __post_init__(self) -> None:
        """Refuse a language that no page speaks."""
        if self.language not in LANGUAGES:
            known = " or ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
            raise SettingError(f"Pages do not speak {self.language!r}: take {known}.")

    @classmethod
    def of(cls, language: str = "") -> Say:
        """Return who says sentences in `language`; blank: what `writing` says, the environment, or English."""
        return cls(language or pages().language or os.environ.get(VARIABLE, "") or "en")

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the sentence `key`, such as "page.skip", with its placeholders filled."""
        texts = sentences().get(key)
        if texts is None:
            raise unknown("sentence", key, sentences())
        return texts[self.language].format_map(values)

    def counted(self, key: str, count: int, /, **values: object) -> str:
        """Return the sentence `key`_one or `key`_many, with {count} as it is read."""
        form = "one" if count == 1 else "many"
        return self(f"{key}_{form}", count=f"{count:,}", **values)

    def term(self, topic: str, word: str) -> str:
        """Return a word of the data, such as an arm's name, in this language; itself where the table lacks it."""
        texts = sentences().get(f"{topic}.{word}")
        return word if texts is None else texts[self.language]

    def retold(self, topic: str, text: str) -> str:
        """Return an English sentence of the data, such as a reason, in this language; itself where no pattern fits.

        The patterns are the English texts of the topic; what stands at their placeholders is kept as it is.
        """
        if self.language == "en" or len(text) > LONGEST:
            return text
        for key, pattern in _patterns(topic):
            if found := pattern.fullmatch(text):
                held = {name: self._held(topic, each) for name, each in found.groupdict().items()}
                return self(key, **held)
        return text

    def _held(self, topic: str, text: str) -> str:
        """What stands at a placeholder of a retold sentence: an arm, a list, such a sentence, or as it is."""
        if (told := self.term("arm", text)) != text:
            return told
        parts = re.split(", and |, | and ", text)
        retold = [self._part(part) for part in parts]
        if all(a != b for a, b in zip(retold, parts, strict=True)):
            return self.listed(retold)
        return self.retold(topic, text)

    def _part(self, text: str) -> str:
        told = self.term("fact", text)
        return self.retold("part", text) if told == text and text else told

    def listed(self, words: Sequence[str]) -> str:
        """Join words as in a sentence: "a, b and c"."""
        if len(words) < 2:
            return "".join(words)
        return self("list.last", first=self.joined(words[:-1]), last=words[-1])

    def either(self, words: Sequence[str]) -> str:
        """Join words as in a sentence: "a, b or c"."""
        if len(words) < 2:
            return "".join(words)
        return self("list.either", first=self.joined(words[:-1]), last=words[-1])

    def sentences(self, whole: Sequence[str]) -> str:
        """Set whole sentences one after the other."""
        return self("list.sentences", first="", next="").join(whole)

    def joined(self, words: Sequence[str]) -> str:
        """Join words with commas."""
        return self("list.comma", a="", b="").join(words)


__all__ = [
    "LANGUAGES",
    "VARIABLE",
    "Pages",
    "Say",
    "UnknownNameError",
    "pages",
    "sentences",
    "writing",
]
