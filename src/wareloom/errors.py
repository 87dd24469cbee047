"""What can go wrong for a user, drawn as one tree.

    WareloomError
    ├── InputError            the input or the call was wrong            (exit code 2)
    │   ├── SourceError       a file is missing, empty, truncated, in another encoding
    │   ├── SchemaError       a column is missing, of another type, or holds impossible values
    │   ├── SettingError      a setting has a wrong name or value
    │   ├── UnknownNameError  no algorithm, table or metric of that name
    │   ├── OutputError       the place to write to is taken or not writable
    │   ├── MemoryLimitError  the work would not fit into the memory it is allowed
    │   ├── ServiceError      a server cannot be reached, refuses, or answers what cannot be read
    │   └── MissingExtraError an optional package is not installed
    ├── NotFittedError        asked to sample or score before `fit`      (exit code 2)
    ├── WorkerError           a process that computed crashed             (exit code 3)
    └── RefusedError          the answer is no                            (exit code 1)
        ├── BudgetError       the next call would pass the budget of tokens, cost or privacy
        ├── LeakError         synthetic data knows the held-out part
        └── GateError         a sample may not leave by its policy

Every message names the value, where it stands, and the remedy.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

NEAR = 10
"""Names of the data that a message offers, at most"""
LISTED = 400
"""Names of the house that a message lists, at most"""
MANY = 2_000
"""Names that are compared letter by letter, at most"""
LONGEST = 80
"""Characters of a name of the data that a message shows"""


class WareloomError(Exception):
    """Anything Wareloom raises on purpose."""

    exit_code = 2


class InputError(WareloomError, ValueError):
    """The input or the call was wrong; the message says where and what to do."""


class SourceError(InputError):
    """A source cannot be read as it is: missing, empty, truncated, wrongly encoded."""


class SchemaError(InputError):
    """A table lacks a column, or a column holds what it cannot hold."""


class SettingError(InputError):
    """A setting has an unknown name or an impossible value."""


class UnknownNameError(InputError):
    """Nothing of that name; near names are offered."""


class OutputError(InputError):
    """The output folder is taken, or cannot be written."""


class MemoryLimitError(InputError):
    """The work would need more memory than it is allowed; said before it starts."""


class ServiceError(InputError):
    """A server cannot be reached, refuses, or answers what cannot be read."""


class MissingExtraError(InputError):
    """An optional package is needed and not installed."""


class NotFittedError(WareloomError):
    """`fit` has to come first."""


class WorkerError(WareloomError):
    """A process that computed a piece crashed, or died again and again; its log is kept."""

    exit_code = 3


class RefusedError(WareloomError):
    """A gate said no."""

    exit_code = 1


class BudgetError(RefusedError):
    """The next call would pass the budget of tokens, of cost or of privacy; said before it is made."""


class LeakError(RefusedError):
    """Synthetic data agrees with the held-out part more than the training part explains."""


class GateError(RefusedError):
    """A sample may not leave by its policy; the message says which gates failed, by how much, and the remedies."""


def near(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return " Did you mean 'a' or 'b'?" for the names in `known` closest to `name`, or an empty string."""
    close = _nearest(name, known, count)
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def _nearest(name: str, known: Iterable[str], count: int) -> list[str]:
    """Names that are written almost as `name`, nearest first; among very many, those that begin or end as it does."""
    names = sorted(known)
    if len(names) > MANY:
        folded, room = name.casefold(), range(len(name) - 3, len(name) + 4)
        sure = [one for one in names if one.casefold() == folded]
        sure += islice((n for n in names if n.startswith(name) and len(n) in room), count)
        alike = (n for n in names if n.startswith(name[:4]) or n.endswith(name[-4:]))
        maybe = islice((n for n in alike if len(n) in room), MANY)
        close = difflib.get_close_matches(name, maybe, n=count, cutoff=0.5)
        return list(dict.fromkeys([*sure, *close]))[:count]
    return difflib.get_close_matches(name, names, n=count, cutoff=0.5)


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a `kind` (for example "ranker") called `name` that does not exist."""
    known = sorted(known)
    if len(known) > LISTED:
        return absent(kind, name, known)
    return UnknownNameError(
        f"No {kind} is called {name!r}.{near(name, known)} Known: {', '.join(known) or 'none'}."
    )


def absent(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a `kind` of the data (for example "user") called `name`: near names, and how many there are.

    Those that there are belong to whoever gave the data; a message does not list them.
    """
    known = [one for one in known if one is not None]
    close = _nearest(name, known, NEAR)
    shown = ", ".join(map(_cut, close or known[:3])) or "none"
    said = f"Near it {'is' if len(close) == 1 else 'are'}" if close else "They are such as"
    return UnknownNameError(
        f"No {kind} is called {_cut(name)!r}; there are {len(known):,}. {said} {shown}."
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """Build the error for an optional `package`, with the exact command that installs it."""
    return MissingExtraError(
        f"{purpose} needs the package {package!r}: pip install 'wareloom[{extra}]'"
    )


def require(who: str, name: str, value: object, holds: bool, wanted: str) -> None:
    """Raise `SettingError` that names the setting, its value and what is `wanted`, unless it `holds`."""
    if not holds:
        raise SettingError(f"{who}: {name} is {shown(value)}; give {wanted}.")


def shown(value: object) -> str:
    """A value as a message shows it: as it is written, cut where it is long; numbers of any length, too."""
    if isinstance(value, int) and abs(value) >= 10**40:
        return f"a whole number of {value.bit_length():,} bits"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:190]}…"


def needed(module: str, extra: str, purpose: str) -> Any:
    """Import a module that an extra installs; raises `MissingExtraError` where it is not there."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing_extra(module, extra, purpose) from error
