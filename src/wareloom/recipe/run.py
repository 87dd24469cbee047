"""Doing a recipe: stage after stage, each from what the one before left, each resumable after a kill."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wareloom._version import __version__
from wareloom.core import notebook
from wareloom.core.asked import a_path, a_run, asks, of_class
from wareloom.core.files import locked, one_spelling, replacing
from wareloom.core.run import Run
from wareloom.core.state import read_json, write_json
from wareloom.errors import OutputError
from wareloom.experiment.result import FrozenNote, Proof
from wareloom.preparing.cleaning import clean
from wareloom.preparing.splits import Split, split
from wareloom.proof.frozen import frozen as told_of_freeze
from wareloom.proof.leaderboard import leaderboard
from wareloom.proof.prove import prove
from wareloom.readers import read
from wareloom.recipe.freeze import Freeze
from wareloom.recipe.load import Recipe, rules_of
from wareloom.recipe.looks import Witness
from wareloom.recipe.make import make, note_of
from wareloom.recipe.sources import digests_of
from wareloom.report import write_report
from wareloom.report.board import save_leaderboard
from wareloom.shop import Shop

FOLDERS = {
    "read": "shop",
    "clean": "clean",
    "split": "split",
    "prove": "proof",
    "make": "bundle",
    "leaderboard": "leaderboard",
}
"""Where each stage leaves what it made"""
TABLES_OF = {
    "read": ("read",),
    "clean": ("clean",),
    "split": ("split",),
    "prove": ("prove", "split", "synthesize", "mix", "train"),
    "make": ("make",),
    "leaderboard": ("leaderboard", "split"),
}
"""Tables of a recipe that decide what a stage makes, beside all that the stages before it made"""


@dataclass(frozen=True)
class Done:
    """What a job did."""

    folder: Path
    seconds: dict[str, float]
    """By stage; 0 for one that was finished before"""
    proof: Proof | None
    note: str = ""
    """What a person should know of the model that was made"""
    frozen: str = ""
    """What the proof says of the recipe's freeze; nothing where there is none"""

    def __repr__(self) -> str:
        return notebook.line("Done", str(self.folder), str(self.proof or ""))


@asks(
    recipe=of_class("a Recipe: wl.Recipe.load(FILE) reads one", Recipe),
    to=a_path,
    run=a_run,
    frozen=a_path,
)
def run_recipe(
    recipe: Recipe,
    to: str | Path,
    run: Run | None = None,
    *,
    resume: bool = False,
    frozen: str | Path | None = None,
) -> Done:
    """Do a whole job into the folder `to`, one folder a stage.

    A stage is written beside and renamed when it is whole. Stages that finished with the same settings, data and
    version are kept. A folder that holds a job of another recipe is refused, unless `resume`. Times go to
    `log.txt` and `.sources.json`, so that all else is the same bytes for the same recipe, seed and data.
    `looks.jsonl` gets a line before the test part is read.

    `frozen`: the file that `wareloom.freeze` wrote of this recipe. The proof then says whether it was frozen.
    """
    to, run = Path(to), (run or Run()).with_(seed=recipe.seed)
    freeze = Freeze.open(Path(frozen)) if frozen is not None else None
    if to.exists() and not to.is_dir():
        raise OutputError(f"{to} is a file; choose a folder for --to.")
    if to.is_dir() and any(to.iterdir()) and not (to / "recipe.toml").exists():
        raise OutputError(f"{to} is not empty and holds no job; choose another folder for --to.")
    if (to / "recipe.toml").exists() and not resume and not _same(recipe, to / "recipe.toml"):
        raise OutputError(
            f"{to} holds a job of another recipe: pass --resume to do anew what differs, or choose another folder for "
            "--to."
        )
    with locked(to):
        to.mkdir(parents=True, exist_ok=True)
        for stale in (*to.glob(".*.partial-*"), *to.glob(".*.old-*")):
            shutil.rmtree(stale, ignore_errors=True)
        (to / "recipe.toml").write_text(recipe.toml(), encoding="utf-8")
        job = _Job(recipe, to, run, Witness(recipe, freeze, to))
        seconds = {stage: job.stage(stage) for stage in recipe.stages}
    proof = Proof.open(to / "proof") if (to / "proof" / "proof.json").exists() else None
    note = note_of(proof, recipe.make) if proof and "make" in recipe.stages else ""
    return Done(to, seconds, proof, note, _of_freeze(proof, freeze))


def _of_freeze(proof: Proof | None, freeze: Freeze | None) -> str:
    """What a job says of its freeze."""
    if proof is None or (freeze is None and "frozen" not in proof.data):
        return ""
    return " ".join(told_of_freeze(proof.data)) or (
        "The proof was finished before it was run with this freeze, and claims nothing of it."
    )


def _same(recipe: Recipe, path: Path) -> bool:
    """Whether a recipe is the one that a job kept, however its paths are spelled."""
    try:
        kept = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
    return bool(one_spelling(kept) == one_spelling(tomllib.loads(recipe.toml())))


