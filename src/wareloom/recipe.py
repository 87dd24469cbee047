"""A whole job as one frozen value: TOML in and out, stage after stage, resumable after a kill at any point."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from wareloom._version import __version__
from wareloom.core.family import MIXERS, RANKERS, SYNTHESIZERS
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.core.state import read_json, write_json
from wareloom.errors import InputError, OutputError, SettingError, SourceError, near
from wareloom.preparing.cleaning import CleanSettings, clean
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.kinds import AnySettings, asked, kind_of, prove_any
from wareloom.proof.leaderboard import LeaderboardSettings, leaderboard
from wareloom.proof.result import Proof
from wareloom.proof.settings import ProofSettings
from wareloom.readers import read
from wareloom.report import write_report
from wareloom.sampling.generator import Generator, Member
from wareloom.sampling.rejection import sample_screened
from wareloom.screening import made, save_screened
from wareloom.shop import Log, Shop

STAGES = ("read", "clean", "split", "synthesize", "mix", "train", "prove", "leaderboard")
DEFAULT_STAGES = STAGES[:-1]


@dataclass(frozen=True, kw_only=True)
class ReadStep:
    """Where the data comes from."""

    source: str
    """A file, a folder, or what the reader takes; relative to the recipe's own folder."""
    format: str = "auto"
    """The reader."""
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the reader."""
    on_error: str = "stop"
    """What to do with malformed cells: "stop" or "reject"."""


@dataclass(frozen=True, kw_only=True)
class SynthesizeStep:
    """What is synthesised and what screens it."""

    name: str = "markov"
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the synthesizer."""
    users: int = 0
    """Synthetic users to keep; 0 keeps as many as there are training users."""
    screens: tuple[str, ...] = ("schema", "impossible", "copies", "leak")
    screen_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the screens, by the screen's name; the file of `rules` is relative to the recipe's own folder."""


@dataclass(frozen=True, kw_only=True)
class MixStep:
    """How real and synthetic rows are blended for the model that is kept."""

    name: str = "ratio"
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the mixer."""


@dataclass(frozen=True, kw_only=True)
class TrainStep:
    """The ranker that is trained on the mix and kept."""

    name: str = "transitions"
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of the ranker."""


@dataclass(frozen=True, kw_only=True)
class ProveStep:
    """How hard the proof is; see `ProofSettings`, `ClickProofSettings` and `QueryProofSettings`."""

    of: str = "recommendation"
    """What is proved: recommendation, clicks or search. The ranker is the one of [train]."""
    seeds: int = 3
    ratios: tuple[float, ...] = (0.5, 1.0)
    metrics: tuple[str, ...] = ()
    """Those of the kind where there are none."""
    repeats: Literal["auto", "rank", "mask"] = "auto"
    ties: tuple[str, ...] = ProofSettings().ties
    baselines: dict[str, dict[str, Any]] | None = None
    """Those of the kind where nothing is said."""
    features: str = ProofSettings().features
    guard: float = ProofSettings().guard
    effect: float | None = None
    shares: tuple[float, ...] | Literal["auto"] = ()
    lift_by_ratio: bool = False
    leave_out: bool = False
    members: tuple[Member, ...] = ()
    """Several synthesizers that the proof takes together instead of the one of [synthesize]."""
    set: dict[str, Any] = field(default_factory=dict)
    """Settings that this kind of proof alone has."""

    def resolved(self) -> ProveStep:
        """Return this with the kind's own metrics and baselines where none are named."""
        own = kind_of(self.of).settings()
        baselines = dict(own.baselines) if self.baselines is None else self.baselines
        return replace(self, metrics=self.metrics or own.metrics, baselines=baselines)


