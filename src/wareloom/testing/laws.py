"""How a contract is written: laws by name, run one after the other, each named where it is broken."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import re
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from wareloom.core.family import Algorithm
from wareloom.core.foreign import module_of, named_below
from wareloom.core.settings import Settings, configure
from wareloom.errors import SettingError
from wareloom.testing.encoders import tiny_encoder

Law = Callable[[type[Any]], None]
AnyLaw = TypeVar("AnyLaw", bound=Law)
MADE: dict[str, Callable[[], Any]] = {"<encoder>": tiny_encoder}
"""What quick settings may name that has to be made first: a folder with a tiny encoder"""
REMEDIES = {
    "the same seed": "draw all random numbers from run.rng(PURPOSE), and sort what has no order.",
    "another seed": "draw from run.rng(PURPOSE), or say `random: ClassVar[bool] = False` where nothing is drawn.",
    "saved and restored": "keep what is learned in attributes whose names end in an underscore.",
    "scores are new": "return a new float32 array [requests, items] of finite numbers at each call.",
    "its input stays": "change no array or table that was given: copy it first.",
    "provenance": "give each row the column origin with `self.origin`, and return `self._stamped(shop, given)`.",
    "users are told apart": "name each synthetic user anew, as with `wareloom.synthesis.draws.mark`.",
    "what cannot be learned": "look in `fit` for what it needs, and raise `InputError` that says what is missing.",
    "one or many": "begin `sample` with `self._checked(n, given)`.",
}
"""What mends a class that breaks a law, by the law's name without what stands behind a colon"""


def law(laws: dict[str, Law], name: str) -> Callable[[AnyLaw], AnyLaw]:
    """Put a function among some laws; its docstring says the law."""

    def put(function: AnyLaw) -> AnyLaw:
        laws[name] = function
        return function

    return put


def chosen(
    cls: type[Algorithm], laws: Mapping[str, Law], further: Mapping[str, Law]
) -> dict[str, Law]:
    """The laws of a family, and those beyond them that a class names; an unknown name raises `AssertionError`."""
    if unknown := cls.laws - further.keys():
        known = ", ".join(sorted(further)) or "none"
        raise AssertionError(
            f"{cls.__name__}.laws names {sorted(unknown)}; the further laws are {known}."
        )
    return {**laws, **{name: function for name, function in further.items() if name in cls.laws}}


def run(cls: type[Algorithm], laws: Mapping[str, Law]) -> None:
    """Hold a class to each of some laws; raises `AssertionError` that names the first one that is broken."""
    for name, function in laws.items():
        with _Naming(cls, name, function):
            function(cls)


class _Naming:
    """Turns what goes wrong inside into an `AssertionError` that says which law was looked at."""

    def __init__(self, cls: type[Algorithm], name: str, function: Law) -> None:
        self.said = f"{cls.__name__} breaks the law {name!r}: {inspect.getdoc(function)}"
        known = REMEDIES.get(name.partition(":")[0], "")
        self.remedy = f"\nRemedy: {known}" if known else ""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            found = f"{type(error).__name__}: {str(error).strip()}".rstrip(": ")
            raise AssertionError(f"{self.said}\n{found}{self.remedy}") from error


def quick(cls: type[Algorithm]) -> dict[str, Any]:
    """Its quick settings, with what they name made."""
    return {
        name: MADE[value]() if isinstance(value, str) and value in MADE else value
        for name, value in cls.quick.items()
    }


def make(cls: type[Any]) -> Any:
    """Build one with its quick settings."""
    return configure(cls, quick(cls))


def again(made: Algorithm) -> Any:
    """Save it and read it back."""
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "kept")
        return made.family.restore(Path(folder) / "kept", allow_code=own_code(Path(folder)))


def own_code(folder: Path) -> list[str]:
    """Packages outside Wareloom that what was saved below a folder names: what runs already may run again."""
    return [module_of(name) for name in named_below(folder)]


@contextmanager
def refused(kind: type[Exception], message: str) -> Iterator[None]:
    """Pass where what is inside raises `kind` with a message that holds the pattern; `AssertionError` else."""
    said: str | None = None
    try:
        yield
    except kind as error:
        said = str(error)
    assert said is not None, f"nothing was refused; {kind.__name__} should say {message!r}"
    assert re.search(message, said), f"the message is {said!r}; it has to hold {message!r}"


def same(a: np.ndarray, b: np.ndarray) -> None:
    """Equal but for the rounding of single precision."""
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def near(a: float, b: float) -> None:
    """Equal but for the rounding of double precision; NaN is near nothing."""
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=False)


def documented(cls: type[Algorithm]) -> None:
    """Its docstring begins with a sentence, and each setting has a default and a text in the line under it."""
    summary = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
    assert summary.endswith("."), f"the docstring begins with {summary!r}, which is no sentence"
    said: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Settings):
            said |= _texts(base)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    silent = [name for name in fields if not said.get(name)]
    assert not silent, f"nothing is said of the settings {silent}"
    missing = dataclasses.MISSING
    bare = [n for n, f in fields.items() if f.default is missing and f.default_factory is missing]
    assert not bare, f"the settings {bare} have no default"
    name = make(cls).name
    if ":" not in name:
        entry = cls.family.describe(name)
        assert entry.summary == summary
        assert {s.name for s in entry.settings} == set(fields)
        assert all(s.doc and s.default is not None for s in entry.settings)


def _texts(cls: type[Any]) -> dict[str, str]:
    """The text in the line under each field of a class, read from its source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        ast.unparse(here.target): str(after.value.value)
        for here, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(here, ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }


def settings_go_round(cls: type[Algorithm]) -> None:
    """It is loaded by its name, is built anew from its settings, and refuses a setting that it does not have."""
    made = make(cls)
    assert cls.family.load(made.name) is cls, f"{made.name!r} does not load it"
    assert configure(cls, made.settings()).settings() == made.settings()
    with refused(SettingError, "has no setting 'no_such'"):
        configure(cls, {"no_such": 1})


def there(module: str) -> bool:
    """Whether an optional package is installed."""
    return importlib.util.find_spec(module) is not None
