"""Search for a ranker's settings: try some, learn from what they reached on the validation part, try better ones."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import tomli_w

from wareloom._version import __version__
from wareloom.core.family import RANKERS
from wareloom.core.files import beside, free_folder, landing, locked, one_spelling
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.core.state import write_whole
from wareloom.errors import InputError, OutputError, SettingError, near, needed
from wareloom.evaluation.ranking import evaluate
from wareloom.evaluation.ranking import metric as named_metric
from wareloom.evaluation.tasks import Task, build_task
from wareloom.preparing.splits import SplitSettings, split
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps, least

RANDOM = 8
"""Trials drawn at random before those that learn from the earlier ones; as many are never cut short."""

MOST = 10_000
"""Trials of one search: each takes as long as the first"""

UNPAID = """\
# Searched for on real users, and not paid for: a model that is trained with these settings is not private, whatever
# it is trained on.
"""
"""How `best.toml` begins where the settings are numbers of a real log"""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """Whether small numbers are looked at as closely as large ones."""
    whole: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]


Space = Mapping[str, Range | Choice]


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What is searched for, and how long."""

    trials: int = 20
    """Settings that are tried, those of a search that was stopped included."""
    metric: str = "ndcg@10"
    """What is to be good on the validation part."""
    split: SplitSettings = field(default_factory=SplitSettings)
    fixed: dict[str, Any] = field(default_factory=dict)
    """Settings of the ranker that are not searched for."""
    prune: bool = True
    """Whether a training that does worse than half of the earlier ones at the same evaluation is cut short."""

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= MOST:
            raise SettingError(
                f"SearchSettings: trials is {self.trials}; give a whole number from 1 to {MOST}."
            )

    @property
    def sign(self) -> int:
        """1 where the metric is to be high, -1 where it is to be low."""
        return 1 if named_metric(self.metric).higher_is_better else -1


@dataclass(frozen=True)
class Search:
    """What a search found."""

    ranker: str
    metric: str
    trials: pl.DataFrame
    """Columns trial, value (null where it was cut short), outcome (complete, pruned, refused), then the settings"""
    best: dict[str, Any]
    """The best settings, the fixed ones included"""
    value: float
    """What they reached on the validation part: the best of many, and so too good"""
    keeps: Keeps = "counts"
    """What the best settings hold of real users: numbers of the log, or no more than the sample that was searched on"""

    def toml(self) -> str:
        """The best settings as the stage of a recipe."""
        given = {name: value for name, value in self.best.items() if value is not None}
        told = "" if self.keeps == "private" else UNPAID
        return told + tomli_w.dumps({"train": {"name": self.ranker, "set": given}})


class _Pruned(Exception):
    """A training was cut short."""


def parse_space(ranker: str, pairs: Sequence[str]) -> dict[str, Range | Choice]:
    """Read "learning_rate=1e-4..1e-2:log", "layers=1..3" and "loss=softmax|gbce".

    Raises `SettingError` for an unknown setting, and for a range or a value that the setting cannot take.
    """
    cls, found = RANKERS.load(ranker), dict[str, Range | Choice]()
    hints = typing.get_type_hints(cls)
    fields = [entry.name for entry in dataclasses.fields(cls)]
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not text:
            raise SettingError(f"A space takes NAME=LOW..HIGH or NAME=A|B, not {pair!r}.")
        if name not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise SettingError(
                f"{ranker} has no setting {name!r}.{near(name, fields)} Its settings: {known}."
            )
        if ".." in text:
            found[name] = _range(pair, text, hints[name])
        else:
            found[name] = Choice(
                tuple(_value(name, one.strip(), hints[name]) for one in text.split("|"))
            )
    return found


def _value(name: str, text: str, hint: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint).validate_python(text)
    except ValidationError as error:
        raise SettingError(
            f"{name}={text!r} does not fit {hint}: {error.errors()[0]['msg']}."
        ) from error