class _Job:
    """The stages of one job over its folder."""

    def __init__(self, recipe: Recipe, to: Path, run: Run, witness: Witness) -> None:
        self.recipe, self.to, self.run, self.witness = recipe, to, run, witness
        self.stamps: dict[str, Sequence[Any]] = {}
        self.key = hashlib.sha256(f"{__version__} {recipe.seed}".encode()).hexdigest()

    def stage(self, name: str) -> float:
        """Do one stage unless it is done; returns the seconds it took."""
        folder = self.to / FOLDERS[name]
        told = [asdict(self.recipe)[table] for table in TABLES_OF[name]]
        self.stamps[name] = self._stamp(name)
        stamped = [self.key, name, one_spelling(told), self.stamps[name]]
        text = json.dumps(stamped, sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()
        if name != "leaderboard":
            self.key = key
        mark = self.to / f".{folder.name}.done"
        if mark.exists() and mark.read_text() == key and folder.exists():
            self._say(f"{name}: done before")
            return 0.0
        mark.unlink(missing_ok=True)
        start = time.perf_counter()
        work: Callable[[Path], None] = getattr(self, f"_{name}")
        stages = self.recipe.stages
        with self.run.task(f"{name} ({stages.index(name) + 1} of {len(stages)})"):
            work(folder)
        mark.write_text(key)
        seconds = time.perf_counter() - start
        self._log(f"{name}: {seconds:.1f} s, in {folder}")
        return seconds

    def _log(self, line: str) -> None:
        with (self.to / "log.txt").open("a") as file:
            file.write(line + "\n")

    def _say(self, line: str) -> None:
        self._log(line)
        if not self.run.quiet:
            print(line, file=sys.stderr, flush=True)

    def _stamp(self, stage: str) -> Sequence[Any]:
        """What a stage reads from outside the job, so that it is done anew where that was changed."""
        if stage == "prove":
            files = [Path(str(own["file"])) for own in rules_of(asdict(self.recipe))]
            told: list[Any] = [path.read_text("utf-8") for path in files if path.is_file()]
            others = self.recipe.prove.settings.get("others", ())
            return told + [Shop.open(other).fingerprint for other in others]
        if stage != "read" or self.recipe.read is None:
            return []
        return digests_of(self.recipe.read, self.to / ".sources.json")

    def _shop(self) -> Shop:
        """What the stages before the split left: the shop, cleaned where it was cleaned."""
        return Shop.open(self.to / ("clean" if "clean" in self.recipe.stages else "shop"))

    def _parts(self) -> Split | None:
        """What the stage `split` left, where there is one."""
        return Split.open(self.to / "split") if "split" in self.recipe.stages else None

    def _cells(self, name: str) -> tuple[Run, Path]:
        """A run that keeps finished cells while a stage goes on, and where."""
        cells = self.to / name
        return self.run.with_(cache=self.run.cache or cells), cells

    def _look(self, stage: str) -> FrozenNote | None:
        """Write down that a stage reads the test part, before it does."""
        moved = "read" in self.stamps and self.stamps["read"] != self._stamp("read")
        note = self.witness.look(stage, moved=moved)
        if note and stage == "prove":
            self._say(f"{stage}: {note['why']}")
        return note

    def _read(self, folder: Path) -> None:
        step = self.recipe.read
        assert step is not None
        if (Path(step.source) / "shop.json").is_file():
            Shop.open(step.source).save(folder)
            return
        read(
            step.source,
            to=folder,
            as_=step.format,
            settings=step.set,
            on_error=step.on_error,
            run=self.run,
        )

    def _clean(self, folder: Path) -> None:
        clean(Shop.open(self.to / "shop"), self.recipe.clean, folder, self.run)

    def _split(self, folder: Path) -> None:
        split(self._shop(), self.recipe.split, folder, self.run)

    def _prove(self, folder: Path) -> None:
        run, cells = self._cells(".cells")
        note = self._look("prove")
        proof = prove(self._shop(), self.recipe.settings, run, self._parts())
        if note := self.witness.kept(note):
            proof = Proof({**proof.data, "frozen": note})
        told = self.to / "clean" / "clean.json"
        cleaned = read_json(told) if told.exists() else None
        with replacing(folder, marker="proof.json") as partial:
            write_json(partial / "proof.json", proof.data)
            write_report(proof, partial / "report.html", cleaned=cleaned)
        shutil.rmtree(cells, ignore_errors=True)

    def _make(self, folder: Path) -> None:
        proof, step = Proof.open(self.to / "proof"), self.recipe.make
        made = make(
            self._shop(), proof, step, self.recipe.plain(), self.run, self.to, self._parts()
        )
        assert made.bundle.folder == folder

    def _leaderboard(self, folder: Path) -> None:
        run, cells = self._cells(".leaderboard-cells")
        self._look("leaderboard")
        save_leaderboard(leaderboard(self._shop(), self.recipe.contest(), run), folder)
        shutil.rmtree(cells, ignore_errors=True)
