"""Algorithms by name or class; and the stub by which editors complete names and settings is the registry's."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from annotated_types import Ge

import wareloom as wl
from conftest import small_shop
from wareloom import api
from wareloom.core.family import MIXERS, RANKERS, SYNTHESIZERS
from wareloom.mixing import Mixer
from wareloom.rankers import Ranker
from wareloom.sampling.generator import Member
from wareloom.shop import Log, Requests, Shop
from wareloom.testing import stubs

FAMILIES = {"ranker": RANKERS, "synthesizer": SYNTHESIZERS, "mixer": MIXERS}


@dataclass(kw_only=True, eq=False)
class Reach(Ranker):
    """Order items by how many events they have."""

    random: ClassVar[bool] = False

    power: float = 1.0
    """Power of the number of events."""

    def _fit(self, log: Log, shop: Shop | None, run: wl.Run) -> None:
        self.count_ = np.bincount(log.item, minlength=len(log.items)).astype(np.float32)

    def _score(self, requests: Requests) -> np.ndarray:
        return np.tile(self.count_**self.power, (len(requests), 1))


def test_the_stub_is_the_registrys() -> None:
    """Where this fails: `python -m wareloom.testing.stubs` writes it anew."""
    assert stubs.PLACE.read_text(encoding="utf-8") == stubs.stub()


def overloads() -> dict[str, dict[str, list[str]]]:
    """Settings by function and name, as the stub's text has them."""
    found: dict[str, dict[str, list[str]]] = {}
    for node in ast.parse(stubs.PLACE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.args.args[0].annotation is not None:
            literal = re.fullmatch(r"Literal\['(\w+)'\]", ast.unparse(node.args.args[0].annotation))
            if literal:
                settings = [argument.arg for argument in node.args.kwonlyargs]
                found.setdefault(node.name, {})[literal[1]] = settings
    return found


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_stub_has_every_name_with_every_setting(kind: str) -> None:
    """Held to the sources, which are read in another way than the stub is made."""
    wanted = {
        name: {one.name for one in FAMILIES[kind].describe(name).settings}
        for name in FAMILIES[kind].files
    }
    assert {name: set(settings) for name, settings in overloads()[kind].items()} == wanted


PROBE = """
import wareloom as wl

wl.ranker("ease", max_items=5)  # fine
wl.ranker("ease", max_item=5)  # wrong
wl.ranker("ease", max_items="many")  # wrong
wl.ranker("sasrec", epochs=2, learning_rate=1)  # fine
wl.synthesizer("markov", structure="chain")  # fine
wl.synthesizer("markov", structure="chains")  # wrong
wl.mixer("labels", nothing=1)  # wrong

def later(name: str, settings: dict[str, object], shop: wl.Shop) -> None:
    wl.ranker(name)  # fine
    wl.ranker(name, **settings)  # fine
    wl.split(shop, last="14d")  # fine
    wl.split(shop, lst="14d")  # wrong
    wl.split(shop, by="moon")  # wrong
    wl.compare(shop, shop, measures=["gaps"], gru=True)  # fine
    wl.compare(shop, shop, mesures=["gaps"])  # wrong
    wl.prove(shop, synthesizer="markov", ratios=(1, 0.5), seeds=2)  # fine
    wl.prove(shop, synthesizer=wl.synthesizer("markov"), mixer="labels", screens=())  # fine
    wl.prove(shop, rations=(1.0,))  # wrong
    wl.leaderboard(shop, ["ease", wl.ranker("ease", max_items=9)], seeds=2)  # fine
"""


def test_a_type_checker_finds_wrong_settings_and_no_others(tmp_path: Path) -> None:
    api_of_mypy = pytest.importorskip("mypy.api")
    probe = tmp_path / "probe.py"
    probe.write_text(PROBE)
    folder = Path(stubs.PLACE).parent
    looked = ("__init__.py", "api.py", "makers.pyi", "core/asked.py")
    files = [str(probe), *(str(folder / name) for name in looked)]
    # What all of them import is not looked at: that takes a minute.
    how = [
        "--follow-imports=skip",
        "--no-implicit-reexport",
        "--no-incremental",
        "--config-file=",
        "--disable-error-code=misc",
    ]
    told, _, _ = api_of_mypy.run([*how, "--cache-dir", str(tmp_path / "cache"), *files])
    found = {int(line) for line in re.findall(r"probe\.py:(\d+): error", told)}
    lines = PROBE.splitlines()
    assert found == {place for place, line in enumerate(lines, 1) if line.endswith("# wrong")}, told


@pytest.mark.parametrize(
    ("hint", "wanted"),
    [
        (Annotated[int, Ge(1)], "int"),
        (Annotated[float, Ge(1)] | None, "float | None"),
        (tuple[str, ...], "Sequence[str]"),
        (tuple[float, float], "tuple[float, float]"),
        (dict[str, Any], "Mapping[str, Any]"),
        (list[tuple[int, ...]], "Sequence[Sequence[int]]"),
        (Literal["a", "b"] | None, "Literal['a', 'b'] | None"),
        (datetime, "str | datetime.datetime"),
        (tuple[Member, ...], "Sequence[wareloom.sampling.generator.Member | Mapping[str, Any]]"),
    ],
)
def test_types_are_written_as_a_caller_may_give_them(hint: Any, wanted: str) -> None:
    assert stubs.written(hint, set()) == wanted


def test_a_type_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError, match="has no form for"):
        stubs.written(Any | set[int], set())


