"""MariaDB and DuckDB: each query is read in the database's own language, and nothing is ever written."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wareloom.errors import SchemaError, SettingError, SourceError
from wareloom.readers import read
from wareloom.readers._statements import check_statement

sqlalchemy = pytest.importorskip("sqlalchemy")

TABLES = (
    "create table products (product_id integer primary key, title varchar(40), price decimal(8, 2))",
    "create table orders (customer varchar(9), product_id integer, created_at timestamp, qty integer)",
    "insert into products values (1, 'Mug', 9.50), (2, 'Jug', 12.00)",
    "insert into orders values ('u1', 1, '2020-01-01 10:00:00', 2), ('u2', 2, '2020-01-02 11:30:00', 1)",
)
EVENTS = [("u1", "1", 2.0), ("u2", "2", 1.0)]


def fill(url: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in TABLES:
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()


def taken(url: str, folder: Path, **settings: str) -> list[tuple]:
    shutil.rmtree(folder / "shop", ignore_errors=True)
    shop = read(url, to=folder / "shop", settings=settings)
    assert shop.table("items").select("title", "price").rows() == [("Mug", 9.5), ("Jug", 12.0)]
    return shop.table("events").select("user_id", "item_id", "quantity").rows()


# What one language takes for text or a comment, another one runs.
HIDDEN = [
    ("mysql", "select * from orders /*M! into outfile 'x' */"),
    ("mysql", "select * from orders /*!50000 into outfile 'x' */"),
    ("mysql", "select 5--1 into outfile 'x' from orders"),
    ("mysql", "select * from orders # '\n into outfile 'x' -- '"),
    ("mysql", 'select "\\"" into outfile \'x\' -- "\n from orders'),
    ("mysql", "select customer as $$ into outfile 'x' from orders -- $$"),
    ("mysql", "select '\\'' into outfile 'x' from orders"),
    ("postgresql", "select '\\'; delete from orders; --'"),
    ("postgresql", "select `a; delete from orders; --`"),
    ("duckdb", "select '\\'; copy orders to 'x'; --'"),
    ("sqlite", "select '\\'; delete from orders; --'"),
    ("mssql", "select '\\'; delete from orders; --'"),
]
PLAIN = [
    ("mysql", "select 'it\\'s; into' as a, \"b; 'into\", `into`, 5--1 from orders # ; into"),
    ("mariadb", "select * from orders -- ; into\n"),
    ("postgresql", "select 'C:\\', $x$; into $x$, E'it\\'s; into', a[1:2] from orders"),
    ("duckdb", "select {'a': 1}, ['b;c'], $$ into $$ from orders"),
    ("sqlite", "select 'C:\\', `into`, [delete] from orders"),
    ("mssql", "select top 5 [into], 'a;b' from orders"),
]


@pytest.mark.parametrize(("backend", "query"), HIDDEN)
def test_nothing_hides_in_text_or_comments(backend: str, query: str) -> None:
    with pytest.raises(SettingError, match="Give one SELECT"):
        check_statement(query, "events query", backend)


@pytest.mark.parametrize(("backend", "query"), PLAIN)
def test_a_database_s_own_text_and_names_are_taken(backend: str, query: str) -> None:
    check_statement(query, "events query", backend)


def test_a_colon_inside_of_text_is_no_parameter(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    fill(url)
    query = "select customer, product_id, qty from orders where ':x' = ':x' and '%H:%i' like '%:%'"
    assert taken(url, tmp_path, items="products", events=query) == EVENTS


def test_bytes_are_text_where_they_are_and_hexadecimal_where_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    fill(url)
    query = "select x'6131' as user_id, 1 as product_id union all select x'ff00', 2"
    shop = read(url, to=tmp_path / "shop", settings={"items": "products", "events": query})
    assert shop.table("events")["user_id"].to_list() == ["a1", "ff00"]


def test_a_driver_that_is_not_there(tmp_path: Path) -> None:
    for driver in ("mysql+cymysql", "postgresql+pg8000"):
        with pytest.raises(SourceError, match="Install that driver, or name another one"):
            read(f"{driver}://u:geheim@127.0.0.1/d", to=tmp_path / "shop")


# DuckDB


@pytest.fixture
def duckdb(tmp_path: Path) -> str:
    pytest.importorskip("duckdb_engine")
    url = f"duckdb:///{tmp_path}/shop.duckdb"
    fill(url)
    return url


def test_duckdb(tmp_path: Path, duckdb: str) -> None:
    assert taken(duckdb, tmp_path) == EVENTS
    assert taken(duckdb, tmp_path, items="products", events="orders") == EVENTS
    # What would let a connection write is not heeded.
    assert taken(f"{duckdb}?access_mode=read_write", tmp_path) == EVENTS


def test_no_duckdb_file_is_made_or_touched(tmp_path: Path, duckdb: str) -> None:
    before = (tmp_path / "shop.duckdb").read_bytes()
    for query in ("copy orders to 'x.csv'", "delete from orders", "attach 'x.duckdb' as x"):
        with pytest.raises(SettingError, match="Give one SELECT"):
            read(duckdb, to=tmp_path / "shop", settings={"events": query})
    for named in ("none.duckdb", "none.duckdb?access_mode=read_write"):
        with pytest.raises(SourceError, match=r"no DuckDB file .*none\.duckdb: nothing is made"):
            read(f"duckdb:///{tmp_path}/{named}", to=tmp_path / "shop")
    for named in ("duckdb:///:memory:", "duckdb://"):
        with pytest.raises(SourceError, match="in memory has nothing to read"):
            read(named, to=tmp_path / "shop")
    (tmp_path / "text.duckdb").write_text("no database")
    with pytest.raises(SourceError, match="not a valid DuckDB database"):
        read(f"duckdb:///{tmp_path}/text.duckdb", to=tmp_path / "shop")
    assert (tmp_path / "shop.duckdb").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shop.duckdb", "text.duckdb"]


# MariaDB


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MariaDB server of our own in a temporary folder; gives its URL with a password."""
    pytest.importorskip("pymysql")
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    client = shutil.which("mariadb")
    if not (install and server and client):
        pytest.skip("MariaDB's programs are not installed")
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    user = getpass.getuser()
    own = ["--no-defaults", f"--datadir={folder}/data"]
    if os.geteuid() == 0:
        own.append(f"--user={user}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [install, *own, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        **quiet,
    )
    own += [f"--socket={folder}/socket", "--bind-address=127.0.0.1", f"--port={port}"]
    own += [f"--pid-file={folder}/pid", "--skip-name-resolve", "--secure-file-priv="]
    running = subprocess.Popen([server, *own], **quiet)
    made = (
        "create database shop; create user shop@'127.0.0.1' identified by 'geheim';"
        "grant all on *.* to shop@'127.0.0.1'"
    )
    ask = [client, "--no-defaults", f"--socket={folder}/socket", "-uroot", "-e", made]
    try:
        for _ in range(120):
            if subprocess.run(ask, check=False, **quiet).returncode == 0:
                break
            time.sleep(0.25)
        yield f"mysql+pymysql://shop:geheim@127.0.0.1:{port}/shop"
    finally:
        running.terminate()
        running.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shop_of_mariadb(mariadb: str) -> str:
    fill(mariadb)
    engine = sqlalchemy.create_engine(mariadb)
    with engine.begin() as connection:
        body = "begin delete from orders; return 1; end"
        made = f"create function wiped() returns int deterministic modifies sql data {body}"
        connection.execute(sqlalchemy.text(made))
    engine.dispose()
    return mariadb


