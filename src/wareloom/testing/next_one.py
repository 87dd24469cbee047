"""A text model that names what goes with a product by a rule, for what asks for complements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wareloom.core.run import Run
from wareloom.language.models import Generated, Sampling, TextModel


@dataclass(kw_only=True, eq=False)
class NextOne(TextModel):
    """Answers with the product's name, its number raised by one: "Item 3" goes with "Item 4"."""

    def identity(self, run: Run) -> dict[str, Any]:
        """Its name says all."""
        return {"name": self.name}

    def _generate(self, asks: Sequence[Any], settings: Sampling, run: Run, done: Any) -> None:
        for ask in asks:
            words = ask.prompt.rsplit("<<", 1)[1].partition(">>")[0].split()
            named = [str(int(word) + 1) if word.isdecimal() else word for word in words]
            done(ask, Generated(" ".join(named), len(ask.prompt) // 4, 3, None, "stop"))
