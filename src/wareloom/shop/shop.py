"""Shop: typed tables in a folder of Parquet files with one `shop.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from wareloom.core import frames, notebook
from wareloom.core.asked import a_path, of_class, require_kind
from wareloom.core.files import replacing
from wareloom.errors import SchemaError, unknown
from wareloom.shop import schema
from wareloom.shop.checking import check_tables
from wareloom.shop.storage import open_tables, read_head, row_group, verify, write_head

if TYPE_CHECKING:
    from wareloom.shop.keeps import Keeps


_frame = of_class(
    "a frame of polars; wl.read(frames) makes a shop of those of pandas and pyarrow, too",
    pl.DataFrame,
    pl.LazyFrame,
)


class Shop:
    """What a shop has: typed tables, read lazily from a folder or held in memory.

    A shop never changes; methods return new ones. All tables but `items` are optional. `keeps`: what a sample holds of
    the real users it was made from; None for a real shop, and where it is not known, which counts as "people".
    """

    keeps: Keeps | None = None

    def __init__(
        self,
        tables: Mapping[str, pl.LazyFrame | pl.DataFrame],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Take tables by name; each is conformed to its schema and checked. `meta`: name, currency, language.

        Raises `SchemaError` where a value, a key or most foreign keys are not what the schema says.
        """
        self._take(tables, meta)
        check_tables(self._tables)

    @classmethod
    def trusted(
        cls,
        tables: Mapping[str, pl.LazyFrame | pl.DataFrame],
        meta: Mapping[str, Any] | None = None,
        counted: Mapping[str, int] | None = None,
    ) -> Shop:
        """Return a shop of tables whose rows were checked before, or were made by what keeps to the schema.

        `counted`: rows of its tables, as far as they are known.
        """
        shop = cls.__new__(cls)
        shop._take(tables, meta)
        shop.counted |= dict(counted or {})
        return shop

    def _take(
        self,
        tables: Mapping[str, pl.LazyFrame | pl.DataFrame],
        meta: Mapping[str, Any] | None,
    ) -> None:
        for name, frame in tables.items():
            if name not in schema.TABLES:
                raise unknown("table", name, schema.TABLES)
            require_kind("Shop", f"the table {name!r}", frame, _frame)
        if "items" not in tables:
            raise SchemaError("A shop needs the table 'items', with at least the column item_id.")
        self._tables = {
            name: schema.conform(name, tables[name].lazy())
            for name in schema.TABLES
            if name in tables
        }
        self.meta: dict[str, Any] = dict(meta or {})
        # Counted for whoever prints the shop, which must not compute anything.
        self.counted: dict[str, int] = {
            name: len(tables[name])  # type: ignore[arg-type]
            for name in self._tables
            if isinstance(tables[name], pl.DataFrame)
        }
        self.path: Path | None = None
        self._fingerprint: str | None = None
        self._verified = False

    @classmethod
    def open(cls, path: str | Path) -> Shop:
        """Open a shop's folder; tables stay on disk until they are asked for.

        Sizes and rows of its files are compared with what its `shop.json` says; `SourceError` says what is not whole.
        """
        require_kind("Shop.open", "path", path, a_path)
        path = Path(path)
        head = read_head(path)
        shop = cls.trusted(open_tables(path, head), head["meta"], head["rows"])
        shop.path, shop._fingerprint = path, head["fingerprint"]
        shop.keeps = head.get("keeps")
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

    def to_polars(self, table: str = "events") -> pl.DataFrame:
        """Return a table as a frame of polars, as `table` does."""
        return self.table(table)

    def to_pandas(self, table: str = "events") -> Any:
        """Return a table as a frame of pandas; raises `MissingExtraError` where pandas is not installed."""
        return frames.to_pandas(self.table(table))

    def in_memory(self) -> Shop:
        """Return this shop with all tables computed and held, for work that reads them many times."""
        return Shop.trusted(
            dict(zip(self.names, pl.collect_all(list(self._tables.values())), strict=True)),
            self.meta,
        ).keeping(self.keeps)

    def with_tables(self, **tables: pl.LazyFrame | pl.DataFrame | None) -> Shop:
        """Return this shop with some tables replaced, which are not checked; None takes one away.

        It says that it keeps what this one keeps: who brings rows of another says so by `keeping`.
        """
        kept = {k: v for k, v in ({**self._tables, **tables}).items() if v is not None}
        same = {k: n for k, n in self.counted.items() if k in kept and k not in tables}
        new = {k: len(frame) for k, frame in tables.items() if isinstance(frame, pl.DataFrame)}
        return Shop.trusted(kept, self.meta, same | new).keeping(self.keeps)

    def keeping(self, keeps: Keeps | None) -> Shop:
        """Return this shop, said to keep so much of real users: what its generator keeps, or the worst of its parts."""
        shop = Shop.trusted(self._tables, self.meta, self.counted)
        shop.path, shop._fingerprint, shop._verified = self.path, self._fingerprint, self._verified
        shop.keeps = keeps
        return shop

    def verify(self) -> None:
        """Raise `SourceError` where the shop lies on disk and a byte of its tables is not what was written; once."""
        if self.path is not None and not self._verified:
            verify(self.path)
            self._verified = True

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
                    partial / f"{name}.parquet", row_group_size=row_group(name), maintain_order=True
                )
            write_head(partial, self.meta, self.keeps)
        return Shop.open(path)

    def __repr__(self) -> str:
        name = str(self.meta.get("name") or "")
        rows = [
            f"{self.counted[one]:,} {one}" if one in self.counted else one for one in self.names
        ]
        return notebook.line("Shop", repr(name) if name else "", *rows)

    def _repr_html_(self) -> str:
        facts = {
            "lies in": self.path,
            "events": self._span(),
            "keeps of real users": self.keeps,
            "fingerprint": self._fingerprint and self._fingerprint[:12],
            **{key: value for key, value in self.meta.items() if key != "name"},
        }
        rows = [
            (name, self.counted.get(name), ", ".join(self.columns(name))) for name in self.names
        ]
        tables = notebook.Table("Tables", ("table", "rows", "columns"), rows)
        name = str(self.meta.get("name") or "in memory")
        return notebook.card("Shop", name, facts, [tables])

    def _span(self) -> str:
        """From when to when its events are; "" where that is not known without computing a table."""
        if "events" not in self.counted or not self.has("events", "time"):
            return ""
        time = pl.col("time")
        first, last = self.scan("events").select(a=time.min(), b=time.max()).collect().row(0)
        return "" if first is None else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
