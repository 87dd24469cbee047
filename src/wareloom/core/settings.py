"""Settings: fields whose limits stand in their types, checked whenever an instance is made.

    neighbours: Size = 100
    decay: Annotated[float, Gt(0), Le(1)] = 0.9

A wrong value raises `SettingError` that names the owner, the setting, the value and what to give instead.
Neither nan nor inf is a number here, nor are True and False. A field that shall take inf says so with pydantic's mark:
`Annotated[float, AllowInfNan(True)]`.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MinLen

from wareloom.core.secrets import with_secret
from wareloom.errors import SettingError, near, shown

Size = Annotated[int, Ge(1)]
"""A whole number from 1"""
Count = Annotated[int, Ge(0)]
"""A whole number from 0"""
Repeats = Annotated[int, Ge(1), Le(1000)]
"""How often something is drawn anew: each takes as long as the first"""
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
Text = Annotated[str, MinLen(1)]
"""A text that is not empty"""
OUT_OF_LIMITS = (
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
    "string_too_short",
    "too_short",
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
        adapters = _adapters(type(self))  # type: ignore[arg-type]
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if not field.init:
                continue
            value = getattr(self, field.name)
            found = _fitted(self._owner(), field.name, value, *adapters[field.name])
            if found is not value:
                object.__setattr__(self, field.name, found)
            if address := with_secret(found):
                raise SettingError(
                    f"{self._owner()}: {field.name} holds a password or a key ({address}), and settings are kept in "
                    "files. Write ${NAME} in its place: the environment variable NAME that holds it."
                )
        self._check()

    def _check(self) -> None:
        """Raise `SettingError` for fields that do not go together; a class says here what no type can say."""

    def _owner(self) -> str:
        """Who has the settings, in messages."""
        return type(self).__name__


def configure(cls: type[Any], values: Mapping[str, Any], owner: str = "") -> Any:
    """Build a `cls` from `values`; names and types are checked, text such as "0.5" is turned into what the field is.

    Text with commas is a tuple where the field is one. `owner` is who has the settings, in messages; the class where
    it is empty. Raises `SettingError` with the near names for a wrong name, and
    with the expected type or the limits for a wrong value.
    """
    adapters = _adapters(cls)  # type: ignore[arg-type]
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
                f"{owner or cls.__name__} has no setting {name!r}.{near(name, adapters)} Its settings: {known}."
            )
        if isinstance(value, str) and typing.get_origin(adapters[name][1]) is tuple:
            value = [part.strip() for part in value.split(",") if part.strip()]
        given[name] = value
    lacking = [
        field.name
        for field in dataclasses.fields(cls)
        if field.init
        and field.name not in given
        and field.default is field.default_factory is dataclasses.MISSING
    ]
    if lacking:
        raise SettingError(f"{owner or cls.__name__}: give a value for {', '.join(lacking)}.")
    if getattr(cls, "__post_init__", None) is not Settings.__post_init__:
        # Its own may look at values before they are what their types say.
        owner = cls._owner(object.__new__(cls)) if issubclass(cls, Settings) else cls.__name__
        given = {
            name: _fitted(owner, name, value, *adapters[name]) for name, value in given.items()
        }
    return cls(**given)


class _Limits(NamedTuple):
    """What a type asks of its numbers, texts or sequences."""

    kind: str
    low: Ge | Gt | None
    high: Le | Lt | None
    least: int


def limits_of(hint: Any) -> str:
    """What a type's limits ask for, in words: "a number above 0, at most 1", "1 or more"; "" where it has none.

    Where a tuple or a dictionary has limits, these are what each of its values must keep to.
    """
    found = next(_limited(hint), None)
    if found is None:
        return ""
    return ", or ".join((_in_words(found), *_besides(hint)))


def type_in_words(hint: Any) -> str:
    """A type and its limits, as a user reads them: "int, 1 or more", "tuple[float, ...], each above 0"."""
    found = next(_limited(hint), None)
    if found is None:
        return _said(hint)
    words = _in_words(found)
    for kind in ("a number ", "a whole number ", "a text "):
        words = words.removeprefix(kind)
    each = any(typing.get_origin(part) in (tuple, list, dict) for part in _members(hint))
    return f"{_said(hint)}, {'each ' if each and not found.least else ''}{words}"


def _in_words(limits: _Limits) -> str:
    """One part's limits in words."""
    kind, low, high, least = limits
    if least:
        return "a text that is not empty" if kind == "text" else f"at least {least}"
    match low, high:
        case Ge(ge=start), None:
            return f"{_plain(start)} or more"
        case Ge(ge=start), Le(le=end):
            return f"{kind} from {_plain(start)} to {_plain(end)}"
        case Ge(ge=start), Lt(lt=end):
            return f"{kind} from {_plain(start)}, below {_plain(end)}"
        case Gt(gt=start), None:
            return f"{kind} above {_plain(start)}"
        case Gt(gt=start), Le(le=end):
            return f"{kind} above {_plain(start)}, at most {_plain(end)}"
        case Gt(gt=start), Lt(lt=end):
            return f"{kind} between {_plain(start)} and {_plain(end)}"
        case _, Lt(lt=end):
            return f"{kind} below {_plain(end)}"
        case _, Le(le=end):
            return f"{_plain(end)} or less"
    return ""


def _plain(limit: Any) -> str:
    """A limit without a decimal point where it is whole."""
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


