"""Screens: reject bad synthetic rows, and say why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl

from wareloom.core import notebook
from wareloom.core.asked import Kind, a_run
from wareloom.core.family import SCREENS, Algorithm, Family
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.state import write_json
from wareloom.errors import SettingError, near
from wareloom.shop import Shop
from wareloom.shop.asked import a_shop, a_shop_or_none
from wareloom.shop.buckets import user_key
from wareloom.shop.storage import row_group, write_head

OWNED = ("events", "users", "searches", "soft_labels")
"""Tables whose rows belong to a user."""
Settings = Mapping[str, Mapping[str, Any]]
"""Settings of screens, by the screen's name"""


@dataclass(frozen=True)
class Screened:
    """What a screen let through, what it took, and why."""

    kept: Shop
    rejected: dict[str, pl.DataFrame] = field(default_factory=dict)
    """Rejected rows by table, with a column `reason`."""
    report: dict[str, Any] = field(default_factory=dict)
    """Figures of what was looked at."""
    sampling: dict[str, Any] = field(default_factory=dict)
    """How many users were asked for, drawn and kept, where the sample was filled up; see `proof.rejection`."""

    def to_polars(self, table: str = "events") -> pl.DataFrame:
        """Return a table of what was kept as a frame of polars."""
        return self.kept.to_polars(table)

    def to_pandas(self, table: str = "events") -> Any:
        """Return a table of what was kept as a frame of pandas; raises `MissingExtraError` where that is missing."""
        return self.kept.to_pandas(table)

    def __repr__(self) -> str:
        taken = ", ".join(f"{len(rows):,} {name}" for name, rows in self.rejected.items())
        return notebook.line("Screened", f"kept {self.kept!r}", f"took {taken or 'nothing'}")

    def _repr_html_(self) -> str:
        rows = [
            (name, one.get("seen"), one.get("rejected"), ", ".join(one.get("reasons") or ()))
            for name, one in self.report.items()
            if isinstance(one, Mapping)
        ]
        columns = ("screen", "rows seen", "rows taken", "reasons")
        facts = {"sampling": notebook.text_of(self.sampling)} if self.sampling else {}
        tables = [notebook.Table("Screens, in order", columns, rows)] if rows else []
        return notebook.card("Screened", repr(self.kept), facts, tables)


@dataclass(kw_only=True, eq=False)
class Screen(Algorithm, ABC):
    """Base of all screens."""

    family: ClassVar[Family] = SCREENS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "screen": {"synthetic": a_shop, "train": a_shop, "holdout": a_shop_or_none, "run": a_run}
    }
    looks_at: ClassVar[Literal["draws", "sample", "end"]] = "draws"
    """What it judges where a sample is filled up draw after draw: each draw on its own; all that is kept so far, since
    what one user did decides on others; or the sample at the end, which it passes or refuses whole."""

    @abstractmethod
    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Look at `synthetic` beside what it was fitted on, and beside the held-out part where the screen needs it."""

    def check_fitted(self) -> None:
        """A screen needs no fit."""


def owners(shop: Shop) -> pl.Series:
    """Ids of those that have events, each once, in the order of their first."""
    if not shop.has("events"):
        return pl.Series(dtype=pl.String)
    events = shop.scan("events")
    whose = events.select(user_key(events).alias("owner").unique(maintain_order=True))
    return whose.collect()["owner"].drop_nulls()


def of_owners(shop: Shop, ids: pl.Series) -> Shop:
    """Return the shop with the rows of these users (ids as of `user_key`) alone."""
    tables = {name: shop.scan(name) for name in OWNED if shop.has(name)}
    named = {
        name: scan.filter(user_key(scan).is_in(ids.implode())) for name, scan in tables.items()
    }
    return shop.with_tables(**named).in_memory()


def reject(synthetic: Shop, reasons: dict[str, pl.Expr], table: str = "events") -> Screened:
    """Divide `table` into rows that meet no reason and rows that do, named by the first they meet.

    A user all of whose events are taken leaves the table of users, too.
    """
    if not reasons or not synthetic.has(table):
        return Screened(
            synthetic, report={"seen": synthetic.rows(table), "rejected": 0, "reasons": {}}
        )
    chain: Any = pl.when(pl.lit(False)).then(pl.lit(""))
    for reason, holds in reasons.items():
        chain = chain.when(holds.fill_null(False)).then(pl.lit(reason))
    return divide(
        synthetic, synthetic.scan(table).with_columns(reason=chain.otherwise(None)).collect(), table
    )


def divide(synthetic: Shop, rows: pl.DataFrame, table: str = "events") -> Screened:
    """Take the rows of `table` that have a `reason`; `rows` is the whole table with that column."""
    taken = rows.filter(pl.col("reason").is_not_null())
    kept = rows.filter(pl.col("reason").is_null()).drop("reason")
    report = {"seen": len(rows), "rejected": len(taken), "reasons": _counted(taken["reason"])}
    if not len(taken):
        return Screened(synthetic, {table: taken}, report)
    screened = Screened(synthetic.with_tables(**{table: kept}), {table: taken}, report)
    return _without_the_empty(screened) if table == "events" else screened


def _without_the_empty(screened: Screened) -> Screened:
    """Take those that lost all their events out of the other tables, too, for the reason of the first."""
    shop, taken = screened.kept, screened.rejected["events"]
    left = owners(shop)
    gone = taken.select("reason", owner=user_key(taken)).filter(
        ~pl.col("owner").is_in(left.implode())
    )
    gone = gone.unique("owner", keep="first", maintain_order=True)
    rejected = dict(screened.rejected)
    for table in OWNED[1:] if len(gone) else ():
        if shop.has(table):
            rows = _with_reasons(shop, table, gone)
            if len(lost := rows.filter(pl.col("reason").is_not_null())):
                rejected[table] = lost
                shop = shop.with_tables(
                    **{table: rows.filter(pl.col("reason").is_null()).drop("reason")}
                )
    return Screened(shop, rejected, screened.report)


def _with_reasons(shop: Shop, table: str, named: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table with the `reason` of their owner, where `named` has one."""
    rows = shop.scan(table)
    whose = rows.with_columns(owner=user_key(rows))
    return (
        whose.join(named.lazy(), on="owner", how="left", maintain_order="left")
        .drop("owner")
        .collect()
    )


