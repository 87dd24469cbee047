"""Search for settings: spaces, resuming, pruning, and that the test part is never read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, OutputError, SettingError
from wareloom.evaluation import tuning as module
from wareloom.evaluation.ranking import evaluate
from wareloom.evaluation.tasks import build_task
from wareloom.evaluation.tuning import Choice, Range, SearchSettings, parse_space, search
from wareloom.neural.checkpoint import kept_at
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.shop import Shop

pytest.importorskip("optuna")
LAST = SplitSettings(by="leave-last-out")
SPACE = parse_space("item_knn", ["neighbours=1..40:log", "decay=0.1..1"])


def test_spaces_are_read() -> None:
    found = parse_space(
        "sasrec",
        [
            "learning_rate=1e-4..1e-2:log",
            "layers = 1..3",
            "loss=softmax|gbce",
            "dropout=0..0.5",
            "heads=1|2",
        ],
    )
    assert found == {
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "layers": Range(1, 3, whole=True),
        "loss": Choice(("softmax", "gbce")),
        "dropout": Range(0.0, 0.5),
        "heads": Choice((1, 2)),
    }


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("neighbors=1..2", "item_knn has no setting 'neighbors'.*Did you mean 'neighbours'"),
        ("neighbours", "takes NAME=LOW..HIGH or NAME=A|B, not 'neighbours'"),
        ("neighbours=a..b", "is no range: give two numbers"),
        ("neighbours=5..5", "the first number must be below the second"),
        ("neighbours=1.5..4", "both whole for a setting that is"),
        ("decay=0..1:log", "above 0 for :log"),
        ("decay=0..1:lin", "ends in 'lin': only :log"),
        ("neighbours=ten|20", "neighbours='ten' does not fit"),
    ],
)
def test_impossible_spaces_are_named(pair: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        parse_space("item_knn", [pair])


def test_a_range_of_words_is_refused() -> None:
    with pytest.raises(SettingError, match="this setting is no number: list its values"):
        parse_space("sasrec", ["loss=0..1"])


def test_impossible_ends_are_named_before_anything_is_fitted(tmp_path: Path) -> None:
    asked = SearchSettings(trials=2, split=LAST)
    with pytest.raises(SettingError, match="neighbours"):
        search(
            small_shop(),
            "item_knn",
            {"neighbours": Range(-3, 5, whole=True)},
            asked,
            to=tmp_path / "a",
        )
    with pytest.raises(SettingError, match="nothing to search for"):
        search(small_shop(), "item_knn", {}, asked, to=tmp_path / "a")
    with pytest.raises(SettingError, match="decay cannot be both fixed and searched for"):
        search(
            small_shop(), "item_knn", SPACE, SearchSettings(fixed={"decay": 0.5}), to=tmp_path / "a"
        )
    assert not (tmp_path / "a").exists()


def test_the_best_is_what_it_is_said_to_be(tmp_path: Path) -> None:
    """The best trial's value is what fitting and judging by hand gives, and no less than that of the defaults."""
    shop, run = small_shop(users=150), Run(seed=3)
    space = parse_space("item_knn", ["neighbours=1..400:log", "decay=0.1..1"])
    found = search(
        shop, "item_knn", space, SearchSettings(trials=6, split=LAST), to=tmp_path, run=run
    )
    task = build_task(parts := split(shop, LAST), "validation")

    def judged(settings: dict[str, Any]) -> float:
        return evaluate(
            RANKERS.make("item_knn", **settings).fit(parts.train, run), task, ("ndcg@10",), run
        ).overall["ndcg@10"]

    assert found.value == pytest.approx(judged(found.best)) == found.trials["value"].max()
    assert found.trials["value"][0] == pytest.approx(judged({}))
    assert found.trials["trial"].to_list() == list(range(6))
    assert tomllib.loads((tmp_path / "best.toml").read_text())["train"] == {
        "name": "item_knn",
        "set": found.best,
    }
    assert json.loads((tmp_path / "tune.json").read_text())["trials"] == found.trials.to_dicts()


