"""Algorithms by name or class, with their settings.

Editors and type checkers read the stub `makers.pyi` beside this file: there every name has its settings, their types,
defaults and documentation. `python -m wareloom.testing.stubs` writes it from the registry, and a test compares.
"""

from __future__ import annotations

from typing import Any

from wareloom.core.family import MIXERS, RANKERS, SYNTHESIZERS, Algorithm, Family
from wareloom.core.settings import configure
from wareloom.errors import InputError
from wareloom.mixing import Mixer
from wareloom.rankers import Ranker
from wareloom.synthesis import Synthesizer


def synthesizer(name: str | type[Synthesizer], **settings: Any) -> Synthesizer:
    """Return the synthesizer called `name`, not fitted yet; `settings` by name, checked.

    `name`: one of `wl.list("synthesizer")`, `package.module:Class`, or a class of your own.
    """
    made: Synthesizer = _made(SYNTHESIZERS, name, settings)
    return made


def ranker(name: str | type[Ranker], **settings: Any) -> Ranker:
    """Return the ranker called `name`, not fitted yet; `settings` by name, checked.

    `name`: one of `wl.list("ranker")`, `package.module:Class`, or a class of your own.
    """
    made: Ranker = _made(RANKERS, name, settings)
    return made


def mixer(name: str | type[Mixer], **settings: Any) -> Mixer:
    """Return the mixer called `name`; `settings` by name, checked.

    `name`: one of `wl.list("mixer")`, `package.module:Class`, or a class of your own.
    """
    made: Mixer = _made(MIXERS, name, settings)
    return made


def _made(family: Family, name: object, settings: dict[str, Any]) -> Any:
    if isinstance(name, str):
        return family.make(name, **settings)
    if isinstance(name, type) and issubclass(name, Algorithm) and name.family is family:
        return configure(name, settings)
    what = f"{name.__name__} is a class" if isinstance(name, type) else f"{name!r} was given"
    raise InputError(
        f"wl.{family.kind} takes the name of a {family.kind}, such as {family.names()[0]!r}, or a class that derives "
        f"from the base in {family.package}; {what}. wl.list({family.kind!r}) names all."
    )
