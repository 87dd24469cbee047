"""Screens: reject bad synthetic rows, and say why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from wareloom.family import SCREENS, Algorithm, Family
from wareloom.run import Run
from wareloom.shop import Shop
from wareloom.shop.shop import ROW_GROUP, replacing, write_head
from wareloom.state import write_json


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
    """Divide `table` into rows that meet no reason and rows that do, named by the first they meet."""
    if not reasons or not synthetic.has(table):
        return Screened(synthetic, report={"seen": synthetic.rows(table), "rejected": 0, "reasons": {}})
    chain: Any = pl.when(pl.lit(False)).then(pl.lit(""))
    for reason, holds in reasons.items():
        chain = chain.when(holds.fill_null(False)).then(pl.lit(reason))
    rows = synthetic.scan(table).with_columns(reason=chain.otherwise(None)).collect()
    taken = rows.filter(pl.col("reason").is_not_null())
    kept = rows.filter(pl.col("reason").is_null()).drop("reason")
    counts = dict(taken["reason"].value_counts(sort=True).iter_rows())
    report = {"seen": len(rows), "rejected": len(taken), "reasons": counts}
    return Screened(synthetic.with_tables(**{table: kept}) if len(taken) else synthetic, {table: taken}, report)


def screen_all(
    names: Sequence[str], synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
) -> Screened:
    """Apply the screens called `names` one after the other; the report has one entry a screen."""
    rejected: dict[str, list[pl.DataFrame]] = {}
    report: dict[str, Any] = {}
    for name in names:
        screened = SCREENS.make(name).screen(synthetic, train, holdout, run)
        synthetic, report[name] = screened.kept, screened.report
        for table, rows in screened.rejected.items():
            rejected.setdefault(table, []).append(rows.with_columns(screen=pl.lit(name)))
    return Screened(synthetic, {table: pl.concat(parts, how="diagonal") for table, parts in rejected.items()}, report)


def save_screened(screened: Screened, folder: Path, fitted: Algorithm | None = None) -> Shop:
    """Write what was kept as a shop, with `rejected/TABLE.parquet` and `screen.json` beside its tables.

    `fitted`: the synthesizer that made it, saved in the folder `synthesizer`.
    """
    with replacing(folder) as partial:
        for name in screened.kept.names:
            screened.kept.scan(name).sink_parquet(
                partial / f"{name}.parquet", row_group_size=ROW_GROUP, maintain_order=True
            )
        write_head(partial, screened.kept.meta)
        (partial / "rejected").mkdir()
        for name, rows in screened.rejected.items():
            rows.write_parquet(partial / "rejected" / f"{name}.parquet")
        write_json(partial / "screen.json", screened.report)
        if fitted is not None:
            fitted.save(partial / "synthesizer")
    return Shop.open(folder)
