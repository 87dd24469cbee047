"""What a shop showed, shown again, with clicks drawn anew from a model of clicks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.shop import Log, Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.impressions import CLICK, has_impressions, impressions
from wareloom.shop.keeps import Keeps
from wareloom.shop.schema import INTERACTIONS
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.behaviour._clicks import position_model
from wareloom.synthesis.draws import mark, numbered

ROW = "__row"


@dataclass(kw_only=True, eq=False)
class Exposures(Synthesizer):
    """Show users (or sessions) of the log again, under new ids, and draw from a model whether they click.

    Users are drawn with replacement, with their impressions as they were: context, position and item keep their joint
    distribution, and the time. Each impression is clicked with the chance that the model gave it. Other events stay
    where they were, and their items are dealt anew by popularity, so that no behaviour is copied; a shop without
    impressions has only those. What it adds to a log is what the model believes, and nothing that is not in the log.
    """

    keeps: ClassVar[Keeps] = "people"
    renamed: ClassVar[Mapping[str, str]] = {"settings_of_model": "click_settings"}

    clicks: Literal["logistic", "position", "constant"] = "logistic"
    """The model of clicks: logistic regression over all features, examination by position × attraction by item, or the
    share of clicks alone."""
    click_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the logistic regression."""

    def _check(self) -> None:
        if self.clicks != "logistic" and self.click_settings:
            raise SettingError(
                f"exposures: click_settings are for clicks='logistic', not for {self.clicks!r}."
            )

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Keep what was shown with its chance of a click; raises `InputError` where the shop has no events on items."""
        run = run or Run()
        self.catalogue_, self.known_ = shop.table("items"), shop.has("users")
        scan = shop.scan("events").with_row_index(ROW)
        known = pl.col("item_id").is_in(self.catalogue_["item_id"].implode())
        events = (
            scan.with_columns(owner=user_key(scan))
            .filter(known & pl.col("owner").is_not_null())
            .collect()
        )
        shown = impressions(shop) if has_impressions(shop) else None
        if len(events) == 0:
            raise InputError(
                "The synthesizer 'exposures' has nothing to show: the shop has no events on known items."
            )
        chance = pl.DataFrame(schema={ROW: events.schema[ROW], "chance": pl.Float64})
        if shown is not None:
            events = events.filter(~pl.col(ROW).is_in(shown["click_row"].drop_nulls().implode()))
            chance = pl.DataFrame({ROW: shown["row"], "chance": self._chances(shop, shown, run)})
        columns = {"search_id"} & set(events.columns)
        joined = (
            events.drop(columns).join(chance, on=ROW, how="left", maintain_order="left").drop(ROW)
        )
        self.events_ = joined
        items = Log.of(shop).counts(weighted=True)
        self.popularity_ = (
            items / items.sum() if items.sum() > 0 else np.full(len(items), 1 / len(items))
        )
        return self

    def _chances(self, shop: Shop, shown: pl.DataFrame, run: Run) -> np.ndarray:
        """The chance of a click of each impression: float64 [impressions]."""
        label = shown["clicked"].cast(pl.Float64).to_numpy()
        if self.clicks == "constant" or not 0 < label.sum() < len(label):
            return np.full(len(label), label.mean())
        if self.clicks == "position":
            return position_model(shown["position"], shown["item_id"], label)
        model = RANKERS.make("logistic", **self.click_settings).fit(shop, run)
        return np.asarray(model.predict(shop))

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Show what `n` users, drawn with replacement, were shown, and draw their clicks."""
        self._checked(n, given)
        rng = (run or Run()).rng("exposures")
        owners = self.events_["owner"].unique().sort()
        drawn = pl.DataFrame(
            {"owner": owners.gather(rng.integers(len(owners), size=n)), "place": np.arange(n)}
        )
        rows = drawn.join(self.events_, on="owner", how="left", maintain_order="left_right")
        rows = self._renamed(rows, mark(self, n, run, given))
        loose = pl.col("event").is_in(list(INTERACTIONS)) & pl.col("chance").is_null()
        dealt = self.catalogue_["item_id"].gather(
            rng.choice(len(self.popularity_), len(rows), p=self.popularity_)
        )
        rows = rows.with_columns(item_id=pl.when(loose).then(dealt).otherwise("item_id"))
        clicked = rng.random(len(rows)) < rows["chance"].fill_null(0.0).to_numpy()
        return self._shop(rows.with_columns(clicked=pl.Series(clicked)))

    def _renamed(self, rows: pl.DataFrame, mark: str) -> pl.DataFrame:
        """Give users and sessions new ids that belong together."""
        keys = [name for name in ("user_id", "session_id") if name in rows.columns]
        own = numbered(self.origin, "place", mark)
        owned: dict[str, pl.Expr] = {}
        if "user_id" in keys:
            owned["user_id"] = pl.when(pl.col("user_id").is_not_null()).then(own).otherwise(None)
        if "session_id" in keys:
            alone = pl.lit(True) if "user_id" not in keys else pl.col("user_id").is_null()
            owned["session_id"] = (
                pl.when(alone).then(own).otherwise(pl.format("{}/{}", own, "session_id"))
            )
        return rows.with_columns(**owned)

    def _shop(self, rows: pl.DataFrame) -> Shop:
        """Put a click behind each impression that was clicked."""
        click = rows.filter("clicked").with_columns(event=pl.lit(CLICK))
        place = pl.int_range(pl.len())
        both = [
            rows.with_columns(at=place * 2),
            click.with_columns(at=rows.select(place.filter(rows["clicked"])).to_series() * 2 + 1),
        ]
        events = (
            pl.concat(both, how="vertical")
            .sort("at")
            .with_columns(origin=pl.lit(self.origin), weight=1.0)
        )
        tables = {
            "items": self.catalogue_,
            "events": events.drop("owner", "place", "chance", "clicked", "at"),
        }
        if "user_id" in events.columns and (self.known_ or events["user_id"].null_count() == 0):
            users = (
                events.select("user_id", "origin").drop_nulls("user_id").unique(maintain_order=True)
            )
            tables["users"] = users
        return self._stamped(Shop.trusted(tables))
