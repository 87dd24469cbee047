"""Shop: typed tables in a folder of Parquet files with one `shop.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from wareloom.core.files import replacing
from wareloom.core.state import read_json
from wareloom.errors import SchemaError, SourceError, unknown
from wareloom.shop import schema
from wareloom.shop.storage import ROW_GROUP, write_head


class Shop:
    """What a shop has: typed tables, read lazily from a folder or held in memory.

    A shop never changes; methods return new ones. All tables but `items` are optional.
    """

    def __init__(
        self,
        tables: Mapping[str, pl.LazyFrame | pl.DataFrame],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Take tables by name; each is conformed to its schema. `meta`: name, currency, language."""
        for name in tables:
            if name not in schema.TABLES:
                raise unknown("table", name, schema.TABLES)
        if "items" not in tables:
            raise SchemaError("A shop needs the table 'items', with at least the column item_id.")
        self._tables = {
            name: schema.conform(name, tables[name].lazy())
            for name in schema.TABLES
            if name in tables
        }
        self.meta: dict[str, Any] = dict(meta or {})
        self.path: Path | None = None
        self._fingerprint: str | None = None

    @classmethod
    def open(cls, path: str | Path) -> Shop:
        """Open a shop's folder; tables stay on disk until they are asked for."""
        path = Path(path)
        if not path.is_dir():
            raise SourceError(
                f"There is no shop at {path}: no such folder. `wareloom read SOURCE --to {path}` makes one."
            )
        if not (path / "shop.json").exists():
            raise SourceError(
                f"{path} is not a shop: it has no shop.json. `wareloom read {path} --to SHOP` reads raw files."
            )
        head = read_json(path / "shop.json")
        if head["version"] > schema.VERSION:
            raise SourceError(
                f"{path} was written by a newer Wareloom (schema {head['version']}): upgrade to read it."
            )
        missing = [name for name in head["tables"] if not (path / f"{name}.parquet").exists()]
        if missing:
            raise SourceError(
                f"The shop {path} lacks {missing[0]}.parquet, which its shop.json lists: was it copied whole?"
            )
        shop = cls(
            {name: pl.scan_parquet(path / f"{name}.parquet") for name in head["tables"]},
            head["meta"],
        )
        shop.path, shop._fingerprint = path, head["fingerprint"]
        return shop

    @property
    def names(self) -> list[str]:
        """Names of the tables there are."""
        return list(self._tables)

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether the table, and in it the column, is there."""
        return table in self._tables and (column is None or column in self.columns(table))

    def columns(self, table: str) -> list[str]:
        """Names of the columns of a table, provenance included."""
        return self.scan(table).collect_schema().names()

    def scan(self, table: str) -> pl.LazyFrame:
        """Return a table lazily; a table that is not there raises `SchemaError`."""
        if table not in self._tables:
            where = f" {self.path}" if self.path else ""
            raise SchemaError(
                f"The shop{where} has no table {table!r}; it has {', '.join(self._tables)}."
            )
        return self._tables[table]

    def table(self, table: str) -> pl.DataFrame:
        """Return a table in memory."""
        return self.scan(table).collect()

    def rows(self, table: str) -> int:
        """Number of rows of a table, 0 where it is not there."""
        return (
            int(self.scan(table).select(pl.len()).collect().item()) if table in self._tables else 0
        )

    def in_memory(self) -> Shop:
        """Return this shop with all tables computed and held, for work that reads them many times."""
        return Shop(
            dict(zip(self.names, pl.collect_all(list(self._tables.values())), strict=True)),
            self.meta,
        )

    def with_tables(self, **tables: pl.LazyFrame | pl.DataFrame | None) -> Shop:
        """Return this shop with some tables replaced; None takes one away."""
        kept = {k: v for k, v in ({**self._tables, **tables}).items() if v is not None}
        return Shop(kept, self.meta)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the contents of all tables, in their order; the same rows give the same fingerprint."""
        if self._fingerprint is None:
            import tempfile

            with tempfile.TemporaryDirectory() as folder:
                self._fingerprint = self.save(Path(folder) / "shop")._fingerprint
        assert self._fingerprint is not None
        return self._fingerprint

    def save(self, path: str | Path) -> Shop:
        """Write the shop to the folder `path`, streaming, and return it opened from there.

        It is written beside and renamed at the end, so that a folder of that name is always whole. An existing shop
        there is replaced; any other non-empty folder raises `OutputError`.
        """
        path = Path(path)
        with replacing(path) as partial:
            for name, frame in self._tables.items():
                frame.sink_parquet(
                    partial / f"{name}.parquet", row_group_size=ROW_GROUP, maintain_order=True
                )
            write_head(partial, self.meta)
        return Shop.open(path)
