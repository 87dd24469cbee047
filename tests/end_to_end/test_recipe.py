"""A whole job from a recipe: done once, resumed after any kill, refused where it is wrong."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_export import wareloom, write_export

from wareloom._version import __version__
from wareloom.bundle import Bundle
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import OutputError
from wareloom.recipe import DEFAULT_STAGES, Done, Recipe, run_recipe
from wareloom.recipe.load import tables_of
from wareloom.shop import Shop

TOML = """
name = "tiny"
seed = 3

[read]
source = "export"

[split]
by = "leave-last-out"

[synthesize]
name = "markov"
screens = ["schema", "impossible"]

[mix]
set = {weight = 0.5}

[train]
name = "transitions"
set = {window = 2}

[prove]
seeds = 2
ratios = [0.25]
metrics = ["ndcg@10", "recall@10"]
baselines = {popularity = {}}
"""


def files(folder: Path) -> dict[str, bytes]:
    """Every file but those with times, the log and the looks, with its bytes."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if path.name not in ("log.txt", "looks.jsonl")
    }


def stages_done(folder: Path) -> list[str]:
    """The stages that the last call worked on."""
    lines = (folder / "log.txt").read_text().splitlines()[-len(DEFAULT_STAGES) :]
    assert [line.partition(":")[0] for line in lines] == list(DEFAULT_STAGES)
    return [line.partition(":")[0] for line in lines if not line.endswith("done before")]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    write_export(folder / "export")
    (folder / "tiny.toml").write_text(TOML)
    return folder / "tiny.toml"


@pytest.fixture(scope="module")
def undisturbed(recipe: Path) -> Done:
    return run_recipe(Recipe.load(recipe), recipe.parent / "job", Run(threads=2))


def copied(done: Done, to: Path) -> Path:
    return Path(shutil.copytree(done.folder, to))


def test_a_recipe_does_the_whole_job(undisturbed: Done) -> None:
    folder = undisturbed.folder
    assert stages_done(folder) == list(DEFAULT_STAGES)
    for shop in ("shop", "clean", "split/train", "split/test", "synthetic", "mixed"):
        assert Shop.open(folder / shop).rows("items") == 30
    mixed = Shop.open(folder / "mixed").table("events")["origin"].value_counts()
    assert dict(mixed.iter_rows()).keys() == {"real", f"markov@{__version__}"}
    bundle = Bundle.open(folder / "bundle")
    assert bundle.ranker.settings()["window"] == 2
    assert SYNTHESIZERS.restore(folder / "synthetic" / "synthesizer").name == "markov"
    assert undisturbed.proof is not None
    proof = json.loads((folder / "proof" / "proof.json").read_text())
    assert proof == undisturbed.proof.data
    assert proof["sentence"] in (folder / "proof" / "report.html").read_text()
    assert not list(folder.rglob("*partial*"))
    assert not (folder / ".cells").exists()


def test_resume_redoes_nothing(recipe: Path, undisturbed: Done, tmp_path: Path) -> None:
    folder = copied(undisturbed, tmp_path / "job")
    before, stamps = files(folder), {p: p.stat().st_mtime_ns for p in folder.rglob("*.parquet")}
    again = run_recipe(Recipe.load(recipe), folder, resume=True)
    assert stages_done(folder) == []
    assert set(again.seconds.values()) == {0.0}
    assert files(folder) == before
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.parquet")} == stamps
    assert again.proof == undisturbed.proof


def test_resume_redoes_what_depends_on_a_changed_setting(
    recipe: Path, undisturbed: Done, tmp_path: Path
) -> None:
    for old, new, redone, differs in (
        ("window = 2", "window = 3", ["prove", "make"], "proof/proof.json"),
        ("ratios = [0.25]", "ratios = [0.3]", ["prove", "make"], "synthetic/events.parquet"),
        ("[read]", '[make]\ndata = "train"\n\n[read]', ["make"], "mixed/events.parquet"),
    ):
        folder = copied(undisturbed, tmp_path / str(len(new)))
        changed = recipe.with_name("changed.toml")
        changed.write_text(TOML.replace(old, new))
        run_recipe(Recipe.load(changed), folder, resume=True)
        assert stages_done(folder) == redone
        assert files(folder)[differs] != files(undisturbed.folder)[differs]