def test_a_stopped_search_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, asked = small_shop(), SearchSettings(trials=12, split=LAST)
    whole = search(shop, "item_knn", SPACE, asked, to=tmp_path / "whole", run=Run(seed=1))
    calls = []

    def killed(*words: Any) -> Any:
        calls.append(1)
        if len(calls) in (4, 11):
            raise KeyboardInterrupt
        return evaluate(*words)

    monkeypatch.setattr(module, "evaluate", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search(shop, "item_knn", SPACE, asked, to=tmp_path / "parts", run=Run(seed=1))
    parts = search(shop, "item_knn", SPACE, asked, to=tmp_path / "parts", run=Run(seed=1))
    assert parts.trials.equals(whole.trials)
    assert len(calls) == 12 + 2
    before = len(calls)
    assert search(
        shop, "item_knn", SPACE, asked, to=tmp_path / "parts", run=Run(seed=1)
    ).trials.equals(whole.trials)
    assert len(calls) == before
    with pytest.raises(OutputError, match="holds another search"):
        search(shop, "item_knn", SPACE, asked, to=tmp_path / "parts", run=Run(seed=2))


def test_a_search_is_the_same_by_any_spelling_of_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    shop, space = small_shop(), {"layers": Range(1, 2, whole=True)}
    keys = {
        module._key(shop, "sasrec", space, SearchSettings(fixed={"start_from": path}), Run())
        for path in ("kept", "./kept", "kept/", str(tmp_path / "kept"), "link", "kept/../link")
    }
    assert len(keys) == 1
    other = SearchSettings(fixed={"start_from": str(tmp_path)})
    assert module._key(shop, "sasrec", space, other, Run()) not in keys
    trained = {
        kept_at(Run(cache=tmp_path), ["sasrec", {"start_from": path}]) for path in ("kept", "link/")
    }
    assert len(trained) == 1


@pytest.mark.parametrize("trials", [0, -5, 10_001, 10**30])
def test_a_number_of_trials_that_nobody_waits_for(trials: int) -> None:
    with pytest.raises(SettingError, match="give a whole number from 1 to 10000"):
        SearchSettings(trials=trials)


def test_the_test_part_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search goes through where the test part is a thing that cannot be asked anything."""

    def without(*words: Any) -> Split:
        parts = split(*words)
        return Split(parts.train, parts.validation, object(), parts.how)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "split", without)
    assert (
        len(
            search(
                small_shop(), "item_knn", SPACE, SearchSettings(trials=2, split=LAST), to=tmp_path
            ).trials
        )
        == 2
    )


def test_a_metric_that_is_to_be_low(tmp_path: Path) -> None:
    found = search(
        small_shop(),
        "item_knn",
        SPACE,
        SearchSettings(trials=5, split=LAST, metric="gini@10"),
        to=tmp_path,
        run=Run(),
    )
    assert found.value == found.trials["value"].min() >= 0


def test_what_a_ranker_refuses_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = parse_space("sasrec", ["heads=1|3", "embedding_size=8|9"])
    fixed = {"epochs": 1, "validation": 0.0}
    found = search(
        small_shop(),
        "sasrec",
        space,
        SearchSettings(trials=8, split=LAST, fixed=fixed),
        to=tmp_path,
    )
    table = found.trials.unique(["heads", "embedding_size"])
    refused = (pl.col("heads") == 3) & (pl.col("embedding_size") == 8)
    assert table.filter(refused)["outcome"].to_list() == ["refused"]
    assert set(table.filter(~refused)["outcome"]) == {"complete"}
    monkeypatch.setattr(
        module, "_drawn", lambda trial, name, part: {"heads": 3, "embedding_size": 8}[name]
    )
    with pytest.raises(
        InputError,
        match=r"None of the 2 trials came to an end\. sasrec: heads is 3; give a divisor",
    ):
        search(
            small_shop(),
            "sasrec",
            space,
            SearchSettings(trials=2, split=LAST),
            to=tmp_path / "none",
        )


def test_trainings_that_lag_behind_are_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rates that hardly learn among those that do, some are pruned, and none of the complete ones is worse."""
    monkeypatch.setattr(module, "RANDOM", 3)
    space = parse_space("gru", ["learning_rate=1e-6..3e-2:log"])
    fixed = {
        "epochs": 8,
        "embedding_size": 16,
        "dropout": 0.0,
        "batch_size": 256,
        "patience": 0,
        "validation": 0.3,
    }
    asked = SearchSettings(trials=10, split=LAST, fixed=fixed)
    found = search(small_shop(users=200), "gru", space, asked, to=tmp_path, run=Run(seed=2))
    outcomes = found.trials["outcome"].to_list()
    assert "pruned" in outcomes
    assert outcomes[:3] == ["complete"] * 3
    assert found.trials.filter(pl.col("outcome") == "pruned")[
        "value"
    ].null_count() == outcomes.count("pruned")


def test_values_are_told_while_a_network_is_trained() -> None:
    seen: list[tuple[int, float]] = []
    ranker = RANKERS.make("gru", epochs=3, embedding_size=8, batch_size=512)
    ranker.fit(
        small_shop(users=400),
        Run(seed=1, watch=lambda step, values: seen.append((step, values["value"]))),
    )
    assert seen == [(entry["step"], entry["value"]) for entry in ranker.training_]
    assert np.isfinite([value for _, value in seen]).all()


def test_the_command_searches_and_says_what_is_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from wareloom.cli import app

    small_shop().save(tmp_path / "shop")
    words = [
        "tune",
        str(tmp_path / "shop"),
        "--to",
        str(tmp_path / "tuned"),
        "--ranker",
        "item_knn",
    ]
    words += [
        "--space",
        "neighbours=1..40:log",
        "--set",
        "decay=0.5",
        "--trials",
        "3",
        "--split",
        "leave-last-out",
    ]
    said = CliRunner().invoke(app, [*words, "--json"])
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert told["best"]["decay"] == 0.5
    assert len(told["trials"]) == 3
    again = CliRunner().invoke(app, words)
    assert f"best ndcg@10 {told['value']:.4f} on the validation part" in again.stdout
    assert "decay = 0.5" in again.stdout
    assert "[train.set]" in (tmp_path / "tuned" / "best.toml").read_text()
    assert Shop.open(tmp_path / "shop").rows("events")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_watcher_raises_stops_the_training_and_is_noted(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    class Enough(Exception):
        pass

    def watch(step: int, values: dict[str, float]) -> None:
        raise Enough

    ranker = RANKERS.make("gru", epochs=3, embedding_size=8)
    with pytest.raises(Enough):
        ranker.fit(small_shop(), Run(watch=watch, track=f"mlflow:{tmp_path}"))
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    (job,) = client.search_runs([client.get_experiment_by_name("wareloom").experiment_id])
    assert job.info.status == "FAILED"
