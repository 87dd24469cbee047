"""The contract of synthesizers, by what they are for: behaviour, queries, labels, searches, pictures or dialogues."""

from __future__ import annotations

from wareloom.core.family import Algorithm
from wareloom.synthesis import Synthesizer
from wareloom.testing import behaviour, dialogues, made_pictures, search
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law

LAWS: dict[str, dict[str, Law]] = {
    "behaviour": behaviour.LAWS,
    "queries": search.QUERIES,
    "labels": search.LABELS,
    "searches": search.SEARCHES,
    "pictures": made_pictures.LAWS,
    "dialogues": dialogues.DIALOGUES,
}
"""What every synthesizer keeps to, by its `of`"""
FURTHER = behaviour.FURTHER
"""What those keep to that name it in `laws`"""


def laws_of(cls: type[Algorithm]) -> dict[str, Law]:
    """The laws that a class is held to, by name."""
    assert issubclass(cls, Synthesizer), f"{cls.__name__} is no synthesizer"
    assert cls.of in LAWS, f"{cls.__name__}.of is {cls.of!r}; it is one of {', '.join(LAWS)}"
    return kit.chosen(cls, LAWS[cls.of], FURTHER)