def test_mariadb(tmp_path: Path, shop_of_mariadb: str) -> None:
    assert taken(shop_of_mariadb, tmp_path) == EVENTS
    query = "select customer, product_id, qty from orders where customer like 'u%' # all of them"
    assert taken(shop_of_mariadb, tmp_path, items="products", events=query) == EVENTS
    text = (tmp_path / "shop" / "read.json").read_text()
    assert "geheim" not in text
    assert "shop:***@127.0.0.1" in text


def test_mariadb_only_reads(tmp_path: Path, shop_of_mariadb: str) -> None:
    target = tmp_path / "x.csv"
    tmp_path.chmod(0o777)
    written = [
        query.replace("'x'", f"'{target}'") for backend, query in HIDDEN if backend == "mysql"
    ]
    for query in (
        f"select * from orders into outfile '{target}'",
        f"select customer from orders limit 1 into dumpfile '{target}'",
        "select customer, product_id, wiped() as qty from orders",
        "select * from orders for update",
        *written,
    ):
        with pytest.raises((SettingError, SourceError, SchemaError)):
            read(shop_of_mariadb, to=tmp_path / "shop", settings={"events": query})
        assert not target.exists()
    # A command in the address cannot open the connection for writing.
    opened = f"{shop_of_mariadb}?init_command=set session transaction read write"
    query = "select customer, product_id, wiped() as qty from orders"
    with pytest.raises(SourceError, match="READ ONLY transaction"):
        read(opened, to=tmp_path / "shop", settings={"events": query})
    assert taken(shop_of_mariadb, tmp_path) == EVENTS


def test_mariadb_shows_no_password(tmp_path: Path, shop_of_mariadb: str) -> None:
    for wrong in (
        shop_of_mariadb.replace("geheim", "geheimer"),
        shop_of_mariadb + "?password=geheimnis",
    ):
        with pytest.raises(SourceError) as caught:
            read(wrong, to=tmp_path / "shop", settings={"events": "nix"})
        assert "geheim" not in str(caught.value)
    with pytest.raises(SourceError, match="names no database"):
        read(shop_of_mariadb.removesuffix("shop"), to=tmp_path / "shop")
