"""The folder is the registry: algorithms are found by their file names.

`RANKERS.load("ease")` imports the file `ease.py` anywhere below `wareloom/rankers/` and takes its one public class;
`package.module:Class` reaches an algorithm that lives elsewhere. A package that is installed offers its own by name:

    [project.entry-points."wareloom.algorithms"]
    mine = "package.module:Class"

Listing reads docstrings and settings with `ast` and imports nothing. An algorithm is a public class that derives from
the base of its family and is no base itself, that is, does not name `ABC` among its bases; other files beside it hold
what algorithms share.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from wareloom.core import foreign, notebook, source, state
from wareloom.core.asked import WRAPPED, Kind, checked_method
from wareloom.core.outside import Offered, imported, offered
from wareloom.core.settings import Settings, configure
from wareloom.core.source import Setting, algorithms_in
from wareloom.core.whole import digests, whole
from wareloom.errors import InputError, NotFittedError, SettingError, SourceError, near, unknown


@dataclass(frozen=True)
class Entry:
    """One algorithm, as its source says it, without importing it."""

    family: str
    name: str
    module: str
    summary: str
    settings: tuple[Setting, ...]
    package: str = ""
    """The package that offers it, with its version; "" for the house"""
    keeps: str = ""
    """What it keeps of real users under its default settings; "" for those that are shown none"""


class Algorithm(Settings):
    """Base of everything that lives in a family.

    A subclass is a keyword-only dataclass: its fields are its settings, each documented in the line under it. What it
    learns it keeps in attributes that end in an underscore; these are saved and loaded.
    """

    family: ClassVar[Family]
    quick: ClassVar[Mapping[str, Any]] = {}
    """Settings under which the contract of `wareloom.testing` takes seconds"""
    laws: ClassVar[frozenset[str]] = frozenset()
    """Laws beyond its family's that it keeps, by their names in `wareloom.testing`"""
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {}
    """Kinds of arguments by method: a base says them for all classes of its family, see `wareloom.core.asked`"""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        # A dataclass writes one of its own for each class that has none, with every setting.
        if "__repr__" not in vars(cls):
            cls.__repr__ = Algorithm.__repr__  # type: ignore[method-assign]
        for name, kinds in cls.arguments.items():
            # What a mixin that is no algorithm brings was not looked after yet.
            method = inspect.getattr_static(cls, name, None)
            if callable(method) and not hasattr(method, WRAPPED):
                setattr(cls, name, checked_method(method, kinds))

    def __repr__(self) -> str:
        """One line: the settings that are not their defaults, and whether anything was learned."""
        said = [f"{name}={value!r}" for name, value in self.changed().items()]
        return notebook.line(type(self).__name__, *said, "fitted" if _learned(self) else "")

    @property
    def name(self) -> str:
        """The name it is loaded by: its file's stem, or `package.module:Class` outside Wareloom."""
        cls = type(self)
        if cls.__module__.startswith(f"{self.family.package}."):
            return cls.__module__.rpartition(".")[2]
        return f"{cls.__module__}:{cls.__qualname__}"

    def _owner(self) -> str:
        return self.name

    def settings(self) -> dict[str, Any]:
        """Return the settings by name, as plain values."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def changed(self) -> dict[str, Any]:
        """Return the settings that are not what they are where nothing is said, by name."""
        found = {}
        for each in dataclasses.fields(self):  # type: ignore[arg-type]
            value, default = getattr(self, each.name, None), each.default
            if each.default_factory is not dataclasses.MISSING:
                default = each.default_factory()
            if value != default:
                found[each.name] = value
        return found

    def state(self) -> dict[str, Any]:
        """Return what was learned: the attributes whose names end in one underscore, but for `parts`."""
        learned, parts = (
            {k: v for k, v in vars(self).items() if k.endswith("_") and not k.startswith("_")},
            self.parts(),
        )
        return {k: v for k, v in learned.items() if k not in parts}

    def parts(self) -> dict[str, dict[str, Algorithm]]:
        """Return the algorithms it is made of: attributes ending in an underscore that hold fitted ones by name."""
        held = {
            k: v for k, v in vars(self).items() if k.endswith("_") and isinstance(v, dict) and v
        }
        return {
            k: v for k, v in held.items() if all(isinstance(part, Algorithm) for part in v.values())
        }

    def said(self) -> dict[str, Any]:
        """What `algorithm.json` says besides name, settings, files and parts."""
        return {}

    def check_fitted(self) -> None:
        """Raise `NotFittedError` where nothing was learned yet."""
        if not self.state():
            raise NotFittedError(
                f"The {self.family.kind} {self.name!r} is not fitted: call fit(shop, run) first."
            )

    def save(self, folder: str | Path) -> None:
        """Write settings and state to `folder`, which is made."""
        self.check_fitted()
        folder = Path(folder)
        learned = self.state()
        state.save_state(folder, learned)
        head: dict[str, Any] = {
            "family": self.family.kind,
            "name": self.name,
            "settings": self.settings(),
            "files": digests(folder, learned),
            **self.said(),
        }
        if parts := self.parts():
            head["parts"] = {
                attribute: [[k, v.family.kind] for k, v in held.items()]
                for attribute, held in parts.items()
            }
        for attribute, held in parts.items():
            for key, part in held.items():
                part.save(folder / attribute / key)
        state.write_json(folder / "algorithm.json", head)

    @classmethod
    def restore(cls, settings: dict[str, Any], values: dict[str, Any]) -> Self:
        """Build an instance from its settings and its state."""
        made = configure(cls, settings)
        for name, value in values.items():
            setattr(made, name, value)
        return made


@dataclass(frozen=True)
class Family:
    """All algorithms of one kind: the files below one package."""

    kind: str
    """What one is called, for example "ranker"."""
    package: str
    """Where they live, for example "wareloom.rankers"."""

    @cached_property
    def files(self) -> dict[str, Path]:
        """File by algorithm name; two algorithms of one name are an error."""
        found: dict[str, Path] = {}
        for path in sorted(self.folder.rglob("*.py")):
            if any(
                part.startswith("_") for part in path.relative_to(self.folder).parts
            ) or not algorithms_in(path):
                continue
            if path.stem in found:
                raise InputError(
                    f"Two files define the {self.kind} {path.stem!r}: {found[path.stem]} and {path}."
                )
            found[path.stem] = path
        return found

    @property
    def folder(self) -> Path:
        """The folder of its package."""
        return source.HERE.joinpath(*self.package.split(".")[1:])

    @property
    def offers(self) -> dict[str, Offered]:
        """What other installed packages offer for it, by name; a name that is taken is an error."""
        found: dict[str, Offered] = {}
        for one in offered():
            if globals().get(one.family) is self:
                self._refuse_taken(one, found)
                found[one.name] = one
        return found

    def names(self) -> list[str]:
        """Names of all algorithms, sorted; nothing is imported."""
        return sorted([*self.files, *self.offers])

    def load(self, name: str) -> type[Any]:
        """Return the class called `name`, or the one at `package.module:Class`."""
        if ":" in name:
            return self._outsider(name)
        # A package whose source cannot be read says only when it is imported of which family its algorithms are.
        found: dict[str, Offered] = {}
        for one in offered():
            if one.name == name and globals().get(one.family, self) is self:
                self._refuse_taken(one, found)
                found[name] = one
        if found:
            return self._outsider(found[name].value)
        if name not in self.files:
            raise unknown(self.kind, name, self.names())
        module = importlib.import_module(source.source_of(self.files[name]).module)
        own = [
            value
            for key, value in vars(module).items()
            if isinstance(value, type)
            and value.__module__ == module.__name__
            and issubclass(value, Algorithm)
            and ABC not in value.__bases__
            and key[0] != "_"
        ]
        if len(own) != 1:
            raise InputError(
                f"{self.files[name]} must define exactly one public algorithm class, it has {len(own)}."
            )
        return own[0]

    def make(self, name: str, **settings: Any) -> Any:
        """Load the class called `name` and build one with `settings`, checked."""
        return configure(self.load(name), settings)

    def restore(self, folder: str | Path, *, allow_code: Sequence[str] = ()) -> Any:
        """Read one that was saved to `folder`; raises `SourceError` where it is damaged, or of another kind.

        `allow_code`: packages outside Wareloom whose algorithms the folder may name, and that are then imported.
        """
        folder = Path(folder)
        if not (folder / foreign.HEAD).exists():
            there = f"{folder / foreign.HEAD} is not there" if folder.exists() else "no such folder"
            raise SourceError(
                f"There is no saved {self.kind} at {folder}: {there}. Name the folder that it was saved to."
            )
        head = foreign.read_head(folder / foreign.HEAD, self.kind, FAMILIES)
        foreign.check_code(folder / foreign.HEAD, foreign.named_by(head), allow_code)
        cls = self.load(head.name)
        with whole(folder):
            values = state.load_state(folder)
        for part in head.parts:
            made = FAMILIES[part.kind].restore(folder / part.place, allow_code=allow_code)
            values.setdefault(part.attribute, {})[part.key] = made
        try:
            return cls.restore(head.settings, values)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise SourceError(
                f"{folder} cannot be restored: {type(error).__name__}: {error}. Was it edited, or written by another "
                "version of Wareloom? Make it anew."
            ) from error

    def describe(self, name: str) -> Entry:
        """Summary and settings of `name`, read from its source; only `package.module:Class` is imported for it."""
        outside = self.offers.get(name)
        if ":" in name:
            cls = self.load(name)
            outside = Offered(name, name, "", source.place_of(cls), "")
        if outside is not None and outside.place is not None:
            place, package = outside.place, outside.package
        elif name in self.files:
            place, package = algorithms_in(self.files[name])[0], ""
        else:
            raise unknown(self.kind, name, self.names())
        settings = tuple(place.settings().values())
        module, summary, keeps = place.source.module, place.summary(), place.constant("keeps")
        return Entry(self.kind, name, module, summary, settings, package, keeps)

    def entries(self) -> list[Entry]:
        """`describe` for all names."""
        return [self.describe(name) for name in self.names()]

    def _refuse_taken(self, one: Offered, others: Mapping[str, Offered]) -> None:
        """Raise `InputError` where a name that a package offers is one of the house or another package's."""
        taken = f"{self.files[one.name]}" if one.name in self.files else ""
        if one.name in others:
            taken = f"{others[one.name].value} of {others[one.name].package}"
        if taken:
            raise InputError(
                f"Two define the {self.kind} {one.name!r}: {taken} and {one.value} of {one.package}. "
                f"Uninstall {one.package.split()[0]}, or name its own 'package.module:Class'."
            )

    def _outsider(self, name: str) -> type[Any]:
        found = imported(self.kind, name)
        if not (
            isinstance(found, type)
            and issubclass(found, Algorithm)
            and found.family.kind == self.kind
        ):
            raise InputError(
                f"{name!r} is not a {self.kind}: it must be a subclass of the base in {self.package}."
            )
        return found


