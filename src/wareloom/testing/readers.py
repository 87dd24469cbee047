"""The contract of readers: what they know, how they read their own example, and what they say of broken sources.

A reader's `example` is its smallest source, by which it is held to these laws.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl

from wareloom.errors import InputError, SourceError
from wareloom.readers import Reader, read
from wareloom.shop import Shop
from wareloom.shop.schema import TABLES
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, law, refused

DATABASES = (".sqlite", ".db")
DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "half of it": lambda data: data[: len(data) // 2],
    "its first byte": lambda data: data[:1],
    "nothing": lambda data: b"",
    "other bytes": lambda data: bytes(range(256)) * 4,
    "zeros": lambda data: bytes(len(data)),
    "another encoding": lambda data: "ÄÖÜ,é\n".encode("utf-16-le") + data,
    "a picture": lambda data: b"\x89PNG\r\n\x1a\n" + data,
    "an open quote": lambda data: data + b'"',
    "brackets": lambda data: b"[" * 1000,
}
"""What can become of a file on its way"""
LAWS: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
"""What every reader keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


@contextmanager
def example_of(cls: type[Reader]) -> Iterator[tuple[Path, str]]:
    """A reader's example in a folder of its own, and the source that `read` is given."""
    assert cls.example, "it has no example: give its smallest source, as text by file name"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve() / "source"
        place.mkdir()
        for name, text in cls.example.items():
            write(place / name, text)
        yield place, _source(cls, place)


def write(path: Path, text: str) -> None:
    """Write a file of an example: rows as Parquet, statements as a database, base64 as a picture, all else as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pl.read_ndjson(io.StringIO(text)).write_parquet(path)
    elif path.suffix == ".png":
        path.write_bytes(base64.b64decode(text))
    elif path.suffix in DATABASES:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(text)
    else:
        path.write_text(text, encoding="utf-8")


@law(LAWS, "recognises its own example")
def recognises_its_own_example(cls: type[Reader]) -> None:
    """`detect` says yes to the example."""
    with example_of(cls) as (_, source):
        assert cls.detect(source) is True, "it does not know its own example"


@law(LAWS, "detects without raising")
def detects_without_raising(cls: type[Reader]) -> None:
    """`detect` answers yes or no to whatever there is, also to what is broken or not there."""
    with example_of(cls) as (place, source):
        for asked in (
            source,
            str(place),
            str(place / "none"),
            "",
            "no://such/place",
            str(place / "*"),
        ):
            assert cls.detect(asked) in (True, False), asked
        for path in sorted(place.iterdir()):
            whole = path.read_bytes()
            for damage in DAMAGES.values():
                path.write_bytes(damage(whole))
                assert cls.detect(source) in (True, False), path.name
                assert cls.detect(str(path)) in (True, False), path.name
            path.write_bytes(whole)
        for name in ("broken.zip", "broken.csv.gz"):
            (place / name).write_bytes(b"PK\x03\x04 \x1f\x8b and no more")
        assert cls.detect(source) in (True, False)


@law(LAWS, "reads its example")
def reads_its_example(cls: type[Reader]) -> None:
    """The example becomes a shop of rows, and `read.json` accounts for each that came."""
    with example_of(cls) as (place, source):
        shop = _read(cls, source, place.parent / "shop")
        assert set(shop.names) <= set(TABLES)
        assert any(shop.rows(name) for name in shop.names), "its example has no row"
        told = json.loads((place.parent / "shop" / "read.json").read_text(encoding="utf-8"))
        for name, counts in told["tables"].items():
            assert counts["came"] == counts["taken"] + sum(counts["rejected"].values()), name


@law(LAWS, "reading twice gives the same")
def reading_twice_gives_the_same(cls: type[Reader]) -> None:
    """The same source gives the same shop, to the fingerprint."""
    with example_of(cls) as (place, source):
        first, second = (_read(cls, source, place.parent / name) for name in ("one", "two"))
        assert first.fingerprint == second.fingerprint


@law(LAWS, "writes nothing but the shop")
def writes_nothing_but_the_shop(cls: type[Reader]) -> None:
    """The source stays as it was, and beside the shop there is nothing new."""
    with example_of(cls) as (place, source):
        before = _contents(place)
        _read(cls, source, place.parent / "shop")
        assert _contents(place) == before, "its source was changed"
        assert sorted(path.name for path in place.parent.iterdir()) == ["shop", "source"]


@law(LAWS, "refuses what is not there")
def refuses_what_is_not_there(cls: type[Reader]) -> None:
    """A source that is not there is named."""
    with example_of(cls) as (place, source):
        lacking = source.replace("source", "nowhere")
        with refused(SourceError, "" if cls.urls else "nowhere"):
            _read(cls, lacking, place.parent / "shop")


@law(LAWS, "refuses empty files")
def refuses_empty_files(cls: type[Reader]) -> None:
    """A source whose files have no byte is refused, and named; nothing is left."""
    with example_of(cls) as (place, source):
        for path in place.iterdir():
            path.write_bytes(b"")
        _refuses(cls, source, place)


@law(LAWS, "refuses another kind")
def refuses_another_kind(cls: type[Reader]) -> None:
    """A source that holds nothing of its format is refused, and named; nothing is left."""
    with example_of(cls) as (place, source):
        for path in place.iterdir():
            path.unlink()
        if cls.urls:
            (place / next(iter(cls.example))).write_bytes(b"a letter, no database\n" * 99)
        else:
            (place / "letter.docx").write_bytes(b"Dear all,\n")
        _refuses(cls, source, place)


@law(LAWS, "answers damage without a traceback")
def answers_damage_without_a_traceback(cls: type[Reader]) -> None:
    """Whatever became of a file, it is read, or refused as wrong input; then nothing is left."""
    with example_of(cls) as (place, source):
        for path in sorted(place.iterdir()):
            whole = path.read_bytes()
            for what, damage in DAMAGES.items():
                path.write_bytes(damage(whole))
                target = place.parent / f"{path.name} {what}"
                said = None
                try:
                    _read(cls, source, target)
                except InputError as error:
                    said = str(error)
                assert said != "", f"{path.name}, {what}: nothing is said"
                assert said is None or not target.exists(), (
                    f"{path.name}, {what}: something is left"
                )
            path.write_bytes(whole)


def _source(cls: type[Reader], place: Path) -> str:
    return f"sqlite:///{place / next(iter(cls.example))}" if cls.urls else str(place)


def _read(cls: type[Reader], source: str, to: Path) -> Shop:
    return read(source, to=to, as_=cls, settings=kit.quick(cls))


def _refuses(cls: type[Reader], source: str, place: Path) -> None:
    target = place.parent / "shop"
    names = "|".join(map(re.escape, ("source", *cls.example)))
    with refused(InputError, names):
        _read(cls, source, target)
    assert not target.exists(), "something is left"


def _contents(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()}
