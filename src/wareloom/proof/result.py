"""What a proof says, as one JSON value: arms, comparisons, verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.proof.arms import ARMS, CONTROLS, MIXED, REAL, SYNTHETIC
from wareloom.proof.bootstrap import Interval, combine, resample, verdict
from wareloom.proof.evaluate import Evaluation
from wareloom.proof.settings import ProofSettings
from wareloom.run import Run
from wareloom.shop import Shop
from wareloom.shop.shop import replacing
from wareloom.state import read_json, write_json

COMPARISONS = (*((MIXED, control) for control in CONTROLS), (SYNTHETIC, REAL))


@dataclass(frozen=True)
class Proof:
    """The outcome of an experiment; `data` is what `proof.json` holds."""

    data: dict[str, Any]

    @property
    def verdict(self) -> str:
        """ "helps", "no evidence" or "hurts"."""
        return str(self.data["verdict"])

    def arms(self) -> pl.DataFrame:
        """Columns ties, arm, slice, metric, mean, low, high, requests."""
        return pl.DataFrame(self.data["arms"], infer_schema_length=None)

    def comparisons(self) -> pl.DataFrame:
        """Columns ties, arm, against, slice, metric, difference, low, high, lift, lift_low, lift_high, p, verdict."""
        return pl.DataFrame(self.data["comparisons"], infer_schema_length=None)

    def headline(self) -> pl.DataFrame:
        """The comparisons that decide: columns against, lift, low, high, p, verdict."""
        decisive = self.data["decisive"]
        rows = self.comparisons().filter(
            (pl.col("ties") == decisive["ties"]) & (pl.col("metric") == decisive["metric"]) & (pl.col("slice") == "all")
        )
        return rows.select("arm", "against", "lift", "lift_low", "lift_high", "p", "verdict")

    def save(self, folder: str | Path) -> None:
        """Write `proof.json` into `folder`, which is made; an older proof there is replaced."""
        with replacing(Path(folder), marker="proof.json") as partial:
            write_json(partial / "proof.json", self.data)

    @classmethod
    def open(cls, folder: str | Path) -> Proof:
        """Read what `save` wrote."""
        return cls(read_json(Path(folder) / "proof.json"))

    def __str__(self) -> str:
        return f"{self.data['sentence']}"


def summarise(shop: Shop, settings: ProofSettings, seed: int, modes: list[dict[str, Any]]) -> Proof:
    """Turn the cells of all modes into arms, comparisons and one verdict; the first mode decides."""
    arms: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    baselines: list[dict[str, Any]] = []
    for mode in modes:
        rng = Run(seed=seed).rng("bootstrap", mode["ties"])
        table = _Table(mode, settings.seeds)
        means = resample(table.values, rng)
        arms += table.arms(means)
        comparisons += table.comparisons(means)
        baselines += table.baselines(means)
    decided = decide(comparisons, modes[0]["ties"], settings.metrics[0])
    data = {
        "version": 1,
        "shop": {"meta": shop.meta, "fingerprint": shop.fingerprint, **{t: shop.rows(t) for t in shop.names}},
        "settings": asdict(settings),
        "seed": seed,
        "modes": [{k: v for k, v in mode.items() if k not in ("cells", "baselines")} for mode in modes],
        "arms": arms,
        "comparisons": comparisons,
        "baselines": baselines,
        **decided,
    }
    return Proof(_rounded(data))


def decide(comparisons: list[dict[str, Any]], ties: str, metric: str) -> dict[str, Any]:
    """Say what the decisive comparisons amount to: synthesis helps where it beats every control.

    To beat all of several controls each at the level α is a test of level α (intersection-union, Berger 1982): nothing
    is to be corrected.
    """
    rows = [c for c in comparisons if (c["ties"], c["metric"], c["slice"], c["arm"]) == (ties, metric, "all", MIXED)]
    by = {row["against"]: row for row in rows}
    if all(row["verdict"] == "helps" for row in rows):
        outcome = "helps"
    else:
        outcome = "hurts" if by[REAL]["verdict"] == "hurts" else "no evidence"
    weakest = min(rows, key=lambda row: row["low"])
    against = by[REAL] if outcome == "hurts" else weakest
    said = {
        "helps": "Synthetic data helps",
        "no evidence": "No evidence that synthetic data helps",
        "hurts": "Synthetic data hurts",
    }[outcome]
    keys, form = ("lift", "lift_low", "lift_high"), "+.1%"
    if against["lift"] is None:
        keys, form = ("difference", "low", "high"), "+.2g"
    size, low, high = (format(against[key], form) for key in keys)
    sentence = (
        f"{said}: {metric} {size} against {against['against']} (95 % interval {low} to {high}, p = {against['p']:.2g})."
    )
    return {
        "verdict": outcome,
        "sentence": sentence,
        "decisive": {"ties": ties, "metric": metric, "against": against["against"]},
    }


class _Table:
    """The cells of one mode as columns: one a (arm, metric/slice), the mean over seeds of each request."""

    def __init__(self, mode: dict[str, Any], seeds: int) -> None:
        self.ties, self.seeds, self.cells = mode["ties"], seeds, mode["cells"]
        self.refused = {name: e for name, e in mode["baselines"].items() if isinstance(e, str)}
        self.singles: dict[str, Evaluation] = {n: e for n, e in mode["baselines"].items() if isinstance(e, Evaluation)}
        self.measures = list(self.cells[REAL, 0].per_request)
        names = [(arm, m) for arm in ARMS for m in self.measures] + [
            (b, m) for b in self.singles for m in self.measures
        ]
        self.column = {name: i for i, name in enumerate(names)}
        columns = [self._mean(arm, m) if arm in ARMS else self.singles[arm].per_request[m] for arm, m in names]
        self.values = np.stack(columns, axis=1)

    def _mean(self, arm: str, measure: str) -> np.ndarray:
        return np.mean([self.cells[arm, seed].per_request[measure] for seed in range(self.seeds)], axis=0)

    def _seeds(self, arm: str, measure: str) -> np.ndarray:
        return np.array([np.nanmean(self.cells[arm, seed].per_request[measure]) for seed in range(self.seeds)])

    def _row(self, measure: str, interval: Interval, values: np.ndarray) -> dict[str, Any]:
        metric, _, part = measure.partition("/")
        requests = int((~np.isnan(values)).sum())
        return {
            "metric": metric,
            "slice": part,
            "mean": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "requests": requests,
        }

    def arms(self, means: np.ndarray) -> list[dict[str, Any]]:
        """Mean and interval of every arm, metric and slice; metrics of the whole catalogue have no interval."""
        rows = []
        for arm in ARMS:
            for measure in self.measures:
                values = self.values[:, self.column[arm, measure]]
                interval = combine(
                    float(np.nanmean(values)), means[:, self.column[arm, measure]], self._seeds(arm, measure)
                )
                rows.append({"ties": self.ties, "arm": arm, **self._row(measure, interval, values)})
            whole = self.cells[arm, 0].overall.keys() - {m.partition("/")[0] for m in self.measures}
            for metric in sorted(whole):
                mean = float(np.mean([self.cells[arm, seed].overall[metric] for seed in range(self.seeds)]))
                blank = {"low": None, "high": None, "requests": None}
                rows.append({"ties": self.ties, "arm": arm, "metric": metric, "slice": "all", "mean": mean, **blank})
        return rows

    def comparisons(self, means: np.ndarray) -> list[dict[str, Any]]:
        """Difference, lift, interval, p-value and verdict of every comparison, metric and slice."""
        rows = []
        for arm, against in COMPARISONS:
            for measure in self.measures:
                a, b = self.column[arm, measure], self.column[against, measure]
                base = float(np.nanmean(self.values[:, b]))
                difference = float(np.nanmean(self.values[:, a] - self.values[:, b]))
                seeds = self._seeds(arm, measure) - self._seeds(against, measure)
                interval = combine(difference, means[:, a] - means[:, b], seeds)
                lift = {
                    k: v / base if base else None
                    for k, v in (("", difference), ("_low", interval.low), ("_high", interval.high))
                }
                row = self._row(measure, interval, self.values[:, a])
                row["difference"] = row.pop("mean")
                row |= {f"lift{k}": v for k, v in lift.items()} | {"p": interval.p, "verdict": verdict(interval)}
                rows.append({"ties": self.ties, "arm": arm, "against": against, **row})
        return rows

    def baselines(self, means: np.ndarray) -> list[dict[str, Any]]:
        """Mean and interval of each strong ranker on real data; a refused one with its reason."""
        rows: list[dict[str, Any]] = []
        for name in self.singles:
            for measure in self.measures:
                column = self.column[name, measure]
                values = self.values[:, column]
                interval = combine(float(np.nanmean(values)), means[:, column], np.zeros(1))
                rows.append({"ties": self.ties, "ranker": name, **self._row(measure, interval, values)})
        return rows + [{"ties": self.ties, "ranker": name, "refused": reason} for name, reason in self.refused.items()]


def _rounded(value: Any) -> Any:
    """Keep eight significant digits of every float: more would only differ between processors."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.8g}") if np.isfinite(value) else None
    return value