def _range(pair: str, text: str, hint: Any) -> Range:
    numbers, _, how = text.partition(":")
    low, _, high = numbers.partition("..")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise SettingError(
            f"{pair!r} is no range: give two numbers, as in learning_rate=1e-4..1e-2:log."
        ) from None
    kinds = typing.get_args(hint) or (hint,)
    if not {int, float} & set(kinds):
        raise SettingError(f"{pair!r}: this setting is no number: list its values, as in NAME=A|B.")
    if how not in ("", "log"):
        raise SettingError(f"{pair!r} ends in {how!r}: only :log may stand behind a range.")
    whole = float not in kinds
    if not ends[0] < ends[1] or (how and ends[0] <= 0) or (whole and any(end % 1 for end in ends)):
        raise SettingError(
            f"{pair!r} is no range: the first number must be below the second, above 0 for :log, and both whole for a "
            "setting that is."
        )
    return Range(*ends, log=how == "log", whole=whole)


def search(
    shop: Shop,
    ranker: str,
    space: Space,
    settings: SearchSettings | None = None,
    *,
    to: str | Path,
    run: Run | None = None,
    force: bool = False,
) -> Search:
    """Try settings of `ranker` on the training part and judge them on the validation part; the test part is not read.

    Proposals by tree-structured Parzen estimators (Bergstra et al. 2011; Optuna), after `RANDOM` random ones, the first
    of all being the ranker's own defaults where they lie in the space. Trainings that report values are cut short by
    the median rule (Golovin et al. 2017). The trials are kept in `to/study.db`; a search that was stopped goes on there
    and comes to the same. Writes `tune.json` and `best.toml`. Raises `OutputError` where `to` holds anything but this
    search; with `force` another search there is given up.
    """
    settings, run, to = settings or SearchSettings(), run or Run(), landing(to)
    cls = RANKERS.load(ranker)
    _check(cls, space, settings.fixed)
    shop.verify()
    parts = split(shop, settings.split, None, run)
    task = build_task(parts, "validation")
    free_folder(to, "study.db", force=True)
    with (
        locked(to),
        _optuna() as optuna,
        run.task(f"tune {ranker}", settings.trials) as advance,
    ):
        study = _study(optuna, to, _key(shop, ranker, space, settings, run), force)
        _go_on(study, cls, space, settings)
        while len(done := _done(study)) < settings.trials:
            # A sampler for each trial, so that a search that was stopped draws what it would have drawn.
            seed = run.seed_for("tune", len(done)) % 2**32
            study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM)
            _try(optuna, study, (cls, space, settings), parts.train, task, run)
            advance(1)
        found = replace(_result(study, ranker, settings), keeps=least("counts", shop.keeps))
        told = dataclasses.asdict(found) | {"trials": found.trials.to_dicts()}
        write_whole(to / "tune.json", told)
        with beside(to / "best.toml") as partial:
            partial.write_text(found.toml(), encoding="utf-8")
    return found


def _check(cls: type[Any], space: Space, fixed: dict[str, Any]) -> None:
    """Build the ranker at one corner of the space, and with each end of each range, so that errors come early."""
    if not space:
        raise SettingError(
            "There is nothing to search for: name a setting and its range, as in learning_rate=1e-4..1e-2."
        )
    if both := sorted(set(space) & set(fixed)):
        raise SettingError(f"{', '.join(both)} cannot be both fixed and searched for.")
    corner = fixed | {
        name: part.values[0] if isinstance(part, Choice) else part.low
        for name, part in space.items()
    }
    configure(cls, corner)
    for name, part in space.items():
        if isinstance(part, Range):
            configure(cls, corner | {name: part.high})


