"""Code that a file names is not loaded, under whichever name; settings of a run and sizes that cannot be meant."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from conftest import small_shop
from wareloom.core import foreign, memory, outside
from wareloom.core.family import RANKERS
from wareloom.core.memory import must_fit
from wareloom.core.outside import Offered
from wareloom.core.run import Run
from wareloom.errors import MemoryLimitError, SettingError, SourceError
from wareloom.recipe import Recipe


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package offers the ranker "tall"."""
    one = Offered("tall", "next_door.rankers:Tall", "next-door 1.0", None, "RANKERS")
    for module in (foreign, outside):
        monkeypatch.setattr(module, "offered", lambda: (one,))


@pytest.mark.usefixtures("offered")
def test_an_offered_name_in_a_file_is_not_asked_for(tmp_path: Path) -> None:
    RANKERS.make("popularity").fit(small_shop()).save(tmp_path / "m")
    path = tmp_path / "m" / "algorithm.json"
    whole = json.loads(path.read_text())
    for head in (whole | {"name": "tall"}, whole | {"settings": {"more": ["tall"]}}):
        path.write_text(json.dumps(head))
        with pytest.raises(
            SourceError, match=r"names 'tall', code from outside.*allow-code next_door"
        ):
            RANKERS.restore(tmp_path / "m")
    (tmp_path / "r.toml").write_text('[read]\nsource = "x"\n[train]\nname = "tall"\n')
    with pytest.raises(SourceError, match="names 'tall'"):
        Recipe.load(tmp_path / "r.toml")


def test_an_entry_point_is_read_without_being_loaded() -> None:
    entry = EntryPoint("tall", "next_door.rankers:Tall", outside.GROUP)
    assert outside._read(entry).value == "next_door.rankers:Tall"


@pytest.mark.parametrize(
    "parts",
    [
        {"x": [["a", "ranker"]]},
        {"_x_": [["a", "ranker"]]},
        {"../x_": [["a", "ranker"]]},
        {"x_": [["../../a", "ranker"]]},
        {"x_": [["/a", "ranker"]]},
        {"x_": [["..", "ranker"]]},
        {"x_": [["a", "car"]]},
        {"x_": "a"},
        {"x_": [["a"]]},
    ],
)
def test_parts_stay_in_their_folder(parts: dict[str, Any], tmp_path: Path) -> None:
    RANKERS.make("popularity").fit(small_shop()).save(tmp_path / "m")
    path = tmp_path / "m" / "algorithm.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"parts": parts}))
    with pytest.raises(SourceError, match=r"algorithm\.json cannot be used"):
        RANKERS.restore(tmp_path / "m")


def test_a_model_without_bottom_is_refused(tmp_path: Path) -> None:
    RANKERS.make("popularity").fit(small_shop()).save(tmp_path / "m")
    path = tmp_path / "m" / "algorithm.json"
    path.write_text(
        path.read_text().replace(
            '"settings": {', '"settings": {"x": ' + "[" * 500 + "]" * 500 + ", "
        )
    )
    with pytest.raises(SourceError, match="levels deep"):
        RANKERS.restore(tmp_path / "m")


@pytest.mark.parametrize(
    "fields",
    [
        {"threads": -5},
        {"threads": 1.5},
        {"threads": True},
        {"threads": 10**9},
        {"jobs": 0},
        {"seed": 10**5000},
        {"seed": "1"},
        {"device": "tpu"},
        {"device": "cuda:x"},
        {"precision": "fp8"},
        {"quiet": 1},
        {"on": 3},
        {"cache": ""},
        {"cache": 3},
        {"updates": -1},
    ],
    ids=lambda fields: str(*fields),
)
def test_what_no_run_can_be(fields: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=f"Run: {next(iter(fields))} is .*give "):
        Run(**fields)
    with pytest.raises(SettingError):
        Run().with_(**fields)


def test_a_cache_may_be_text() -> None:
    assert Run(cache="x").cache == Path("x")  # type: ignore[arg-type]


def test_what_cannot_fit_is_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory", lambda: 2**30)
    must_fit(2**30, "these")
    with pytest.raises(MemoryLimitError, match="these take at least 3 GiB of memory"):
        must_fit(3 * 2**30, "these")
    monkeypatch.setattr(memory, "memory", lambda: None)
    must_fit(1e300, "these")
