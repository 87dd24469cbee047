"""A whole job as one frozen value: TOML in and out, every setting checked where it is read."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wareloom.core import notebook
from wareloom.core.family import RERANKERS
from wareloom.core.foreign import check_code, outsiders
from wareloom.core.parse import read_toml
from wareloom.core.settings import configure
from wareloom.errors import SettingError, SourceError, near
from wareloom.experiment.settings import ExperimentSettings
from wareloom.preparing.cleaning import CleanSettings
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.kinds import study_of
from wareloom.proof.leaderboard import LeaderboardSettings
from wareloom.recipe.steps import (
    DEFAULT_STAGES,
    NEEDS,
    ONCE,
    STAGES,
    LeaderboardStep,
    MakeStep,
    MixStep,
    ProveStep,
    ReadStep,
    SynthesizeStep,
    TrainStep,
)
from wareloom.sampling.generator import Generator

TABLES: dict[str, type[Any]] = {
    "read": ReadStep,
    "clean": CleanSettings,
    "split": SplitSettings,
    "synthesize": SynthesizeStep,
    "mix": MixStep,
    "train": TrainStep,
    "prove": ProveStep,
    "make": MakeStep,
    "leaderboard": LeaderboardStep,
}
PARTS = (
    ("synthesizer", "synthesize", "name"),
    ("synthesizer_settings", "synthesize", "set"),
    ("screens", "synthesize", "screens"),
    ("screen_settings", "synthesize", "screen_settings"),
    ("mixer", "mix", "name"),
    ("mixer_settings", "mix", "set"),
    ("ranker", "train", "name"),
    ("ranker_settings", "train", "set"),
)
"""What a call names, and where a recipe has it"""
OWN_TABLES = ("generator", "ranker", "ranker_settings", "split")
"""Settings of a proof that a recipe has tables for: [synthesize] and [mix], [train], [split]"""


def _table(name: str, values: Mapping[str, Any]) -> Any:
    """A table of a recipe; raises `SettingError` that names it, and says where settings of what it names stand."""
    cls = TABLES[name]
    known = {one.name for one in fields(cls)}
    if "set" in known and (strange := [v for v in values if v not in known]):
        raise SettingError(
            f"The table [{name}] has no setting {strange[0]!r}.{near(strange[0], known)} Its settings: "
            f"{', '.join(sorted(known))}. Those of what it names stand in [{name}.set], for example "
            f"[{name}.set] {strange[0]} = …"
        )
    return configure(cls, values, f"The table [{name}]")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole job. Every command and function that proves builds one, so that settings are put together here alone."""

    name: str = "job"
    seed: int = 0
    """The one seed of all that is random."""
    stages: tuple[str, ...] = DEFAULT_STAGES
    """The stages to do, in this order."""
    read: ReadStep | None = None
    """Where the data comes from; None where a shop is given."""
    clean: CleanSettings = field(default_factory=CleanSettings)
    split: SplitSettings | None = None
    """How the shop is split; as the kind of proof asks where nothing is said."""
    synthesize: SynthesizeStep = field(default_factory=SynthesizeStep)
    mix: MixStep = field(default_factory=MixStep)
    train: TrainStep = field(default_factory=TrainStep)
    prove: ProveStep = field(default_factory=ProveStep)
    make: MakeStep = field(default_factory=MakeStep)
    leaderboard: LeaderboardStep = field(default_factory=LeaderboardStep)

    @classmethod
    def load(cls, path: str | Path, *, allow_code: Sequence[str] = ()) -> Recipe:
        """Read a TOML recipe; unknown tables and settings are refused with the near names.

        `allow_code`: packages outside Wareloom whose algorithms the file may name, and that are then imported.
        """
        path = Path(path)
        if not path.exists():
            raise SourceError(f"There is no recipe {path}.")
        raw = read_toml(path, "The recipe")
        check_code(path, outsiders(raw), allow_code)
        if not isinstance(raw.get("read"), dict) or "source" not in raw["read"]:
            raise SettingError(
                f"The recipe {path} needs a table [read] with a source: it says where the data comes from."
            )
        source = path.parent / str(raw["read"]["source"])
        if source.exists():
            raw["read"]["source"] = str(source)
        for own in rules_of(raw):
            if (file := path.parent / str(own["file"])).exists():
                own["file"] = str(file)
        _place(raw, lambda other: path.parent / other)
        try:
            recipe = cls.of(raw)
        except SettingError as error:
            raise type(error)(f"{path}: {error}") from error
        if "read" not in recipe.stages:
            raise SettingError(f"The stages of the recipe {path} must begin with 'read'.")
        return recipe

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain values, checked: what cannot run is refused here, before anything is read."""
        known = {*TABLES, "name", "seed", "stages"}
        for key in raw:
            if key not in known:
                raise SettingError(
                    f"A recipe has no table or setting {key!r}.{near(key, known)} Known: {', '.join(sorted(known))}."
                )
        values = _modern(copy.deepcopy(dict(raw)))
        if isinstance(table := values.get("prove", {}), dict):
            of = table.pop("of", ProveStep().of)
            values["prove"] = {"of": of, "settings": table}
        made = {
            k: _table(k, v) if k in TABLES and isinstance(v, dict) else v for k, v in values.items()
        }
        recipe: Recipe = configure(cls, made)
        return recipe._checked()

    def _checked(self) -> Recipe:
        """Return this with every setting of the proof resolved; raises `SettingError` for what cannot run."""
        _check_stages(self.stages)
        if "read" in self.stages and self.read is None:
            raise SettingError("The stage 'read' needs a table [read] with a source.")
        settings = self.settings
        if "prove" in self.stages:
            settings.check()
        if "leaderboard" in self.stages:
            self.contest().check()
        if self.make.rerank:
            RERANKERS.make(self.make.rerank, **self.make.rerank_settings)
        own = {each.name: getattr(settings, each.name) for each in fields(settings)}
        resolved = {name: value for name, value in own.items() if name not in OWN_TABLES}
        generator = settings.generator
        return replace(
            self,
            split=settings.split,
            train=replace(self.train, name=settings.ranker, set=settings.ranker_settings),
            synthesize=replace(
                self.synthesize,
                name=generator.synthesizer,
                set=generator.settings,
                screens=generator.screens,
            ),
            prove=replace(self.prove, settings=resolved),
        )

    @cached_property
    def settings(self) -> ExperimentSettings:
        """What the stage `prove` does, and by what `make` makes: generator, ranker and split from their tables."""
        study = study_of(self.prove.of)
        known = {each.name for each in fields(study.settings_of)}
        named = known | set(study.settings_of.renamed)
        for name in self.prove.settings:
            if name in OWN_TABLES:
                raise SettingError(f"A recipe says {name!r} in a table of its own, not in [prove].")
            if name not in named:
                raise SettingError(
                    f"A proof of {self.prove.of} has no setting {name!r}.{near(name, known)} "
                    f"Its settings: {', '.join(sorted(known - set(OWN_TABLES)))}."
                )
        more: dict[str, Any] = {"generator": self._generator()}
        if self.train.name or self.train.set:
            more["ranker_settings"] = self.train.set
        if self.train.name:
            more["ranker"] = self.train.name
        more["split"] = self.split or SplitSettings(by=study.default_split)  # type: ignore[arg-type]
        settings: ExperimentSettings = configure(study.settings_of, {**self.prove.settings, **more})
        return settings

    def _generator(self) -> Generator:
        """The generator; where nothing is said, the kind's own."""
        step = self.synthesize
        own: Generator = study_of(self.prove.of).settings_of().generator  # type: ignore[call-arg]
        return Generator(
            synthesizer=step.name or own.synthesizer,
            settings=step.set if step.name else own.settings | step.set,
            members=step.members,
            screens=own.screens if step.screens is None else step.screens,
            screen_settings=step.screen_settings,
            mixer=self.mix.name,
            mixer_settings=self.mix.set,
        )

    def contest(self) -> LeaderboardSettings:
        """What the stage `leaderboard` does."""
        return LeaderboardSettings(split=self.settings.split, **asdict(self.leaderboard))

    def plain(self) -> dict[str, Any]:
        """Every setting as plain values, as `of` reads them; what is None is left out, as TOML does not know it."""
        raw: dict[str, Any] = without_none(asdict(self))
        raw["prove"] = {"of": self.prove.of} | raw["prove"]["settings"]
        return raw

    def __repr__(self) -> str:
        how = self.settings
        made = " + ".join(how.generator.named())
        shown = f"proof of {self.prove.of}: {made}, {self.mix.name}, {how.ranker}"
        return notebook.line("Recipe", repr(self.name), " → ".join(self.stages), shown)

    def _repr_html_(self) -> str:
        raw = self.plain()
        facts = {"stages": " → ".join(self.stages), "seed": self.seed}
        used = {"read", *self.stages}
        if "prove" in used:
            used |= {"split", "synthesize", "mix", "train"}
        rows = [
            (table, setting, notebook.text_of(value))
            for table in TABLES
            if table in used
            for setting, value in (raw.get(table) or {}).items()
            if value not in ({}, [], (), "")
        ]
        said = notebook.Table("Settings, all resolved", ("table", "setting", "value"), rows)
        return notebook.card("Recipe", self.name, facts, [said])

    def toml(self) -> str:
        """Write the recipe, every setting resolved, as TOML that `load` reads; a source on disk is made absolute."""
        import tomli_w

        raw = self.plain()
        if self.read is not None and Path(self.read.source).exists():
            raw["read"]["source"] = str(Path(self.read.source).resolve())
        for own in rules_of(raw):
            if Path(str(own["file"])).exists():
                own["file"] = str(Path(str(own["file"])).resolve())
        _place(raw, lambda other: Path(other).resolve())
        return tomli_w.dumps(raw)


