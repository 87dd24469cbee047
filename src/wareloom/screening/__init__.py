"""Screens: reject bad synthetic rows, and say why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from wareloom.family import SCREENS, Algorithm, Family
from wareloom.run import Run
from wareloom.shop import Shop


@dataclass(frozen=True)
class Screened:
    """What a screen let through, what it took, and why."""

    kept: Shop
    rejected: dict[str, pl.DataFrame] = field(default_factory=dict)
    """Rejected rows by table, with a column `reason`."""
    report: dict[str, Any] = field(default_factory=dict)
    """Figures of what was looked at."""


@dataclass(kw_only=True, eq=False)
class Screen(Algorithm, ABC):
    """Base of all screens."""

    family: ClassVar[Family] = SCREENS

    @abstractmethod
    def screen(self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None) -> Screened:
        """Look at `synthetic` beside what it was fitted on, and beside the held-out part where the screen needs it."""

    def check_fitted(self) -> None:
        """A screen needs no fit."""


def reject(synthetic: Shop, reasons: dict[str, pl.Expr], table: str = "events") -> Screened:
    """Split `table` into the rows that meet none of the `reasons` and those that meet one, named by the first they meet."""
    if not reasons or not synthetic.has(table):
        return Screened(synthetic, report={"seen": synthetic.rows(table), "rejected": 0, "reasons": {}})
    chain = pl.when(pl.lit(False)).then(pl.lit(""))
    for reason, holds in reasons.items():
        chain = chain.when(holds.fill_null(False)).then(pl.lit(reason))
    rows = synthetic.scan(table).with_columns(reason=chain.otherwise(None)).collect()
    taken = rows.filter(pl.col("reason").is_not_null())
    kept = rows.filter(pl.col("reason").is_null()).drop("reason")
    counts = dict(taken["reason"].value_counts(sort=True).iter_rows())
    report = {"seen": len(rows), "rejected": len(taken), "reasons": counts}
    return Screened(synthetic.with_tables(**{table: kept}) if len(taken) else synthetic, {table: taken}, report)


def screen_all(names: Sequence[str], synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None) -> Screened:
    """Apply the screens called `names` one after the other; the report has one entry a screen."""
    rejected: dict[str, list[pl.DataFrame]] = {}
    report: dict[str, Any] = {}
    for name in names:
        screened = SCREENS.make(name).screen(synthetic, train, holdout, run)
        synthetic, report[name] = screened.kept, screened.report
        for table, rows in screened.rejected.items():
            rejected.setdefault(table, []).append(rows.with_columns(screen=pl.lit(name)))
    return Screened(synthetic, {table: pl.concat(parts, how="diagonal") for table, parts in rejected.items()}, report)
