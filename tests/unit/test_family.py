"""The folder as the registry: names, near names, outsiders, settings."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from wareloom.core import source
from wareloom.core.family import FAMILIES, MIXERS, RANKERS, SCREENS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError, SourceError, UnknownNameError, near
from wareloom.rankers import Ranker
from wareloom.shop import Log, Requests, Shop


@dataclass(kw_only=True, eq=False)
class Alphabetical(Ranker):
    """Rank items by their ids: a ranker that lives outside the house."""

    reverse: bool = False
    """From the last to the first."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.order_ = self.items_.rank().to_numpy().astype(np.float32)

    def _score(self, requests: Requests) -> np.ndarray:
        sign = 1 if self.reverse else -1
        return np.tile(sign * self.order_, (len(requests), 1)).astype(np.float32)


def test_an_outsider_is_loaded_saved_and_restored(shop: Shop, tmp_path: Path) -> None:
    name = f"{__name__}:Alphabetical"
    made = RANKERS.make(name, reverse=True).fit(shop)
    assert made.name == name
    made.save(tmp_path / "mine")
    with pytest.raises(SourceError, match=r"code from outside Wareloom.*--allow-code"):
        RANKERS.restore(tmp_path / "mine")
    again = RANKERS.restore(tmp_path / "mine", allow_code=(__name__,))
    assert isinstance(again, Alphabetical)
    assert again.settings() == {"reverse": True}
    assert again.rank(Requests.sessions([[]]), k=1)["item_id"].to_list() == ["i9"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no.such.module:Thing",
            "The ranker 'no.such.module:Thing' cannot be imported: No module named 'no'",
        ),
        (f"{__name__}:Nothing", "cannot be imported: module .* has no attribute 'Nothing'"),
        (
            f"{__name__}:np",
            "is not a ranker: it must be a subclass of the base in wareloom.rankers",
        ),
        ("wareloom.mixing.ratio:Ratio", "is not a ranker"),
    ],
)
def test_an_outsider_that_is_none_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RANKERS.load(name)


def test_a_wrong_name_is_answered_with_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"No ranker is called 'eas'\. Did you mean 'ease'"):
        RANKERS.load("eas")
    with pytest.raises(
        UnknownNameError, match=r"No ranker is called 'zzzzzz'\. Known: .*ease.*transitions"
    ):
        RANKERS.load("zzzzzz")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'copies'"):
        SCREENS.describe("copy")


def test_near_names_are_near() -> None:
    known = ["ease", "als", "popularity", "transitions", "item_knn"]
    assert near("populatiry", known) == " Did you mean 'popularity'?"
    assert near("qqq", known) == ""
    assert near("ratio", ["ratio_a", "ratio_b"]) == " Did you mean 'ratio_b' or 'ratio_a'?"


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_name_loads_one_class_of_its_family(kind: str) -> None:
    members = FAMILIES[kind]
    assert members.names() == sorted(set(members.names()))
    assert members.names()
    for name in members.names():
        cls = members.load(name)
        assert issubclass(cls, Algorithm)
        assert cls.family is members
        assert members.describe(name).module == cls.__module__
        assert (cls.__doc__ or "").startswith(members.describe(name).summary)


