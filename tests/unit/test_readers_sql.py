"""Databases: SQLite always, a PostgreSQL of our own where its programs are at hand."""

from __future__ import annotations

import glob
import json
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from wareloom.core.run import Run
from wareloom.errors import MissingExtraError, SchemaError, SettingError, SourceError
from wareloom.readers import read

sqlalchemy = pytest.importorskip("sqlalchemy")

TABLES = (
    "create table products (product_id integer primary key, title varchar(40), price numeric(8, 2), colour varchar(9))",
    "create table orders (customer varchar(9), product_id integer, ordered timestamp, qty integer)",
    "create table settings (name varchar(9), value varchar(9))",
    "insert into products values (1, 'Mug', 9.50, 'red'), (2, 'Jug', 12.00, null)",
    "insert into orders values ('u1', 1, '2020-01-01 10:00:00', 2), ('u2', 2, '2020-01-02 11:30:00.5', 1), "
    "('u1', 9, '2020-01-03 09:00:00', 1)",
)


def fill(url: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in TABLES:
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/shop.db"
    fill(made)
    return made


def check(shop_folder: Path) -> None:
    told = json.loads((shop_folder / "read.json").read_text())
    assert told["tables"]["events"] == {
        "came": 3,
        "taken": 2,
        "rejected": {"item_id: not in the table items": 1},
    }


def test_queries_by_setting(tmp_path: Path, url: str) -> None:
    settings = {
        "items": "products",
        "events": "select customer, product_id, ordered as time, qty from orders",
    }
    shop = read(url, to=tmp_path / "shop", settings=settings)
    check(tmp_path / "shop")
    assert shop.table("items").select("title", "price").rows() == [("Mug", 9.5), ("Jug", 12.0)]
    assert shop.table("items")["attributes"][0].to_list() == [{"name": "colour", "value": "red"}]
    assert shop.table("events")["quantity"].to_list() == [2.0, 1.0]
    assert shop.table("events")["time"].dt.hour().to_list() == [10, 11]


def test_without_queries_the_tables_that_are_recognised(tmp_path: Path, url: str) -> None:
    shop = read(url, to=tmp_path / "shop")
    assert shop.names == ["items", "events"]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert told["not_recognised"]["settings"] == ["name", "value"]


def test_queries_by_map(tmp_path: Path, url: str) -> None:
    text = '[[table]]\nquery = "orders"\ntable = "events"\ncolumns = { time = "ordered", context = ["qty"] }\n'
    (tmp_path / "map.toml").write_text(text)
    shop = read(url, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    assert shop.table("events")["context"][0].to_list() == [{"name": "qty", "value": "2"}]
    (tmp_path / "map.toml").write_text(text.replace('query = "orders"\n', ""))
    with pytest.raises(SettingError, match=r"number 1: give its query"):
        read(url, to=tmp_path / "none", settings={"map": str(tmp_path / "map.toml")})


def test_wrong_queries_and_urls(tmp_path: Path, url: str) -> None:
    with pytest.raises(SourceError, match=r"refused: .*no such table: nix"):
        read(url, to=tmp_path / "shop", settings={"events": "nix"})
    with pytest.raises(
        SchemaError, match="events query, taken for events, lacks the column 'item_id'"
    ):
        read(url, to=tmp_path / "shop", settings={"events": "select customer from orders"})
    with pytest.raises(SourceError, match="URL cannot be used"):
        read("nothing://u:geheim@h/d", to=tmp_path / "shop", as_="sql")
    assert not (tmp_path / "shop").exists()


def test_the_password_is_never_shown(tmp_path: Path) -> None:
    for source in ("nothing://u:geheim@h/d", "postgresql+psycopg://u:geheim@127.0.0.1:1/d"):
        with pytest.raises(SourceError) as caught:
            read(source, to=tmp_path / "shop", as_="sql")
        assert "geheim" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_without_sqlalchemy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wareloom\[sql\]'"):
        read("sqlite:///x.db", to=tmp_path / "shop")


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server in a temporary folder; gives its URL with a password."""
    pytest.importorskip("psycopg")
    found = shutil.which("initdb") or next(
        iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))), None
    )
    if found is None:
        pytest.skip("no initdb: PostgreSQL's programs are not installed")
    programs = Path(found).resolve().parent
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    options: dict = {
        "check": True,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "cwd": "/",
    }
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = next((name for name in ("postgres", "nobody") if name in names), None)
        if user is None:
            pytest.skip("initdb refuses root, and there is neither a user postgres nor nobody")
        shutil.chown(folder, user)
        options |= {
            "user": user,
            "env": {"HOME": str(folder), "PATH": os.environ["PATH"], "LC_ALL": "C"},
        }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "shop", "-E", "UTF8", "--no-sync"], **options
        )
        start = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run(
            [programs / "pg_ctl", "-D", data, "-w", "-o", start, "-l", folder / "log", "start"],
            **options,
        )
        try:
            yield f"postgresql+psycopg://shop:geheim@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_postgresql(tmp_path: Path, postgres: str) -> None:
    fill(postgres)
    shop = read(
        postgres,
        to=tmp_path / "shop",
        settings={"items": "products", "events": "select *, ordered as time from orders"},
    )
    check(tmp_path / "shop")
    assert shop.table("items")["price"].to_list() == [9.5, 12.0]
    text = (tmp_path / "shop" / "read.json").read_text() + (
        tmp_path / "shop" / "shop.json"
    ).read_text()
    assert "geheim" not in text
    assert "shop:***@127.0.0.1" in text
    with pytest.raises(
        SourceError, match=r"postgresql\+psycopg://shop:\*\*\*@.*refused: .*does not exist"
    ):
        read(postgres, to=tmp_path / "none", settings={"events": "nix"})


@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "drop table orders",
        "insert into orders values ('x', 1, null, 1)",
        "update orders set qty = 0",
        "pragma user_version = 7",
        "attach 'other.db' as o",
        "vacuum into 'copy.db'",
        "select 1; delete from orders",
        "/* select */ delete from orders",
        "-- select\ndelete from orders",
        "with old as (delete from orders returning *) select * from old",
        "with old as (select 1) delete from orders",
        "select * into copies from orders",
        "select 1 /*! ; drop table orders */",
        "copy orders to '/tmp/x'",
        "  ",
    ],
)
def test_a_query_only_reads(query: str, tmp_path: Path, url: str) -> None:
    before = (tmp_path / "shop.db").read_bytes()
    text = f'[[table]]\nquery = {json.dumps(query)}\ntable = "events"\n'
    (tmp_path / "map.toml").write_text(text)
    asked = [{"items": "products", "events": query}, {"map": str(tmp_path / "map.toml")}]
    for settings in asked:
        with pytest.raises(SettingError, match=r"Give one SELECT|should be text"):
            read(url, to=tmp_path / "shop", settings=settings)
    assert (tmp_path / "shop.db").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.toml", "shop.db"]


@pytest.mark.parametrize(
    "query",
    [
        "select customer as user_id, product_id as item_id, 'a; delete from x' as context from orders;",
        "SELECT customer, product_id, ordered AS time, qty /* update */ FROM orders -- ; drop",
        "with o as (select * from orders) select customer, product_id, ordered from o",
        "select customer, product_id, replace(ordered, 'x', 'y') as time, qty as \"insert\" from orders",
        "(select customer, product_id, ordered from orders)",
    ],
)
def test_queries_that_read_are_taken(query: str) -> None:
    from wareloom.readers._statements import check_statement

    check_statement(query, "events query")


def test_no_sqlite_file_is_made_or_touched(tmp_path: Path) -> None:
    for form in ("sqlite:///{}", "sqlite:///file:{}?uri=true", "sqlite+pysqlite:///{}"):
        with pytest.raises(SourceError, match=r"no SQLite file .*nothing\.db"):
            read(form.format(tmp_path / "nothing.db"), to=tmp_path / "shop", as_="sql")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceError, match="in memory has nothing"):
        read("sqlite://", to=tmp_path / "shop", as_="sql")
    (tmp_path / "text.db").write_text("no database at all, only words and words")
    with pytest.raises(SourceError, match="is no SQLite file"):
        read(f"sqlite:///{tmp_path}/text.db", to=tmp_path / "shop")


def test_a_file_with_a_log_ahead_is_read_and_gets_none(tmp_path: Path, url: str) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("pragma journal_mode = wal")
    connection.close()
    assert [p.name for p in tmp_path.iterdir()] == ["shop.db"]
    shop = read(url, to=tmp_path / "read", settings={"items": "products", "events": "orders"})
    assert shop.rows("events") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["read", "shop.db"]


@pytest.mark.parametrize(
    "source",
    [
        "nothing://u:geheim@h/d",
        "nothing://u:ge@heim@h/d",
        "nothing://u:geheim%40x@h/d?sslmode=require",
        "nothing://geheim@h/d",
        "nothing://h/d?user=u&password=geheim",
        "nothing://h/d?token=geheim",
        "nothing://h/d?access_token=geheim&x=1",
        "nothing://h/d?api_key=geheim;a=b",
        "nothing://h/d?key=geheim",
        "nothing://h/d?private_key_path=geheim",
        "nothing://h/d?PWD=geheim",
        "nothing://h/d?unheard=geheim",
        "postgresql+psycopg://u:geheim@127.0.0.1:1/d",
        "postgresql+psycopg://127.0.0.1:1/d?password=geheim",
        "postgresql+psycopg://127.0.0.1:1/d?token=geheim",
        "postgresql+psycopg://127.0.0.1:1/d?options=geheim",
        "postgresql+psycopg://u:geheim@[::1/d",
        "postgresql+psycopg://u:geheim@127.0.0.1:port/d",
    ],
)
def test_no_secret_of_a_url_is_shown(
    source: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceError) as caught:
        read(source, to=tmp_path / "shop", as_="sql", run=Run(quiet=False))
    said = str(caught.value) + capfd.readouterr().err
    assert "geheim" not in said
    assert "heim@" not in said
    assert caught.value.__cause__ is None


def test_postgresql_only_reads(tmp_path: Path, postgres: str) -> None:
    fill(postgres)
    engine = sqlalchemy.create_engine(postgres)
    with engine.begin() as connection:
        made = (
            "create function wiped() returns integer language sql as 'delete from orders; select 1'"
        )
        connection.execute(sqlalchemy.text(made))
    where = {"items": "products"}
    for query in (
        "select customer, product_id, wiped() as qty from orders",
        "select customer, product_id, set_config('transaction_read_only', 'off', false) from orders",
        "with x as (delete from orders returning *) select * from x",
        # A backslash ends no text here: what follows it would be statements of their own.
        "select '\\'; set session characteristics as transaction read write; commit; delete from orders; commit; --'",
    ):
        with pytest.raises((SourceError, SettingError)):
            read(postgres, to=tmp_path / "shop", settings=where | {"events": query})
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select count(*) from orders")).scalar() == 3
    engine.dispose()
    # A server says what it was sent; the password in it is none of anybody's business.
    with pytest.raises(SourceError) as caught:
        read(postgres, to=tmp_path / "shop", settings=where | {"events": "select 'geheim'::int"})
    assert "geheim" not in str(caught.value)


def made(folder: Path, *statements: str) -> str:
    url = f"sqlite:///{folder}/made.db"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()
    return url


ORDERS = (
    "create table orders (order_id integer, customer_id text, created_at text, status text)",
    "create table order_items (order_id integer, sku text, qty integer, price real)",
    "create table customers (customer_id text, city text)",
    "create table loyalty (customer_id text, tier text)",
    "create table products (sku text, title text, aisle_id integer)",
    "create table stock (sku text, colour text)",
    "create table aisles (aisle_id integer, aisle text)",
    "insert into orders values (1, 'u', '2024-03-01 10:00', 'paid'), (2, 'v', '2024-03-02 10:00', 'cancelled')",
    "insert into order_items values (1, 'a', 2, 4.5), (1, 'b', 1, 3), (2, 'a', 1, 4.5)",
    "insert into customers values ('u', 'Bonn'), ('v', 'Rome')",
    "insert into loyalty values ('v', 'gold')",
    "insert into products values ('a', 'Mug', 1), ('b', 'Jug', 2)",
    "insert into stock values ('b', 'red')",
    "insert into aisles values (1, 'mugs'), (2, 'jugs')",
)


def test_tables_of_a_database_complete_each_other_as_files_do(tmp_path: Path) -> None:
    shop = read(made(tmp_path, *ORDERS), to=tmp_path / "shop")
    events = shop.table("events").select("user_id", "session_id", "item_id", "value").rows()
    assert events == [("u", "1", "a", 9.0), ("u", "1", "b", 3.0)]
    assert [t.hour for t in shop.table("events")["time"]] == [10, 10]
    told = {
        name: [
            {a["name"]: a["value"] for a in row or []}
            for row in shop.table(name)["attributes"].to_list()
        ]
        for name in ("items", "users")
    }
    assert told["users"] == [{"city": "Bonn"}, {"city": "Rome", "tier": "gold"}]
    assert told["items"][1]["colour"] == "red"
    assert told["items"][0]["aisle"] == "mugs"
    words = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert words["joined"]["order_items"] == ["orders"]
    assert words["skipped"] == {"lines of orders that were refunded or cancelled": 1}


def test_a_query_s_own_form_of_times(tmp_path: Path) -> None:
    url = made(
        tmp_path,
        "create table log (user_id text, sku text, at text, price text)",
        "insert into log values ('u', 'a', '02.03.2024', '1.234')",
    )
    text = '[[table]]\nquery = "log"\ntable = "events"\ncolumns = { time = "at" }\n'
    text += 'time_format = "%d.%m.%Y"\ndecimal = ","\n'
    (tmp_path / "map.toml").write_text(text)
    shop = read(url, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    assert str(shop.table("events")["time"][0]) == "2024-03-02 00:00:00"
    assert shop.table("events")["value"].to_list() == [1234.0]


def test_a_table_with_a_quote_sign_in_its_name(tmp_path: Path) -> None:
    url = made(
        tmp_path,
        'create table "my ""log""" (user_id text, sku text)',
        'insert into "my ""log""" values (\'u\', \'a\')',
    )
    assert read(url, to=tmp_path / "shop").rows("events") == 1
