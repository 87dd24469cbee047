"""How a shop lies on disk: Parquet tables, and one `shop.json` that says what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired

import polars as pl
from typing_extensions import TypedDict

from wareloom.core.settings import Count
from wareloom.core.state import read_json, write_json
from wareloom.errors import SchemaError, SourceError
from wareloom.shop import schema

ROW_GROUP = 250_000
"""Rows of a row group of Parquet"""
FEW = {"images": 128}
"""The same for tables whose rows are large: who reads on from some row reads a group, which has to fit into memory"""
BLOCK = 1 << 20
AGAIN = "copy the shop anew, or read its source again."


def row_group(table: str) -> int:
    """Rows of a row group of Parquet for a table."""
    return FEW.get(table, ROW_GROUP)


class SaidOfFile(TypedDict):
    """What `shop.json` says of a table's file."""

    bytes: Count
    sha256: str


class Head(TypedDict):
    """What `shop.json` says; one that was written before 0.1.0 was done lacks `files`, a real shop's lacks `keeps`."""

    version: int
    meta: dict[str, Any]
    tables: list[str]
    rows: dict[str, Count]
    files: NotRequired[dict[str, SaidOfFile]]
    fingerprint: str
    keeps: NotRequired[Literal["private", "counts", "people"]]


def write_head(folder: Path, meta: Mapping[str, Any], keeps: str | None = None) -> None:
    """Write `shop.json` for the Parquet tables that lie in `folder`: rows, bytes and SHA-256 of each, and of all.

    `keeps`: what they hold of real users, see `wareloom.shop.keeps`. Rows of a real log's behaviour are people's.
    """
    names = [name for name in schema.TABLES if (folder / f"{name}.parquet").exists()]
    files, fingerprint = digests(folder, names)
    head = {
        "version": schema.VERSION,
        "meta": dict(meta),
        "tables": names,
        "rows": {name: rows(folder / f"{name}.parquet") for name in names},
        "files": files,
        "fingerprint": fingerprint,
    }
    if keeps is not None:
        head["keeps"] = "people" if _real_behaviour(folder, names) else keeps
    write_json(folder / "shop.json", head)


def _real_behaviour(folder: Path, names: list[str]) -> bool:
    """Whether a row of a table other than the catalogue's says that it is real."""
    return any(
        pl.scan_parquet(folder / f"{name}.parquet", glob=False)
        .select((pl.col("origin") == schema.REAL).any())
        .collect(engine="streaming")
        .item()
        for name in names
        if name not in schema.CATALOGUE
    )


def digests(folder: Path, names: list[str]) -> tuple[dict[str, dict[str, Any]], str]:
    """Bytes and SHA-256 of each table's file, and the SHA-256 over the names and contents of all."""
    files, whole = {}, hashlib.sha256()
    for name in names:
        whole.update(name.encode())
        own, size = hashlib.sha256(), 0
        with (folder / f"{name}.parquet").open("rb") as file:
            while block := file.read(BLOCK):
                whole.update(block)
                own.update(block)
                size += len(block)
        files[name] = {"bytes": size, "sha256": own.hexdigest()}
    return files, whole.hexdigest()


def rows(path: Path) -> int:
    """Rows that a Parquet file says it has, by its footer."""
    return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def read_head(folder: Path) -> dict[str, Any]:
    """Read `shop.json`; raises `SourceError` where it is missing, damaged or of a newer Wareloom."""
    if not folder.is_dir():
        raise SourceError(
            f"There is no shop at {folder}: no such folder. `wareloom read SOURCE --to {folder}` makes one."
        )
    if not (folder / "shop.json").exists():
        if (folder / "split.json").exists():
            raise SourceError(
                f"{folder} is a split and no shop: name one of its parts, such as {folder / 'train'}."
            )
        raise SourceError(
            f"{folder} is not a shop: it has no shop.json. `wareloom read {folder} --to SHOP` reads raw files."
        )
    head: Any = read_json(folder / "shop.json")
    version = head.get("version") if isinstance(head, dict) else None
    if isinstance(version, int) and version > schema.VERSION:
        raise SourceError(
            f"{folder} was written by a newer Wareloom (schema {version}): upgrade to read it."
        )
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(Head).validate_python(head, strict=True)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "it"
        raise SourceError(
            f"{folder / 'shop.json'} is damaged: {where!r} is not what a shop says; {AGAIN}"
        ) from error
    if strange := [name for name in head["tables"] if name not in schema.TABLES]:
        raise SourceError(
            f"{folder / 'shop.json'} is damaged: it lists the table {strange[0]!r}; {AGAIN}"
        )
    found: dict[str, Any] = head
    return found


def open_tables(folder: Path, head: Mapping[str, Any]) -> dict[str, pl.LazyFrame]:
    """Return the tables that a head lists, lazily; raises `SourceError` for a file that is not what it says.

    Sizes and the rows in footers are compared, which reads no rows; `verify` reads all.
    """
    tables = {}
    for name in head["tables"]:
        path = folder / f"{name}.parquet"
        if not path.is_file():
            raise SourceError(
                f"The shop {folder} lacks {path.name}, which its shop.json lists: was it copied whole?"
            )
        said = _said(head, name)
        if "bytes" in said and path.stat().st_size != said["bytes"]:
            raise SourceError(
                f"{path} has {path.stat().st_size:,} bytes and not the {said['bytes']:,} of its shop.json: it was cut "
                f"short or changed; {AGAIN}"
            )
        try:
            found = rows(path)
            tables[name] = schema.conform(name, pl.scan_parquet(path, glob=False))
        except (pl.exceptions.PolarsError, SchemaError, OSError) as error:
            raise SourceError(
                f"{path} cannot be read as the table {name!r}: {_first(error)}; {AGAIN}"
            ) from error
        if name in head["rows"] and found != head["rows"][name]:
            raise SourceError(
                f"{path} has {found:,} rows and not the {head['rows'][name]:,} of its shop.json: it was changed; "
                f"{AGAIN}"
            )
    return tables


def verify(folder: Path) -> None:
    """Read every byte of a shop's tables; raises `SourceError` where they are not those that were written."""
    head = read_head(folder)
    files, fingerprint = digests(folder, head["tables"])
    for name, found in files.items():
        said = _said(head, name)
        if said and said["sha256"] != found["sha256"]:
            raise SourceError(
                f"{folder / name}.parquet is not what was written: its SHA-256 is another one than shop.json says. "
                f"It was damaged or edited; {AGAIN}"
            )
    if fingerprint != head["fingerprint"]:
        raise SourceError(
            f"The tables of {folder} are not those that its shop.json was written for: their SHA-256 is another one. "
            f"One was damaged or edited; {AGAIN}"
        )


def _said(head: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a head says of a table's file; nothing where it is too old to."""
    files = head.get("files")
    said = files.get(name) if isinstance(files, dict) else None
    return said if isinstance(said, dict) and {"bytes", "sha256"} <= said.keys() else {}


def _first(error: Exception) -> str:
    """The first line of a message, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
