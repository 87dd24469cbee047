"""Any SQL database that SQLAlchemy knows: one query a table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SettingError, SourceError, missing_extra
from wareloom.preparing.door import FILE, ROW
from wareloom.readers import Intake, Reader
from wareloom.readers._header import apart
from wareloom.readers._json import BATCH, as_text
from wareloom.readers._map import Entry, load
from wareloom.readers._orders import Came
from wareloom.readers._statements import MYSQL, address_of, check_statement, connected, hidden
from wareloom.readers.tables import Tables

NAME = re.compile(r"^[\w.$]+$")
COLON = re.compile(r"(?<![:\w\\]):(?=[\w$]+(?![:\w$]))")
"""A colon that SQLAlchemy would take for the sign of a parameter"""


@dataclass(kw_only=True, eq=False)
class Sql(Reader):
    """A database, by its SQLAlchemy URL: a query or a table's name for each of the shop's tables.

    Rows are fetched in pieces of 50,000. Columns are found by their usual names or by the map (its entries have
    `query` in place of
    `file`). Without a query, all tables whose columns are recognised are read. A row's number is its place in the
    result; add ORDER BY where the order of events matters and they have no time. A query is one SELECT, and the
    connection only reads: nothing is written, and no file is made. No secret of the URL is ever shown.
    """

    urls: ClassVar[bool] = True
    example: ClassVar[dict[str, str]] = {
        "shop.sqlite": (
            "create table products (product_id integer, title text);"
            " create table orders (customer text, product_id integer, ordered timestamp);"
            " insert into products values (1, 'Mug');"
            " insert into orders values ('u1', 1, '2020-01-01 10:00:00');"
        ),
    }

    items: str = ""
    """The query, or table, of items."""
    users: str = ""
    """The query, or table, of users."""
    events: str = ""
    """The query, or table, of events."""
    searches: str = ""
    """The query, or table, of searches."""
    judgments: str = ""
    """The query, or table, of judgments."""
    map: str = ""
    """A TOML file of queries and their columns, see `docs/formats.md`."""
    event: str = "purchase"
    """The kind of all events, where no column says it."""
    grade_scale: str = ""
    """The scale "lo:hi" of grades, mapped linearly to 0–3; found from the data where empty."""
    time_format: str = ""
    """How times are written where they are text, for example %d.%m.%Y; found from the data where empty."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether the source is a database's URL."""
        return (
            re.match(
                r"^(sqlite|postgresql|mysql|mariadb|oracle|mssql|duckdb|snowflake|bigquery)(\+\w+)?://",
                source,
            )
            is not None
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the tables that the queries give."""
        try:
            import sqlalchemy
        except ImportError:
            raise missing_extra("sqlalchemy", "sql", "Reading from a database") from None
        try:
            url, engine = connected(sqlalchemy, source)
        except (sqlalchemy.exc.ArgumentError, ImportError, ValueError) as error:
            if isinstance(error, SourceError):
                raise
            driver = (
                " Install that driver, or name another one, such as mysql+pymysql://."
                if isinstance(error, ImportError)
                else ""
            )
            raise SourceError(
                f"The database's URL cannot be used: {hidden(str(error), source)}. It has the form "
                f"DIALECT://USER:PASSWORD@HOST/NAME.{driver}"
            ) from None
        came: list[Came] = []
        entries: list[Entry] = []
        try:
            with engine.connect() as connection:
                backend = str(url.get_backend_name())
                inspector = sqlalchemy.inspect(engine)
                for name, query, entry in self._queries(inspector, backend, source):
                    check_statement(query, name, backend)
                    # Without the backslash a colon inside of text would begin a parameter.
                    text = sqlalchemy.text(COLON.sub(r"\\:", query))
                    came.append(Came(name, _fetched(connection, text, name, intake)))
                    entries += [entry] if entry else []
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise SourceError(
                f"The database {address_of(url, source)} refused: {hidden(str(error), source)}"
            ) from None
        finally:
            engine.dispose()
        as_files = Tables(
            event=self.event, grade_scale=self.grade_scale, time_format=self.time_format
        )
        return as_files.made_of(came, address_of(url, source), intake, entries)

    def _queries(
        self, inspector: Any, backend: str, source: str
    ) -> Iterator[tuple[str, str, Entry | None]]:
        """What is asked: (name, query, what is said of its columns)."""
        asked = False
        for table in ("items", "users", "events", "searches", "judgments"):
            if query := getattr(self, table):
                asked = True
                yield f"{table} query", _select(query), Entry(f"{table} query", table)
        for number, entry in enumerate(load(self.map), start=1):
            if not entry.query:
                raise SettingError(
                    f'{self.map}, [[table]] number {number}: give its query, such as query = "select * from orders".'
                )
            asked = True
            name = f"{entry.table} query {number}"
            yield name, _select(entry.query), dataclasses.replace(entry, file=name)
        if not asked:
            if backend in MYSQL and not inspector.default_schema_name:
                raise SourceError("The URL names no database: write it behind the host, …/NAME.")
            quote = "`" if backend in MYSQL else '"'
            names = sorted(inspector.get_table_names())
            if not names:
                shown = address_of(inspector.engine.url, source)
                raise SourceError(f"The database {shown} has no tables.")
            for name in names:
                quoted = name.replace(quote, 2 * quote)
                yield name, f"select * from {quote}{quoted}{quote}", None


def _select(query: str) -> str:
    return f"select * from {query}" if NAME.match(query.strip()) else query


def _fetched(connection: Any, query: Any, name: str, intake: Intake) -> pl.LazyFrame:
    """Run a query and keep its rows as pieces on disk, all cells text."""
    result = connection.execution_options(stream_results=True, yield_per=BATCH).execute(query)
    columns, told = apart(result.keys(), name)
    for sentence in told:
        intake.say(sentence)
    types: dict[str, Any] = dict.fromkeys(columns, pl.String) | {ROW: pl.Int64}
    pieces, start = [], 1
    for rows in _partitions(result):
        cells = {
            c: [None if v is None else as_text(v) for v in values]
            for c, values in zip(columns, zip(*rows, strict=True), strict=True)
        }
        path = intake.folder / f"piece-{len(list(intake.folder.iterdir())):06d}.parquet"
        pl.DataFrame({**cells, ROW: range(start, start + len(rows))}, schema=types).write_parquet(
            path, compression="lz4"
        )
        pieces.append(pl.scan_parquet(path, glob=False))
        start += len(rows)
    if not pieces:
        return pl.LazyFrame(schema=types | {FILE: pl.String})
    return pl.concat(pieces).with_columns(pl.lit(name).alias(FILE))


def _partitions(result: Any) -> Iterator[list[Any]]:
    while rows := result.fetchmany(BATCH):
        yield rows
