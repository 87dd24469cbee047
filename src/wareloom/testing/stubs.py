"""Writes the stub `wareloom/makers.pyi`: what editors complete of `wl.ranker("ease", …)` and of settings by name.

    python -m wareloom.testing.stubs

Names, types, defaults and documentation are the registry's; a test holds the file to them.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from wareloom import makers
from wareloom.advising import AdviceSettings
from wareloom.core.family import MIXERS, RANKERS, SYNTHESIZERS, Family
from wareloom.core.source import documentation
from wareloom.evaluation.agreement import AgreementSettings
from wareloom.evaluation.compare import CompareSettings
from wareloom.preparing.cleaning import CleanSettings
from wareloom.preparing.segments import SegmentSettings
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.kinds import kinds, study_of
from wareloom.proof.leaderboard import LeaderboardSettings
from wareloom.rankers.learned.pretraining import PretrainSettings

PLACE = Path(makers.__file__).with_suffix(".pyi")
MADE: Mapping[str, tuple[Family, str]] = {
    "synthesizer": (SYNTHESIZERS, "wareloom.synthesis.Synthesizer"),
    "ranker": (RANKERS, "wareloom.rankers.Ranker"),
    "mixer": (MIXERS, "wareloom.mixing.Mixer"),
}
"""Functions that make an algorithm: its family and its base"""
HEAD = '''"""Written by `python -m wareloom.testing.stubs` from the registry: change nothing here by hand."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, TypeVar, overload
import datetime

{imports}

