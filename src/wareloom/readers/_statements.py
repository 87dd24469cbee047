"""Databases that are read and never written: one SELECT a query, over a connection that takes nothing else."""

from __future__ import annotations

import functools
import itertools
import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from wareloom.core.secrets import scrubbed, secrets_in
from wareloom.errors import SettingError, SourceError

MYSQL = ("mysql", "mariadb")
ESCAPED = (*MYSQL, "bigquery", "snowflake")
"""Databases in which a backslash escapes inside text"""
DOLLARS = ("postgresql", "duckdb")
"""Databases that take text between $tag$ and $tag$"""
TICKS = (*MYSQL, "sqlite", "bigquery")
"""Databases that take names between backticks"""
BRACKETS = ("sqlite", "mssql")
"""Databases that take names between brackets"""
WRITING = frozenset({"insert", "update", "delete", "merge", "replace"})
READ_ONLY = {
    "postgresql": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",),
    # Without modes its quotes and backslashes mean what `_tokens` takes them for.
    "mysql": ("SET SESSION sql_mode = ''", "SET SESSION TRANSACTION READ ONLY"),
    "mariadb": ("SET SESSION sql_mode = ''", "SET SESSION TRANSACTION READ ONLY"),
}
"""What a connection is told first, by database"""
HARMLESS = frozenset(
    word
    for line in (
        "sslmode ssl_mode charset mode uri timeout connect_timeout driver dialect schema warehouse role cache",
        "application_name target_session_attrs host port dbname encrypt trustservercertificate",
    )
    for word in line.split()
)
"""Names in an address whose values may be shown"""
WAL = b"\x02\x02"
"""Bytes 18 and 19 of an SQLite file that has a log ahead of it"""


@functools.cache
def _tokens(backend: str) -> re.Pattern[str]:
    """The words of a database's language: what it takes for text, names and comments can hide nothing."""
    mysql = backend in MYSQL
    spaces = [r"\s+", r"/\*(?!M?!).*?\*/", r"--(?=\s|$)[^\n]*" if mysql else r"--[^\n]*"]
    texts = [
        r"'(?:[^'\\]|''|\\.)*'"
        if backend in ESCAPED
        else r"[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'"
    ]
    names = []
    if mysql:
        spaces.append(r"\#[^\n]*")
        texts.append(r'"(?:[^"\\]|""|\\.)*"')
    else:
        names.append(r'"(?:[^"]|"")*"')
    if backend in DOLLARS:
        texts.append(r"\$(?P<tag>\w*)\$.*?\$(?P=tag)\$")
    if backend in TICKS:
        names.append(r"`(?:[^`]|``)*`")
    if backend in BRACKETS:
        names.append(r"\[[^\]\n]*\]")
    parts = {"space": spaces, "text": texts, "name": names, "word": [r"[^\W\d]\w*"], "sign": ["."]}
    return re.compile("|".join(f"(?P<{k}>{'|'.join(v)})" for k, v in parts.items()), re.DOTALL)


def check_statement(query: str, where: str, backend: str = "") -> None:
    """Raise `SettingError` unless a query is one statement that reads: SELECT, or WITH and a SELECT.

    `backend` is SQLAlchemy's name of the database, in whose language the query is read.
    """
    found = [
        ("text" if match.lastgroup == "tag" else str(match.lastgroup), match[0].lower())
        for match in _tokens(backend).finditer(query)
        if match.lastgroup != "space"
    ]
    while found and found[-1] == ("sign", ";"):
        found.pop()
    if why := _why_not(found):
        raise SettingError(
            f"{where}: {why}. Give one SELECT, or WITH … SELECT: a database is read here, and never written."
        )


def connected(sqlalchemy: Any, source: str) -> tuple[Any, Any]:
    """Return the URL and an engine whose connections only read; raises `SourceError` for a file that is not there."""
    url = sqlalchemy.make_url(source)
    backend = str(url.get_backend_name())
    more: dict[str, Any] = {"poolclass": sqlalchemy.pool.NullPool}
    if backend == "sqlite":
        address = _sqlite(url)
        more["creator"] = lambda: sqlite3.connect(address, uri=True)
    elif backend == "duckdb":
        url = _duckdb(url)
        more["connect_args"] = {"read_only": True}
    engine = sqlalchemy.create_engine(url, **more)
    if backend in READ_ONLY:

        @sqlalchemy.event.listens_for(engine, "connect")
        def only_read(connection: Any, record: Any) -> None:
            cursor = connection.cursor()
            for statement in READ_ONLY[backend]:
                cursor.execute(statement)
            cursor.close()
            connection.commit()

    return url, engine


def hidden(text: str, source: str) -> str:
    """The first line of what a database says, without any secret of its address, also where a server echoes one."""
    line = next(iter(text.strip().splitlines()), "") or "no reason given"
    _, _, query = source.partition("?")
    values = [
        value
        for name, _, value in (pair.partition("=") for pair in re.split("[&;]", query))
        if name.lower() not in HARMLESS and len(value) > 5
    ]
    return scrubbed(line, [*secrets_in(source), *values, *map(unquote, values)])


def address_of(url: Any, source: str) -> str:
    """A database's address as it may be shown."""
    return hidden(url.render_as_string(hide_password=True), source)


def _why_not(found: list[tuple[str, str]]) -> str:
    words = [text for kind, text in found if kind == "word"]
    if not found or found[0][1] not in ("select", "with", "("):
        return f"it begins with {found[0][1].upper()!r}" if found else "it is empty"
    if ("sign", ";") in found:
        return "it holds more than one statement"
    if any(pair == (("sign", "/"), ("sign", "*")) for pair in itertools.pairwise(found)):
        return "it holds a comment that some databases run, or that never ends"
    if "into" in words:
        return "it writes INTO something"
    for before, here, after in zip([("", ""), *found], found, [*found[1:], ("", "")], strict=False):
        # As a column or a function such a word stands elsewhere.
        if here[0] == "word" and here[1] in WRITING and before[1] in ("(", ")") and after[1] != "(":
            return f"it would {here[1].upper()}"
    return "" if "select" in words else "it holds no SELECT"


def _sqlite(url: Any) -> str:
    """The address of an SQLite file that only reads, and makes no file where there is none."""
    named = str(url.database or "")
    if named.startswith("file:"):
        named = unquote(named.removeprefix("file:").partition("?")[0])
    if not named or named == ":memory:":
        raise SourceError("A database in memory has nothing to read: give sqlite:///FILE.")
    path = Path(named)
    if not path.is_file():
        raise SourceError(f"There is no SQLite file {path}: nothing is made by reading.")
    with path.open("rb") as file:
        head = file.read(20)
    if head and not head.startswith(b"SQLite format 3\0"):
        raise SourceError(f"{path} is no SQLite file, or an encrypted one.")
    # Such a file without its log would get one, and an index of it, by being opened.
    logged = head[18:20] == WAL and not path.with_name(f"{path.name}-wal").exists()
    return f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if logged else ''}"


def _duckdb(url: Any) -> Any:
    """The URL of a DuckDB file that is there, without what would let its connection write."""
    named = str(url.database or "")
    if not named or named == ":memory:":
        raise SourceError("A database in memory has nothing to read: give duckdb:///FILE.")
    if not named.startswith(("md:", "motherduck:")) and not Path(named).is_file():
        raise SourceError(f"There is no DuckDB file {named}: nothing is made by reading.")
    return url.difference_update_query(["access_mode", "read_only"])
