"""Algorithms that other installed packages offer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wareloom.cli import main
from wareloom.core import outside
from wareloom.core.family import MIXERS, RANKERS
from wareloom.errors import InputError, UnknownNameError

RANKER = '''"""Rankers of a shop next door."""

from dataclasses import dataclass

import numpy as np

from .base import NextDoor, LONGEST
from wareloom.core.settings import Annotated, Ge, Le


@dataclass(kw_only=True, eq=False)
class Tall(NextDoor):
    """Rank the tall ones first."""

    height: Annotated[int, Ge(1), Le(LONGEST)] = 3
    """How tall."""

    def _score(self, requests):
        return np.zeros((len(requests), len(self.items_)), dtype=np.float32)
'''
BASE = '''"""Base."""
from abc import ABC
from dataclasses import dataclass

from wareloom.core.settings import Share
from wareloom.rankers import Ranker

LONGEST = 9

@dataclass(kw_only=True, eq=False)
class NextDoor(Ranker, ABC):
    """Their base."""

    share: Share = 0.5
    """Of what."""

    def _fit(self, log, shop, run):
        self.fitted_ = True
'''


def install(folder: Path, name: str, entries: dict[str, str]) -> None:
    """A distribution as pip leaves one behind: a package, and metadata beside it."""
    package = folder / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(
        'raise RuntimeError("imported")\n' if name == "bad" else ""
    )
    (package / "tall.py").write_text(RANKER)
    (package / "base.py").write_text(BASE)
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = [f"{key} = {value}" for key, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{outside.GROUP}]", *lines, ""]))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    outside.offered.cache_clear()
    yield tmp_path
    outside.offered.cache_clear()
    for module in [m for m in sys.modules if m.partition(".")[0] in ("nextdoor", "twin")]:
        del sys.modules[module]


def test_it_is_listed_with_its_package_and_not_imported(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(place, "nextdoor", {"tall": "nextdoor.tall:Tall"})
    entry = RANKERS.describe("tall")
    assert "tall" in RANKERS.names()
    assert "tall" not in MIXERS.names()
    assert (entry.module, entry.package) == ("nextdoor.tall", "nextdoor 1.2")
    assert entry.summary == "Rank the tall ones first."
    assert [(s.name, s.type, s.default, s.doc) for s in entry.settings][-2:] == [
        ("share", "float, from 0 to 1", "0.5", "Of what."),
        ("height", "int, from 1 to 9", "3", "How tall."),
    ]
    monkeypatch.setattr(sys, "argv", ["wareloom", "list", "ranker"])
    with pytest.raises(SystemExit):
        main()
    listed = capsys.readouterr().out.splitlines()
    tall = next(line for line in listed if line.startswith("tall "))
    assert tall.endswith("Rank the tall ones first. [nextdoor 1.2]")
    assert "nextdoor" not in sys.modules


def test_it_is_loaded_by_its_name(place: Path) -> None:
    install(place, "nextdoor", {"tall": "nextdoor.tall:Tall"})
    made = RANKERS.make("tall", height="4")
    assert (type(made).__module__, made.height, made.share) == ("nextdoor.tall", 4, 0.5)
    assert RANKERS.load(made.name) is type(made)
    with pytest.raises(InputError, match="height is 10; give a whole number from 1 to 9"):
        RANKERS.make("tall", height=10)
    with pytest.raises(UnknownNameError, match=r"No ranker is called 'tal'.*Did you mean 'tall'"):
        RANKERS.load("tal")
    with pytest.raises(UnknownNameError):
        MIXERS.load("tall")


def test_a_name_of_the_house_is_refused_where_it_is_asked_for_and_both_are_named(
    place: Path,
) -> None:
    install(place, "nextdoor", {"ease": "nextdoor.tall:Tall"})
    for ask in (RANKERS.names, lambda: RANKERS.load("ease"), RANKERS.entries):
        with pytest.raises(InputError) as caught:
            ask()
        said = str(caught.value)
        assert "Two define the ranker 'ease': " in said
        assert "factor/ease.py and nextdoor.tall:Tall of nextdoor 1.2. Uninstall nextdoor" in said
    assert RANKERS.load("als").__name__ == "ALS"
    assert "markov" not in MIXERS.names()


def test_two_packages_of_one_name_are_refused_and_both_named(place: Path) -> None:
    install(place, "nextdoor", {"tall": "nextdoor.tall:Tall"})
    install(place, "twin", {"tall": "twin.tall:Tall"})
    with pytest.raises(
        InputError, match=r"nextdoor\.tall:Tall of nextdoor 1\.2 and twin\.tall:Tall"
    ):
        RANKERS.names()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere.at:All", "The ranker 'nowhere.at:All' cannot be imported: No module named 'nowhere'"),
        ("nextdoor.tall:Short", "has no attribute 'Short'"),
        ("nextdoor.tall:np", "is not a ranker"),
    ],
)  # fmt: skip
def test_what_is_not_there_spoils_no_list_and_is_said_when_it_is_loaded(
    place: Path, value: str, message: str
) -> None:
    install(place, "nextdoor", {"odd": value, "tall": "nextdoor.tall:Tall"})
    assert "tall" in RANKERS.names()
    assert "odd" not in RANKERS.names()
    with pytest.raises(InputError, match=message):
        RANKERS.load("odd")


def test_importing_the_package_looks_nothing_up() -> None:
    code = "import sys, wareloom, wareloom.core.family\nprint('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
