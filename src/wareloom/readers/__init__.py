"""Readers: bring one source format each to the door, and through it into a shop."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from wareloom.core.asked import Kind, a_path, of_class
from wareloom.core.family import READERS, Algorithm, Family
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.secrets import filled, scrubbed, secrets_in
from wareloom.core.settings import configure
from wareloom.core.state import write_json
from wareloom.errors import OutputError, SettingError, SourceError, near
from wareloom.preparing.door import admit
from wareloom.readers._frames import FRAMES, frames_of
from wareloom.readers._header import are_signs_only, beginning, head_of, without_lines
from wareloom.readers._json import LARGEST, json_lines
from wareloom.readers._map import Form
from wareloom.readers._scan import delimited, parquet
from wareloom.readers._text import (
    LONGEST_LINE,
    Piece,
    Text,
    head,
    is_backslashed,
    opened,
    pieces,
    read_text,
    unescaped,
    unpacked,
)
from wareloom.shop import Shop
from wareloom.shop.storage import write_head

__all__ = ["Intake", "Reader", "find", "read"]


@dataclass
class Intake:
    """What a reader works with while it reads, and what it has to tell."""

    folder: Path
    """A folder for temporary files, removed at the end"""
    run: Run
    not_recognised: dict[str, list[str]] = field(default_factory=dict)
    """Columns that nobody asked for, by file"""
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each column was taken for, by file: TABLE.COLUMN by the source's column"""
    items_from_log: dict[str, dict[str, str]] = field(default_factory=dict)
    """Columns of a log that describe its items, by file: source column by column of items"""
    value_from: dict[str, str] = field(default_factory=dict)
    """What the value of events was made of, by file, where no column says it"""
    joined: dict[str, list[str]] = field(default_factory=dict)
    """Files of order headers by the file of order lines that they were joined to"""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Columns left out on purpose, such as popularity known only after the log, by file"""
    skipped: dict[str, int] = field(default_factory=dict)
    """Rows of the source that are no rows of a shop, by what they are"""
    files: dict[str, int] = field(default_factory=dict)
    """Bytes by name of the files that were read"""
    said: list[str] = field(default_factory=list)
    """What was decided for the user, a sentence each, with the remedy"""
    logged: dict[str, set[str]] = field(default_factory=dict)
    """Plain names of the columns that logs use, by column of ids: tables of users and items follow them"""
    time_formats: dict[str, str] = field(default_factory=dict)
    """Forms of times that a map says, by file"""
    decimals: dict[str, str] = field(default_factory=dict)
    """Decimal marks that a map says, by file"""

    def say(self, sentence: str) -> None:
        """Keep a sentence for the user, once."""
        if sentence not in self.said:
            self.said.append(sentence)

    def text(
        self,
        piece: Piece,
        *,
        encoding: str = "utf-8",
        replace: tuple[bytes, bytes] | None = None,
        longest: int = LONGEST_LINE,
    ) -> Text:
        """Return a piece of the source as checked UTF-8 text, and note that it is read."""
        self.files[piece.where.rpartition("/")[2]] = piece.path.stat().st_size
        size = None if piece.packed else piece.path.stat().st_size
        with self.run.task(f"bytes of {piece.name}", size) as advance:
            text = read_text(
                piece,
                self.folder,
                encoding=encoding,
                replace=replace,
                longest=longest,
                advance=advance,
            )
        for sentence in text.told:
            self.say(sentence)
        return text

    def delimited(
        self, piece: Piece, separator: str = ",", *, encoding: str = "utf-8", **options: Any
    ) -> pl.LazyFrame:
        """Scan a delimited piece, see `wareloom.readers._scan.delimited`."""
        text = self.text(piece, encoding=encoding)
        return delimited(text, separator=separator, say=self.say, **options)

    def table(self, piece: Piece, form: Form) -> pl.LazyFrame:
        """Scan a delimited piece whose separator, quotes and first line are found where `form` does not say them."""
        text = self.text(piece, encoding=form.encoding)
        begins = beginning(text)
        start = head_of(text.name, begins, form.separator, form.skip, quoted=form.quoted)
        if start.told:
            self.say(start.told)
        text = without_lines(text, start.skip, self.folder)
        quote = form.quote if form.quoted else None
        if quote and start.separator == "\t" and not form.skip and are_signs_only(text, quote):
            quote = None
        if quote and form.escape != "none" and (form.escape or is_backslashed(text.path)):
            self.say(
                f"{text.name}: quote signs inside fields stand behind a backslash (--set escape=none: they do not)."
            )
            text = unescaped(text, self.folder)
        return delimited(
            text, separator=start.separator, quote=quote, before=start.skip, say=self.say
        )

    def json_lines(self, piece: Piece, *, encoding: str = "utf-8", **options: Any) -> pl.LazyFrame:
        """Read a piece of JSON lines, see `wareloom.readers._scan.json_lines`."""
        start = head(piece, 64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        # An array may stand on one line, however long.
        longest = sys.maxsize if start == b"[" else LARGEST if start == b"{" else LONGEST_LINE
        text = self.text(piece, encoding=encoding, longest=longest)
        return json_lines(text, self.folder, **options)

    def parquet(self, piece: Piece) -> pl.LazyFrame:
        """Scan a Parquet piece."""
        self.files[piece.where.rpartition("/")[2]] = piece.path.stat().st_size
        return parquet(unpacked(piece, self.folder), piece.name, self.say)


@dataclass(kw_only=True, eq=False)
class Reader(Algorithm, ABC):
    """Base of all readers: one file, one source format."""

    family: ClassVar[Family] = READERS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "tables": {
            "source": a_path,
            "intake": of_class("an Intake: wl.read makes one", Intake),
        }
    }
    generality: ClassVar[int] = 1
    """Where several readers know a source, the one of the least generality takes it."""
    urls: ClassVar[bool] = False
    """Whether the source is a URL; else it is a file or folder"""
    meta: ClassVar[Mapping[str, str]] = {}
    """What is known of every shop of this format: currency, language"""
    example: ClassVar[Mapping[str, str]] = {}
    """The smallest source of this format, text by file name: JSON lines for a Parquet file, SQL for a database.
    `wareloom.testing` holds the reader to its contract by it"""

    @classmethod
    @abstractmethod
    def detect(cls, source: str) -> bool:
        """Whether `source` looks like this format; looks at names and first lines only."""

    @abstractmethod
    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return frames by table, with the schema's column names, cells still as they came, and where each row stood.

        The columns `source_row`, `source_file` and `source_defect` (see `wareloom.preparing.door`) are passed on to the
        door. Raises `SourceError` for files that cannot be read and `SchemaError` for missing columns.
        """

    def of_frames(
        self, frames: Mapping[str, pl.LazyFrame], intake: Intake
    ) -> dict[str, pl.LazyFrame]:
        """Return what `tables` returns, for frames in memory; raises `SettingError` where only files are read."""
        raise SettingError(
            f"The reader {self.name!r} reads no frames; leave `as_` away, or write the frames to files first."
        )

    def check_fitted(self) -> None:
        """A reader needs no fit."""


