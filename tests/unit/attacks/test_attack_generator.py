"""The command `attack` with the generator that made the sample, to be fitted anew, and with its saved model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attacked import wide
from wareloom.attacks import AttackReport
from wareloom.cli import app
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shops")
    members = wide(100, 1, "m")
    members.save(place / "real")
    wide(100, 2, "h").save(place / "held")
    made = SYNTHESIZERS.make("markov").fit(members, Run(seed=1, threads=1))
    made.save(place / "model")
    made.sample(100, Run(seed=1, threads=1)).save(place / "synth")
    return place


def attack(folder: Path, *more: str) -> tuple[int, dict]:  # type: ignore[type-arg]
    words = [str(folder / "real"), str(folder / "synth"), "--holdout", str(folder / "held")]
    given = ["attack", *words, "--threads", "1", "-q", "--json", *more]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


def test_the_generator_is_fitted_anew_with_its_settings(folder: Path) -> None:
    code, told = attack(
        folder,
        *("--only", "shadow,canaries", "--generator", "markov", "--set", "markov.jitter=0.1"),
        *("--set", "shadow.generators=2", "--set", "shadow.features=rhythm"),
        *("--set", "canaries.number=200", "--set", "canaries.features=rhythm"),
        *("--cache", str(folder / "cache")),
    )
    assert code == 1
    report = AttackReport.from_json(told)
    assert report.outcome("shadow").area.value > 0.9
    assert report.outcome("canaries").about["epsilon at least"] > 1
    assert len(list((folder / "cache" / "shadow").glob("*.npz"))) == 2


def test_the_saved_model_is_looked_into(folder: Path) -> None:
    code, told = attack(folder, "--only", "model", "--model", str(folder / "model"))
    assert code == 1
    assert (
        AttackReport.from_json(told).outcome("model").about["timelines of members recovered"] == 1
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--generator", "markof"], "markov"),
        (["--generator", "markov", "--set", "markov.jiter=1"], "jitter"),
        (["--set", "markov.jitter=1"], "must name one of"),
        (
            ["--only", "shadow", "--generator", "markov", "--set", "shadow.generators=0"],
            "generators",
        ),
        (["--only", "model", "--model", "nothing"], "no folder"),
    ],
)
def test_wrong_calls_are_refused_with_the_remedy(folder: Path, words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        attack(folder, *words)
