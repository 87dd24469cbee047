"""Settings: fields whose limits stand in their types, checked whenever an instance is made.

    neighbours: Size = 100
    decay: Annotated[float, Gt(0), Le(1)] = 0.9

A wrong value raises `SettingError` that names the owner, the setting, the value and what to give instead.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar

from annotated_types import BaseMetadata, Ge, Gt, Le, Lt

from wareloom.errors import SettingError, near

Size = Annotated[int, Ge(1)]
"""A whole number from 1"""
Count = Annotated[int, Ge(0)]
"""A whole number from 0"""
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
"""From 0 to 1, both included"""
Factor = Annotated[float, Gt(0), Le(1)]
"""Above 0, at most 1"""
ShareBelowOne = Annotated[float, Ge(0), Lt(1)]
"""From 0, below 1: a dropout, a quantile"""
Fraction = Annotated[float, Gt(0), Lt(1)]
"""Between 0 and 1, neither included"""
OUT_OF_LIMITS = (
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
)
"""pydantic's names of what limits refuse"""


class Settings:
    """Base of dataclasses whose fields are settings: each value is checked against its type when one is made.

    A class that has limits between fields writes `_check`. Fields that were called otherwise once stand in `renamed`.
    """

    renamed: ClassVar[Mapping[str, str]] = {}
    """New names by old ones, which `configure` still reads, with a warning"""

    def __post_init__(self) -> None:
        """Check every field and turn it into what its type says; then call `_check`."""
        adapters = _adapters(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            found = _fitted(self._owner(), field.name, value, *adapters[field.name])
            if found is not value:
                object.__setattr__(self, field.name, found)
        self._check()

    def _check(self) -> None:
        """Raise `SettingError` for fields that do not go together; a class says here what no type can say."""

    def _owner(self) -> str:
        """Who has the settings, in messages."""
        return type(self).__name__


def configure(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Build a `cls` from `values`; names and types are checked, text such as "0.5" is turned into what the field is.

    Text with commas is a tuple where the field is one. Raises `SettingError` with the near names for a wrong name, and
    with the expected type or the limits for a wrong value.
    """
    adapters = _adapters(cls)
    renamed = getattr(cls, "renamed", {})
    given = {}
    for name, value in values.items():
        if name in renamed and name not in adapters:
            new = renamed[name]
            if new in values:
                raise SettingError(
                    f"{cls.__name__}: {name!r} is the old name of {new!r}; give one of them, not both."
                )
            warnings.warn(
                f"{cls.__name__}: {name!r} is called {new!r} now.", FutureWarning, stacklevel=2
            )
            name = new
        if name not in adapters:
            known = ", ".join(sorted(adapters)) or "none"
            raise SettingError(
                f"{cls.__name__} has no setting {name!r}.{near(name, adapters)} Its settings: {known}."
            )
        if isinstance(value, str) and typing.get_origin(adapters[name][1]) is tuple:
            value = [part.strip() for part in value.split(",") if part.strip()]
        given[name] = value
    if not issubclass(cls, Settings):
        given = {
            name: _fitted(cls.__name__, name, value, *adapters[name])
            for name, value in given.items()
        }
    return cls(**given)


def limits_of(hint: Any) -> str:
    """What a type's limits ask for, in words: "a number above 0, at most 1", "1 or more"; "" where it has none."""
    found = next(_limited(hint), None)
    if found is None:
        return ""
    whole, above, below = found
    low = (
        f"{above.gt:g}"
        if isinstance(above, Gt)
        else f"{above.ge:g}"
        if isinstance(above, Ge)
        else ""
    )
    high = (
        f"{below.lt:g}"
        if isinstance(below, Lt)
        else f"{below.le:g}"
        if isinstance(below, Le)
        else ""
    )
    kind = "a whole number" if whole else "a number"
    if isinstance(above, Ge) and not high:
        said = f"{low} or more"
    elif isinstance(above, Ge):
        said = (
            f"{kind} from {low} to {high}"
            if isinstance(below, Le)
            else f"{kind} from {low}, below {high}"
        )
    elif isinstance(above, Gt) and high:
        ends = (f"{kind} above {low}, at most {high}", f"{kind} between {low} and {high}")
        said = ends[isinstance(below, Lt)]
    elif isinstance(above, Gt):
        said = f"{kind} above {low}"
    else:
        said = f"{kind} below {high}" if isinstance(below, Lt) else f"{high} or less"
    return said + (", or None" if type(None) in typing.get_args(hint) else "")


@cache
def _adapters(cls: type[Any]) -> dict[str, tuple[Any, Any]]:
    """pydantic's checker and the type of each field."""
    from pydantic import TypeAdapter

    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        field.name: (TypeAdapter(hints[field.name]), hints[field.name])
        for field in dataclasses.fields(cls)
    }


def _fitted(owner: str, name: str, value: Any, adapter: Any, hint: Any) -> Any:
    """A value as its type says; raises `SettingError`."""
    from pydantic import ValidationError

    wanted = limits_of(hint)
    if isinstance(value, float) and math.isnan(value):
        raise SettingError(f"{owner}: {name} is nan; give {wanted or 'a number'}.")
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] in OUT_OF_LIMITS and wanted:
            raise SettingError(f"{owner}: {name} is {value!r}; give {wanted}.") from error
        raise SettingError(
            f"{owner}: {name}={value!r} does not fit {_said(hint)}: {first['msg']}."
        ) from error


def _limited(hint: Any) -> Iterator[tuple[bool, BaseMetadata | None, BaseMetadata | None]]:
    """Whether a whole number is asked for, and the limits, of each part of a type that has some."""
    if typing.get_origin(hint) is Annotated:
        above = next((one for one in hint.__metadata__ if isinstance(one, Gt | Ge)), None)
        below = next((one for one in hint.__metadata__ if isinstance(one, Lt | Le)), None)
        if above is not None or below is not None:
            yield typing.get_args(hint)[0] is int, above, below
    for part in typing.get_args(hint):
        if typing.get_origin(part) in (Annotated, tuple, list, dict, types.UnionType, typing.Union):
            yield from _limited(part)


def _said(hint: Any) -> str:
    """A type in words that a user reads: limits are left out."""
    if typing.get_origin(hint) is Annotated:
        return _said(typing.get_args(hint)[0])
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
