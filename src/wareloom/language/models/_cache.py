"""The cache of calls on disk: what was answered once is not asked, or paid for, again."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wareloom.errors import OutputError, SourceError
from wareloom.language.models._calls import Generated

AT_ONCE = 500
"""Keys looked up by one statement; SQLite allows 999 values in old versions"""
PATIENCE = 60.0
"""Seconds that one process waits for another"""
COLUMNS = "text, prompt_tokens, tokens, log_probability, finish"


class Calls:
    """Answers by key. Each is on disk once `put` returns, so that a killed process loses none.

    Several processes may use one file: it has a write-ahead log, and a writer waits for another.
    """

    def __init__(self, connection: sqlite3.Connection | None, path: Path = Path()) -> None:
        self.connection, self.path = connection, path

    def get(self, keys: Iterable[str]) -> dict[str, Generated]:
        """Return the answers that are kept, by key."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Generated] = {}
        if self.connection is None:
            return found
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            marks = ", ".join("?" * len(part))
            with _said(self.path):
                rows = self.connection.execute(
                    f"SELECT key, {COLUMNS} FROM calls WHERE key IN ({marks})", part
                )
                found |= {key: Generated(*rest) for key, *rest in rows}
        return found

    def put(self, answers: Sequence[tuple[str, Generated]]) -> None:
        """Keep answers; one that another process kept first stays."""
        if self.connection is None:
            return
        rows = [
            (key, a.text, a.prompt_tokens, a.tokens, a.log_probability, a.finish)
            for key, a in answers
        ]
        with _said(self.path), self.connection:
            self.connection.executemany(
                f"INSERT OR IGNORE INTO calls (key, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows
            )


@contextlib.contextmanager
def calls_in(folder: Path | None) -> Iterator[Calls]:
    """Open `calls.sqlite` in a folder, which is made; None keeps nothing.

    Raises `SourceError` where the file is no cache of calls.
    """
    if folder is None:
        yield Calls(None)
        return
    path = Path(folder) / "calls.sqlite"
    with _said(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # An endpoint's answers come in a thread of their own where a loop runs already; one thread at a time writes.
        connection = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
    try:
        with _said(path):
            _prepare(connection)
        yield Calls(connection, path)
    finally:
        connection.close()


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say of the file into one sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"Answers cannot be kept in {path.parent}: {error.strerror or error}. Choose another cache folder."
        ) from error
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"Answers cannot be kept in {path}: {error}. What was answered before is kept: look at the disk and the "
            "permissions, or choose another cache folder."
        ) from error
    except sqlite3.DatabaseError as error:
        raise SourceError(
            f"{path} is no cache of calls: {error}. Delete it, or choose another cache folder."
        ) from error


def _prepare(connection: sqlite3.Connection) -> None:
    _log_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, text TEXT NOT NULL, prompt_tokens INTEGER, "
            "tokens INTEGER, log_probability REAL, finish TEXT NOT NULL) WITHOUT ROWID"
        )


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Give the file its write-ahead log. SQLite lets nobody wait for that: while another process does it, ask again."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
