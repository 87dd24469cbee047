"""Rankers side by side on real data: seeds, intervals, and how far each is behind the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from wareloom.core import frames, notebook
from wareloom.core.family import RANKERS
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.settings import Repeats, Settings, configure
from wareloom.core.state import read_json, write_json
from wareloom.errors import InputError, MemoryLimitError, SettingError, SourceError
from wareloom.evaluation.ranking import DEFAULT_METRICS, Evaluation, bounds_of, evaluate, metric
from wareloom.evaluation.tasks import Task, build_task
from wareloom.experiment.engine import address_of, executor_of, plain, run_from, shippable
from wareloom.experiment.executors import Job
from wareloom.experiment.executors import Task as Piece
from wareloom.experiment.pieces import Pieces
from wareloom.experiment.store import store_at
from wareloom.preparing.splits import Split, SplitSettings
from wareloom.proof.recommendation import BASELINES
from wareloom.proof.table import reach
from wareloom.proof.ties import TIES, arranged, orders
from wareloom.rankers.held import Held
from wareloom.shop import Shop
from wareloom.stats.bootstrap import combine, resample

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class LeaderboardSettings(Settings):
    """Which rankers, and how they are judged."""

    rankers: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in BASELINES}
    )
    """Settings by label; a label is the ranker's name, unless the settings name another `ranker`."""
    split: SplitSettings = field(default_factory=SplitSettings)
    seeds: Repeats = 3
    """How often everything that is random is drawn anew; rankers without chance are fitted once."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that orders the table."""
    repeats: Literal["auto", "rank", "mask"] = "auto"
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: tuple[TIES, ...] = ("shuffled", "file")
    """How events of one user and one time are ordered; one is enough where there are no ties."""

    def _check(self) -> None:
        if not self.rankers or not self.metrics or not self.ties:
            raise SettingError(
                "A leaderboard needs at least one ranker, one metric and one order of ties."
            )

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for names that mean nothing here."""
        for name in self.metrics:
            metric(name)
        for label in self.rankers:
            self.make(label)

    def make(self, label: str) -> Any:
        """Make the ranker that a label stands for."""
        values = dict(self.rankers[label])
        return RANKERS.make(values.pop("ranker", label), **values)


@dataclass(frozen=True)
class Leaderboard:
    """Figures of all rankers; `data` is what `leaderboard.json` holds."""

    data: dict[str, Any]

    def table(self, part: str = "all") -> pl.DataFrame:
        """Columns ties, ranker, metric, mean, low, high, seeds, requests, behind of one slice, best rankers first.

        `behind`: difference, low, high and p of what the ranker lacks to the first of the table.
        """
        frame = pl.DataFrame(self.data["rows"], infer_schema_length=None)
        return frame.filter(pl.col("slice") == part).drop("slice")

    def to_polars(self, part: str = "all") -> pl.DataFrame:
        """Return the figures of one slice as a frame of polars: `table` with `behind` as columns `behind.low`, …"""
        return frames.unnested(self.table(part))

    def to_pandas(self, part: str = "all") -> Any:
        """Return the figures of one slice as a frame of pandas; raises `MissingExtraError` where that is missing."""
        return frames.to_pandas(self.table(part))

    @classmethod
    def open(cls, folder: str | Path) -> Leaderboard:
        """Read what `save` wrote; raises `SourceError` where that is damaged."""
        path = Path(folder) / "leaderboard.json"
        data = read_json(path)
        if not isinstance(data, dict) or not {"rows", "sentence", "settings"} <= data.keys():
            raise SourceError(f"{path} is no leaderboard: was it edited? Make it anew.")
        return cls(data)

    def save(self, folder: str | Path) -> None:
        """Write `leaderboard.json` into `folder`, which is made; an older one there is replaced."""
        with replacing(Path(folder), marker="leaderboard.json") as partial:
            write_json(partial / "leaderboard.json", self.data)

    def __str__(self) -> str:
        return f"{self.data['sentence']}"

    def __repr__(self) -> str:
        return notebook.line("Leaderboard", f"{self}")

    def _repr_html_(self) -> str:
        columns = ("ranker", "metric", "mean", "low", "high", "behind")
        first = self.data["rows"][0]["ties"] if self.data["rows"] else ""
        rows = [
            [*(row[key] for key in columns[:-1]), row["behind"]["difference"]]
            for row in self.data["rows"]
            if row["slice"] == "all" and row["ties"] == first
        ]
        facts = {"seeds": self.data["settings"].get("seeds"), "ties": first}
        table = notebook.Table("Rankers on real data alone, best first", columns, rows)
        refused = self.data.get("refused") or {}
        note = f"Refused: {', '.join(refused)}." if refused else ""
        return notebook.card("Leaderboard", f"{self}", facts, [table], note)


def leaderboard(
    shop: Shop, settings: LeaderboardSettings | None = None, run: Run | None = None
) -> Leaderboard:
    """Train each ranker on the training part and judge it on the test part of one split.

    Settings are to be chosen before, on the validation part. With `run.cache` finished pieces are kept there, and a
    second call redoes none of them.
    """
    settings, run = settings or LeaderboardSettings(), run or Run()
    settings.check()
    shop.verify()
    if not shop.has("events"):
        raise InputError(
            "A leaderboard needs the table 'events': without it there is no behaviour to hold out. "
            "Which ranker of search is best on judged queries is told by wareloom advise --for search."
        )
    with shippable(shop, run) as (held, own):
        modes = orders(held, settings.ties)
        rows: Rows = []
        refused: dict[str, str] = {}
        for mode in modes:
            more, why = _measured(Contest(held, settings, mode, own))
            rows, refused = rows + more, refused | why
    return Leaderboard(
        {
            "version": 1,
            "shop": {"meta": shop.meta, "fingerprint": shop.fingerprint},
            "settings": asdict(settings),
            "seed": run.seed,
            "rows": rows,
            "refused": refused,
            "sentence": _sentence(rows, modes[0], settings.metrics[0]),
        }
    )


class Contest:
    """The rankers of a leaderboard in one order of ties: finds what is finished, or computes it."""

    def __init__(self, shop: Shop, settings: LeaderboardSettings, mode: str, run: Run) -> None:
        self.shop, self.settings, self.mode, self.run = shop, settings, mode, run
        address = address_of(run)
        base = [mode, shop.fingerprint, asdict(settings.split), settings.repeats, settings.metrics]
        self.pieces = Pieces(store_at(address) if address else None, [*base, run.arithmetic], {})

    @cached_property
    def parts(self) -> Split:
        """The shop, split."""
        return arranged(self.shop, self.settings.split, self.mode, self.run)

    @cached_property
    def task(self) -> Task:
        """The requests of the test part."""
        return build_task(self.parts, "test", self.settings.repeats)

    @cached_property
    def held(self) -> Held | None:
        """What rankers stop by: the validation part, where somebody can be asked there."""
        try:
            return build_task(self.parts, "validation", self.settings.repeats).held()
        except InputError:
            return None

    def seeds(self, label: str) -> range:
        """Seeds of a ranker; one where chance changes nothing in it."""
        return range(self.settings.seeds if self.settings.make(label).random else 1)

    def key(self, label: str, seed: int) -> str:
        """Where an evaluation lies in the store."""
        own = self.run.seed_for("leaderboard", seed)
        return self.pieces.key([label, self.settings.rankers[label], own])

    def get(self, label: str, seed: int) -> Evaluation | str:
        """Return the evaluation of a ranker with a seed, or why it was refused."""
        key = self.key(label, seed)
        if (kept := self.pieces.get(key)) is None:
            self.pieces.put(key, self._work(label, seed))
            kept = self.pieces.get(key)
        assert isinstance(kept, Evaluation | str)
        return kept

    def _work(self, label: str, seed: int) -> Evaluation | str:
        own = self.run.with_(seed=self.run.seed_for("leaderboard", seed))
        try:
            with own.task(f"{label}, seed {seed}"):
                ranker = self.settings.make(label).fit(self.parts.train, own, held=self.held)
                return evaluate(ranker, self.task, self.settings.metrics, own)
        except MemoryLimitError as error:
            return str(error)

    def ahead(self) -> None:
        """Have all that is not there yet computed, by the executor or in this process."""
        executor = executor_of(self.run)
        asked = [(label, seed) for label in self.settings.rankers for seed in self.seeds(label)]
        missing = [each for each in asked if self.pieces.get(self.key(*each)) is None]
        if not missing:
            return
        tasks = [
            Piece(
                self.key(label, seed), {"label": label, "seed": seed}, label=f"{label}, seed {seed}"
            )
            for label, seed in missing
        ]
        with self.run.task(f"rankers, {self.mode} ties", len(tasks)) as advance:
            if executor is not None:
                told = plain(self.settings, self.shop, self.run) | {"mode": self.mode}
                job = Job("wareloom.proof.leaderboard:open_contest", told)
                executor.run(job, tasks, lambda task: advance(1))
                return
            for each in missing:
                self.get(*each)
                advance(1)


def open_contest(told: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Open a leaderboard in a worker; returns what computes one evaluation."""
    settings: LeaderboardSettings = configure(LeaderboardSettings, told["settings"])
    contest = Contest(Shop.open(told["shop"]), settings, told["mode"], run_from(told["run"]))

    def work(call: dict[str, Any]) -> None:
        contest.get(call["label"], call["seed"])

    return work


