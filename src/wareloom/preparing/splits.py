"""Splits: train, validation and test, each a whole shop; disjoint, and together everything."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.core import notebook
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.state import read_json, write_json
from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.split_settings import SplitSettings
from wareloom.preparing.splits_by import dealt, keyed, last_out
from wareloom.preparing.splits_time import cut_times, part_of_time, to_datetime
from wareloom.shop.buckets import CODE, ROW, coded, sink, user_key
from wareloom.shop.keeps import worst_said
from wareloom.shop.queries import normal_query
from wareloom.shop.shop import Shop
from wareloom.shop.storage import write_head

PARTS = ("train", "validation", "test")
"""The parts, in order; the code of a row is a place in this list."""
SHARED = ("items", "users", "images")
"""Tables that every part has whole: the catalogue and who the customers are is known to all."""


@dataclass(frozen=True)
class Split:
    """The parts of a shop: `train, validation, test = split`."""

    train: Shop
    validation: Shop
    test: Shop
    how: dict[str, Any]
    """The settings, the dates that were cut at, and the rows of each table in each part"""

    def __iter__(self) -> Iterator[Shop]:
        return iter((self.train, self.validation, self.test))

    def __repr__(self) -> str:
        rows = self._rows()
        table = next((name for name in ("events", "judgments", "searches") if name in rows), "")
        said = [f"{rows[table][part]:,} {part}" for part in PARTS] if table else []
        if said:
            said[-1] += f" {table}"
        return notebook.line("Split", f"by {self.how['settings']['by']}", *said)

    def _repr_html_(self) -> str:
        settings = self.how["settings"]
        facts = {
            "cut at": notebook.text_of(self.how.get("cuts") or {}),
            "settings": notebook.text_of({k: v for k, v in settings.items() if v is not None}),
        }
        counted = self._rows()
        rows = [(name, *(counted[name].get(part) for part in PARTS)) for name in counted]
        rows += [
            (name, *(part.counted.get(name) for part in self))
            for name in self.train.names
            if name not in counted
        ]
        table = notebook.Table("Rows of each part", ("table", *PARTS), rows)
        title = f"{self.train.meta.get('name') or 'shop'} by {settings['by']}"
        return notebook.card("Split", title, facts, [table])

    def _rows(self) -> dict[str, dict[str, int]]:
        """Rows of each part, by the tables that were divided."""
        rows: dict[str, dict[str, int]] = self.how.get("rows") or {}
        return rows

    def held_out(self) -> Shop:
        """Return validation and test together: what a synthesizer must not have seen."""
        return together([self.validation, self.test])

    @classmethod
    def open(cls, path: str | Path) -> Split:
        """Open what `split` wrote to the folder `path`."""
        path = Path(path)
        how = read_json(path / "split.json")
        train, validation, test = (Shop.open(path / part) for part in PARTS)
        return cls(train, validation, test, how)


def together(parts: Sequence[Shop]) -> Shop:
    """Return the first of some parts with the events, searches and judgments of all."""
    tables = {}
    for table in ("events", "searches", "judgments"):
        if frames := [part.scan(table) for part in parts if part.has(table)]:
            tables[table] = pl.concat(frames, how="diagonal")
    return parts[0].with_tables(**tables).keeping(worst_said([part.keeps for part in parts]))


def split(
    shop: Shop,
    settings: SplitSettings | None = None,
    to: str | Path | None = None,
    run: Run | None = None,
) -> Split:
    """Split `shop` into train, validation and test.

    Items, users and images are in every part. Events, searches, judgments and dialogues are each in exactly one: events
    and searches as `by` says; judgments always by query, all of a query's in one part; dialogues always by dialogue.
    Rows keep their order. Events of unknown time go to train. No part that has a share is left empty where there are
    users, queries or times enough for all. With `to`, the parts are written to `to/train`,
    `to/validation`, `to/test` with `split.json`, streaming; without, they are lazy views of `shop`. Raises
    `SchemaError` where the shop lacks what `by` needs, `SettingError` where a part would be empty.
    """
    settings, run = settings or SplitSettings(), run or Run()
    with run.task("split"):
        divided = _Divided(shop, settings)
        how = _jsonable(
            {"settings": dataclasses.asdict(settings), "cuts": divided.cuts, "rows": divided.rows}
        )
        if to is None:
            whole = {name: shop.scan(name) for name in shop.names if name not in divided.tables}
            made = (
                Shop.trusted(
                    whole | {k: v[p] for k, v in divided.tables.items()},
                    shop.meta,
                    shop.counted | {k: divided.rows[k][part] for k in divided.tables},
                ).keeping(shop.keeps)
                for p, part in enumerate(PARTS)
            )
            train, validation, test = made
            return Split(train, validation, test, how)
        written(shop, divided.tables, how, to)
    return Split.open(to)


def written(
    shop: Shop, tables: dict[str, list[pl.LazyFrame]], how: dict[str, Any], to: str | Path
) -> None:
    """Write the parts of a shop to `to/train`, `to/validation` and `to/test` with `split.json`, streaming.

    `tables`: those that are divided, a frame a part; all others are in each part.
    """
    with replacing(Path(to), "split.json") as folder:
        for name in shop.names:
            frames = tables.get(name) or [shop.scan(name)] * 3
            sink(
                {
                    folder / part / f"{name}.parquet": frame
                    for part, frame in zip(PARTS, frames, strict=True)
                }
            )
        for part in PARTS:
            write_head(folder / part, shop.meta, shop.keeps)
        # What is released of a part is counted against the shop that it is a part of.
        of = {"of": shop.fingerprint} if shop.path is not None else {}
        write_json(folder / "split.json", how | of)


class _Divided:
    """The tables that are divided, as three lazy frames each."""

    def __init__(self, shop: Shop, settings: SplitSettings) -> None:
        self.shop, self.settings = shop, settings
        self.tables: dict[str, list[pl.LazyFrame]] = {}
        self.rows: dict[str, dict[str, int]] = {}
        self.cuts: dict[str, Any] = {}
        need = ("judgments", "searches") if settings.by == "query" else ("events",)
        if not any(shop.rows(name) for name in need):
            other = " A split by query can do without: by='query' (--by query)."
            raise SchemaError(
                f"A split by {settings.by} needs the table {' or '.join(need)}, and the shop has no such rows."
                f"{other if shop.rows('judgments') or shop.rows('searches') else ''}"
            )
        {
            "time": self.by_time,
            "leave-last-out": self.by_last,
            "user": self.by_user,
            "query": self.by_query,
        }[settings.by]()
        if shop.has("judgments") and "judgments" not in self.tables:
            self.by_key({"judgments": normal_query()}, "query")
        if shop.has("dialogues"):
            self.by_key({"dialogues": pl.col("dialogue_id")}, "dialogue")
        self.check("judgments" if settings.by == "query" and shop.rows("judgments") else need[-1])

    def check(self, table: str) -> None:
        """Raise where a part that should have rows of `table` has none."""
        wanted = [part for part, share in zip(PARTS, self.settings.parts, strict=True) if share > 0]
        if empty := [part for part in wanted if not self.rows[table][part]]:
            raise SettingError(
                f"The split by {self.settings.by} leaves {' and '.join(empty)} without {table}: {self.rows[table]}. "
                f"Choose other parts{' or dates' if self.settings.by == 'time' else ' or seed'}, or read more data."
            )

    def put(self, table: str, codes: np.ndarray) -> None:
        """Divide `table` by a code a row."""
        both = coded(self.shop.scan(table), codes)
        self.tables[table] = [both.filter(pl.col(CODE) == part).drop(CODE) for part in range(3)]
        number = np.bincount(codes, minlength=3)
        self.rows[table] = {part: int(n) for part, n in zip(PARTS, number, strict=True)}

    def by_key(self, keys: dict[str, pl.Expr], purpose: str) -> None:
        """Divide tables by a hash of their keys, a key alike in all; no part lacks keys of the first with rows."""
        frames = {name: self.shop.scan(name).select(key=key) for name, key in keys.items()}
        first = next((name for name in keys if self.shop.rows(name)), "")
        told = pl.concat(frame.with_columns(first=name == first) for name, frame in frames.items())
        found = (
            told.drop_nulls("key")
            .group_by("key")
            .agg(pl.col("first").any())
            .collect(engine="streaming")
        )
        salt = (self.settings.seed, purpose)
        parts = dealt(found["key"], found["first"].to_numpy(), self.settings.parts, salt)
        for name, frame in frames.items():
            self.put(name, keyed(frame, found["key"], parts))

    def by_time(self) -> None:
        if not self.shop.has("events", "time"):
            raise SchemaError(
                "A split by time needs the column 'time' in the table 'events', and this shop has none. "
                "Its rows are in order all the same: by='leave-last-out' (--by, or of a proof --split, leave-last-out)."
            )
        cuts = cut_times(self.shop.scan("events").select("time"), self.settings)
        self.cuts = {"validation": to_datetime(cuts[0]), "test": to_datetime(cuts[1])}
        for table in ("events", "searches"):
            if not self.shop.has(table, "time"):
                if self.shop.has(table):
                    self.put(table, np.zeros(self.shop.rows(table), dtype=np.uint8))
                continue
            frame, part = self.shop.scan(table), part_of_time(pl.col("time"), cuts)
            self.tables[table] = [frame.filter(part == place) for place in range(3)]
            counts = dict(
                frame.group_by(part.alias("part")).len().collect(engine="streaming").iter_rows()
            )
            self.rows[table] = {name: counts.get(place, 0) for place, name in enumerate(PARTS)}

    def by_last(self) -> None:
        codes, searches = last_out(self.shop, self.settings.kinds, self.settings.shuffle_ties)
        if not (codes == 2).any():
            raise SettingError(
                "A split by leave-last-out needs a user with at least 3 interactions, and there is none."
            )
        for table, found in (("events", codes), ("searches", searches)):
            if found is not None:
                self.put(table, self._spared(table, found))

    def _spared(self, table: str, codes: np.ndarray) -> np.ndarray:
        """Put the validation rows of users that are not drawn for it back into train: uint8 [rows]."""
        share, seed = self.settings.validation_users, self.settings.seed
        rows = np.flatnonzero(codes == 1)
        if share >= 1 or not len(rows):
            return codes
        asked = pl.DataFrame({ROW: rows}, schema_overrides={ROW: pl.get_index_type()}).lazy()
        frame = self.shop.scan(table)
        users = frame.select(user=user_key(frame)).with_row_index(ROW).join(asked, on=ROW)
        found = users.collect(engine="streaming")
        ids = found["user"].unique().sort()
        parts = dealt(ids, np.ones(len(ids), bool), (share, 1 - share, 0), ("validation", seed))
        spared = found["user"].is_in(ids.filter(pl.Series(parts == 1)).implode())
        codes[found[ROW].filter(spared).to_numpy()] = 0
        return codes

    def by_user(self) -> None:
        named = [name for name in ("events", "searches") if self.shop.has(name)]
        self.by_key({name: user_key(self.shop.scan(name)) for name in named}, "user")

    def by_query(self) -> None:
        named = [name for name in ("judgments", "searches") if self.shop.has(name)]
        self.by_key({name: normal_query() for name in named}, "query")
        if not self.shop.has("events"):
            return
        codes = np.zeros(self.shop.rows("events"), dtype=np.uint8)
        if "searches" in self.tables and self.shop.has("events", "search_id"):
            tagged = [
                f.select("search_id", part=pl.lit(p, dtype=pl.UInt8))
                for p, f in enumerate(self.tables["searches"])
            ]
            known = pl.concat(tagged).unique("search_id").collect(engine="streaming")
            frame = self.shop.scan("events").select(key="search_id")
            codes = keyed(frame, known["search_id"], known["part"].to_numpy())
        self.put("events", codes)


def _jsonable(value: Any) -> Any:
    """`value` as JSON will give it back: lists for tuples, text for dates."""
    if isinstance(value, dict):
        return {key: _jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


__all__ = ["PARTS", "SHARED", "Split", "SplitSettings", "split", "together", "written"]