def tables_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's tables of a proof that is asked for in one call.

    `of`, `synthesizer`, `ranker`, `mixer` and `screens` name its parts, and `synthesizer_settings`, `ranker_settings`,
    `mixer_settings` and `screen_settings` hold theirs; all else is the proof's own. A `generator` and a `split` may be
    given whole, as their class or as plain values.
    """
    rest = dict(said)
    raw: dict[str, Any] = {"stages": ("prove",), "synthesize": {}, "train": {}}
    if (generator := rest.pop("generator", None)) is not None:
        values = generator if isinstance(generator, Mapping) else shallow(generator)
        whole: Generator = configure(Generator, values)
        raw["synthesize"] = {
            "name": whole.synthesizer,
            "set": whole.settings,
            "members": whole.members,
            "screens": whole.screens,
            "screen_settings": whole.screen_settings,
        }
        raw["mix"] = {"name": whole.mixer, "set": whole.mixer_settings}
    for said_as, table, key in PARTS:
        if (value := rest.pop(said_as, None)) is not None:
            raw.setdefault(table, {})[key] = value
    if (split := rest.pop("split", None)) is not None:
        raw["split"] = {"by": split} if isinstance(split, str) else split
    return raw | {"prove": rest}


def shallow(value: Any) -> dict[str, Any]:
    """The fields of a dataclass by name."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _check_stages(stages: tuple[str, ...]) -> None:
    """Raise `SettingError` for stages that do not exist or cannot follow one another."""
    if not stages:
        raise SettingError(f"A recipe needs a stage at least; there are {', '.join(STAGES)}.")
    for name in stages:
        if name not in STAGES:
            raise SettingError(
                f"There is no stage {name!r}.{near(name, STAGES)} Stages: {', '.join(STAGES)}."
            )
    places = [STAGES.index(name) for name in stages]
    if sorted(set(places)) != places:
        raise SettingError(
            f"The stages {', '.join(stages)} cannot follow one another: their order is {', '.join(STAGES)}, each once."
        )
    for name in stages:
        for before in NEEDS.get(name, ()):
            # A job on a shop that is given has no stage "read".
            if before not in stages and not (
                before == "read" and "read" not in stages and name != "make"
            ):
                raise SettingError(
                    f"The stage {name!r} needs the stage {before!r} before it: add it to stages."
                )