def test_a_cache_of_ones_own_outlives_the_proof(
    recipe: Path, undisturbed: Done, tmp_path: Path
) -> None:
    folder = copied(undisturbed, tmp_path / "job")
    (folder / ".proof.done").unlink()
    again = run_recipe(Recipe.load(recipe), folder, Run(cache=tmp_path / "kept"), resume=True)
    assert again.proof == undisturbed.proof
    assert len(list((tmp_path / "kept").iterdir())) > 4
    assert not (folder / ".cells").exists()


def test_resume_reads_a_changed_source_anew(undisturbed: Done, tmp_path: Path) -> None:
    folder = copied(undisturbed, tmp_path / "job")
    write_export(tmp_path / "export", users=61)
    (tmp_path / "tiny.toml").write_text(TOML)
    run_recipe(Recipe.load(tmp_path / "tiny.toml"), folder, resume=True)
    assert stages_done(folder) == list(DEFAULT_STAGES)


def test_the_recipe_of_a_job_does_it_again(undisturbed: Done, tmp_path: Path) -> None:
    kept = undisturbed.folder / "recipe.toml"
    run_recipe(Recipe.load(kept), tmp_path / "again", Run(threads=1))
    assert (
        files(tmp_path / "again")["proof/proof.json"]
        == files(undisturbed.folder)["proof/proof.json"]
    )
    assert (
        files(tmp_path / "again")["mixed/events.parquet"]
        == files(undisturbed.folder)["mixed/events.parquet"]
    )