def test_a_class_of_ones_own_is_made_with_its_settings_checked() -> None:
    assert isinstance(wl.ranker(Reach, power=2), Reach)
    assert wl.ranker(Reach, power="2").power == 2.0  # type: ignore[attr-defined]
    with pytest.raises(wl.WareloomError, match=r"no setting 'powr'.*Did you mean 'power'"):
        wl.ranker(Reach, powr=2)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Shop, "Shop is a class"),
        (3, "3 was given"),
        (None, "None was given"),
        (["ease"], r"\['ease'\] was given"),
    ],
)
def test_what_names_no_algorithm_is_said_with_what_does(kind: str, given: Any, said: str) -> None:
    with pytest.raises(wl.WareloomError, match=f"wl.{kind} takes the name of a {kind}.*; {said}.*wl.list"):  # fmt: skip
        getattr(wl, kind)(given)


def test_a_class_of_another_family_is_refused() -> None:
    with pytest.raises(wl.WareloomError, match=r"derives from the base in wareloom\.mixing"):
        wl.mixer(Reach)  # type: ignore[type-var]


def test_a_mixer_is_named_or_made() -> None:
    shop = small_shop()
    sample = wl.synthesizer("shuffled").fit(shop).sample(10)
    made = wl.mix(shop, sample, wl.mixer("ratio", ratio=0.5))
    assert isinstance(wl.mixer("ratio"), Mixer)
    assert made.table("events").equals(wl.mix(shop, sample, "ratio", ratio=0.5).table("events"))
    with pytest.raises(wl.WareloomError, match=r"has its settings; give ratio where it is made"):
        wl.mix(shop, sample, wl.mixer("ratio"), ratio=0.5)


def asked(monkeypatch: pytest.MonkeyPatch, **given: Any) -> Any:
    """The settings of the proof that a call asks for; nothing is proved."""
    monkeypatch.setattr(api, "prove_by", lambda shop, settings, run: settings)
    return wl.prove(small_shop(), **given)


def test_a_proof_of_made_parts_is_the_proof_of_their_names_and_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = asked(
        monkeypatch,
        synthesizer=wl.synthesizer("markov", structure="chain"),
        ranker=wl.ranker("transitions", decay=0.7),
        mixer=wl.mixer("ratio", weight=0.5),
        screens=(),
        seeds=2,
    )
    named = asked(
        monkeypatch,
        synthesizer="markov",
        synthesizer_settings={"structure": "chain"},
        ranker="transitions",
        ranker_settings={"decay": 0.7},
        mixer="ratio",
        mixer_settings={"weight": 0.5},
        screens=[],
        seeds=2,
    )
    assert made == named
    assert made.generator.settings == {"structure": "chain"}
    assert made.generator.mixer_settings == {"weight": 0.5}
    assert made.generator.screens == ()
    assert made.ranker_settings == {"decay": 0.7}


def test_settings_beside_a_made_part_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(wl.WareloomError, match="ranker_settings is given, and the ranker"):
        asked(monkeypatch, ranker=wl.ranker("ease"), ranker_settings={"max_items": 3})


def test_a_leaderboard_takes_names_and_made_rankers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "compare_rankers", lambda shop, settings, run: settings.rankers)
    made: Any = wl.leaderboard(small_shop(), ["personal", wl.ranker("ease", max_items=9)])
    assert made == {"personal": {}, "ease": {"max_items": 9}}
