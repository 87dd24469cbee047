"""Code from outside runs only where it is allowed; what cannot be restored is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from bundles import fitted, names, refused, replaced, whole_bundle, written
from conftest import small_shop
from wareloom._version import __version__
from wareloom.bundle import Bundle
from wareloom.core.family import RERANKERS, Family
from wareloom.core.state import json_text
from wareloom.errors import MissingExtraError, SettingError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_bundle(tmp_path_factory.mktemp("bundle") / "whole")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(copytree(whole, tmp_path / "copy"))


OUTSIDE = '''
import dataclasses
import sys
from wareloom.rankers.baseline.popularity import Popularity

sys.modules["ran_outside_code"] = sys

@dataclasses.dataclass(kw_only=True, eq=False)
class Mine(Popularity):
    """Another's ranker."""
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that says when it is imported."""
    (tmp_path / "code" / "outside_package").mkdir(parents=True)
    (tmp_path / "code" / "outside_package" / "__init__.py").write_text("")
    (tmp_path / "code" / "outside_package" / "mine.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))

    def forget() -> None:
        for name in ("outside_package", "outside_package.mine", "ran_outside_code"):
            sys.modules.pop(name, None)

    forget()
    yield forget
    forget()


MINE = "outside_package.mine:Mine"


def test_code_from_outside_runs_only_where_it_is_allowed(outside: Any, tmp_path: Path) -> None:
    shop = small_shop()
    made = written(tmp_path / "b", fitted(MINE, shop), shop)
    assert made.manifest.ranker.name == MINE
    outside()
    refused(tmp_path / "b", r"ranker/algorithm\.json names 'outside_package\.mine:Mine', code from")
    refused(tmp_path / "b", "code from outside", allow_code=("outside", "outside_package.other"))
    assert "outside_package.mine" not in sys.modules
    for allowed in (("outside_package",), ["x", "outside_package.mine"], "outside_package"):
        found = Bundle.open(tmp_path / "b", allow_code=allowed)
        assert type(found.ranker).__name__ == "Mine"


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("ranker/algorithm.json", lambda head: head.update(name=MINE)),
        ("reranker/algorithm.json", lambda head: head.update(name=MINE)),
        ("reranker/algorithm.json", lambda head: head["settings"].update(facet=MINE)),
        ("ranker/algorithm.json", lambda head: head["settings"].update(more={"a": [MINE]})),
        ("ranker/algorithm.json", lambda head: head["settings"].update(more={MINE: {}})),
        ("PART", lambda head: head.update(name=MINE)),
        ("PART", lambda head: head["settings"].update(embedder=MINE)),
    ],
)
def test_code_from_outside_is_found_in_parts_and_settings(
    file: str, change: Any, outside: Any, copy: Path
) -> None:
    parts = [n for n in names(copy) if n.count("/") > 1 and n.endswith("/algorithm.json")]
    file = parts[0] if file == "PART" else file
    head = json.loads((copy / file).read_text())
    change(head)
    replaced(copy, file, json_text(head))
    refused(copy, f"{file} names 'outside_package.mine:Mine', code from outside")
    assert "outside_package" not in sys.modules


def test_a_brand_is_no_package(tmp_path: Path) -> None:
    shop = small_shop()
    order = RERANKERS.make("exposure", shares={"category:Ring": 0.1})
    made = written(tmp_path / "b", fitted("popularity", shop), shop, reranker=order)
    assert Bundle.open(tmp_path / "b").id == made.id


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("ranker/algorithm.json", lambda h: h.update(family="mixer"), "it describes no ranker"),
        ("ranker/algorithm.json", lambda h: h.pop("name"), "it describes no ranker"),
        (
            "ranker/state.json",
            lambda h: h["kinds"].update(more_="array"),
            r"ranker/arrays\.npz is damaged: it lacks .*more_",
        ),
        ("reranker/algorithm.json", lambda h: h.update(settings=[]), "it describes no reranker"),
        (
            "ranker/algorithm.json",
            lambda h: h.update(parts={"x_": [["../../..", "ranker"]]}),
            "it is no file of the bundle",
        ),
        (
            "ranker/algorithm.json",
            lambda h: h.update(parts={"x_": [3]}),
            "no pairs of name and kind",
        ),
        (
            "ranker/state.json",
            lambda h: h["kinds"].update({"../../../secret": "table"}),
            "it asks for ranker/../../../secret.parquet, which is no file of the bundle",
        ),
        ("ranker/state.json", lambda h: h.update(kinds=None), "does not say what was learned"),
        (
            "ranker/algorithm.json",
            lambda h: h.update(name="eas"),
            f"by Wareloom {__version__}, this is {__version__}",
        ),
        (
            "reranker/algorithm.json",
            lambda h: h["settings"].update(old=1),
            "has no setting 'old'.* It was written by Wareloom",
        ),
    ],
)
def test_what_cannot_be_restored_is_said_with_the_file_or_the_version(
    file: str, change: Any, message: str, copy: Path
) -> None:
    head = json.loads((copy / file).read_text())
    change(head)
    replaced(copy, file, json_text(head))
    refused(copy, message)


def test_a_missing_extra_is_said_with_what_installs_it(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(family: Family, name: str) -> Any:
        raise MissingExtraError(
            "A neural model needs the package 'torch': pip install 'wareloom[neural]'"
        )

    monkeypatch.setattr(Family, "load", lacking)
    with pytest.raises(
        MissingExtraError, match=r"copy cannot be opened here: .*wareloom\[neural\]"
    ):
        Bundle.open(copy)


def test_an_unknown_check_is_refused(copy: Path) -> None:
    with pytest.raises(SettingError, match="check is 'half'; give 'whole' or 'sizes'"):
        Bundle.open(copy, check="half")  # type: ignore[arg-type]