def _learned(one: Algorithm) -> bool:
    return any(name.endswith("_") and not name.startswith("_") for name in vars(one))


READERS = Family("reader", "wareloom.readers")
SYNTHESIZERS = Family("synthesizer", "wareloom.synthesis")
SCREENS = Family("screen", "wareloom.screening")
MIXERS = Family("mixer", "wareloom.mixing")
RANKERS = Family("ranker", "wareloom.rankers")
METRICS = Family("metric", "wareloom.metrics")
RERANKERS = Family("reranker", "wareloom.reranking")
ATTACKS = Family("attack", "wareloom.attacks")
CLASSIFIERS = Family("classifier", "wareloom.classifiers")
EMBEDDERS = Family("embedder", "wareloom.language.embedders")
TEXT_MODELS = Family("text model", "wareloom.language.models")
FAMILIES = {
    family.kind: family
    for family in (
        READERS,
        SYNTHESIZERS,
        SCREENS,
        MIXERS,
        RANKERS,
        METRICS,
        CLASSIFIERS,
        EMBEDDERS,
        TEXT_MODELS,
        RERANKERS,
        ATTACKS,
    )
}


def weighted(
    who: str, setting: str, text: str, known: Sequence[str], what: str
) -> dict[str, float]:
    """Read "title^2 brand" as {"title": 2.0, "brand": 1.0}; a wrong name or weight raises `SettingError`.

    `who` has the `setting`; `what` it names, as in "field".
    """
    found: dict[str, float] = {}
    for word in re.split(r"[\s,]+", text.strip()):
        name, _, weight = word.partition("^")
        if name not in known:
            raise SettingError(
                f"{who}: {setting} is {text!r}, but items have no {what} {name!r}.{near(name, known)} "
                f"Name some of {', '.join(known)}, such as '{known[0]}^2 {known[1]}'."
            )
        if not re.fullmatch(r"(\d+(\.\d*)?|\.\d+)?", weight) or float(weight or 1) <= 0:
            raise SettingError(
                f"{who}: {setting} is {text!r}, but {weight!r} is no weight: give a number above 0."
            )
        found[name] = float(weight or 1)
    return found


def family_of(name: str) -> Family:
    """Return the family of the class at `package.module:Class`, which is imported; an `InputError` for no algorithm."""
    found = imported("algorithm", name)
    if not (isinstance(found, type) and issubclass(found, Algorithm) and hasattr(found, "family")):
        kinds = ", ".join(FAMILIES)
        raise InputError(
            f"{name!r} is no algorithm: it must be a class that derives from the base of a family ({kinds})."
        )
    return found.family
