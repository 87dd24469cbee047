"""How far synthetic labels agree with people: kappa, rank correlation, accuracy and reliability on held-out queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.preparing.splits import SplitSettings, split
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.queries import labelled, normal_query
from wareloom.stats.bootstrap import combine
from wareloom.synthesis.labels.base import LabelSynthesizer

GRADES = 4
REPLICATES = 400
BINS = 10
MEASURES = ("kappa", "tau", "accuracy", "within_half", "calibration_error")


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
    seeds: int = 3
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

    def __str__(self) -> str:
        """The measures, one a line."""
        head = f"{self.data['labels']}: {self.data['pairs']:,} pairs of {self.data['queries']:,} held-out queries"
        rows = [
            f"  {m['measure']:<18}{m['mean']:.3f} ({m['low']:.3f} to {m['high']:.3f})"
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
    query = Vocabulary(keys).encode(test["key"]).astype(np.int64)
    human, said = test["grade"].to_numpy(), test["query"].to_list()
    found, rows = [], []
    for seed in range(settings.seeds):
        own = run.with_(seed=run.seed_for("agreement", seed))
        train = labelled(parts.train, settings.labelled, own)
        made: LabelSynthesizer = SYNTHESIZERS.make(settings.labels, **settings.settings).fit(
            train, own
        )
        grade, sure = made.label(said, np.arange(len(said)), test["item_id"].to_list(), own)
        given = (sure >= made.min_confidence) & (sure >= 0)
        if not given.any():
            raise InputError(
                f"The synthesizer {settings.labels!r} gave no label at all: lower its setting min_confidence."
            )
        found.append(
            _measure(grade[given], sure[given], human[given], query[given], own.rng("bootstrap"))
        )
        rows.append(
            _reliability(sure[given], np.abs(grade - human)[given] <= 0.5 + 1e-9)
            | {"given": given.mean()}
        )
    measures = []
    for place, name in enumerate(MEASURES):
        values = np.array([one[0][place] for one in found])
        replicates = np.mean([one[1][:, place] for one in found], axis=0)
        interval = combine(float(values.mean()), replicates, values)
        measures.append(
            {"measure": name, "mean": interval.mean, "low": interval.low, "high": interval.high}
        )
    data: dict[str, Any] = {
        "labels": settings.labels,
        "labelled": settings.labelled,
        "seeds": settings.seeds,
        "seed": run.seed,
    }
    data |= {
        "queries": len(keys),
        "pairs": len(test),
        "measures": measures,
        "reliability": rows[0]["bins"],
    }
    return Agreement(
        {**data, "given": float(np.mean([row["given"] for row in rows])), "shop": shop.meta}
    )


def whole(grade: np.ndarray) -> np.ndarray:
    """Round to whole grades, halves up: int64."""
    return np.clip(np.floor(grade + 0.5), 0, GRADES - 1).astype(np.int64)


def kappa(table: np.ndarray) -> np.ndarray:
    """Cohen's kappa with quadratic weights of tables of counts [..., grades, grades]; 0 where all is one grade."""
    size = table.shape[-1]
    apart = (np.arange(size)[:, None] - np.arange(size)[None, :]) ** 2
    total = np.maximum(table.sum(axis=(-2, -1)), 1e-9)
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    chance = (rows[..., :, None] * columns[..., None, :] * apart).sum(axis=(-2, -1)) / total
    seen = (table * apart).sum(axis=(-2, -1))
    found: np.ndarray = np.where(chance > 1e-9, 1 - seen / np.maximum(chance, 1e-9), 0.0)
    return found


def _measure(
    grade: np.ndarray,
    sure: np.ndarray,
    human: np.ndarray,
    query: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The measures [measures], and their bootstrap over queries [replicates, measures]."""
    near = np.abs(grade - human) <= 0.5 + 1e-9
    pair = whole(grade) * GRADES + whole(human)
    hit, bins = whole(grade) == whole(human), np.minimum((sure * BINS).astype(int), BINS - 1)

    def of(weight: np.ndarray) -> np.ndarray:
        total = max(weight.sum(), 1e-9)
        table = np.bincount(pair, weights=weight, minlength=GRADES**2).reshape(GRADES, GRADES)
        gaps = np.bincount(bins, weights=weight * (sure - near), minlength=BINS)
        return np.array(
            [
                kappa(table),
                0.0,
                weight @ hit / total,
                weight @ near / total,
                np.abs(gaps).sum() / total,
            ]
        )

    values = of(np.ones(len(grade)))
    values[1] = stats.kendalltau(grade, human).statistic if np.ptp(grade) and np.ptp(human) else 0.0
    draws = np.empty((REPLICATES, len(MEASURES)))
    queries = query.max() + 1
    for row in range(REPLICATES):
        weight = rng.poisson(1.0, queries)[query].astype(float)
        draws[row] = of(weight)
    draws[:, 1] = _taus(grade, human, query, rng)
    return values, draws


def _taus(
    grade: np.ndarray, human: np.ndarray, query: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Bootstrap of tau over queries, by the normal distribution about 40 replicates' spread, since each takes a
    sort."""
    few = []
    for _ in range(40):
        rows = np.repeat(np.arange(len(grade)), rng.poisson(1.0, query.max() + 1)[query])
        few.append(stats.kendalltau(grade[rows], human[rows]).statistic if len(rows) > 1 else 0.0)
    spread = float(np.nanstd(few, ddof=1))
    return rng.normal(float(np.nanmean(few)), spread, size=REPLICATES)


def _reliability(sure: np.ndarray, near: np.ndarray) -> dict[str, Any]:
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    rows = []
    for place in range(BINS):
        here = bins == place
        if here.any():
            rows.append(
                {
                    "confidence": float(sure[here].mean()),
                    "right": float(near[here].mean()),
                    "pairs": int(here.sum()),
                }
            )
    return {"bins": rows}