def reject_users(synthetic: Shop, named: pl.DataFrame, seen: int) -> Screened:
    """Take whole users: `named` has their ids as of `user_key` and a `reason`; `seen` is how many were looked at.

    They leave every table; `reasons` counts their events, `users by reason` themselves.
    """
    kept: dict[str, pl.DataFrame] = {}
    rejected = {
        "events": synthetic.scan("events").head(0).with_columns(reason=pl.lit("")).collect()
    }
    for table in OWNED if len(named) else ():
        if synthetic.has(table):
            rows = _with_reasons(synthetic, table, named)
            taken = rows.filter(pl.col("reason").is_not_null())
            if len(taken):
                rejected[table], kept[table] = (
                    taken,
                    rows.filter(pl.col("reason").is_null()).drop("reason"),
                )
    report = {
        "seen": synthetic.rows("events"),
        "rejected": len(rejected["events"]),
        "reasons": _counted(rejected["events"]["reason"]),
        "users": len(named),
        "of users": seen,
        "share of users": len(named) / seen if seen else 0.0,
        "users by reason": _counted(named["reason"]),
    }
    return Screened(synthetic.with_tables(**kept) if kept else synthetic, rejected, report)


def _counted(reasons: pl.Series) -> dict[str, int]:
    """How often each, the most frequent first."""
    return dict(
        reasons.value_counts(name="n")
        .sort(["n", reasons.name], descending=[True, False])
        .iter_rows()
    )


def made(names: Sequence[str], settings: Settings | None = None) -> dict[str, Screen]:
    """Make the screens called `names` by name, each with its `settings`.

    Raises `SettingError` where settings are of a screen that is not among them.
    """
    settings = settings or {}
    for name in settings:
        if name not in names:
            raise SettingError(
                f"There are settings for the screen {name!r}, which is not among those named: "
                f"{', '.join(names) or 'none'}.{near(name, names)} Name it there, or take its settings away."
            )
    return {name: SCREENS.make(name, **settings.get(name, {})) for name in names}


def screen_all(
    screens: Sequence[str] | Mapping[str, Screen],
    synthetic: Shop,
    train: Shop,
    holdout: Shop | None = None,
    run: Run | None = None,
) -> Screened:
    """Apply screens, by name or as `made` gives them, one after the other; the report has one entry a screen.

    A private sample that was screened beside real users is private no more: it keeps "counts".
    """
    rejected: dict[str, list[pl.DataFrame]] = {}
    report: dict[str, Any] = {}
    for name, one in (screens if isinstance(screens, Mapping) else made(screens)).items():
        screened = one.screen(synthetic, train, holdout, run)
        synthetic, report[name] = screened.kept, screened.report
        # Which rows are left says what the screen saw of real users, and nobody paid for that.
        if synthetic.keeps == "private" and train.keeps != "private":
            synthetic = synthetic.keeping("counts")
        for table, rows in screened.rejected.items():
            rejected.setdefault(table, []).append(rows.with_columns(screen=pl.lit(name)))
    return Screened(
        synthetic,
        {table: pl.concat(parts, how="diagonal") for table, parts in rejected.items()},
        report,
    )


def save_screened(screened: Screened, folder: Path, fitted: Algorithm | None = None) -> Shop:
    """Write what was kept as a shop, with `rejected/TABLE.parquet` and `screen.json` beside its tables.

    `fitted`: the synthesizer that made it, saved in the folder `synthesizer`. `screen.json` has the report and, where
    the sample was filled up, `sampling`.
    """
    with replacing(folder) as partial:
        for name in screened.kept.names:
            screened.kept.scan(name).sink_parquet(
                partial / f"{name}.parquet", row_group_size=row_group(name), maintain_order=True
            )
        write_head(partial, screened.kept.meta, screened.kept.keeps)
        (partial / "rejected").mkdir()
        for name, rows in screened.rejected.items():
            rows.write_parquet(partial / "rejected" / f"{name}.parquet")
        told = screened.report | ({"sampling": screened.sampling} if screened.sampling else {})
        write_json(partial / "screen.json", told)
        if fitted is not None:
            fitted.save(partial / "synthesizer")
    return Shop.open(folder)