def find(source: str) -> type[Reader]:
    """Return the reader that knows `source`; where several do, the most specific one."""
    readers = sorted(
        (READERS.load(name) for name in READERS.names()), key=lambda r: (r.generality, r.__module__)
    )
    found: type[Reader] | None = next((reader for reader in readers if reader.detect(source)), None)
    if found is None:
        if "://" not in source:
            # What is damaged is known to no reader: it says so itself.
            for piece in pieces(source):
                with opened(piece) as file:
                    file.read(1)
        raise SourceError(
            f"No reader knows {_shown(source)!r}: it is no file or folder of tables (.csv, .tsv, .jsonl, "
            f".parquet; .gz, .zip) and has not the file names or columns of "
            f"{', '.join(READERS.names())}. Name one with --as."
        )
    return found


def read(
    source: Any,
    *,
    to: str | Path | None = None,
    as_: str | type[Reader] = "auto",
    settings: Mapping[str, Any] | None = None,
    on_error: str = "stop",
    run: Run | None = None,
) -> Shop:
    """Read `source` into the shop folder `to` and return that shop; frames may be read without one, into memory.

    `source`: a file, folder, pattern, zip archive or URL; or a frame (polars, pandas, or whatever gives Arrow data), or
    frames by name, which are read as files of those names are. `as_`: a reader's name or class, or "auto". `settings`:
    the reader's settings. A folder that is a shop already, such as a release, is taken as it stands, with what it says
    of itself. `on_error`: what malformed cells do, "stop" (raise) or "reject" (their rows go to
    `rejected/TABLE.parquet` with a reason, as rows without a key or on unknown items always do). `read.json` in the
    folder says what came, was taken and set aside. Raises `SourceError`, `SchemaError`, `SettingError`, and
    `OutputError` where `to` cannot be written; then nothing is left there.
    """
    frames = None if isinstance(source, str | os.PathLike) else frames_of(source)
    if to is None:
        with _somewhere(frames, source) as place:
            how: dict[str, Any] = {"as_": as_, "settings": settings, "on_error": on_error}
            return read(frames, to=place, run=run, **how).in_memory()
    to, run = Path(to), run or Run()
    source = FRAMES if frames is not None else str(source)
    cls: type[Reader] | None = None
    if as_ != "auto":
        cls = READERS.load(as_) if isinstance(as_, str) else as_
    if frames is not None:
        cls = cls or READERS.load("tables")
        if not hasattr(cls, "of_frames"):
            raise SettingError(
                f"The reader {cls.__name__} reads no frames; leave as_ away, or write files first."
            )
    elif "://" not in source:
        _must_exist(source)
        if cls is None and (Path(source) / "shop.json").is_file():
            return _taken(Shop.open(source), to, source)
    cls = cls or find(source)
    reader: Reader = configure(cls, dict(settings or {}))
    if "://" in source and not cls.urls:
        raise SourceError(
            f"The reader {reader.name!r} reads files, and {_shown(source)} is a URL; databases are read with --as sql."
        )
    try:
        with replacing(to) as partial, run.task(f"read {_name(source)} as {reader.name}"):
            _fill(partial, reader, source, on_error, run, frames)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        raise OutputError(
            f"Cannot write {to}: {error.strerror}. Nothing was left half-written."
        ) from error
    return Shop.open(to)


