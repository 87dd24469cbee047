"""A proof from the command line and from a recipe, with all that can be asked of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import small_shop
from wareloom.cli import app
from wareloom.cli._shared import settings
from wareloom.errors import SettingError, SourceError
from wareloom.recipe import Recipe
from wareloom.sampling.generator import Member


def told(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_everything_can_be_asked_on_the_command_line(tmp_path: Path) -> None:
    small_shop().save(tmp_path / "shop")
    words = [
        "prove",
        tmp_path / "shop",
        "--to",
        tmp_path / "proof",
        "--with",
        "markov,shuffled",
        "--seeds",
        2,
    ]
    words += [
        "--ratios",
        "0.5",
        "--metrics",
        "ndcg@10",
        "--ties",
        "file",
        "--split",
        "leave-last-out",
    ]
    words += [
        "--set",
        "markov.window=1",
        "--set",
        "ranker.window=2",
        "--guard",
        0.2,
        "--effect",
        0.05,
    ]
    said = told(*words, "--shares", "0.5,1", "--lift-by-ratio", "--leave-out")
    data = json.loads((tmp_path / "proof" / "proof.json").read_text())
    assert set(data["explored"]) == {"shares", "ratios", "members"}
    members = data["settings"]["generator"]["members"]
    assert [(m["synthesizer"], m["settings"]) for m in members] == [
        ("markov", {"window": 1}),
        ("shuffled", {}),
    ]
    assert data["guard"]["guard"] == 0.2
    assert data["power"][0]["effect_lift"] == pytest.approx(0.05)
    assert data["sentence"] in said
    shown = told("show", tmp_path / "proof")
    assert shown.splitlines()[0] == data["sentence"]
    assert json.loads(told("show", tmp_path / "proof", "--json")) == data
    old = {"version": 1}
    (tmp_path / "proof" / "proof.json").write_text(json.dumps(old))
    with pytest.raises(SourceError, match="a proof of another version of Wareloom"):
        told("show", tmp_path / "proof")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--with", "markov,shuffled", "--set", "window=1"],
            r"must say whose setting it is, such as markov\.window",
        ),
        (["--with", "markov,shuffled", "--set", "markof.window=1"], "Did you mean 'markov'"),
        (
            ["--shares", "half"],
            "--shares takes numbers with commas, such as 0.5,1, or auto, not 'half'",
        ),
        (
            ["--ratios", "0.5,half"],
            "--ratios takes numbers with commas, such as 0.5,1, not '0.5,half'",
        ),
        (["--ratios", "0.5,0"], r"ratios\[1\] is 0.0; give a number above 0"),
        (["--shares", "0.5,2"], r"shares\[1\] is 2.0; give a number from 0 to 1"),
        (["--leave-out"], "at least two synthesizers"),
    ],
)
def test_wrong_questions_are_refused(words: list[str], said: str, tmp_path: Path) -> None:
    small_shop().save(tmp_path / "shop")
    with pytest.raises(SettingError, match=said):
        told("prove", tmp_path / "shop", "--to", tmp_path / "x", *words)


def test_a_recipe_asks_the_same_and_is_written_whole(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        '[read]\nsource = "x"\n[prove]\nshares = "auto"\nguard = 0.1\neffect = 0.02\nlift_by_ratio = true\n'
        'leave_out = true\n[[synthesize.members]]\nsynthesizer = "markov"\nshare = 2\n'
        '[[synthesize.members]]\nsynthesizer = "shuffled"\n',
    )
    recipe = Recipe.load(tmp_path / "r.toml")
    asked = recipe.settings
    assert asked.generator.members == (
        Member(synthesizer="markov", share=2.0),
        Member(synthesizer="shuffled"),
    )
    assert (asked.curve[0], asked.guard, asked.effect, asked.lift_by_ratio) == (
        0.05,
        0.1,
        0.02,
        True,
    )
    (tmp_path / "again.toml").write_text(recipe.toml())
    assert Recipe.load(tmp_path / "again.toml").settings == asked
    before = (tmp_path / "r.toml").read_text().replace("synthesize.members", "prove.members")
    (tmp_path / "before.toml").write_text(before)
    with pytest.warns(
        FutureWarning, match=r"members in \[prove\] is written as members in \[synth"
    ):
        assert Recipe.load(tmp_path / "before.toml").settings == asked


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=0.5", 0.5),
        ("a=[1, 2]", [1, 2]),
        ("a={b = 1}", {"b": 1}),
        ('a={"b": 1}', {"b": 1}),
        ('a=["x", null]', ["x", None]),
        ("a={b", "{b"),
        ("a=plain", "plain"),
    ],
)
def test_settings_are_toml_or_json_or_text(text: str, value: object) -> None:
    assert settings([text]) == {"a": value}
