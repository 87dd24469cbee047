"""Reading sources without importing them: algorithms, their settings with types, defaults and documentation."""

from __future__ import annotations

import ast
import builtins
import operator
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import annotated_types

from wareloom.core import settings as house
from wareloom.core.settings import type_in_words

HERE = Path(__file__).parents[1]
KNOWN: Mapping[str, Any] = {
    **{n: getattr(builtins, n) for n in ("bool", "dict", "float", "int", "list", "str", "tuple")},
    **{n: getattr(typing, n) for n in ("Annotated", "Any", "Literal")},
    **{n: getattr(annotated_types, n) for n in ("Ge", "Gt", "Interval", "Le", "Lt", "MinLen")},
    **{
        n: value for n, value in vars(house).items() if typing.get_origin(value) is typing.Annotated
    },
}
"""What a setting's type is made of: builtins, and the limits and aliases of `wareloom.core.settings`"""


@dataclass(frozen=True)
class Setting:
    """One setting of an algorithm, as its source says it."""

    name: str
    type: str
    default: str | None
    doc: str


class Source(NamedTuple):
    """A module and the file that holds it."""

    module: str
    path: Path

    @property
    def tree(self) -> ast.Module:
        """What the file says, parsed once."""
        return _parsed(self.path)


class Place(NamedTuple):
    """A class where it is defined."""

    source: Source
    node: ast.ClassDef

    def bases(self) -> list[str]:
        """Names of what it derives from."""
        return [base.id for base in self.node.bases if isinstance(base, ast.Name)]

    def above(self) -> Iterator[Place]:
        """The classes it derives from, where their sources can be read: those of the house and of its own package."""
        for base in self.bases():
            yield from classes(self.source, base)

    def is_algorithm(self) -> bool:
        """Whether it derives from `Algorithm`."""
        return "Algorithm" in self.bases() or any(place.is_algorithm() for place in self.above())

    def family(self) -> str:
        """The name of the constant that its class variable `family` holds: "RANKERS"; "" where none is to be read."""
        for node in self.node.body:
            if (
                isinstance(node, ast.AnnAssign)
                and ast.unparse(node.target) == "family"
                and isinstance(node.value, ast.Name)
            ):
                return node.value.id
        return next((found for place in self.above() if (found := place.family())), "")

    def constant(self, name: str) -> str:
        """The text that a class variable holds, its own or a base's; "" where none is to be read."""
        for node in self.node.body:
            if (
                isinstance(node, ast.AnnAssign)
                and ast.unparse(node.target) == name
                and isinstance(node.value, ast.Constant)
            ):
                return str(node.value.value)
        return next((found for place in self.above() if (found := place.constant(name))), "")

    def summary(self) -> str:
        """The first line of what it says about itself."""
        return (ast.get_docstring(self.node) or "").partition("\n")[0]

    def settings(self) -> dict[str, Setting]:
        """Its settings by name, those of its bases first."""
        found: dict[str, Setting] = {}
        for place in self.above():
            found |= place.settings()
        return found | {setting.name: setting for setting in _fields(self)}


def source_of(path: Path) -> Source:
    """A file of the house as a source."""
    parts = path.relative_to(HERE).with_suffix("").parts if path.is_relative_to(HERE) else ()
    return Source(".".join(("wareloom", *parts)).removesuffix(".__init__"), path)