@contextlib.contextmanager
def _optuna() -> Iterator[Any]:
    """Import Optuna and keep it silent inside the block."""
    optuna = needed("optuna", "tune", "Searching for settings")
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def _key(shop: Shop, ranker: str, space: Space, settings: SearchSettings, run: Run) -> str:
    """Name of a search: all that decides its trials, but not their number."""
    said = dataclasses.asdict(settings) | {"trials": 0}
    spans = {name: [type(part).__name__, dataclasses.asdict(part)] for name, part in space.items()}
    asked = one_spelling([spans, said])
    whole = [__version__, shop.fingerprint, ranker, *asked, run.seed, run.updates]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _study(optuna: Any, to: Path, key: str, force: bool) -> Any:
    """Open the study of this search, or begin it; with `force` instead of another."""
    to.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{(to / 'study.db').resolve()}")
    names = optuna.get_all_study_names(storage)
    if names and key not in names:
        if not force:
            raise OutputError(
                f"{to} holds another search: of another shop, ranker, space or seed. Choose another folder for --to, "
                "or pass --force to give that search up."
            )
        for name in names:
            optuna.delete_study(study_name=name, storage=storage)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=RANDOM, n_warmup_steps=2)
    return optuna.create_study(
        storage=storage, study_name=key, direction="maximize", pruner=pruner, load_if_exists=True
    )


def _go_on(study: Any, cls: type[Any], space: Space, settings: SearchSettings) -> None:
    """Begin with the defaults; do again what a search that was stopped had begun."""
    from optuna.trial import TrialState

    if not study.trials:
        own = configure(cls, settings.fixed).settings()
        if all(_holds(part, own[name]) for name, part in space.items()):
            study.enqueue_trial({name: own[name] for name in space})
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _holds(part: Range | Choice, value: Any) -> bool:
    if isinstance(part, Choice):
        return value in part.values
    return isinstance(value, int | float) and part.low <= value <= part.high


def _done(study: Any) -> list[Any]:
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _try(
    optuna: Any,
    study: Any,
    asked: tuple[type[Any], Space, SearchSettings],
    train: Shop,
    task: Task,
    run: Run,
) -> None:
    """Fit and judge once. Settings that the ranker refuses together are marked so; equal ones are not fitted again."""
    cls, space, settings = asked
    trial = study.ask()
    drawn = {name: _drawn(trial, name, part) for name, part in space.items()}
    pruned = optuna.trial.TrialState.PRUNED
    for other in _done(study):
        if other.params == drawn and other.value is not None and other.state != pruned:
            study.tell(trial, other.value)
            return
    evaluations = 0

    def watch(step: int, values: dict[str, float]) -> None:
        nonlocal evaluations
        if "value" not in values:
            return
        trial.report(values["value"], evaluations)
        evaluations += 1
        if trial.should_prune():
            raise _Pruned

    try:
        made = configure(cls, settings.fixed | drawn)
    except SettingError as error:
        trial.set_user_attr("refused", str(error))
        study.tell(trial, state=pruned)
        return
    try:
        fitted = made.fit(train, run.with_(watch=watch) if settings.prune else run)
    except _Pruned:
        study.tell(trial, state=pruned)
        return
    study.tell(
        trial,
        settings.sign * evaluate(fitted, task, (settings.metric,), run).overall[settings.metric],
    )


def _drawn(trial: Any, name: str, part: Range | Choice) -> Any:
    if isinstance(part, Choice):
        return trial.suggest_categorical(name, part.values)
    if part.whole:
        return trial.suggest_int(name, int(part.low), int(part.high), log=part.log)
    return trial.suggest_float(name, part.low, part.high, log=part.log)


def _result(study: Any, ranker: str, settings: SearchSettings) -> Search:
    from optuna.trial import TrialState

    done, rows = _done(study), []
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    for place, trial in enumerate(done):
        outcome = (
            "complete"
            if trial in complete
            else "refused"
            if "refused" in trial.user_attrs
            else "pruned"
        )
        value = settings.sign * trial.value if trial in complete else None
        rows.append({"trial": place, "value": value, "outcome": outcome} | trial.params)
    if not complete:
        said = {trial.user_attrs["refused"] for trial in done if "refused" in trial.user_attrs}
        raise InputError(f"None of the {len(done)} trials came to an end. {' '.join(sorted(said))}")
    best = max(complete, key=lambda trial: (trial.value, -trial.number))
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return Search(
        ranker,
        settings.metric,
        frame,
        settings.fixed | best.params,
        settings.sign * float(best.value),
    )
