"""The figures of a proof from its cells: means, differences, lifts, intervals."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from wareloom.evaluation.ranking import Evaluation, bounds_of
from wareloom.experiment.engine import Found
from wareloom.experiment.plan import REAL, Plan
from wareloom.stats.bootstrap import Interval, combine, resample, verdict
from wareloom.stats.power import detectable, power, requests_needed, seeds_needed, spread

Rows = list[dict[str, Any]]


def lifted(
    difference: float,
    interval: Interval,
    base: float,
    ends: tuple[float, float] = (-math.inf, math.inf),
) -> dict[str, Any]:
    """A difference with its interval, the same as a lift over `base`, p-value and verdict.

    There is no lift where the base is 0, or where there is no interval. `ends`: what a lift cannot be below, or above.
    """
    lift = Interval(difference, None, None, 1.0)
    if base and interval.low is not None and interval.high is not None:
        lift = Interval(difference / base, interval.low / base, interval.high / base, interval.p)
        lift = lift.within(*ends)
    return {
        "difference": difference,
        "low": interval.low,
        "high": interval.high,
        "lift": None if lift.low is None else lift.mean,
        "lift_low": lift.low,
        "lift_high": lift.high,
        "p": interval.p,
        "verdict": verdict(interval),
    }


def reach(measure: str) -> tuple[float, float]:
    """What a difference between two means of a metric cannot be below, or above."""
    low, high = bounds_of(measure.partition("/")[0])
    return low - high, high - low


def lift_ends(measure: str, *, turned: bool = False) -> tuple[float, float]:
    """What a relative lift over the other arm cannot be below, or above: what is never negative falls by 100 % at most.

    `turned`: whether it is the lift of a mean with its sign turned, so that a fall is a gain.
    """
    if bounds_of(measure.partition("/")[0])[0] < 0:
        return -math.inf, math.inf
    return (-math.inf, 1.0) if turned else (-1.0, math.inf)


def contrast(
    ours: list[Evaluation],
    theirs: list[Evaluation],
    measure: str,
    rng: np.random.Generator,
    base: float | None = None,
) -> dict[str, Any]:
    """Compare two arms, seed by seed, on one measure; the lift is over the second arm, or over `base`."""
    a, b = (
        np.stack([cell.per_request[measure] for cell in cells], axis=1) for cells in (ours, theirs)
    )
    means = resample((a - b).mean(axis=1)[:, None], rng)[:, 0]
    difference, against = float(np.nanmean(a - b)), float(np.nanmean(b))
    requests = int((~np.isnan(a[:, 0])).sum())
    interval = combine(difference, means, np.nanmean(a - b, axis=0), requests=requests)
    interval = interval.within(*reach(measure))
    # Over another base than the second arm a fall may be larger than the whole.
    ends = lift_ends(measure) if base is None else (-math.inf, math.inf)
    found = lifted(difference, interval, against if base is None else base, ends)
    return {"mean": float(np.nanmean(a)), "against_mean": against, **found, "requests": requests}


class Table:
    """Means over requests of every (arm, metric/slice) of one way to order ties, resampled together."""

    def __init__(
        self,
        found: Found,
        seeds: int,
        plan: Plan,
        rng: np.random.Generator,
        *,
        turned: bool = False,
    ) -> None:
        """`turned`: whether the cells hold means with their sign turned; they get their own back in what is told."""
        self.ties, self.seeds, self.cells, self.plan = found.ties, seeds, found.cells, plan
        self.turned = turned
        self.refused = {name: e for name, e in found.baselines.items() if isinstance(e, str)}
        self.singles: dict[str, Evaluation] = {
            n: e for n, e in found.baselines.items() if isinstance(e, Evaluation)
        }
        every = [self.cells[arm, 0] for arm in plan.arms]
        self.measures = [
            m for m in self.cells[REAL, 0].per_request if all(m in e.per_request for e in every)
        ]
        names = [(arm, m) for arm in plan.arms for m in self.measures]
        names += [
            (name, m)
            for name, e in self.singles.items()
            for m in self.measures
            if m in e.per_request
        ]
        self.column = {name: i for i, name in enumerate(names)}
        columns = [
            self._mean(arm, m) if arm in plan.arms else self.singles[arm].per_request[m]
            for arm, m in names
        ]
        self.values = np.stack(columns, axis=1)
        self.means = resample(self.values, rng)

    def _mean(self, arm: str, measure: str) -> np.ndarray:
        return np.mean(
            [self.cells[arm, seed].per_request[measure] for seed in range(self.seeds)], axis=0
        )

    def _seeds(self, arm: str, measure: str) -> np.ndarray:
        return np.array(
            [np.nanmean(self.cells[arm, seed].per_request[measure]) for seed in range(self.seeds)]
        )

    def _head(self, measure: str, values: np.ndarray) -> dict[str, Any]:
        metric, _, part = measure.partition("/")
        return {"metric": metric, "slice": part, "requests": int((~np.isnan(values)).sum())}

    def _single(self, measure: str, column: int, per_seed: np.ndarray) -> dict[str, Any]:
        values = self.values[:, column]
        head, sign = self._head(measure, values), -1.0 if self.turned else 1.0
        found = combine(
            sign * float(np.nanmean(values)),
            sign * self.means[:, column],
            sign * per_seed,
            requests=head["requests"],
        ).within(*bounds_of(head["metric"]))
        return {**head, "mean": found.mean, "low": found.low, "high": found.high}

    def _whole(self, head: dict[str, Any], cells: list[Evaluation]) -> Rows:
        """Metrics of all requests at once, such as coverage or AUC, which have no interval."""
        told = {measure.partition("/")[0] for measure in self.measures}
        rows = []
        for metric in sorted(cells[0].overall.keys() - told):
            mean = float(np.mean([cell.overall[metric] for cell in cells]))
            blank = {"low": None, "high": None, "requests": None}
            rows.append({**head, "metric": metric, "slice": "all", "mean": mean, **blank})
        return rows

    def arms(self) -> Rows:
        """Mean and interval of every arm, metric and slice; metrics of the whole catalogue have no interval."""
        rows = []
        for arm in self.plan.arms:
            head = {"ties": self.ties, "arm": arm}
            for measure in self.measures:
                row = self._single(measure, self.column[arm, measure], self._seeds(arm, measure))
                rows.append({**head, **row})
            rows += self._whole(head, [self.cells[arm, seed] for seed in range(self.seeds)])
        return rows

    def training(self) -> Rows:
        """What every arm was trained on: rows, and gradient updates where its ranker takes any, seed by seed."""
        rows = []
        for arm in self.plan.arms:
            seeds = [self.cells[arm, seed].training for seed in range(self.seeds)]
            own = {name: [each[name] for each in seeds] for name in seeds[0]}
            rows.append({"ties": self.ties, "arm": arm, **own})
        return rows

    def comparisons(self) -> Rows:
        """Difference, lift, interval, p-value and verdict of every comparison, metric and slice."""
        rows = []
        for arm, against in self.plan.comparisons:
            for measure in self.measures:
                a, b = self.column[arm, measure], self.column[against, measure]
                base = abs(float(np.nanmean(self.values[:, b])))
                difference = float(np.nanmean(self.values[:, a] - self.values[:, b]))
                seeds = self._seeds(arm, measure) - self._seeds(against, measure)
                head = self._head(measure, self.values[:, a])
                interval = combine(
                    difference,
                    self.means[:, a] - self.means[:, b],
                    seeds,
                    requests=head["requests"],
                ).within(*reach(measure))
                ends = lift_ends(measure, turned=self.turned)
                rows.append(
                    {"ties": self.ties, "arm": arm, "against": against}
                    | head
                    | lifted(difference, interval, base, ends)
                )
        return rows

    def baselines(self) -> Rows:
        """Mean and interval of each strong ranker on real data; a refused one with its reason."""
        rows: Rows = []
        for name in self.singles:
            for measure in (m for m in self.measures if (name, m) in self.column):
                row = self._single(measure, self.column[name, measure], np.zeros(1))
                rows.append({"ties": self.ties, "ranker": name, **row})
            rows += self._whole({"ties": self.ties, "ranker": name}, [self.singles[name]])
        return rows + [
            {"ties": self.ties, "ranker": name, "refused": reason}
            for name, reason in self.refused.items()
        ]

    def power(self, metric: str, arm: str, effect: float | None) -> Rows:
        """What could have been found of `arm` against each control, and what it would take to find more.

        `effect`: a relative lift; None takes the one that was observed. The power at the observed lift is not told: it
        is the p-value in other clothes (Hoenig and Heisey 2001).
        """
        measure, rows = f"{metric}/all", []
        for control in self.plan.controls:
            a, b = (
                np.stack(
                    [self.cells[name, seed].per_request[measure] for seed in range(self.seeds)],
                    axis=1,
                )
                for name in (arm, control)
            )
            of, base = spread(a - b), abs(float(np.nanmean(b)))
            size = float(np.nanmean(a - b)) if effect is None else effect * base
            least = detectable(of)
            rows.append(
                {
                    "against": control,
                    "requests": of.requests,
                    "seeds": of.seeds,
                    "spread": asdict(of),
                    "detectable": least,
                    "detectable_lift": least / base if base else None,
                    "effect": size,
                    "effect_lift": size / base if base else None,
                    "named": effect is not None,
                    "power": None if effect is None else power(size, of),
                    "requests_needed": requests_needed(size, of),
                    "seeds_needed": seeds_needed(size, of),
                }
            )
        return rows
