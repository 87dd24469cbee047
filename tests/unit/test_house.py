"""The rules of the house, checked on its source: layers, budgets, names, documentation."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import wareloom
from wareloom.cli import HERE as COMMANDS
from wareloom.core.family import FAMILIES, Algorithm
from wareloom.core.source import HERE, algorithms_in
from wareloom.shop.keeping import Keeping

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(HERE.rglob("*.py"))
NAMES = [(kind, name) for kind, family in FAMILIES.items() for name in family.names()]


def label(path: Path) -> str:
    return path.relative_to(HERE).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@cache
def modules() -> dict[str, Path]:
    """Files by the names of their modules."""
    parts = {p: ("wareloom", *p.relative_to(HERE).with_suffix("").parts) for p in FILES}
    return {".".join(names).removesuffix(".__init__"): path for path, names in parts.items()}


@cache
def imports() -> dict[str, set[str]]:
    """Modules of the house that each module imports, wherever in it: for types alone and within functions, too."""
    found: dict[str, set[str]] = {}
    for module, path in modules().items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module} imports {node.module} relatively"
                source = node.module or ""
                found[module] |= {
                    whole if (whole := f"{source}.{name.name}") in modules() else source
                    for name in node.names
                }
            elif isinstance(node, ast.Import):
                found[module] |= {name.name for name in node.names}
        found[module] = {m for m in found[module] if m.partition(".")[0] == "wareloom"} - {module}
    return found


def room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def test_what_is_private_stays_in_its_room() -> None:
    """A module below `wareloom` is of the room that its first package is; `_name` means: not for other rooms."""
    beyond = {
        (module, other)
        for module, others in imports().items()
        for other in others
        if room(module) != room(other) and any(p[0] == "_" for p in other.split(".")[2:])
    }
    assert beyond == set()


def test_no_module_imports_itself_through_others() -> None:
    graph = {
        module: {other for other in others if other in imports()}
        for module, others in imports().items()
    }
    assert set(circles_in(graph)) == set()


def circles_in(graph: dict[str, set[str]]) -> Iterator[frozenset[str]]:
    """Sets of modules that reach one another (strongly connected components, Tarjan 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> Iterator[frozenset[str]]:
        number[module] = low[module] = len(number)
        path.append(module)
        for other in graph[module]:
            if other not in number:
                yield from visit(other)
                low[module] = min(low[module], low[other])
            elif other in path:
                low[module] = min(low[module], number[other])
        if low[module] == number[module]:
            place = path.index(module)
            if len(found := path[place:]) > 1:
                yield frozenset(found)
            del path[place:]

    for module in graph:
        if module not in number:
            yield from visit(module)


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a", "f"}, "f": {"e"}}
    assert set(circles_in(graph)) == {frozenset("bc"), frozenset("ef")}
    assert set(circles_in({"a": {"b"}, "b": set()})) == set()


def test_imports_go_one_way_only() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--config", ROOT / "pyproject.toml"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("path", FILES, ids=label)
def test_files_functions_and_parameters_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= 60, f"{function.name} has {length} lines"
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        own = [a for a in every if a.arg not in ("self", "cls")]
        if path.parent == COMMANDS and function.name == "main":
            continue
        assert len(own) <= 8, f"{function.name} has {len(own)} parameters"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_everything_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module"
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name[0] != "_"
        and not ast.get_docstring(node)
        and [ast.unparse(one) for one in node.decorator_list] != ["overload"]
    ]
    assert silent == []


@pytest.mark.parametrize("path", FILES, ids=label)
def test_no_pickle_no_broad_except_no_print_of_progress_to_standard_output(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names
        )
    }
    assert not imported & {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    handlers = [node.type for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    assert None not in handlers, "a bare except"
    broad = [
        h.id for h in handlers if isinstance(h, ast.Name) and h.id in ("Exception", "BaseException")
    ]
    assert broad == []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ):
            assert {k.arg for k in node.keywords} >= {"file"}, (
                f"line {node.lineno} prints to standard output"
            )


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_inheritance_is_two_deep_at_most(kind: str, name: str) -> None:
    """Below the base of its family, which stands right below `Algorithm` or `Keeping`."""
    cls = FAMILIES[kind].load(name)
    above = (Algorithm, Keeping)
    chain = [base for base in cls.__mro__ if issubclass(base, Algorithm) and base not in above]
    assert len(chain) - 1 <= 2, [base.__name__ for base in chain]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_setting_is_documented_where_it_is_defined(kind: str, name: str) -> None:
    cls = FAMILIES[kind].load(name)
    documented = set()
    for base in cls.__mro__:
        if dataclasses.is_dataclass(base):
            tree = ast.parse(
                Path(str(sys.modules[base.__module__].__file__)).read_text(encoding="utf-8")
            )
            node = next(
                n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == base.__name__
            )
            for here, after in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(here, ast.AnnAssign)
                    and isinstance(after, ast.Expr)
                    and isinstance(after.value, ast.Constant)
                ):
                    documented.add(ast.unparse(here.target))
    assert {field.name for field in dataclasses.fields(cls)} <= documented
    assert all(field.kw_only for field in dataclasses.fields(cls))


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_describing_names_every_setting_inherited_ones_too(kind: str, name: str) -> None:
    family = FAMILIES[kind]
    assert {s.name for s in family.describe(name).settings} == {
        f.name for f in dataclasses.fields(family.load(name))
    }


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_has_the_files_that_define_one_algorithm(kind: str) -> None:
    family = FAMILIES[kind]
    assert family.names() == sorted(family.files)
    assert [n for n, path in family.files.items() if len(algorithms_in(path)) != 1] == []


@pytest.mark.parametrize("name", dir(wareloom))
def test_a_public_name_is_what_it_says(name: str) -> None:
    """Once everything is imported, too: a package of the same name must not stand in the way."""
    importlib.import_module("wareloom.api")
    importlib.import_module("wareloom.recipe")
    value = getattr(wareloom, name)
    if name != "__version__":
        assert callable(value)
        assert value.__doc__
        assert value.__name__ == name


def test_public_names_are_those_that_are_promised() -> None:
    assert wareloom.__all__ == sorted(wareloom.__all__)
    assert set(dir(wareloom)) == {*wareloom.__all__, "list", "open"}
    with pytest.raises(AttributeError, match="module 'wareloom' has no attribute 'no_such'"):
        wareloom.no_such
    declared = next(
        node
        for node in ast.parse((HERE / "__init__.py").read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    typed = {
        name.name
        for node in declared.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert typed | {"__version__"} == set(dir(wareloom))


@pytest.mark.parametrize(
    "path", [p for p in FILES if "__all__" in p.read_text(encoding="utf-8")], ids=label
)
def test_all_names_what_is_there(path: Path) -> None:
    module = importlib.import_module(
        ".".join(("wareloom", *path.relative_to(HERE).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
    )
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize(
    "command", sorted(p.stem for p in COMMANDS.glob("*.py") if p.stem[0] != "_")
)
def test_every_command_and_its_options_are_in_the_documentation(command: str) -> None:
    page = ROOT / "docs" / "commands.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    assert f"wareloom {command}" in text
    module = importlib.import_module(f"wareloom.cli.{command}")
    source = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    main = next(
        node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "main"
    )
    options = {
        word.value
        for argument in main.args.args
        if argument.annotation is not None
        for word in ast.walk(argument.annotation)
        if isinstance(word, ast.Constant)
        and isinstance(word.value, str)
        and word.value.startswith("-")
    }
    assert [option for option in sorted(options) if option not in text] == []
