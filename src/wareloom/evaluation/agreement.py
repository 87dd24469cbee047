"""How far synthetic labels agree with people: kappa, rank correlation, accuracy and reliability on held-out queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from wareloom.core import frames, notebook
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import Repeats
from wareloom.errors import InputError, SettingError
from wareloom.preparing.splits import SplitSettings, split
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.queries import labelled, normal_query
from wareloom.stats.agreement import MEASURES, agreement, reliability
from wareloom.stats.bootstrap import combine
from wareloom.synthesis.labels.base import LabelSynthesizer

BOUNDS = {"kappa": (-1.0, 1.0), "tau": (-1.0, 1.0)}
"""What a measure cannot be below, or above, where that is not 0 and 1"""


@dataclass(frozen=True, kw_only=True)
class AgreementSettings:
    """Which labels are compared with people's, and how."""

    labels: str = "lexical"
    """The synthesizer of labels."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    labelled: int | None = None
    """How many queries of the training part it is given the judgments of; None all, 0 none."""
    split: SplitSettings = field(default_factory=lambda: SplitSettings(by="query"))
    most: int = 0
    """Queries of the test part that are labelled, drawn at random; 0 all."""
    seeds: Repeats = 3
    """How often the labelled queries, and everything else that is random, are drawn anew."""

    def check(self) -> None:
        """Raise `SettingError` for what could not work."""
        if not isinstance(SYNTHESIZERS.make(self.labels, **self.settings), LabelSynthesizer):
            raise SettingError(
                f"The synthesizer {self.labels!r} gives no labels: take lexical, distilled or judge."
            )
        if self.seeds < 1 or (self.labelled or 0) < 0 or self.most < 0:
            raise SettingError("Agreement needs one seed or more, and numbers of queries from 0.")


@dataclass(frozen=True)
class Agreement:
    """What came out; `data` is plain and goes to JSON."""

    data: dict[str, Any]

    def to_polars(self) -> pl.DataFrame:
        """Return the measures as a frame of polars: measure, mean, low, high, and what else is said of each."""
        return pl.DataFrame(self.data["measures"], infer_schema_length=None)

    def to_pandas(self) -> Any:
        """Return the measures as a frame of pandas; raises `MissingExtraError` where pandas is not installed."""
        return frames.to_pandas(self.to_polars())

    def __repr__(self) -> str:
        said = [f"{m['measure']} {notebook.text_of(m['mean'])}" for m in self.data["measures"]]
        return notebook.line("Agreement", str(self.data["labels"]), *said)

    def _repr_html_(self) -> str:
        title = f"{self.data['labels']} beside people"
        facts = {"pairs": self.data["pairs"], "queries": self.data["queries"]}
        found = self.to_polars()
        rows = notebook.Table("Measures, with 95 % intervals", found.columns, found.iter_rows())
        return notebook.card("Agreement", title, facts, [rows])

    def __str__(self) -> str:
        """The measures, one a line."""
        head = f"{self.data['labels']}: {self.data['pairs']:,} pairs of {self.data['queries']:,} held-out queries"
        rows = [
            f"  {m['measure']:<18}{m['mean']:.3f}"
            + ("" if m["low"] is None else f" ({m['low']:.3f} to {m['high']:.3f})")
            for m in self.data["measures"]
        ]
        return "\n".join([head, *rows])


def agree(
    shop: Shop, settings: AgreementSettings | None = None, run: Run | None = None
) -> Agreement:
    """Compare synthetic labels with those of people on queries that the synthesizer never saw.

    kappa is Cohen's with quadratic weights, over whole grades (Cohen 1968); tau is Kendall's tau-b over all pairs;
    accuracy the share of equal whole grades; within_half the share within ½ of a grade; calibration_error the mean
    distance, over ten bins of confidence, between confidence and the share within ½ (Guo et al. 2017). Intervals:
    bootstrap over queries, joined with the spread between seeds. Raises `InputError` where there are no real judgments.
    """
    settings, run = settings or AgreementSettings(), run or Run()
    settings.check()
    if not shop.rows("judgments"):
        raise InputError(
            "Agreement with people needs the table 'judgments': grades that people gave items for queries."
        )
    parts = split(shop, settings.split, None, run)
    test = parts.test.table("judgments").with_columns(key=normal_query())
    keys = test["key"].unique().sort()
    if settings.most and settings.most < len(keys):
        keys = keys.gather(
            np.sort(run.rng("agreement", "queries").permutation(len(keys))[: settings.most])
        )
        test = test.filter(test["key"].is_in(keys.implode()))
    labeller = _Labeller(settings, parts.train, test, Vocabulary(keys).encode(test["key"]))
    seeds = [
        labeller.judged(run.with_(seed=run.seed_for("agreement", seed)))
        for seed in range(settings.seeds)
    ]
    return Agreement(
        {
            "labels": settings.labels,
            "labelled": settings.labelled,
            "seeds": settings.seeds,
            "seed": run.seed,
            "queries": len(keys),
            "pairs": len(test),
            "measures": _intervals([(one.values, one.draws) for one in seeds], len(keys)),
            "reliability": seeds[0].bins,
            "given": float(np.mean([one.given for one in seeds])),
            "shop": shop.meta,
        }
    )


@dataclass(frozen=True)
class _Judged:
    """What one seed came to."""

    values: np.ndarray
    """float64 [measures]"""
    draws: np.ndarray
    """float64 [replicates, measures]"""
    bins: list[dict[str, Any]]
    given: float
    """Share of the pairs that were given a label"""


@dataclass(frozen=True)
class _Labeller:
    """Labels the test part's pairs by a synthesizer that is fitted on the training part."""

    settings: AgreementSettings
    train: Shop
    test: pl.DataFrame
    query: np.ndarray
    """int [pairs]"""

    def judged(self, run: Run) -> _Judged:
        """Fit and label with one seed, and compare with people; raises `InputError` where no pair gets a label."""
        settings, test = self.settings, self.test
        made: LabelSynthesizer = SYNTHESIZERS.make(settings.labels, **settings.settings)
        made.fit(labelled(self.train, settings.labelled, run), run)
        said, human = test["query"].to_list(), test["grade"].to_numpy()
        grade, sure = made.label(said, np.arange(len(said)), test["item_id"].to_list(), run)
        given = (sure >= made.min_confidence) & (sure >= 0)
        if not given.any():
            raise InputError(
                f"The synthesizer {settings.labels!r} gave no label at all: lower its setting min_confidence."
            )
        query = self.query.astype(np.int64)[given]
        values, draws = agreement(
            grade[given], sure[given], human[given], query, run.rng("bootstrap")
        )
        near = np.abs(grade - human)[given] <= 0.5 + 1e-9
        return _Judged(values, draws, reliability(sure[given], near)["bins"], float(given.mean()))


def _intervals(seeds: list[tuple[np.ndarray, np.ndarray]], queries: int) -> list[dict[str, Any]]:
    """Mean and interval of each measure; of one query there is no interval."""
    rows = []
    for place, name in enumerate(MEASURES):
        values = np.array([one[0][place] for one in seeds])
        replicates = np.mean([one[1][:, place] for one in seeds], axis=0)
        found = combine(float(values.mean()), replicates, values, requests=queries)
        found = found.within(*BOUNDS.get(name, (0.0, 1.0)))
        rows.append({"measure": name, "mean": found.mean, "low": found.low, "high": found.high})
    return rows
