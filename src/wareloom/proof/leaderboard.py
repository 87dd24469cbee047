"""Rankers side by side on real data: seeds, intervals, and how far each is behind the best."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.state import write_json
from wareloom.errors import InputError, MemoryLimitError, SettingError
from wareloom.evaluation.ranking import DEFAULT_METRICS, Evaluation, evaluate, metric
from wareloom.evaluation.tasks import build_task
from wareloom.experiment.cells import Cells
from wareloom.experiment.jobs import shared
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.prove import deal_ties, has_ties
from wareloom.proof.settings import BASELINES
from wareloom.shop import Shop
from wareloom.stats.bootstrap import combine, resample


@dataclass(frozen=True, kw_only=True)
class LeaderboardSettings:
    """Which rankers, and how they are judged."""

    rankers: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in BASELINES}
    )
    """Settings by label; a label is the ranker's name, unless the settings name another `ranker`."""
    split: SplitSettings = field(default_factory=SplitSettings)
    seeds: int = 3
    """How often everything that is random is drawn anew; rankers without chance are fitted once."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that orders the table."""
    repeats: Literal["auto", "rank", "mask"] = "auto"
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: tuple[str, ...] = ("shuffled", "file")
    """How events of one user and one time are ordered; one is enough where there are no ties."""

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for what could not work, before anything is computed."""
        if self.seeds < 1 or not self.rankers or not self.metrics:
            raise SettingError("A leaderboard needs at least one ranker, one seed and one metric.")
        if wrong := set(self.ties) - {"shuffled", "file"}:
            raise SettingError(f"Ties are ordered 'shuffled' or 'file', not {sorted(wrong)[0]!r}.")
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

    def save(self, folder: str | Path) -> None:
        """Write `leaderboard.json` into `folder`, which is made; an older one there is replaced."""
        with replacing(Path(folder), marker="leaderboard.json") as partial:
            write_json(partial / "leaderboard.json", self.data)

    def __str__(self) -> str:
        return f"{self.data['sentence']}"


def leaderboard(
    shop: Shop, settings: LeaderboardSettings | None = None, run: Run | None = None
) -> Leaderboard:
    """Train each ranker on the training part and judge it on the test part of one split.

    Settings are to be chosen before, on the validation part. With `run.cache` finished pieces are kept there, and a
    second call redoes none of them.
    """
    settings, run = settings or LeaderboardSettings(), run or Run()
    settings.check()
    if not shop.has("events"):
        raise InputError(
            "A leaderboard needs the table 'events': without it there is no behaviour to hold out."
        )
    modes = settings.ties if has_ties(shop) else ("file",)
    with shared(leaderboard, shop, settings, run) as own:
        rows, refused = _measured(shop, settings, modes, own)
    data = {
        "version": 1,
        "shop": {"meta": shop.meta, "fingerprint": shop.fingerprint},
        "settings": asdict(settings),
        "seed": run.seed,
        "rows": rows,
        "refused": refused,
        "sentence": _sentence(rows, modes[0], settings.metrics[0]),
    }
    return Leaderboard(data)


def _measured(
    shop: Shop, settings: LeaderboardSettings, modes: Sequence[str], run: Run
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of all rankers, and why some were refused."""
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for mode in modes:
        arranged = deal_ties(shop, run.seed_for("ties")) if mode == "shuffled" else shop
        parts = split(arranged, settings.split, None, run)
        held = Split(
            parts.train.in_memory(), parts.validation.in_memory(), parts.test.in_memory(), parts.how
        )
        cells = Cells(
            run.cache,
            [
                mode,
                shop.fingerprint,
                asdict(settings.split),
                settings.repeats,
                settings.metrics,
                run.arithmetic,
            ],
        )
        asked = {label: _asked(label, settings, held, cells, run) for label in settings.rankers}
        cells.ahead([partial(_if_it_fits, piece) for each in asked.values() for piece in each])
        found = {}
        for label, pieces in asked.items():
            try:
                found[label] = [piece() for piece in pieces]
            except MemoryLimitError as error:
                refused[label] = str(error)
        rows += _rows(mode, found, settings.metrics[0], run)
    return rows, refused


def _if_it_fits(piece: Callable[[], Evaluation]) -> None:
    with contextlib.suppress(MemoryLimitError):
        piece()


def _asked(
    label: str, settings: LeaderboardSettings, parts: Split, cells: Cells, run: Run
) -> list[Callable[[], Evaluation]]:
    """One evaluation a seed, as it is to be called."""
    task, asked = build_task(parts, "test", settings.repeats), list[Callable[[], Evaluation]]()
    for seed in range(settings.seeds if settings.make(label).random else 1):
        own = run.with_(seed=run.seed_for("leaderboard", seed))

        def work(own: Run = own, seed: int = seed) -> Evaluation:
            with own.task(f"{label}, seed {seed}"):
                ranker = settings.make(label).fit(parts.train, own)
            return evaluate(ranker, task, settings.metrics, own)

        asked.append(partial(cells.get, [label, settings.rankers[label], own.seed], work))
    return asked


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
            interval = combine(float(seeds.mean()), mine, seeds)
            best = np.array([float(np.nanmean(e.per_request[measure])) for e in found[order[0]]])
            lack = combine(float(best.mean() - seeds.mean()), drawn[:, at] - mine, best - seeds)
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
                    "requests": int((~np.isnan(means[label][at])).sum()),
                    "behind": {
                        "difference": lack.mean,
                        "low": lack.low,
                        "high": lack.high,
                        "p": lack.p,
                    },
                }
            )
    return rows


def _sentence(rows: list[dict[str, Any]], ties: str, first: str) -> str:
    """Say who is ahead."""
    best = [r for r in rows if (r["ties"], r["metric"], r["slice"]) == (ties, first, "all")][:2]
    said = [f"{r['ranker']} {r['mean']:.4f} ({r['low']:.4f} to {r['high']:.4f})" for r in best]
    return (
        f"{first}, ties {'as in the file' if ties == 'file' else ties}: "
        + ", then ".join(said)
        + "."
    )