def start(recipe: Path, to: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "wareloom",
        "run",
        str(recipe),
        "--to",
        str(to),
        "--resume",
        "--quiet",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kept(to: Path) -> int:
    """Finished pieces of the proof."""
    return len(list((to / ".cells").iterdir())) if (to / ".cells").exists() else 0


def begun(to: Path) -> int:
    """When the recipe was last written, which is the first thing that a job does."""
    return (to / "recipe.toml").stat().st_mtime_ns if (to / "recipe.toml").exists() else 0


def wait_for(job: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while job.poll() is None and time.monotonic() < deadline and not reached():
        time.sleep(0.003)


def test_a_killed_job_goes_on_to_the_same_bytes(
    recipe: Path, undisturbed: Done, tmp_path: Path
) -> None:
    """Three kills at moments of a fixed seed, one amid the proof; each start goes on where the last was stopped."""
    to, moments, killed = tmp_path / "job", random.Random(5), 0
    # The first job of all compiles kernels, later ones do not: their work is short.
    work = min(sum(undisturbed.seconds.values()), 1.5)
    for moment in (*(moments.uniform(0.02, 0.3) * work for _ in range(3)), None):
        before, job = begun(to), start(recipe, to)
        if moment is None:
            wait_for(job, lambda: kept(to) >= 5)
        else:
            wait_for(job, lambda before=before: begun(to) > before)  # type: ignore[misc]
            time.sleep(moment)
        job.send_signal(signal.SIGKILL)
        killed += job.wait() == -signal.SIGKILL
    assert killed >= 2
    amid = kept(to)
    last = start(recipe, to)
    assert last.wait(120) == 0
    assert amid == 0 or "split" not in stages_done(to)
    assert files(to) == files(undisturbed.folder)


def test_a_folder_that_holds_something_is_refused(
    recipe: Path, undisturbed: Done, tmp_path: Path
) -> None:
    job = Recipe.load(recipe)
    # The same job is gone on with; another one is refused.
    assert set(run_recipe(job, undisturbed.folder).seconds.values()) == {0.0}
    with pytest.raises(
        OutputError,
        match="holds a job of another recipe: pass --resume to do anew what differs, or choose",
    ):
        run_recipe(replace(job, seed=job.seed + 1), undisturbed.folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    for resume in (False, True):
        with pytest.raises(
            OutputError, match="is not empty and holds no job; choose another folder for --to"
        ):
            run_recipe(job, tmp_path / "mine", resume=resume)
        with pytest.raises(OutputError, match="is a file; choose a folder for --to"):
            run_recipe(job, tmp_path / "mine" / "thesis.txt", resume=resume)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[synthesize]",
            "[synthesise]",
            "A recipe has no table or setting 'synthesise'. Did you mean 'synthesize'",
        ),
        (
            "ratios = [0.25]",
            "ratio = [0.25]",
            "A proof of recommendation has no setting 'ratio'. Did you mean 'ratios'",
        ),
        (
            "[synthesize]",
            "[synthesize]\nwindoe = 2",
            "wrong.toml: The table [synthesize] has no setting 'windoe'",
        ),
        (
            "[read]",
            '[read]\nencoding = "gb18030"',
            "stand in [read.set], for example [read.set] encoding = …",
        ),
        ("ratios = [0.25]", "ratios = [nan]", "ratios"),
        ("ratios = [0.25]", "ratios = [inf]", "ratios"),
        ("ratios = [0.25]", "ratios = [-0.25]", "give a number above 0"),
        ("ratios = [0.25]", 'ranker = "ease"', "says 'ranker' in a table of its own"),
        ("seed = 3", "seed = 3\nstages = []", "needs a stage at least"),
        ("seed = 3", 'seed = 3\nstages = ["split", "prove"]', "must begin with 'read'"),
        ("seed = 3", 'seed = 3\nstages = ["read", "prove", "split"]', "cannot follow one another"),
        ("seed = 3", 'seed = 3\nstages = ["read", "read"]', "cannot follow one another"),
        ("seed = 3", 'seed = 3\nstages = ["read", "make"]', "'make' needs the stage 'prove'"),
        ("window = 2", "windows = 2", "has no setting 'windows'. Did you mean 'window'"),
        ("window = 2", 'window = "wide"', "window='wide' does not fit"),
        ("weight = 0.5", "wieght = 0.5", "has no setting 'wieght'. Did you mean 'weight'"),
        (
            'name = "markov"',
            'name = "markow"',
            "No synthesizer is called 'markow'. Did you mean 'markov'",
        ),
        (
            'name = "transitions"',
            'name = "transition"',
            "No ranker is called 'transition'. Did you mean 'transitions'",
        ),
        ('"leave-last-out"', '"leave-one-out"', "by is 'leave-one-out'; give 'time'"),
        (
            '"impossible"]',
            '"imposible"]',
            "No screen is called 'imposible'. Did you mean 'impossible'",
        ),
        ('"recall@10"]', '"recal@10"]', "No metric is called 'recal'. Did you mean 'recall'"),
        (
            "popularity = {}",
            "popular = {}",
            "No ranker is called 'popular'. Did you mean 'popularity'",
        ),
        ("seeds = 2", "seeds = 0", "seeds is 0; give a whole number from 1 to 1000"),
        (
            "seed = 3",
            'seed = 3\nstages = ["reed"]',
            "There is no stage 'reed'. Did you mean 'read'?",
        ),
        ("seed = 3", "seed = ", "is not valid TOML"),
        ('source = "export"', "", "needs a table [read] with a source"),
    ],
)
def test_a_wrong_recipe_is_refused_before_any_work(
    old: str, new: str, message: str, recipe: Path, tmp_path: Path
) -> None:
    assert TOML.count(old) == 1
    wrong = recipe.with_name("wrong.toml")
    wrong.write_text(TOML.replace(old, new))
    said = wareloom("run", wrong, "--to", tmp_path / "job", "--quiet")
    assert said.code == 2
    assert message in said.err
    assert said.err.startswith("error: ")
    assert said.out == ""
    assert not (tmp_path / "job" / "shop").exists()


def test_what_is_kept_is_what_was_proved(undisturbed: Done) -> None:
    folder, proof = undisturbed.folder, undisturbed.proof
    assert proof is not None
    bundle = Bundle.open(folder / "bundle")
    manifest = bundle.manifest
    assert manifest.choice["ratio"] == proof.choice["ratio"] == 0.25
    assert manifest.choice["ranker"] == "transitions"
    assert manifest.choice["ranker_settings"] == {"window": 2}
    assert manifest.choice["mixer_settings"] == {"weight": 0.5}
    assert manifest.proof is not None
    assert (manifest.proof.id, manifest.proof.verdict) == (proof.id, proof.verdict)
    events = Shop.open(folder / "mixed").table("events")
    real = events.filter(pl.col("origin") == "real")
    parts = [Shop.open(folder / "split" / part).rows("events") for part in ("train", "validation")]
    assert len(real) == sum(parts), "training and validation data together"
    assert 0.2 < (len(events) - len(real)) / len(real) < 0.3
    assert set(events.filter(pl.col("origin") != "real")["weight"]) == {0.5}