@cache
def _adapters(cls: type[Any]) -> dict[str, tuple[Any, Any]]:
    """pydantic's checker and the type of each field."""
    from pydantic import ConfigDict, TypeAdapter

    hints = typing.get_type_hints(cls, include_extras=True)
    finite = ConfigDict(allow_inf_nan=False)
    return {
        field.name: (
            # A dataclass checks its own fields: pydantic takes no settings for it from outside.
            TypeAdapter(
                hints[field.name],
                config=None if dataclasses.is_dataclass(hints[field.name]) else finite,
            ),
            hints[field.name],
        )
        for field in dataclasses.fields(cls)
        if field.init
    }


def _fitted(owner: str, name: str, value: Any, adapter: Any, hint: Any) -> Any:
    """A value as its type says; raises `SettingError`."""
    from pydantic import ValidationError

    values = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(one, float) and math.isnan(one) for one in values):
        raise SettingError(
            f"{owner}: {name} is {shown(value)}; give {limits_of(hint) or 'a number'}."
        )
    if any(isinstance(one, bool) for one in values) and not _takes_bools(hint):
        raise SettingError(
            f"{owner}: {name} is {shown(value)}; give {limits_of(hint) or _said(hint)}."
        )
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        found = error.errors()
        first = next((one for one in found if one["type"] in OUT_OF_LIMITS), found[0])
        where, part = _located(hint, first["loc"])
        place, wanted = name + where, limits_of(part)
        if first["type"] in OUT_OF_LIMITS:
            raise SettingError(
                f"{owner}: {place} is {shown(first['input'])}; give {wanted or 'a finite number'}."
            ) from error
        if first["type"] == "literal_error":
            raise SettingError(
                f"{owner}: {place} is {first['input']!r}; give {first['ctx']['expected']}."
            ) from error
        inner = first.get("ctx", {}).get("error")
        if isinstance(inner, SettingError):
            raise SettingError(f"{owner}: {place}: {inner}") from error
        raise SettingError(
            f"{owner}: {name}={shown(value)} does not fit {_said(hint)}: {first['msg']}."
        ) from error


def _members(hint: Any) -> tuple[Any, ...]:
    """The types a union is of; a type alone is one."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return typing.get_args(hint)
    return (hint,)


def _limited(hint: Any) -> Iterator[_Limits]:
    """The limits of each part of a type that has some."""
    if typing.get_origin(hint) is Annotated:
        base, *given = typing.get_args(hint)
        every = [
            one for each in given for one in (each if isinstance(each, GroupedMetadata) else [each])
        ]
        low = next((one for one in every if isinstance(one, Gt | Ge)), None)
        high = next((one for one in every if isinstance(one, Lt | Le)), None)
        least = next((one.min_length for one in every if isinstance(one, MinLen)), 0)
        if low is not None or high is not None or least:
            kind = {int: "a whole number", str: "text"}.get(base, "a number")
            yield _Limits(kind, low, high, least)
    for part in typing.get_args(hint):
        if typing.get_origin(part) in (Annotated, tuple, list, dict, types.UnionType, typing.Union):
            yield from _limited(part)


def _besides(hint: Any) -> list[str]:
    """What a union takes beside its numbers: None, or words."""
    found = []
    for part in _members(hint):
        if part is type(None):
            found.append("None")
        if typing.get_origin(part) is Literal:
            found += [repr(word) for word in typing.get_args(part)]
    return found


def _located(hint: Any, steps: tuple[int | str, ...]) -> tuple[str, Any]:
    """Where pydantic's steps lead within a value, as Python writes it, and the type that stands there."""
    place = ""
    for step in steps:
        # Steps that fit nothing name a branch of a union: they lead nowhere.
        for held in _members(hint):
            held = typing.get_args(held)[0] if typing.get_origin(held) is Annotated else held
            origin, args = typing.get_origin(held), typing.get_args(held)
            if dataclasses.is_dataclass(held) and step in _adapters(held):  # type: ignore[arg-type]
                place, hint = f"{place}.{step}", _adapters(held)[str(step)][1]  # type: ignore[arg-type]
            elif origin in (tuple, list) and isinstance(step, int):
                varied = origin is tuple and Ellipsis not in args
                place, hint = f"{place}[{step}]", args[step if varied else 0]
            elif origin is dict:
                place, hint = f"{place}[{step!r}]", args[1]
            else:
                continue
            break
    return place, hint


def _takes_bools(hint: Any) -> bool:
    """Whether True and False are among a type's values."""
    if hint in (bool, Any, object):
        return True
    if typing.get_origin(hint) is Literal:
        return any(isinstance(value, bool) for value in typing.get_args(hint))
    return any(_takes_bools(part) for part in typing.get_args(hint))


def _said(hint: Any) -> str:
    """A type in words that a user reads: limits are left out."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _said(args[0])
    if origin in (types.UnionType, typing.Union):
        return " | ".join(_said(part) for part in args)
    if origin is Literal:
        return f"Literal[{', '.join(repr(value) for value in args)}]"
    if hint in (None, type(None)):
        return "None"
    if hint is Ellipsis:
        return "..."
    if args and isinstance(origin, type):
        return f"{origin.__name__}[{', '.join(_said(part) for part in args)}]"
    return hint.__name__ if isinstance(hint, type) else str(hint)
