"""A text model that answers by a rule, for what asks one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wareloom.core.run import Run
from wareloom.language.models import Generated, Sampling, TextModel


@dataclass(kw_only=True, eq=False)
class LastWord(TextModel):
    """Answers with the last word of the product, and judges a title by the words of the query that it holds."""

    def identity(self, run: Run) -> dict[str, Any]:
        """Its name says all."""
        return {"name": self.name}

    def _generate(self, asks: Sequence[Any], settings: Sampling, run: Run, done: Any) -> None:
        for ask in asks:
            title = ask.prompt.rsplit("<<", 1)[1].partition(">>")[0]
            words = [word for word in title.split() if word.isalnum()] or [""]
            done(ask, Generated(words[-1], len(ask.prompt) // 4, 3, None, "stop"))

    def _score(self, asks: Sequence[Any], run: Run, done: Any) -> None:
        for ask in asks:
            parts = ask.prompt.rsplit("<<", 2)[1:]
            query, title = (part.partition(">>")[0].split() for part in parts)
            shared = len({*query} & {*title}) / max(1, len(query))
            wanted = ("no", "partly", "mostly", "yes")[round(3 * shared)]
            likely = query == ["N/A"] or ask.continuation.strip() == wanted
            done(ask, Generated("", 1, 1, 0.0 if likely else -4.0, "stop"))
