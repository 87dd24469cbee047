"""Broken sources: each is answered with the value, the place and the remedy, and leaves nothing half-made."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zipfile
from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import OutputError, SchemaError, SettingError, SourceError, UnknownNameError
from wareloom.readers import read

EVENTS = (
    "user_id,item_id,timestamp,price\nu1,a,1600000000,1\nu1,b,1600000100,2\nu2,a,1600000200,3\n"
)


def refused(source: Path, kind: type[Exception], *words: str, **options: object) -> str:
    """Read `source`, expect `kind` with `words`, and nothing left behind."""
    folder = source.parent if source.parent.is_dir() else Path("/nowhere")
    before = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    with pytest.raises(kind) as caught:
        read(source, to=folder / "shop", **options)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)
    assert sorted(p.name for p in folder.iterdir()) == before
    return str(caught.value)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "events.csv", EVENTS)
    refused(tmp_path / "event.csv", SourceError, "event.csv is not there", "'events.csv'")
    refused(tmp_path / "*.tsv", SourceError, "No file fits")


@pytest.mark.parametrize("name", ["events.csv", "events.jsonl"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path / name, b""), SourceError, name, "is empty (0 bytes)", "Write it again")


def test_a_header_without_rows(tmp_path: Path) -> None:
    refused(
        write(tmp_path / "events.csv", "user_id,item_id\n"),
        SourceError,
        "events.csv has a header and no rows",
    )


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_truncated_gzip(tmp_path: Path, keep: float) -> None:
    lines = "".join(f"u{n},i{n * 7919 % 1000},{1600000000 + n}\n" for n in range(5000))
    whole = gzip.compress(b"user_id,item_id,timestamp\n" + lines.encode())
    source = write(tmp_path / "events.csv.gz", whole[: int(len(whole) * keep)])
    refused(
        source,
        SourceError,
        "events.csv.gz is truncated or damaged",
        "fetch or write it again",
        as_="tables",
    )


def test_a_truncated_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("events.csv", EVENTS)
    whole = (tmp_path / "all.zip").read_bytes()
    source = write(tmp_path / "all.zip", whole[: len(whole) // 2])
    refused(
        source, SourceError, "all.zip is not a whole zip archive", "Fetch it again", as_="tables"
    )


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    source = write(tmp_path / "items.csv", "item_id,title\na,plain\nb,café\n".encode("latin-1"))
    refused(
        source,
        SourceError,
        "items.csv is not utf-8",
        "byte 0xe9 near offset 27, line 3",
        "cp1252 would read “b,café”",
        "--set encoding=cp1252",
    )
    shop = read(source, to=tmp_path / "shop", settings={"encoding": "latin-1"})
    assert shop.table("items")["title"].to_list() == ["plain", "café"]
    refused(source, SettingError, "encoding='latin-l'", "latin-1", settings={"encoding": "latin-l"})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    source = write(tmp_path / "items.csv", "商品id,标题\na,红色连衣裙\n".encode(encoding))
    settings = {"encoding": encoding} if encoding == "gb18030" else {}
    assert read(source, to=tmp_path / "shop", settings=settings).table("items")[
        "title"
    ].to_list() == ["红色连衣裙"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_without_end_is_refused_in_little_memory(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("events.csv.gz" if packed else "events.csv")
    with gzip.open(path, "wb", compresslevel=1) if packed else path.open("wb") as file:
        file.write(b"user_id,item_id\nu,a\n")
        for _ in range(64):
            file.write(b"x" * (1 << 20))
    tracemalloc.start()
    start = time.monotonic()
    refused(path, SourceError, "line 3 is longer than 16 MiB", as_="tables")
    assert tracemalloc.get_traced_memory()[1] < 30 << 20
    assert time.monotonic() - start < 60
    tracemalloc.stop()


def test_ragged_rows(tmp_path: Path) -> None:
    lines = 'user_id,item_id,title\nu1,a,"x, y"\nu2,b\n\nu3,c,z,more\nu4,d,"two\nlines"\nu5,e,\n'
    source = write(tmp_path / "events.csv", lines)
    refused(
        source,
        SchemaError,
        "events.csv, row 3: fewer fields than the 3 columns",
        "(1 more",
        "--on-error reject",
    )
    shop = read(source, to=tmp_path / "shop", on_error="reject")
    assert shop.table("events")["user_id"].to_list() == ["u1", "u4", "u5"]
    aside = pl.read_parquet(tmp_path / "shop" / "rejected" / "events.parquet")
    assert aside["reason"].to_list() == [
        "line: fewer fields than the 3 columns",
        "line: more fields than the 3 columns",
    ]
    assert aside["source_row"].to_list() == [3, 5]


def test_a_missing_column(tmp_path: Path) -> None:
    source = write(tmp_path / "events.csv", "user_id,item_idd,time\nu,a,1600000000\n")
    message = refused(source, SchemaError, "'item_id'", "productid", "item_idd", "--set map=")
    assert "Did you mean 'item_idd'" in message


def test_mixed_dates_a_nan_price_and_an_id_used_twice(tmp_path: Path) -> None:
    log = write(
        tmp_path / "events.csv",
        "user_id,item_id,date\nu,a,2020-01-01\nu,a,2020-01-02\nu,a,05.01.2020\n",
    )
    refused(
        log,
        SchemaError,
        "events.csv, row 4, column 'time': '05.01.2020' is not a time in the form %Y-%m-%d",
        "time_format",
    )
    items = write(tmp_path / "items.csv", "sku,price\na,1\nb,NaN\n")
    refused(
        items,
        SchemaError,
        "items.csv, row 3, column 'price': 'NaN' is NaN or infinite",
        "--on-error reject",
    )
    items = write(tmp_path / "items.csv", "sku,price\na,1\na,2\n")
    refused(
        items,
        SchemaError,
        "items.csv, row 3, column 'item_id': 'a' was used before, in items.csv, row 2",
    )


def test_an_event_on_an_unknown_item_is_set_aside_and_the_shop_is_made(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write(source / "items.csv", "sku,price\na,1\n")
    write(source / "events.csv", EVENTS)
    shop = read(source, to=tmp_path / "shop")
    assert shop.rows("events") == 2
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert told["tables"]["events"] == {
        "came": 3,
        "taken": 2,
        "rejected": {"item_id: not in the table items": 1},
    }
    assert told["not_recognised"] == {}
    assert told["value_from"] == {"events.csv": "price"}
    aside = pl.read_parquet(tmp_path / "shop" / "rejected" / "events.parquet")
    assert aside.select("item_id", "source_file", "source_row").rows() == [("b", "events.csv", 3)]


def test_lines_that_are_no_json(tmp_path: Path) -> None:
    source = write(tmp_path / "items.jsonl", '{"sku": "a"}\n{"sku": "b"\n[1]\n{"sku": "c"}\n')
    refused(source, SchemaError, "items.jsonl, row 2: no JSON object", "--on-error reject")
    assert read(source, to=tmp_path / "shop", on_error="reject").table("items")[
        "item_id"
    ].to_list() == ["a", "c"]


def test_an_open_quote_and_no_parquet(tmp_path: Path) -> None:
    source = write(tmp_path / "events.csv", 'user_id,item_id\nu,"a\nv,b\n')
    refused(source, SourceError, "events.csv opens a quote that it never closes", "quote=none")
    source = write(tmp_path / "events.csv", 'user_id,item_id\nu,5" a\nv,6" b\nw,c\n')
    refused(source, SourceError, "events.csv cannot be read", "quote=none")
    shop = read(source, to=tmp_path / "made", settings={"quote": "none"})
    assert shop.table("events")["item_id"].to_list() == ['5" a', '6" b', "c"]
    refused(
        write(tmp_path / "events.parquet", b"PAR1 nothing"),
        SourceError,
        "events.parquet cannot be read",
    )


@pytest.mark.parametrize(
    "full", [OSError(28, "No space left on device"), pl.exceptions.ComputeError("x (os error 28)")]
)
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Exception) -> None:
    def sink(*_: object, **__: object) -> None:
        raise full

    source = write(tmp_path / "events.csv", EVENTS)
    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", sink)
    refused(
        source,
        OutputError,
        "No space left on device",
        str(tmp_path / "shop"),
        "Nothing was left half-written",
    )


def test_wrong_calls(tmp_path: Path) -> None:
    source = write(tmp_path / "events.csv", EVENTS)
    refused(source, UnknownNameError, "No reader is called 'table'", "'tables'", as_="table")
    refused(source, SettingError, "Tables has no setting 'evnt'", "'event'", settings={"evnt": "x"})
    refused(source, SettingError, "event='buy' is not known", "purchase", settings={"event": "buy"})
    refused(
        write(tmp_path / "notes.docx", "x"), SourceError, "No reader knows", "movielens", "--as"
    )
    (tmp_path / "shop").mkdir()
    write(tmp_path / "shop" / "mine.txt", "x")
    refused(source, OutputError, "choose another")