def test_listing_imports_no_algorithm() -> None:
    code = (
        "import sys; from wareloom.core.family import FAMILIES\n"
        "for each in FAMILIES.values(): each.entries()\n"
        "own = [m for m in sys.modules if m.startswith('wareloom.') and '.core' not in m]\n"
        "print([m for m in own if m.count('.') > 1], 'polars' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_files_without_an_algorithm_are_helpers_and_names_are_unique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "HERE", tmp_path)
    for place in ("pets/cats/tom.py", "pets/_food.py", "pets/__init__.py", "pets/dogs/rex.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text('class Pet(Algorithm):\n    """A pet."""\n')
    assert Family("pet", "wareloom.pets").names() == ["rex", "tom"]
    (tmp_path / "pets" / "food.py").write_text('def feed() -> None:\n    """Helps."""\n')
    (tmp_path / "pets" / "base.py").write_text('class Base(Algorithm, ABC):\n    """A base."""\n')
    assert Family("pet", "wareloom.pets").names() == ["rex", "tom"]
    (tmp_path / "pets" / "dogs" / "tom.py").write_text('class Tom(Algorithm):\n    """Two."""\n')
    with pytest.raises(InputError, match="Two files define the pet 'tom'"):
        Family("pet", "wareloom.pets").names()


def test_settings_are_read_from_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "HERE", tmp_path)
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "tom.py").write_text(
        "raise RuntimeError('imported')\n\nclass _Paw:\n    pass\n\nclass Tom(Algorithm):\n"
        '    """A cat.\n\n    And more.\n    """\n\n    kind: ClassVar[str] = "cat"\n'
        '    lives: int = 9\n    """How many\n    lives."""\n    name: str\n    found_: int = 0\n'
    )
    entry = Family("pet", "wareloom.pets").describe("tom")
    assert (entry.family, entry.name, entry.module, entry.summary) == (
        "pet",
        "tom",
        "wareloom.pets.tom",
        "A cat.",
    )
    assert [(s.name, s.type, s.default, s.doc) for s in entry.settings] == [
        ("lives", "int", "9", "How many lives."),
        ("name", "str", None, ""),
    ]


@dataclass(kw_only=True)
class Knobs:
    """Settings of several types."""

    shares: ClassVar[int] = 3
    size: int = 1
    rate: float = 0.5
    on: bool = False
    name: str = "x"
    kind: Literal["a", "b"] = "a"
    parts: tuple[float, float] = (1.0, 2.0)
    half_life: float | None = None
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"size": "7"}, {"size": 7}),
        ({"rate": "0.25"}, {"rate": 0.25}),
        ({"rate": 2}, {"rate": 2.0}),
        ({"on": "true"}, {"on": True}),
        ({"kind": "b"}, {"kind": "b"}),
        ({"parts": [3, "4"]}, {"parts": (3.0, 4.0)}),
        ({"half_life": None}, {"half_life": None}),
        ({"half_life": "9"}, {"half_life": 9.0}),
        ({"names": ["p", "q"]}, {"names": ("p", "q")}),
        ({"names": "p"}, {"names": ("p",)}),
        ({"names": "p, q"}, {"names": ("p", "q")}),
        ({"parts": "3,4"}, {"parts": (3.0, 4.0)}),
    ],
)
def test_values_become_what_the_field_is(given: dict[str, Any], becomes: dict[str, Any]) -> None:
    made = configure(Knobs, given)
    assert {name: getattr(made, name) for name in becomes} == becomes
    assert [type(getattr(made, name)) for name in becomes] == [
        type(value) for value in becomes.values()
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"sise": 1},
            r"Knobs has no setting 'sise'\. Did you mean 'size'.* Its settings: half_life, kind, name",
        ),
        ({"shares": 1}, "has no setting 'shares'"),
        ({"size": 1.5}, r"Knobs: size=1\.5 does not fit .*int"),
        ({"size": "many"}, "Knobs: size='many' does not fit .*int"),
        ({"kind": "c"}, "kind is 'c'; give 'a' or 'b'"),
        ({"parts": [1.0]}, r"parts=\[1\.0\] does not fit"),
        ({"parts": "1,many"}, r"parts=\['1', 'many'\] does not fit"),
        ({"size": None}, "size=None does not fit"),
    ],
)
def test_wrong_settings_say_what_is_wrong(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        configure(Knobs, given)


def test_one_family_does_not_restore_anothers(tmp_path: Path) -> None:
    MIXERS.make("ratio", ratio=0.25).save(tmp_path / "mixer")
    assert MIXERS.restore(tmp_path / "mixer").settings() == {
        "ratio": 0.25,
        "weight": 1.0,
        "head": 1.0,
        "continues": False,
    }
    with pytest.raises(SourceError, match="holds a mixer, not a ranker"):
        RANKERS.restore(tmp_path / "mixer")
    with pytest.raises(SourceError, match=r"no such folder"):
        RANKERS.restore(tmp_path / "nothing")