def algorithms_in(path: Path) -> list[Place]:
    """Classes of a source file that are algorithms: public, no bases, derived from `Algorithm`."""
    source = source_of(path)
    own = [n for n in source.tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
    found = [Place(source, node) for node in own]
    return [place for place in found if "ABC" not in place.bases() and place.is_algorithm()]


def classes(source: Source, name: str) -> list[Place]:
    """Where a class of that name, seen from a module, is defined: there, or where that imports it from."""
    found = [source, *_imported(source, name)]
    return [
        Place(here, node)
        for here in found
        for node in here.tree.body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]


def find(module: str) -> Source | None:
    """The source of a module, found on the search path without importing anything; None where there is none."""
    first, *parts = module.split(".")
    places = [HERE.parent] if first == "wareloom" else [Path(place) for place in sys.path]
    for place in places:
        stem = place.joinpath(first, *parts)
        for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if path.is_file():
                return Source(module, path)
    return None


def place_of(cls: type[Any]) -> Place | None:
    """Where an imported class is defined; None where its source cannot be read."""
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if path is None or not str(path).endswith(".py"):
        return None
    places = classes(Source(cls.__module__, Path(path)), cls.__name__)
    return places[0] if places else None


def documentation(cls: type[Any]) -> dict[str, str]:
    """The text in the line under each field of an imported class, by field, those of its bases too."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        path = getattr(sys.modules.get(base.__module__), "__file__", None)
        if path is None or not str(path).endswith(".py") or not hasattr(base, "__annotations__"):
            continue
        source = Source(base.__module__, Path(path))
        nodes = (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef))
        node = next((node for node in nodes if node.name == base.__name__), None)
        if node is not None:
            found |= {name: doc for name, _, doc in _lines(node)}
    return found


def _imported(source: Source, name: str) -> list[Source]:
    """The modules a module imports a name from, of the house or of the module's own package."""
    package = source.module if source.path.name == "__init__.py" else _parent(source.module)
    found = []
    for node in source.tree.body:
        if not isinstance(node, ast.ImportFrom) or all(a.name != name for a in node.names):
            continue
        module = node.module or ""
        if node.level:
            above = package
            for _ in range(node.level - 1):
                above = _parent(above)
            module = f"{above}.{module}".strip(".")
        if module.partition(".")[0] in ("wareloom", source.module.partition(".")[0]):
            found.append(find(module))
    return [each for each in found if each is not None and each.path != source.path]


def _parent(module: str) -> str:
    return module.rpartition(".")[0]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _fields(place: Place) -> list[Setting]:
    """Read annotated fields and the string in the line under each."""
    found = []
    for name, node, doc in _lines(place.node):
        if "ClassVar" in ast.unparse(node.annotation) or name.endswith("_"):
            continue
        default = ast.unparse(node.value) if node.value is not None else None
        found.append(Setting(name, _readable(place.source, node.annotation), default, doc))
    return found


def _lines(node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign, str]]:
    """Name, annotation and documentation of what a class annotates."""
    for here, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not (isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name)):
            continue
        told = after.value if isinstance(after, ast.Expr) else None
        doc = told.value if isinstance(told, ast.Constant) and isinstance(told.value, str) else ""
        yield here.target.id, here, " ".join(doc.split())


def _readable(source: Source, annotation: ast.expr) -> str:
    """A field's type in words where it is made of what is known here; else as it is written."""
    try:
        return type_in_words(_meant(source, annotation))
    except (KeyError, TypeError):
        return ast.unparse(annotation)


def _meant(source: Source, node: ast.expr | ast.slice) -> Any:
    """What an annotation stands for, worked out from the few forms that types have; KeyError for any other."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return operator.neg(_meant(source, operand))
        case ast.Name(id=name) if name in KNOWN:
            return KNOWN[name]
        case ast.Name(id=name):
            return _constant(source, name)
        case ast.Tuple(elts=parts):
            return tuple(_meant(source, part) for part in parts)
        case ast.Subscript(value=value, slice=inner):
            return _meant(source, value)[_meant(source, inner)]
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _meant(source, left) | _meant(source, right)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=words) if name in KNOWN:
            given = [_meant(source, arg) for arg in args]
            return KNOWN[name](*given, **{str(w.arg): _meant(source, w.value) for w in words})
    raise KeyError(ast.unparse(node))


def _constant(source: Source, name: str) -> Any:
    """The value of a module's constant that a type names, such as an upper limit or an alias."""
    for here in (source, *_imported(source, name)):
        for node in here.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return _meant(here, node.value)
    raise KeyError(name)
