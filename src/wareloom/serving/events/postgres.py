"""Events in PostgreSQL: one table that replicas write to and compactors read on from, each id once.

A row is an event, what was shown, or that somebody was deleted. `xact` is the transaction that wrote it: a reader goes
as far as the oldest transaction that still runs, so that one that commits late is never passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import msgspec

from wareloom.core.secrets import filled, scrubbed, secrets_in
from wareloom.errors import InputError, needed
from wareloom.serving.events.log import Away
from wareloom.serving.events.sink import SECONDS, Rows, Sink
from wareloom.serving.shoppers.sessions import digest_of

EVENT, EXPOSURE, ERASURE, ITSELF, PRODUCTS = range(5)
"""Kinds of rows; the last one names the table, so that no place in one is taken for a place in another"""
MOST = 200_000
"""Rows that are read at once, where no single transaction wrote more"""
TABLE = """
create table if not exists wareloom_events (
  kind smallint not null,
  id text collate "C" not null,
  person text,
  told text not null,
  xact xid8 not null default pg_current_xact_id(),
  primary key (kind, id));
create index if not exists wareloom_events_person on wareloom_events (person) where person is not null;
create index if not exists wareloom_events_xact on wareloom_events (xact);
create index if not exists wareloom_events_products on wareloom_events (xact) where kind = 4;
insert into wareloom_events (kind, id, told)
  select 3, gen_random_uuid()::text, '{}' where not exists (select from wareloom_events where kind = 3)