def test_a_model_may_be_made_of_the_training_part_and_of_real_data_alone(
    recipe: Path, undisturbed: Done, tmp_path: Path
) -> None:
    assert undisturbed.proof is not None
    assert undisturbed.proof.verdict not in ("helps", "helps, but")
    assert 'set [make] mix = "helps"' in undisturbed.note
    folder = copied(undisturbed, tmp_path / "job")
    changed = recipe.with_name("real.toml")
    changed.write_text(TOML + '\n[make]\nmix = "helps"\ndata = "train"\n')
    done = run_recipe(Recipe.load(changed), folder, resume=True)
    assert "trained on real data alone" in done.note
    events = Shop.open(folder / "mixed").table("events")
    assert set(events["origin"]) == {"real"}
    assert len(events) == Shop.open(folder / "split" / "train").rows("events")
    assert Bundle.open(folder / "bundle").manifest.choice["mixed"] is False
    assert not (folder / "synthetic").exists()


def test_a_stage_uses_what_the_one_before_left(
    recipe: Path, undisturbed: Done, tmp_path: Path
) -> None:
    """A split with the same settings in which a user is missing: the proof sees one request fewer."""
    folder = copied(undisturbed, tmp_path / "job")
    asked = proof_of(folder)["modes"][-1]["task"]["requests"]
    test = Shop.open(folder / "split" / "test")
    gone = test.table("events")["user_id"][0]
    kept = test.table("events").filter(pl.col("user_id") != gone)
    test.with_tables(events=kept).save(folder / "split" / "test")
    (folder / ".proof.done").unlink()
    run_recipe(Recipe.load(recipe), folder, resume=True)
    assert proof_of(folder)["modes"][-1]["ties"] == "file"
    assert proof_of(folder)["modes"][-1]["task"]["requests"] == asked - 1


def proof_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "proof" / "proof.json").read_text())
    return found


def test_old_recipes_are_read_with_a_warning() -> None:
    old = {
        "read": {"source": "x"},
        "stages": ["read", "split", "synthesize", "mix", "train", "prove"],
        "synthesize": {"name": "markov", "users": 9},
        "mix": {"set": {"ratio": 0.5}},
        "prove": {"of": "search", "set": {"labelled": 5, "untold": True}},
    }
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = Recipe.of(old | {"synthesize": {"name": "attributes", "users": 9}})
    said = " ".join(str(one.message) for one in told)
    for words in ("stages synthesize", "users in", "ratio in", "prove.set", "'untold' is called"):
        assert words in said
    assert made.stages == ("read", "split", "prove", "make")
    assert made.settings.ratios == (0.5,)
    assert (made.prove.settings["labelled"], made.prove.settings["single_grade"]) == (5, True)
    assert old["mix"] == {"set": {"ratio": 0.5}}, "what was given is left as it is"
    members = [{"synthesizer": "markov"}, {"synthesizer": "shuffled"}]
    with pytest.warns(FutureWarning, match="members in"):
        made = Recipe.of({"read": {"source": "x"}, "prove": {"members": members}})
    assert [m.synthesizer for m in made.settings.generator.members] == ["markov", "shuffled"]


def test_a_command_and_a_function_build_the_recipe_that_a_file_would() -> None:
    said = {"seeds": 2, "ratios": (0.5,), "ranker": "ease", "ranker_settings": {"last": 3}}
    one = Recipe.of(tables_of(said | {"synthesizer": "shuffled", "split": "user"})).settings
    two = Recipe.of(
        {
            "read": {"source": "x"},
            "prove": {"seeds": 2, "ratios": [0.5]},
            "train": {"name": "ease", "set": {"last": 3}},
            "synthesize": {"name": "shuffled"},
            "split": {"by": "user"},
        }
    ).settings
    assert one == two
    again = Recipe.of(tables_of({"generator": two.generator, "split": two.split})).settings
    assert (again.generator, again.split) == (two.generator, two.split)


def test_a_recipe_that_is_not_there() -> None:
    said = wareloom("run", "nowhere.toml")
    assert (said.code, said.err) == (2, "error: There is no recipe nowhere.toml.\n")
