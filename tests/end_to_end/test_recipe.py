"""A whole job from a recipe: done once, resumed after any kill, refused where it is wrong."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_export import wareloom, write_export

from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import OutputError
from wareloom.recipe import DEFAULT_STAGES, Done, Recipe, run_recipe
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
users = 80
screens = ["schema", "impossible"]

[mix]
set = {ratio = 0.5}

[train]
name = "transitions"
set = {window = 2}

[prove]
seeds = 2
ratios = [0.5]
metrics = ["ndcg@10", "recall@10"]
baselines = {popularity = {}}
"""


def files(folder: Path) -> dict[str, bytes]:
    """Every file but the log with its bytes."""
    found = (
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "log.txt"
    )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


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
    assert dict(mixed.iter_rows()).keys() == {"real", "markov@0.1.0"}
    assert RANKERS.restore(folder / "model").settings()["window"] == 2
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
        ("window = 2", "window = 3", ["train", "prove"], "proof/proof.json"),
        (
            "users = 80",
            "users = 81",
            ["synthesize", "mix", "train", "prove"],
            "synthetic/events.parquet",
        ),
    ):
        folder = copied(undisturbed, tmp_path / new)
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
    assert list((tmp_path / "kept").glob("*.npz"))
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
    return len(list((to / ".cells").glob("*.npz"))) if (to / ".cells").exists() else 0


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
    assert amid == 0 or "train" not in stages_done(to)
    assert files(to) == files(undisturbed.folder)


def test_a_folder_that_holds_something_is_refused(
    recipe: Path, undisturbed: Done, tmp_path: Path
) -> None:
    job = Recipe.load(recipe)
    with pytest.raises(
        OutputError,
        match="holds a job already: pass --resume to continue it, or choose another folder",
    ):
        run_recipe(job, undisturbed.folder)
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
        ("users = 80", "user = 80", "has no setting 'user'. Did you mean 'users'"),
        ("window = 2", "windows = 2", "has no setting 'windows'. Did you mean 'window'"),
        ("window = 2", 'window = "wide"', "window='wide' does not fit"),
        ("ratio = 0.5", "ratoi = 0.5", "has no setting 'ratoi'. Did you mean 'ratio'"),
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
        ('"leave-last-out"', '"leave-one-out"', "by='leave-one-out' does not fit"),
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
        ("seeds = 2", "seeds = 0", "at least one seed"),
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


def test_a_recipe_that_is_not_there() -> None:
    said = wareloom("run", "nowhere.toml")
    assert (said.code, said.err) == (2, "error: There is no recipe nowhere.toml.\n")
