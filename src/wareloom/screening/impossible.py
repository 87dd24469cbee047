"""Could it have happened? Times, quantities and values that no real event can have."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wareloom.core.run import Run
from wareloom.screening import Screen, Screened, reject
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class Impossible(Screen):
    """Take events before their item was launched, outside the fitted time, or with an impossible quantity or value."""

    horizon: float = 0.0
    """Days after the training part's last event that synthetic events may reach; continued users need some."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Reject row by row."""
        columns = synthetic.columns("events")
        reasons: dict[str, pl.Expr] = {}
        if "time" in columns and train.has("events", "time"):
            first, last = (
                train.scan("events")
                .select(pl.col("time").min().alias("a"), pl.col("time").max().alias("b"))
                .collect()
                .row(0)
            )
            reasons["before the shop's first event"] = pl.col("time") < first
            reasons["after the time that was fitted"] = pl.col("time") > pl.lit(last) + pl.duration(
                days=self.horizon
            )
        for name in ("quantity", "value"):
            if name in columns:
                reasons[f"{name} is not a finite number"] = (
                    pl.col(name).is_not_null() & ~pl.col(name).is_finite()
                )
                lowest = (
                    train.scan("events").select(pl.col(name).min()).collect().item()
                    if train.has("events", name)
                    else 0.0
                )
                reasons[f"{name} below any real one"] = pl.col(name) < min(lowest or 0.0, 0.0)
        if "time" in columns and train.has("items", "launched_at"):
            launch = train.table("items").select("item_id", "launched_at")
            late = synthetic.scan("events").join(
                launch.lazy(), on="item_id", how="left", maintain_order="left"
            )
            early = (
                late.select(pl.col("time") < pl.col("launched_at"))
                .collect()
                .to_series()
                .fill_null(False)
            )
            reasons["before its item was launched"] = pl.lit(early)
        return reject(synthetic, reasons)
