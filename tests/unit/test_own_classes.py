"""One's own classes, `package.module:Class`: found in the current folder, shown, and said what is missing of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wareloom.cli import app
from wareloom.core import outside
from wareloom.core.family import RANKERS, family_of
from wareloom.core.foreign import outsiders
from wareloom.errors import InputError, SourceError
from wareloom.recipe import Recipe

OWN = '''"""Somebody's own ranker."""

from dataclasses import dataclass

import numpy as np

from wareloom.core.settings import Size
from wareloom.rankers import Ranker


@dataclass(kw_only=True, eq=False)
class Shelf(Ranker):
    """Rank what stands in front."""

    depth: Size = 7
    """How far an arm reaches."""

    def _fit(self, log, shop, run):
        self.front_ = np.zeros(len(log.items), dtype=np.float32)

    def _score(self, requests):
        return np.tile(self.front_, (len(requests), 1))


class Plain:
    """No algorithm."""
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder that no search path has, with modules of one's own."""
    (tmp_path / "shelf_here.py").write_text(OWN)
    (tmp_path / "packed_here").mkdir()
    (tmp_path / "packed_here" / "inner.py").write_text(OWN)
    (tmp_path / "broken_here.py").write_text("def f(:\n")
    (tmp_path / "lacking_here.py").write_text("import no_such_package_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one not in ("", str(tmp_path))])
    yield tmp_path
    for name in [n for n in sys.modules if "_here" in n]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["shelf_here:Shelf", "packed_here.inner:Shelf"])
def test_a_class_in_the_current_folder_is_found_and_shown(here: Path, name: str) -> None:
    assert RANKERS.make(name, depth=3).depth == 3
    assert family_of(name) is RANKERS
    shown = CliRunner().invoke(app, ["show", name]).output
    assert shown.startswith(f"{name} (ranker): Rank what stands in front.")
    assert "depth: int, 1 or more = 7\n      How far an arm reaches." in shown
    told = json.loads(CliRunner().invoke(app, ["show", name, "--json"]).output)
    assert told["settings"]["depth"]["default"] == "7"
    assert told["schema"]["properties"]["depth"]["minimum"] == 1


def test_a_command_finds_it_too(here: Path) -> None:
    """The console script does not begin with the current folder on its path, as `python -m` does."""
    code = "import sys; sys.path[:] = [p for p in sys.path if p]; from wareloom.cli import main; main()"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "show", "shelf_here:Shelf"],
        capture_output=True,
        text=True,
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(Path(outside.__file__).parents[2])},
    )
    assert done.stdout.startswith("shelf_here:Shelf (ranker)"), done.stderr


def test_what_is_installed_goes_before_the_current_folder(here: Path) -> None:
    (here / "json.py").write_text("raise SystemExit")
    RANKERS.load("shelf_here:Shelf")
    assert sys.path[-1] == str(here)
    import json as again

    assert again is json


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shelf_her:Shelf", r"No module named 'shelf_her', neither .*Did you mean 'shelf_here'.*PYTHONPATH"),
        ("packed_here.innr:Shelf", r"No module named 'packed_here.innr'"),
        ("shelf_here:Shelve", r"module 'shelf_here' has no attribute 'Shelve'. Did you mean 'Shelf'"),
        ("broken_here:Shelf", r"broken_here.py, line 1: invalid syntax"),
        ("lacking_here:Shelf", r"No module named 'no_such_package_at_all'\.$"),
        (":Shelf", "cannot be imported"),
        ("shelf_here:", "cannot be imported|has no attribute"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(here: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        RANKERS.load(name)
    with pytest.raises(InputError, match=said):
        family_of(name)


def test_what_is_no_algorithm_is_not_shown(here: Path) -> None:
    with pytest.raises(InputError, match=r"'shelf_here:Plain' is no algorithm: .*reader, synthesizer"):  # fmt: skip
        family_of("shelf_here:Plain")
    with pytest.raises(InputError, match="is not a ranker"):
        RANKERS.load("shelf_here:Plain")


def test_a_file_that_names_a_module_of_the_current_folder_needs_leave(here: Path) -> None:
    """It can be imported from there, so that it counts as code from outside; nothing is imported to find out."""
    assert outsiders(["shelf_here:Shelf", "brand:Acme"]) == ["shelf_here:Shelf"]
    assert "shelf_here" not in sys.modules
    recipe = here / "job.toml"
    recipe.write_text('[read]\nsource = "x"\n[train]\nname = "shelf_here:Shelf"\n')
    with pytest.raises(SourceError, match="--allow-code shelf_here"):
        Recipe.load(recipe)
    assert "shelf_here" not in sys.modules
    assert Recipe.load(recipe, allow_code=["shelf_here"]).train.name == "shelf_here:Shelf"