"""
ADD = """
insert into wareloom_events (kind, id, person, told)
select * from unnest(%s::smallint[], %s::text[], %s::text[], %s::text[]) on conflict do nothing
"""
ERASED = """
insert into wareloom_events (kind, id, told)
values (2, %s, json_build_object('at', (extract(epoch from clock_timestamp()) * 1e6)::bigint)::text)
on conflict (kind, id) do update set told = excluded.told, xact = pg_current_xact_id()
"""
LOCK = 0x3A7E1003
"""The number under which only one process makes the table"""


class _Line(msgspec.Struct):
    """What is looked at of an event, or of what was shown."""

    id: str = ""
    exposure: str = ""
    products: bool = False
    user_id: str | None = None
    time: int = 0


class Postgres(Sink):
    """A PostgreSQL, 13 or newer, at postgresql://USER:${PASSWORD}@HOST:PORT/NAME."""

    readable: ClassVar[bool] = True

    def __init__(self, address: str) -> None:
        """Nothing is asked yet; raises `InputError` for what is no such address."""
        self._psycopg = needed("psycopg", "replicas", "Events in PostgreSQL")
        scheme, _, rest = filled(address).partition("://")
        self._address = f"{scheme.partition('+')[0]}://{rest}"
        self._connection: Any = None
        self._decode = msgspec.json.Decoder(_Line).decode
        self._split = msgspec.json.Decoder(list[msgspec.Raw]).decode
        try:
            self._psycopg.conninfo.conninfo_to_dict(self._address)
        except self._psycopg.Error as error:
            raise InputError(
                f"Events cannot be kept at {scrubbed(address)}: {error}".strip()
            ) from None

    def open(self) -> None:
        """Connect, and make the table where there is none."""
        self.close()
        with self._said():
            self._connection = self._psycopg.connect(
                self._address,
                autocommit=True,
                connect_timeout=int(SECONDS),
                application_name="wareloom",
                # Poolers that hand out another session for each transaction know no prepared statements.
                prepare_threshold=None,
            )
            self._ready(self._connection)

    def write(self, records: list[bytes]) -> None:
        """Insert in one transaction; an id that is there already stays as it is."""
        self._add(self._rows(records))

    def forward(self, records: list[bytes]) -> None:
        """Insert what waited; nothing of somebody who was deleted since."""
        with self._said():
            found = self._asked("select id, told from wareloom_events where kind = 2").fetchall()
        gone = {digest: int(json.loads(told)["at"]) for digest, told in found}
        rows = self._rows(records)
        if gone:
            rows = [row for row in rows if row[4] > gone.get(digest_of(row[2]), -1)]
        self._add(rows)

    def forget(self, user: str) -> tuple[int, frozenset[str]]:
        """Delete a user's rows, and leave a digest by which other machines' tables are cleaned, too."""
        with self._said(), self._open().transaction():
            found = self._asked(
                "delete from wareloom_events where person = %s returning kind, told", [user]
            ).fetchall()
            self._asked(ERASED, [digest_of(user)])
        own = [json.loads(told) for kind, told in found]
        sessions = frozenset(one["session_id"] for one in own if one.get("session_id"))
        return sum(kind == EVENT for kind, _ in found), sessions

    def read(self, since: dict[str, str]) -> Rows:
        """All rows from a place on, at most some `MOST`."""
        with self._said():
            name, start, end = self._between(since)
            within = "from wareloom_events where xact >= %s::xid8 and xact < %s::xid8"
            cut = self._asked(
                f"select xact::text {within} order by xact offset %s limit 1", [start, end, MOST]
            ).fetchone()
            if cut and cut[0] == start:
                # One transaction wrote more than that: it is taken as a whole.
                cut = self._asked(
                    f"select min(xact)::text {within} and xact > %s::xid8", [start, end, start]
                ).fetchone()
            until = cut[0] if cut and cut[0] else end
            found = self._asked(
                f"select kind, id, told {within} order by xact", [start, until]
            ).fetchall()
        told = [json.loads(text) for kind, _, text in found if kind in (EVENT, EXPOSURE)]
        erased = [digest for kind, digest, _ in found if kind == ERASURE]
        return Rows(told, erased, {name: until}, until != end)

    def products(self, since: dict[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Read on by transaction, so that all replicas take the same as the latest."""
        with self._said():
            name, start, end = self._between(since)
            found = self._asked(
                "select told from wareloom_events where kind = 4 and xact >= %s::xid8 and xact < %s::xid8 "
                "order by xact, id",
                [start, end],
            ).fetchall()
        return [one for (told,) in found for one in json.loads(told)["items"]], {name: end}

    def _between(self, since: dict[str, str]) -> tuple[str, str, str]:
        """The table's own name, where a reader was in it, and how far it may go now."""
        (name, end) = self._asked(
            "select id, pg_snapshot_xmin(pg_current_snapshot())::text from wareloom_events where kind = 3"
        ).fetchone()
        return name, since.get(name, "0"), end

    def cut(self) -> None:
        """Close the connection's socket under whoever waits for it."""
        connection = self._connection
        with (
            contextlib.suppress(OSError, AttributeError, self._psycopg.Error),
            socket.socket(fileno=os.dup(connection.fileno())) as one,
        ):
            one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rows(self, records: list[bytes]) -> list[tuple[int, str, str | None, str, int]]:
        """Kind, id, person, content and time, sorted: processes that add the same ids never wait for each other."""
        found = []
        for one in self._lines(records):
            line = self._decode(one)
            kind, name = (EXPOSURE, line.exposure) if line.exposure else (EVENT, line.id)
            kind = PRODUCTS if line.products else kind
            found.append((kind, name, line.user_id, bytes(one).decode(), line.time))
        return sorted(found, key=lambda row: row[:2])

    def _lines(self, records: list[bytes]) -> Iterator[Any]:
        for record in records:
            if record.startswith(b"["):
                yield from self._split(record)
            else:
                yield record

    def _add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)][:4]
        if columns:
            with self._said():
                self._asked(ADD, columns)

    def _ready(self, connection: Any) -> None:
        if connection.info.parameter_status("server_encoding") != "UTF8":
            raise Away("The database for events is not of the encoding UTF8: make one that is.")
        # What is acknowledged must outlive the server; "off" would not wait for its disk.
        self._asked(
            "select set_config('synchronous_commit', 'on', false) "
            "where current_setting('synchronous_commit') = 'off'"
        )
        (there,) = self._asked("select to_regclass('wareloom_events') is not null").fetchone()
        if not there:
            with connection.transaction():
                self._asked("select pg_advisory_xact_lock(%s)", [LOCK])
                self._asked(TABLE)

    def _asked(self, text: str, values: list[Any] | None = None) -> Any:
        return self._open().execute(text, values)

    def _open(self) -> Any:
        if self._connection is None:
            raise Away("PostgreSQL is not connected.")
        return self._connection

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """Turn what goes wrong into `Away`, without the password."""
        try:
            yield
        except (self._psycopg.Error, OSError) as error:
            said = " ".join(scrubbed(str(error), secrets_in(self._address)).split())
            self.close()
            raise Away(f"PostgreSQL does not keep events: {said.rstrip('.')}.") from None