def _measured(contest: Contest) -> tuple[Rows, dict[str, str]]:
    """Rows of all rankers in one order of ties, and why some were refused."""
    contest.ahead()
    found: dict[str, list[Evaluation]] = {}
    refused: dict[str, str] = {}
    for label in contest.settings.rankers:
        each = [contest.get(label, seed) for seed in contest.seeds(label)]
        if why := next((one for one in each if isinstance(one, str)), ""):
            refused[label] = why
        else:
            found[label] = [one for one in each if isinstance(one, Evaluation)]
    return _rows(contest.mode, found, contest.settings.metrics[0], contest.run), refused


def _rows(
    ties: str, found: dict[str, list[Evaluation]], first: str, run: Run
) -> list[dict[str, Any]]:
    """Mean, interval and seeds of every ranker, metric and slice, best rankers first; and what each lacks to the first.

    The difference is paired over requests, and over seeds where both rankers have as many.
    """
    if not found:
        return []
    measures = list(next(iter(found.values()))[0].per_request)
    means = {
        label: [np.mean([e.per_request[m] for e in each], axis=0) for m in measures]
        for label, each in found.items()
    }
    order = sorted(
        found, key=lambda label: -float(np.nanmean(means[label][measures.index(f"{first}/all")]))
    )
    rng, rows = run.rng("bootstrap", ties), []
    drawn = resample(np.stack([column for label in order for column in means[label]], axis=1), rng)
    for place, label in enumerate(order):
        for at, measure in enumerate(measures):
            name, _, part = measure.partition("/")
            seeds = np.array([float(np.nanmean(e.per_request[measure])) for e in found[label]])
            mine = drawn[:, place * len(measures) + at]
            requests = int((~np.isnan(means[label][at])).sum())
            interval = combine(float(seeds.mean()), mine, seeds, requests=requests)
            interval = interval.within(*bounds_of(name))
            best = np.array([float(np.nanmean(e.per_request[measure])) for e in found[order[0]]])
            lack = combine(
                float(best.mean() - seeds.mean()),
                drawn[:, at] - mine,
                best - seeds,
                requests=requests,
            ).within(*reach(name))
            rows.append(
                {
                    "ties": ties,
                    "ranker": label,
                    "metric": name,
                    "slice": part,
                    "mean": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "seeds": seeds.tolist(),
                    "requests": requests,
                    "behind": {
                        "difference": lack.mean,
                        "low": lack.low,
                        "high": lack.high,
                        "p": lack.p,
                    },
                }
            )
    return rows


def _ends(row: dict[str, Any]) -> str:
    """The interval of a row, in brackets; nothing where there is none."""
    return "" if row["low"] is None else f" ({row['low']:.4f} to {row['high']:.4f})"


def _sentence(rows: list[dict[str, Any]], ties: str, first: str) -> str:
    """Say who is ahead."""
    best = [r for r in rows if (r["ties"], r["metric"], r["slice"]) == (ties, first, "all")][:2]
    said = [f"{r['ranker']} {r['mean']:.4f}{_ends(r)}" for r in best]
    return (
        f"{first}, ties {'as in the file' if ties == 'file' else ties}: "
        + ", then ".join(said)
        + "."
    )
