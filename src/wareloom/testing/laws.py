"""What the kits of all families share: running laws by name, and the laws of settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from wareloom.core.family import Algorithm
from wareloom.core.settings import configure
from wareloom.core.source import documentation
from wareloom.errors import MissingExtraError, SettingError

Law = Callable[[type[Any]], None]


def laws_of(
    cls: type[Algorithm], laws: Mapping[str, Law], further: Mapping[str, Law]
) -> dict[str, Law]:
    """The laws a class keeps: those of its family, and of the `further` ones those that it names in `laws`."""
    unknown = sorted(cls.laws - set(further))
    assert not unknown, (
        f"{cls.__name__} names laws that there are not: {', '.join(unknown)}. "
        f"There are {', '.join(further) or 'none'} beside those of its family."
    )
    return {**laws, **{name: further[name] for name in sorted(cls.laws)}}


def keep(cls: type[Algorithm], laws: Mapping[str, Law]) -> None:
    """Hold a class to laws, in order; raises `AssertionError` with the name of the first that is broken."""
    for name, law in laws.items():
        with broken(cls, name):
            law(cls)


class broken(AbstractContextManager[None]):
    """Whatever goes wrong within says whose law was broken; only a package that is not installed stays as it is."""

    def __init__(self, cls: type[Algorithm], law: str) -> None:
        self.cls, self.law = cls, law

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, MissingExtraError):
            said = str(error) if isinstance(error, AssertionError) else repr(error)
            raise AssertionError(
                f"{self.cls.__name__} breaks the law {self.law!r}: {said}"
            ) from error


def every_setting_is_documented(cls: type[Algorithm]) -> None:
    """Each setting is given by name and has a text in the line under it; the class says what it is."""
    texts, fields = documentation(cls), dataclasses.fields(cls)  # type: ignore[arg-type]
    silent = [field.name for field in fields if not texts.get(field.name)]
    assert not silent, f"without a text in the line under them: {', '.join(silent)}"
    placed = [field.name for field in fields if not field.kw_only]
    assert not placed, f"not by name alone (dataclass(kw_only=True)): {', '.join(placed)}"
    first = (cls.__doc__ or "").strip().partition("\n\n")[0]
    assert first.endswith("."), "the first paragraph of its docstring is no sentence"


def settings_go_round(cls: type[Algorithm]) -> None:
    """What `settings` gives makes the same again; a wrong name is refused."""
    made = configure(cls, cls.quick)
    assert configure(cls, made.settings()).settings() == made.settings()
    refused(lambda: configure(cls, {"no_such": 1}), SettingError, "has no setting 'no_such'")


def refused(
    ask: Callable[[], Any], kind: type[Exception] | tuple[type[Exception], ...], words: str
) -> str:
    """Call `ask`, which must raise `kind` with `words`; returns the message."""
    said = None
    try:
        ask()
    except kind as error:
        said = str(error)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    assert said is not None, f"no {' or '.join(one.__name__ for one in kinds)} was raised"
    assert words in said, f"{said} says nothing of {words!r}"
    return said
