"""What lies in a folder, opened by what it is; and the names of all algorithms."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

from wareloom.core.asked import a_path, require_kind
from wareloom.core.family import FAMILIES
from wareloom.core.foreign import HEAD
from wareloom.core.state import read_json
from wareloom.errors import SourceError, near, unknown

RECIPE = "recipe.toml"
LISTED = 8
"""Names of a folder that a message shows, at most"""


def open(path: str | Path, *, allow_code: Sequence[str] = ()) -> Any:
    """Open what lies in a folder: a shop, split, model, bundle, proof, leaderboard, comparison, advice; or a recipe.

    What it is says the file that marks it: `shop.json`, `split.json`, `algorithm.json` (a ranker, synthesizer or other
    algorithm that was fitted and saved), `bundle.json`, `proof.json`, `leaderboard.json`, `compare.json`,
    `advice.json`. `allow_code`: packages outside Wareloom whose algorithms a model, a bundle or a recipe may name, and
    that are then imported.
    Raises `SourceError` for anything else, with what lies there and what opens it.
    """
    require_kind("wl.open", "path", path, a_path)
    path = Path(path)
    if not path.exists():
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SourceError(f"There is nothing at {path}.{near(path.name, beside)}")
    if path.is_file():
        return _of_file(path, allow_code)
    found = [name for name in MARKERS if (path / name).is_file()]
    if not found:
        raise SourceError(f"{path} {_told(path)}")
    return MARKERS[found[0]](path, allow_code)


@overload
def list(family: None = None) -> dict[str, builtins.list[str]]: ...


@overload
def list(family: str) -> builtins.list[str]: ...


def list(family: str | None = None) -> dict[str, builtins.list[str]] | builtins.list[str]:
    """Return the names of a family's algorithms; without one, all names by family.

    Families are reader, synthesizer, screen, mixer, ranker, metric, embedder, text model, reranker and attack. Nothing
    is imported. Raises `UnknownNameError` for any other.
    """
    if family is None:
        return {kind: each.names() for kind, each in FAMILIES.items()}
    # A person says "rankers", too.
    kind = family if family in FAMILIES else str(family).removesuffix("s")
    if kind not in FAMILIES:
        raise unknown("family", str(family), FAMILIES)
    return FAMILIES[kind].names()


def _shop(folder: Path, allowed: Sequence[str]) -> Any:
    from wareloom.shop import Shop

    return Shop.open(folder)


def _split(folder: Path, allowed: Sequence[str]) -> Any:
    from wareloom.preparing.splits import Split

    return Split.open(folder)


def _bundle(folder: Path, allowed: Sequence[str]) -> Any:
    from wareloom.bundle import Bundle

    return Bundle.open(folder, allow_code=allowed)


def _model(folder: Path, allowed: Sequence[str]) -> Any:
    head = read_json(folder / HEAD)
    kind = head.get("family") if isinstance(head, dict) else None
    if kind not in FAMILIES:
        raise SourceError(f"{folder / HEAD} names no family of algorithms: was it edited?")
    return FAMILIES[kind].restore(folder, allow_code=allowed)


def _proof(folder: Path, allowed: Sequence[str]) -> Any:
    from wareloom.experiment.result import Proof

    return Proof.open(folder)


def _leaderboard(folder: Path, allowed: Sequence[str]) -> Any:
    from wareloom.proof.leaderboard import Leaderboard

    return Leaderboard.open(folder)


def _comparison(folder: Path, allowed: Sequence[str]) -> Any:
    from wareloom.evaluation.compare import Comparison

    return Comparison.open(folder)


def _advice(folder: Path, allowed: Sequence[str]) -> Any:
    from wareloom.advising import Advice

    return Advice.open(folder)


MARKERS: dict[str, Callable[[Path, Sequence[str]], Any]] = {
    "advice.json": _advice,
    "bundle.json": _bundle,
    "shop.json": _shop,
    "split.json": _split,
    HEAD: _model,
    "proof.json": _proof,
    "leaderboard.json": _leaderboard,
    "compare.json": _comparison,
}
"""What opens a folder, by the file that marks it"""


def _of_file(path: Path, allowed: Sequence[str]) -> Any:
    """A recipe, or the folder that a marking file lies in; raises `SourceError` for any other file."""
    if path.name in MARKERS:
        return MARKERS[path.name](path.parent, allowed)
    if path.suffix == ".toml":
        from wareloom.recipe.load import Recipe

        return Recipe.load(path, allow_code=allowed)
    raise SourceError(
        f"{path} is a file, and no recipe: wl.open opens the folder of a shop, split, model, bundle, proof, "
        f"leaderboard or comparison. wl.read({str(path)!r}, to='shop') makes a shop of an export."
    )


def _told(folder: Path) -> str:
    """What a folder holds that is nothing to open itself, and what to do with it."""
    inside = sorted(one for one in folder.iterdir() if one.name[0] != ".")
    parts = [one for one in inside if any((one / name).is_file() for name in MARKERS)]
    if parts:
        what = "a job" if (folder / RECIPE).is_file() else "several things"
        named = ", ".join(f"wl.open({str(one)!r})" for one in parts[:LISTED])
        return f"holds {what}: open one of its parts, {named}."
    names = ", ".join(one.name for one in inside[:LISTED])
    more = f" and {len(inside) - LISTED} more" if len(inside) > LISTED else ""
    return (
        f"is no folder that Wareloom wrote: none of {', '.join(MARKERS)} lies there, but {names or 'nothing'}{more}. "
        f"wl.read({str(folder)!r}, to='shop') makes a shop of an export."
    )