@dataclass(frozen=True, kw_only=True)
class LeaderboardStep:
    """Rankers side by side on real data alone; see `LeaderboardSettings`."""

    rankers: dict[str, dict[str, Any]] = field(
        default_factory=lambda: dict(LeaderboardSettings().rankers)
    )
    seeds: int = 3
    metrics: tuple[str, ...] = LeaderboardSettings().metrics
    repeats: Literal["auto", "rank", "mask"] = "auto"
    ties: tuple[str, ...] = LeaderboardSettings().ties


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole job."""

    read: ReadStep
    name: str = "job"
    seed: int = 0
    clean: CleanSettings = field(default_factory=CleanSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    synthesize: SynthesizeStep = field(default_factory=SynthesizeStep)
    mix: MixStep = field(default_factory=MixStep)
    train: TrainStep = field(default_factory=TrainStep)
    prove: ProveStep = field(default_factory=ProveStep)
    leaderboard: LeaderboardStep = field(default_factory=LeaderboardStep)
    stages: tuple[str, ...] = DEFAULT_STAGES
    """The stages to do, in this order."""

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a TOML recipe; unknown tables and settings are refused with the near names."""
        path = Path(path)
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SourceError(f"There is no recipe {path}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SourceError(f"The recipe {path} is not valid TOML: {error}.") from error
        if "read" not in raw or "source" not in raw["read"]:
            raise SettingError(
                f"The recipe {path} needs a table [read] with a source: it says where the data comes from."
            )
        source = path.parent / str(raw["read"]["source"])
        if source.exists():
            raw["read"]["source"] = str(source)
        for own in _rules_of(raw):
            if (file := path.parent / str(own["file"])).exists():
                own["file"] = str(file)
        return cls.of(raw)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Recipe:
        """Build a recipe from plain values, checked."""
        parts = {
            "read": ReadStep, "clean": CleanSettings, "split": SplitSettings, "synthesize": SynthesizeStep,
            "mix": MixStep, "train": TrainStep, "prove": ProveStep,
            "leaderboard": LeaderboardStep,
        }  # fmt: skip
        known = {*parts, "name", "seed", "stages"}
        for key in raw:
            if key not in known:
                raise SettingError(
                    f"A recipe has no table or setting {key!r}.{near(key, known)} Known: {', '.join(sorted(known))}."
                )
        values = {
            key: configure(parts[key], value) if key in parts else value
            for key, value in raw.items()
        }
        recipe: Recipe = configure(cls, values)
        if wrong := set(recipe.stages) - set(STAGES):
            raise SettingError(
                f"There is no stage {sorted(wrong)[0]!r}.{near(sorted(wrong)[0], STAGES)} Stages: {', '.join(STAGES)}."
            )
        for family, step in (
            (SYNTHESIZERS, recipe.synthesize),
            (MIXERS, recipe.mix),
            (RANKERS, recipe.train),
        ):
            family.make(step.name, **step.set)
        made(recipe.synthesize.screens, recipe.synthesize.screen_settings)
        recipe = replace(recipe, prove=recipe.prove.resolved())
        if recipe.prove.of == "search" and (
            wrong := {"synthesize", "mix", "train"} & set(recipe.stages)
        ):
            raise SettingError(
                f"The stage {sorted(wrong)[0]!r} blends events, and a proof of search needs judgments: write stages = "
                '["read", "clean", "split", "prove"].'
            )
        recipe.proof().check()
        recipe.contest().check()
        return recipe

    def toml(self) -> str:
        """Write the recipe, every setting resolved, as TOML that `load` reads; a source on disk is made absolute."""
        import tomli_w

        raw = _without_none(asdict(self))
        if Path(self.read.source).exists():
            raw["read"]["source"] = str(Path(self.read.source).resolve())
        for own in _rules_of(raw):
            if Path(str(own["file"])).exists():
                own["file"] = str(Path(str(own["file"])).resolve())
        return tomli_w.dumps(raw)

    def contest(self) -> LeaderboardSettings:
        """What the stage `leaderboard` does."""
        return LeaderboardSettings(split=self.split, **asdict(self.leaderboard))

    def proof(self) -> AnySettings:
        """What the stage `prove` does.

        The screen copies is left out of a proof of clicks, and all are of one of search, as their settings say why.
        """
        step, kind = self.prove.resolved(), kind_of(self.prove.of)
        plain = {each.name: getattr(ProveStep(), each.name) for each in fields(step)}
        values = {
            name: getattr(step, name) for name in plain if name not in ("of", "members", "set")
        }
        known = {each.name for each in fields(kind.settings)}
        said = {
            name: value for name, value in values.items() if name in known or value != plain[name]
        }
        left_out = {"search": self.synthesize.screens, "clicks": ("copies",)}.get(step.of, ())
        screens = tuple(screen for screen in self.synthesize.screens if screen not in left_out)
        generator = Generator(
            synthesizer=self.synthesize.name,
            settings=self.synthesize.set,
            members=step.members,
            screens=screens,
            screen_settings={
                k: v for k, v in self.synthesize.screen_settings.items() if k in screens
            },
            mixer=self.mix.name,
            mixer_settings={k: v for k, v in self.mix.set.items() if k != "ratio"},
        )
        more = {
            "generator": generator,
            "ranker": self.train.name,
            "ranker_settings": self.train.set,
            "split": self.split,
        }
        settings: AnySettings = configure(kind.settings, asked(step.of, said | step.set) | more)
        return settings


@dataclass(frozen=True)
class Done:
    """What a job did."""

    folder: Path
    seconds: dict[str, float]
    """By stage; 0 for one that was finished before"""
    proof: Proof | None


def run_recipe(
    recipe: Recipe, to: str | Path, run: Run | None = None, *, resume: bool = False
) -> Done:
    """Do a whole job into the folder `to`, one folder a stage.

    A stage is written beside and renamed when it is whole. With `resume`, stages that finished with the same settings,
    data and version are kept; without it a folder that holds a job is refused. Times go to `log.txt`, so that all else
    is the same bytes for the same recipe, seed and data.
    """
    to, run = Path(to), (run or Run()).with_(seed=recipe.seed)
    if to.exists() and not to.is_dir():
        raise OutputError(f"{to} is a file; choose a folder for --to.")
    if to.is_dir() and any(to.iterdir()) and not (to / "recipe.toml").exists():
        raise OutputError(f"{to} is not empty and holds no job; choose another folder for --to.")
    if (to / "recipe.toml").exists() and not resume:
        raise OutputError(
            f"{to} holds a job already: pass --resume to continue it, or choose another folder for --to."
        )
    to.mkdir(parents=True, exist_ok=True)
    for stale in (*to.glob(".*.partial-*"), *to.glob(".*.old-*")):
        shutil.rmtree(stale, ignore_errors=True)
    (to / "recipe.toml").write_text(recipe.toml(), encoding="utf-8")
    job = _Job(recipe, to, run)
    seconds = {stage: job.stage(stage) for stage in recipe.stages}
    proof = Proof.open(to / "proof") if (to / "proof" / "proof.json").exists() else None
    return Done(to, seconds, proof)


class _Job:
    """The stages of one job over its folder."""

    def __init__(self, recipe: Recipe, to: Path, run: Run) -> None:
        self.recipe, self.to, self.run = recipe, to, run
        self.key = hashlib.sha256(f"{__version__} {recipe.seed}".encode()).hexdigest()

    def stage(self, name: str) -> float:
        """Do one stage unless it is done; returns the seconds it took."""
        folders = {
            "read": "shop",
            "clean": "clean",
            "split": "split",
            "synthesize": "synthetic",
            "mix": "mixed",
            "train": "model",
            "leaderboard": "leaderboard",
        }
        folder = self.to / folders.get(name, "proof")
        text = json.dumps(
            [self.key, name, asdict(getattr(self.recipe, name)), self._stamp(name)],
            sort_keys=True,
            default=str,
        )
        self.key = hashlib.sha256(text.encode()).hexdigest()
        mark = self.to / f".{folder.name}.done"
        if mark.exists() and mark.read_text() == self.key and folder.exists():
            self._say(f"{name}: done before")
            return 0.0
        mark.unlink(missing_ok=True)
        start = time.perf_counter()
        work: Callable[[Path], None] = getattr(self, f"_{name}")
        work(folder)
        mark.write_text(self.key)
        seconds = time.perf_counter() - start
        self._say(f"{name}: {seconds:.1f} s, in {folder}")
        return seconds

    def _say(self, line: str) -> None:
        with (self.to / "log.txt").open("a") as file:
            file.write(line + "\n")
        if not self.run.quiet:
            print(line, file=sys.stderr, flush=True)

    def _stamp(self, stage: str) -> list[Any]:
        """Sizes and times of the files that a stage reads, so that it is done anew where one was changed."""
        if stage in ("synthesize", "prove"):
            rules = _rules_of({"synthesize": asdict(self.recipe.synthesize)})
            return [
                Path(str(own["file"])).read_text("utf-8")
                for own in rules
                if Path(str(own["file"])).is_file()
            ]
        if stage != "read" or not (source := Path(self.recipe.read.source)).exists():
            return []
        files = sorted(source.rglob("*")) if source.is_dir() else [source]
        return [
            (path.name, path.stat().st_size, path.stat().st_mtime_ns)
            for path in files
            if path.is_file()
        ]

    def _latest(self) -> Shop:
        """The shop before the split: cleaned where it was cleaned."""
        for name in ("clean", "shop"):
            if (self.to / name).exists():
                return Shop.open(self.to / name)
        raise InputError("There is no shop yet: the recipe's stages must begin with 'read'.")

    def _parts(self) -> Split:
        return Split.open(self.to / "split")

    def _read(self, folder: Path) -> None:
        step = self.recipe.read
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
        split(self._latest(), self.recipe.split, folder, self.run)

    def _synthesize(self, folder: Path) -> None:
        step, parts = self.recipe.synthesize, self._parts()
        fitted = SYNTHESIZERS.make(step.name, **step.set).fit(parts.train, self.run)
        users = step.users or len(Log.of(parts.train).users)
        screens = made(step.screens, step.screen_settings)
        screened = sample_screened(
            fitted, users, screens, (parts.train, parts.held_out()), self.run
        )
        save_screened(screened, folder, fitted)

    def _mix(self, folder: Path) -> None:
        mixer = MIXERS.make(self.recipe.mix.name, **self.recipe.mix.set)
        mixer.mix(self._parts().train, Shop.open(self.to / "synthetic"), self.run).save(folder)

    def _train(self, folder: Path) -> None:
        with self.run.task(f"{self.recipe.train.name}: fit"):
            ranker = RANKERS.make(self.recipe.train.name, **self.recipe.train.set).fit(
                Shop.open(self.to / "mixed"), self.run
            )
        with replacing(folder, marker="algorithm.json") as partial:
            ranker.save(partial)

    def _prove(self, folder: Path) -> None:
        cells = self.to / ".cells"
        proof = prove_any(
            self._latest(), self.recipe.proof(), self.run.with_(cache=self.run.cache or cells)
        )
        cleaned = (
            read_json(self.to / "clean" / "clean.json")
            if (self.to / "clean" / "clean.json").exists()
            else None
        )
        with replacing(folder, marker="proof.json") as partial:
            write_json(partial / "proof.json", proof.data)
            write_report(proof, partial / "report.html", cleaned=cleaned)
        shutil.rmtree(cells, ignore_errors=True)

    def _leaderboard(self, folder: Path) -> None:
        cells = self.to / ".leaderboard-cells"
        leaderboard(
            self._latest(), self.recipe.contest(), self.run.with_(cache=self.run.cache or cells)
        ).save(folder)
        shutil.rmtree(cells, ignore_errors=True)


def _rules_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """The settings of screens in a recipe's plain values that name a file of rules."""
    step = raw.get("synthesize")
    named = step.get("screen_settings", {}) if isinstance(step, dict) else {}
    own = named.values() if isinstance(named, dict) else ()
    return [settings for settings in own if isinstance(settings, dict) and settings.get("file")]


def _without_none(value: Any) -> Any:
    """Leave out what is None, which TOML does not know: it is a default wherever it may stand."""
    if isinstance(value, dict):
        return {key: _without_none(entry) for key, entry in value.items() if entry is not None}
    return [_without_none(entry) for entry in value] if isinstance(value, list | tuple) else value