S = TypeVar("S", bound=wareloom.synthesis.Synthesizer)
R = TypeVar("R", bound=wareloom.rankers.Ranker)
M = TypeVar("M", bound=wareloom.mixing.Mixer)
'''


class Option(NamedTuple):
    """One setting, as a stub has it."""

    name: str
    type: str
    default: str
    doc: str


def options() -> dict[str, tuple[type[Any], ...]]:
    """Classes of settings by the name of the dictionary that a public function's settings are."""
    proofs = tuple(study_of(kind).settings_of for kind in kinds())
    return {
        "AdviseOptions": (AdviceSettings,),
        "AgreeOptions": (AgreementSettings,),
        "CleanOptions": (CleanSettings,),
        "CompareOptions": (CompareSettings,),
        "LeaderboardOptions": (LeaderboardSettings,),
        "PretrainOptions": (PretrainSettings,),
        "ProveOptions": proofs,
        "SegmentOptions": (SegmentSettings,),
        "SplitOptions": (SplitSettings,),
    }


APART: Mapping[str, tuple[str, ...]] = {
    "AdviseOptions": ("minutes", "job"),
    "AgreeOptions": ("labels",),
    "LeaderboardOptions": ("rankers", "split"),
    "ProveOptions": ("ranker", "split"),
}
"""Settings that the function has as parameters of their own"""
BESIDE: Mapping[str, Mapping[str, Option]] = {
    "ProveOptions": {
        one.name: one
        for one in (
            Option("synthesizer_settings", "Mapping[str, Any]", "", "Settings of the synthesizer."),
            Option("mixer_settings", "Mapping[str, Any]", "", "Settings of the mixer."),
            Option(
                "screen_settings",
                "Mapping[str, Mapping[str, Any]]",
                "",
                "Settings of the screens, by the screen's name.",
            ),
        )
    }
}
"""Settings that the function takes beside those of its classes"""


def stub() -> str:
    """Return the text of the stub."""
    used: set[str] = {base.rpartition(".")[0] for _, base in MADE.values()}
    parts = [part for kind in MADE for part in _maker(kind, used)]
    for name, classes in options().items():
        parts.append(_dictionary(name, classes, used))
    imports = "\n".join(f"import {module}" for module in sorted(used))
    return "\n".join([HEAD.format(imports=imports), *parts])


def written(hint: Any, used: set[str]) -> str:
    """A type as a caller may give it: limits left out, any sequence for a tuple; modules it names go to `used`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint in (None, type(None)):
        return "None"
    if hint is Any or hint is object:
        return "Any"
    if origin is typing.Annotated:
        return written(args[0], used)
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin in (types.UnionType, typing.Union):
        return " | ".join(dict.fromkeys(written(part, used) for part in args))
    if origin is tuple and Ellipsis not in args:
        return f"tuple[{', '.join(written(part, used) for part in args)}]"
    if origin in (tuple, list):
        return f"Sequence[{written(args[0], used)}]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"Mapping[{', '.join(written(part, used) for part in args)}]"
    if hint is datetime:
        return "str | datetime.datetime"
    if isinstance(hint, type) and hint.__module__ == "builtins":
        return hint.__name__
    if isinstance(hint, type):
        used.add(hint.__module__)
        own = f"{hint.__module__}.{hint.__qualname__}"
        return f"{own} | Mapping[str, Any]" if dataclasses.is_dataclass(hint) else own
    raise TypeError(f"The stub has no form for the type {hint!r}: give `written` one.")


def settings_of(cls: type[Any], used: set[str]) -> list[Option]:
    """The settings of a class in their order, those without a default first."""
    hints, docs = typing.get_type_hints(cls), documentation(cls)
    found = [
        Option(
            each.name,
            written(hints[each.name], used),
            _default(each),
            " ".join(docs.get(each.name, "").split()),
        )
        for each in dataclasses.fields(cls)
        if each.init
    ]
    return sorted(found, key=lambda one: one.default != "")


def _default(each: dataclasses.Field[Any]) -> str:
    """A default as source text; "..." where it is none that can be written, "" where there is none."""
    if each.default is dataclasses.MISSING:
        return "" if each.default_factory is dataclasses.MISSING else "..."
    plain = each.default is None or isinstance(each.default, bool | int | float | str)
    if not plain or (isinstance(each.default, float) and not math.isfinite(each.default)):
        return "..."
    return repr(each.default)


def _maker(kind: str, used: set[str]) -> Iterator[str]:
    """The overloads of one function: a name each, then a class, then any other name."""
    family, base = MADE[kind]
    for name in sorted(family.files):
        cls = family.load(name)
        used.add(cls.__module__)
        own = settings_of(cls, used)
        given = [
            f"    {one.name}: {one.type}{f' = {one.default}' if one.default else ''},"
            for one in own
        ]
        star = ["    *,"] if given else []
        told = [f"    {one.name}: {one.doc}" for one in own]
        said = [family.describe(name).summary, *([""] if told else []), *told]
        yield "\n".join(
            [
                "@overload",
                f"def {kind}(",
                f"    name: Literal[{name!r}],",
                *star,
                *given,
                f") -> {cls.__module__}.{cls.__name__}:",
                *_docstring(said),
                "",
            ]
        )
    letter = base.rpartition(".")[2][0]
    yield f"@overload\ndef {kind}(name: type[{letter}], **settings: Any) -> {letter}: ...\n"
    # No settings here, or one of a wrong name would fit: who has them in a dictionary gives **settings all the same.
    yield f"@overload\ndef {kind}(name: str) -> {base}: ...\n"


def _docstring(lines: list[str]) -> list[str]:
    text = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines]
    return [f'    """{text[0]}', *(f"    {one}" if one else "" for one in text[1:]), '    """']


def _dictionary(name: str, classes: tuple[type[Any], ...], used: set[str]) -> str:
    """A dictionary of settings, none of which has to be given; of one name in several classes every type will do."""
    found: dict[str, dict[str, str]] = {}
    for own in (*(settings_of(cls, used) for cls in classes), BESIDE.get(name, {}).values()):
        for one in own:
            if one.name not in APART.get(name, ()):
                found.setdefault(one.name, {}).setdefault(one.type, one.doc)
    lines = [f"class {name}(TypedDict, total=False):"]
    for setting, ways in found.items():
        doc = next(iter(ways.values()))
        lines.append(f"    {setting}: {' | '.join(ways)}")
        lines += [f'    """{doc}"""'] if doc else []
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PLACE.write_text(stub(), encoding="utf-8")
