"""Flags of `prove` and of the other commands that set the parts: mixer, screens, ranker; read before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conftest import small_shop
from wareloom.cli import app
from wareloom.cli import prove as command
from wareloom.cli._shared import screens_of, settings_of
from wareloom.errors import WareloomError
from wareloom.recipe import Recipe
from wareloom.sampling.generator import SCREENS


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flags") / "shop"
    small_shop().save(folder)
    return folder


def told(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


class Asked(Exception):
    """What a command would prove."""


def asked(monkeypatch: pytest.MonkeyPatch, shop: Path, *words: str) -> Any:
    """The settings of the proof that a command line asks for; nothing is proved."""

    def stop(tables: dict[str, Any], *rest: Any, **more: Any) -> Any:
        named = {name: table for name, table in tables.items() if table != {"by": ""}}
        raise Asked(Recipe.of(named | {"stages": ("prove",)}).settings)

    monkeypatch.setattr(command, "_proved", stop)
    with pytest.raises(Asked) as found:
        told("prove", shop, "--to", shop.parent / "proof", *words)
    return found.value.args[0]


def test_every_part_has_its_settings_by_flag(monkeypatch: pytest.MonkeyPatch, shop: Path) -> None:
    words = [
        "--with",
        "markov",
        "--set",
        "structure=chain",
        "--ranker",
        "sasrec",
        "--ranker-set",
        "epochs=2",
    ]
    words += ["--mixer", "fresh", "--mixer-set", "pools=3", "--mixer-set", "weight=0.5"]
    words += ["--screens", "schema,copies", "--screen-set", "copies.length=9"]
    found = asked(monkeypatch, shop, *words)
    made = found.generator
    assert (made.synthesizer, made.settings) == ("markov", {"structure": "chain"})
    assert (found.ranker, found.ranker_settings) == ("sasrec", {"epochs": 2})
    assert (made.mixer, made.mixer_settings) == ("fresh", {"pools": 3, "weight": 0.5})
    assert (made.screens, made.screen_settings) == (("schema", "copies"), {"copies": {"length": 9}})


def test_screens_are_those_of_the_kind_those_that_are_named_or_none(
    monkeypatch: pytest.MonkeyPatch, shop: Path
) -> None:
    assert asked(monkeypatch, shop).generator.screens == SCREENS
    assert asked(monkeypatch, shop, "--screens", "off").generator.screens == ()
    assert asked(monkeypatch, shop, "--screens", "OFF").generator.screens == ()
    assert asked(monkeypatch, shop, "--screens", "leak").generator.screens == ("leak",)
    clicks = asked(monkeypatch, shop, "--of", "clicks").generator.screens
    assert clicks
    assert "copies" not in clicks


def test_settings_of_a_ranker_may_be_said_in_both_ways(
    monkeypatch: pytest.MonkeyPatch, shop: Path
) -> None:
    found = asked(monkeypatch, shop, "--set", "ranker.window=2", "--ranker-set", "decay=0.7")
    assert found.ranker_settings == {"window": 2, "decay": 0.7}
    assert found.generator.mixer == "ratio"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mixer", "lables"], r"No mixer is called 'lables'. Did you mean 'labels'"),
        (["--mixer-set", "weigth=2"], r"no setting 'weigth'.*Did you mean 'weight'"),
        (["--mixer-set", "weight=-2"], r"weight is -2"),
        (["--mixer-set", "weight"], r"--mixer-set takes NAME=VALUE, not 'weight'"),
        (["--ranker-set", "=2"], r"--ranker-set takes NAME=VALUE"),
        (["--ranker-set", "windw=2"], r"no setting 'windw'.*Did you mean 'window'"),
        (["--screens", "offf"], r"No screen is called 'offf'"),
        (["--screens", "off", "--screen-set", "copies.length=3"], r"--screens off takes none"),
        (["--of", "transfer", "--from", "elsewhere", "--mixer", "labels"], r"the mixer 'labels'"),
        (["--mixer", "no_such_module:Mine"], r"PYTHONPATH"),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_named_before_any_work(shop: Path, words: list[str], said: str) -> None:
    with pytest.raises(WareloomError, match=said):
        told("prove", shop, "--to", shop.parent / "proof", *words)
    assert not (shop.parent / "proof").exists()


def test_screening_without_a_screen_is_refused(shop: Path) -> None:
    with pytest.raises(WareloomError, match="names no screen: name some of copies"):
        told("screen", shop, shop, "--to", shop.parent / "screened", "--screens", "off")


def test_off_is_no_screen_and_nothing_said_is_nothing() -> None:
    assert screens_of("") is None
    assert screens_of("off") == []
    assert screens_of("a, b") == ["a", "b"]


def test_a_proof_without_screens_by_another_mixer_runs(shop: Path, tmp_path: Path) -> None:
    words = ["--mixer", "ratio", "--mixer-set", "weight=0.5", "--screens", "off", "--ratios", "1"]
    told("prove", shop, "--to", tmp_path / "proof", "--seeds", 1, "--ties", "file", *words)
    from wareloom.experiment.result import Proof

    data = Proof.open(tmp_path / "proof").data
    assert data["settings"]["generator"]["screens"] == []
    assert data["choice"]["mixer_settings"] == {"weight": 0.5}


def test_a_setting_of_a_part_of_ones_own_is_told_from_its_points() -> None:
    names = ["own.module:Shelf", "own.module:ShelfOfMine", "ease"]
    given = ["own.module:Shelf.depth=3", "own.module:ShelfOfMine.depth=4", "ease.max_items=5"]
    assert settings_of(names, given) == {
        "own.module:Shelf": {"depth": 3},
        "own.module:ShelfOfMine": {"depth": 4},
        "ease": {"max_items": 5},
    }
    for wrong in ("own.depth=3", "ease=3", "ease.=3", "esae.max_items=3"):
        with pytest.raises(WareloomError, match=r"must name one of own\.module:Shelf, "):
            settings_of(names, [wrong])