def _modern(raw: dict[str, Any]) -> dict[str, Any]:
    """Turn what recipes were written with before into what they are written with now, with a warning."""
    prove, synthesize, mix = (raw.get(name) for name in ("prove", "synthesize", "mix"))
    stages = raw.get("stages")
    if isinstance(stages, list | tuple) and set(stages) & set(ONCE):
        _old("the stages synthesize, mix and train", "make, which comes after prove")
        kept = [name for name in stages if name not in ONCE]
        raw["stages"] = tuple(
            sorted({*kept, "make"}, key=lambda n: STAGES.index(n) if n in STAGES else -1)
        )
    if isinstance(prove, dict):
        if isinstance(own := prove.pop("set", None), dict):
            _old("[prove.set]", "[prove]")
            prove |= own
        if isinstance(prove.get("members"), list | tuple):
            members = prove.pop("members")
            _old("members in [prove]", "members in [synthesize]")
            raw["synthesize"] = {"members": members} | (synthesize or {})
    if isinstance(synthesize, dict) and synthesize.pop("users", None) is not None:
        _old("users in [synthesize]", "[prove] ratios: the proof chooses how many there are")
    if isinstance(mix, dict) and isinstance(mix.get("set"), dict) and "ratio" in mix["set"]:
        _old("ratio in [mix.set]", "[prove] ratios: the proof chooses among them")
        ratio = mix["set"].pop("ratio")
        raw["prove"] = {"ratios": [ratio]} | (prove or {})
    return raw


def _old(before: str, now: str) -> None:
    warnings.warn(f"Recipe: {before} is written as {now} now.", FutureWarning, stacklevel=4)


def rules_of(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of screens in a recipe's plain values that name a file of rules."""
    step = raw.get("synthesize")
    named = step.get("screen_settings", {}) if isinstance(step, dict) else {}
    own = named.values() if isinstance(named, dict) else ()
    return [each for each in own if isinstance(each, dict) and each.get("file")]


def _place(raw: Mapping[str, Any], at: Callable[[str], Path]) -> None:
    """Say where the other shops of [prove] lie, in place: what is no folder there stays as it was written."""
    table = raw.get("prove")
    if isinstance(table, dict) and isinstance(named := table.get("others"), list | tuple):
        table["others"] = [str(at(str(one))) if at(str(one)).is_dir() else one for one in named]


def without_none(value: Any) -> Any:
    """Leave out what is None, which TOML does not know: it is a default wherever it may stand."""
    if isinstance(value, dict):
        return {key: without_none(entry) for key, entry in value.items() if entry is not None}
    return [without_none(entry) for entry in value] if isinstance(value, list | tuple) else value
