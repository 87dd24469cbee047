"""What functions and algorithms are given: a wrong kind is said in one sentence with the remedy, before any work.

A `Kind` looks at a value and returns "" where it fits, else what to give instead. `asks` puts kinds before a function;
an algorithm's family names the kinds of its methods in `arguments`, which hold for every class of it, others' too.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from wareloom.core.run import Run
from wareloom.errors import InputError, shown

P = ParamSpec("P")
T = TypeVar("T")
Kind = Callable[[Any], str]
"""Returns what to give instead of a value, and how, as words behind "give"; "" where the value will do"""
WRAPPED = "__wareloom_asks__"


def asks(**kinds: Kind) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Check arguments by name before a function is called; raises `InputError`. A default need not fit its kind."""

    def around(function: Callable[P, T]) -> Callable[P, T]:
        return _checked(function, kinds, lambda args: f"wl.{function.__name__}")

    return around


def checked_method(function: Callable[..., T], kinds: Mapping[str, Kind]) -> Callable[..., T]:
    """Return a method of an algorithm that checks its arguments as `asks` does; once, however often it is asked for."""
    if hasattr(function, WRAPPED):
        return function
    return _checked(function, kinds, lambda args: f"{args[0].name}.{function.__name__}")


def require_kind(who: str, name: str, value: object, kind: Kind) -> None:
    """Raise `InputError` where a value is not of a kind: who was given it, its name, what it is, what to give."""
    if wanted := kind(value):
        raise InputError(f"{who}: {name} is {described(value)}; give {wanted}.")


def described(value: object) -> str:
    """What a value is, in a few words."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, numbers.Number):
        return f"the number {value}"
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    if isinstance(value, os.PathLike):
        return f"the path {os.fspath(value)!r}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def a_run(value: object) -> str:
    """A run."""
    if isinstance(value, Run):
        return ""
    seed = isinstance(value, int) and not isinstance(value, bool)
    return f"a Run: wl.Run(seed={value})" if seed else "a Run, such as wl.Run(seed=7)"


def a_count(value: object) -> str:
    """A whole number; how many are allowed is for the function to say."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return "" if whole else "a whole number"


def a_path(value: object) -> str:
    """A path of a file or folder."""
    return "" if isinstance(value, str | os.PathLike) else "the path of a file or folder, as text"


def names(example: str) -> Kind:
    """Several names, and not one text; `example` is one of them."""

    def kind(value: object) -> str:
        if isinstance(value, str | bytes):
            parts = [part.strip() for part in str(value).split(",") if part.strip()]
            return f"a list of names, even of one: {parts or [example]}"
        if isinstance(value, Mapping):
            return f"a list of names, such as [{example!r}]"
        return "" if isinstance(value, Iterable) else f"a list of names, such as [{example!r}]"

    return kind


def texts(value: object) -> str:
    """Several texts, and not one."""
    if isinstance(value, str | bytes):
        return f"a list of texts, even of one: [{shown(value)}]"
    return (
        "" if isinstance(value, Iterable) and not isinstance(value, Mapping) else "a list of texts"
    )


def of_class(wanted: str, *classes: type[Any]) -> Kind:
    """An instance of one of some classes; `wanted` says what and where it comes from."""
    return lambda value: "" if isinstance(value, classes) else wanted


def _checked(
    function: Callable[P, T], kinds: Mapping[str, Kind], who: Callable[[tuple[Any, ...]], str]
) -> Callable[P, T]:
    parameters = inspect.signature(function).parameters
    places = [
        name
        for name, one in parameters.items()
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    defaults = {name: one.default for name, one in parameters.items()}
    known = {name: kind for name, kind in kinds.items() if name in parameters}

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        given = {**dict(zip(places, args, strict=False)), **kwargs}
        for name, kind in known.items():
            if (
                name in given
                and given[name] is not defaults[name]
                and (wanted := kind(given[name]))
            ):
                raise InputError(f"{who(args)}: {name} is {described(given[name])}; give {wanted}.")
        return function(*args, **kwargs)

    setattr(checked, WRAPPED, True)
    return checked