@contextlib.contextmanager
def _somewhere(frames: Mapping[str, pl.LazyFrame] | None, source: Any) -> Iterator[Path]:
    """A place for a shop of frames that is to stay in memory; raises `SettingError` for what is no frame."""
    if frames is None:
        raise SettingError(
            f"read: say in which folder the shop shall lie: wl.read({_shown(str(source))!r}, to='shop'). Frames alone "
            "may be read without one."
        )
    with tempfile.TemporaryDirectory(prefix="wareloom-") as folder:
        yield Path(folder) / "shop"


def _taken(shop: Shop, to: Path, source: str) -> Shop:
    """A shop that was read, made or released before, whole."""
    shop.verify()
    rows = {name: shop.rows(name) for name in shop.names}
    tables = {name: {"came": n, "taken": n, "rejected": {}} for name, n in rows.items()}
    empty: dict[str, Any] = {name: {} for name in ("settings", "columns", "not_recognised")}
    empty |= {name: [] for name in ("files", "warnings", "said", "notes")} | {"left_out": {}}
    with replacing(to) as partial:
        for name in shop.names:
            shutil.copyfile(Path(source) / f"{name}.parquet", partial / f"{name}.parquet")
        write_head(partial, shop.meta, shop.keeps)
        told = {"source": _shown(source), "reader": "shop", "tables": tables}
        write_json(partial / "read.json", told | empty)
    return Shop.open(to)


def _fill(
    partial: Path,
    reader: Reader,
    source: str,
    on_error: str,
    run: Run,
    frames: Mapping[str, pl.LazyFrame] | None = None,
) -> None:
    """Make the shop in the empty folder `partial`."""
    intake = Intake(partial / "incoming", run)
    intake.folder.mkdir()
    try:
        tables = (
            reader.tables(filled(source), intake)
            if frames is None
            else reader.of_frames(frames, intake)
        )
        given = {"": getattr(reader, "time_format", ""), **intake.time_formats}
        decimal = {"": getattr(reader, "decimal", ""), **intake.decimals}
        told = admit(
            tables, partial, on_error=on_error, time_format=given, decimal=decimal, run=run
        )
    finally:
        shutil.rmtree(intake.folder, ignore_errors=True)
        shutil.rmtree(partial / "staged", ignore_errors=True)
    write_head(partial, {"name": _name(source), **reader.meta})
    came = {
        name: {"came": told.came[name], "taken": told.taken[name], "rejected": told.rejected[name]}
        for name in told.came
    }
    write_json(
        partial / "read.json",
        {
            "source": _shown(source),
            "reader": reader.name,
            "settings": {
                key: _shown(value) if isinstance(value, str) else value
                for key, value in reader.settings().items()
            },
            "on_error": on_error,
            "files": intake.files,
            "tables": came,
            "warnings": told.warnings,
            "notes": told.notes,
            "blanked": told.blanked,
            "derived": told.derived,
            "times": told.times,
            "decimals": told.decimals,
            "currencies": told.currencies,
            "columns": intake.columns,
            "items_from_log": intake.items_from_log,
            "value_from": intake.value_from,
            "joined": intake.joined,
            "not_recognised": intake.not_recognised,
            "left_out": intake.left_out,
            "skipped": intake.skipped,
            "said": intake.said,
        },
    )


def _must_exist(source: str) -> None:
    """Raise `SourceError` for a file or folder that is not there; a pattern must find something."""
    path = Path(source)
    if path.exists() or source == "completejourney":
        return
    if any(c in source for c in "*?["):
        if any(True for _ in path.parent.glob(path.name)):
            return
        raise SourceError(f"No file fits {source!r}.")
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    raise SourceError(f"{source} is not there: no such file or folder.{near(path.name, beside)}")


def _shown(source: str) -> str:
    """A source as it may be shown: without what is secret in a URL or a query."""
    return scrubbed(source, secrets_in(source) if "://" in source else ())


def _name(source: str) -> str:
    """The shop's name: the source's last part without endings."""
    last = os.path.basename(_shown(source).rstrip("/").partition("?")[0])
    return last.partition(".")[0] or last or "shop"
