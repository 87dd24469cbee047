"""JSON as lazy frames of text cells: lines, arrays, objects by id, and the parts of nested records."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from wareloom.errors import SourceError, near
from wareloom.preparing.door import BROKEN, FILE, ROW
from wareloom.preparing.values import LIST
from wareloom.readers._header import OWN
from wareloom.readers._map import NothingTaken
from wareloom.readers._names import COLUMNS, KEYS, plain
from wareloom.readers._text import CHUNK, Text

BATCH = 50_000
LARGEST = 1 << 30
"""Bytes of the largest file that is one object, which has to be held in memory as a whole"""
LONGEST = 64 << 20
"""Characters of the longest element of an array"""


def json_lines(
    text: Text,
    folder: Path,
    *,
    parse: Callable[[str], Any] | None = None,
    keep: Sequence[str] = (),
    each: str = "",
    paths: Sequence[str] = (),
) -> pl.LazyFrame:
    """Read JSON by way of Parquet pieces in `folder`; every cell is text.

    One object a line, an array of objects, an object of objects by id, or lists of ids (see `_whole`). Lists are text
    that begins with `LIST`; objects stay JSON. `parse` turns a line into a dictionary (JSON by default); `keep` names
    the fields that are wanted (all by default); `each` is the path of a list whose elements become rows; `paths` are
    dotted paths that become columns. A line that is no object carries that in `source_defect`.
    """
    records = _records(text, parse)
    if each or paths:
        records = _reached(records, each, paths, text.name)
    pieces: list[pl.LazyFrame] = []
    width, wrong = 0, ""
    for batch in _batches(records, set(keep)):
        width = max(width, batch.width)
        wrong = wrong or str(batch[BROKEN].drop_nulls().first() or "")
        path = folder / f"piece-{len(list(folder.iterdir())):06d}.parquet"
        batch.write_parquet(path, compression="lz4")
        pieces.append(pl.scan_parquet(path, glob=False))
    if not pieces:
        raise SourceError(
            f"{text.name} has no lines: was its writing cut short? Write it again, or leave it out."
        )
    if width <= len((ROW, BROKEN)) and wrong:
        raise SourceError(
            f"{text.name} holds no record: {wrong[:200]}. Write one object a line, or an array of objects."
        )
    return pl.concat(pieces, how="diagonal").with_columns(pl.lit(text.name).alias(FILE))


def _parse(line: str) -> Any:
    return json.loads(line, parse_float=str, parse_int=str, parse_constant=str)


Record = tuple[int, Any, str | None]
"""A record's number, the record, and what is wrong with it."""


def _records(text: Text, parse: Callable[[str], Any] | None) -> Iterator[Record]:
    """The records of a text, one a line or in one whole; always one a line where `parse` is given."""
    with text.path.open(encoding="utf-8", newline="\n") as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        first = list(itertools.islice(lines, 2))
        if not first:
            return
        start = first[0][1].lstrip("\ufeff \t")[:1] if parse is None else ""
        listed = start == "[" and len(first) > 1 and _is_value(first[0][1])
        if start == "[" and not listed:
            yield from _array(text)
            return
        if start == "{" and (len(first) == 1 or not _is_value(first[0][1])):
            found = _object(text)
            if found is not None:
                yield from found
                return
        for number, line in itertools.chain(first, lines):
            yield from _line(number, line, parse or _parse, listed)


def as_lines(text: Text, folder: Path) -> Text:
    """JSON of any form as one object a line; what is none stays as it is, for its defect to be found."""
    target = folder / f"{len(list(folder.iterdir())):04d}-lines-{text.name}"
    with target.open("w", encoding="utf-8") as out:
        for _, record, wrong in _records(text, None):
            out.write(f"{json.dumps(record) if wrong is None else wrong}\n")
    return Text(text.name, target, text.told)


def _line(number: int, line: str, parse: Callable[[str], Any], listed: bool) -> Iterator[Record]:
    """The record of one line, or the ids of one where lines are lists (`listed`)."""
    try:
        record = parse(line)
    except (ValueError, SyntaxError, RecursionError) as error:
        yield number, {}, f"{'no JSON object' if parse is _parse else 'no record'} ({error})"
        return
    if listed and isinstance(record, list):
        yield from _element(number, record)
    elif isinstance(record, dict):
        yield number, record, None
    else:
        yield number, {}, "no JSON object"


def _basket(number: int, ids: list[Any]) -> Iterator[Record]:
    """A list of ids alone is a basket: a session without a user."""
    for value in ids:
        yield number, {"session_id": str(number), "item_id": value}, None


def _is_value(line: str) -> bool:
    """Whether a line is a JSON value of its own."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _array(text: Text) -> Iterator[Record]:
    """The elements of one array, decoded one after the other as the file is read."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    with text.path.open(encoding="utf-8") as file:
        held, number, ended, wanted = file.read(CHUNK).lstrip("\ufeff \t\r\n")[1:], 0, False, 0
        while True:
            held = held.lstrip(" \t\r\n,")
            if held.startswith("]"):
                return
            if len(held) >= wanted:
                try:
                    value, end = decoder.raw_decode(held)
                except (ValueError, RecursionError) as error:
                    if ended or len(held) > LONGEST:
                        number += 1
                        yield number, {}, f"no JSON object ({error})"
                        return
                    # Doubling what has to be there before the next try keeps the work linear.
                    wanted = 2 * len(held)
                else:
                    number, wanted = number + 1, 0
                    held = held[end:]
                    yield from _element(number, value)
                    continue
            more = file.read(CHUNK)
            ended, wanted = not more, wanted if more else 0
            held += more


def _element(number: int, value: Any) -> Iterator[Record]:
    if isinstance(value, dict):
        yield number, value, None
    elif isinstance(value, list) and not any(isinstance(v, dict | list) for v in value):
        yield from _basket(number, value)
    else:
        yield number, {}, "no JSON object"


def _object(text: Text) -> Iterator[Record] | None:
    """The records of one object that spans the file; None where the file is no such object."""
    if text.path.stat().st_size > LARGEST:
        return None
    try:
        whole = _parse(text.path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return enumerate_records(_whole(whole)) if isinstance(whole, dict) else None


def enumerate_records(records: list[Any]) -> Iterator[Record]:
    """Records with their numbers."""
    return ((number, record, None) for number, record in enumerate(records, start=1))


def enumerate_batches(records: Iterator[dict[str, Any]]) -> Iterator[pl.DataFrame]:
    """Records as frames of text, with their numbers."""
    return _batches(((n, record, None) for n, record in enumerate(records, start=1)), set())


def _whole(whole: dict[str, Any]) -> list[Any]:
    """The records in one object: by column, by id, in a list it holds, histories by user, or the object itself."""
    values = list(whole.values())
    if not values:
        return []
    if any(plain(n) in KEYS and not isinstance(v, list | dict) for n, v in whole.items()):
        return [whole]
    if any(plain(name) in COLUMNS for name in whole):
        if all(isinstance(v, list) for v in values) and len({len(v) for v in values}) == 1:
            return [dict(zip(whole, row, strict=True)) for row in zip(*values, strict=True)]
        if all(isinstance(v, dict) and set(v) == set(values[0]) for v in values):
            return [{name: column[key] for name, column in whole.items()} for key in values[0]]
        if not _lists(values):
            return [whole]
    if all(isinstance(v, dict) for v in values) and _alike(values):
        return [{"id": key} | value for key, value in whole.items()]
    if all(isinstance(v, list) and not any(isinstance(x, dict | list) for x in v) for v in values):
        return [{"user_id": u, "item_id": i} for u, ids in whole.items() for i in ids]
    if len(_lists(values)) == 1:
        return list(_lists(values)[0])
    if len(_lists(values)) == len(values):
        return [{"user_id": key} | row for key, rows in whole.items() for row in rows]
    return [whole]


def _lists(values: list[Any]) -> list[list[Any]]:
    """Those that are lists of objects."""
    return [v for v in values if isinstance(v, list) and v and all(isinstance(x, dict) for x in v)]


def _alike(values: list[dict[str, Any]]) -> bool:
    """Whether objects share most of their fields, as the records of a table do."""
    common = set.intersection(*map(set, values[:50]))
    return len(values) > 1 and 2 * len(common) >= min(map(len, values[:50])) > 0


def _reached(
    records: Iterator[Record], each: str, paths: Sequence[str], where: str
) -> Iterator[Record]:
    """Records spread over the elements of the list at `each`, with a field for each of the dotted `paths`.

    Raises `NothingTaken` where no record has such a list.
    """
    lacks, names = bool(each), dict[str, None]()
    for number, record, wrong in records:
        if lacks and wrong is None:
            lacks = not has_list(record, each.split("."))
            names |= dict.fromkeys(record)
        for row in spread_at(record, each.split(".") if each else []):
            found = {path: value_at(row, path) for path in paths if path not in row}
            yield number, row | {path: v for path, v in found.items() if v is not None}, wrong
    if lacks and names:
        raise NothingTaken(no_list(where, each, list(names)))


def no_list(where: str, each: str, there: Sequence[str]) -> str:
    """The words for a list that is not there."""
    close = "" if each in there else near(each, there)
    return f"{where} has no list {each!r}, which the map names as each.{close} It has: {', '.join(there)}."


def has_list(record: Any, path: Sequence[str]) -> bool:
    """Whether a record has a list, or a record in place of one, at the end of a path."""
    value = opened(record.get(path[0])) if isinstance(record, dict) else None
    if len(path) == 1:
        return isinstance(value, list | dict)
    return any(has_list(part, path[1:]) for part in (value if isinstance(value, list) else [value]))


def spread_at(record: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    """A record for each element of the lists along a path; one without the element where there is none."""
    if not path or not isinstance(record, dict):
        yield record if isinstance(record, dict) else {}
        return
    value = opened(record.get(path[0]))
    elements = value if isinstance(value, list) else [value]
    for element in elements or [None]:
        for below in spread_at(opened(element), path[1:]) if len(path) > 1 else [element]:
            yield record | ({path[0]: below} if path[0] in record else {})


def value_at(record: Any, path: str) -> Any:
    """The value at a dotted path; numbers in it count the elements of lists; None where there is none."""
    parts = path.split(".")
    for n, part in enumerate(parts):
        record = opened(record)
        if isinstance(record, dict):
            rest = ".".join(parts[n:])
            if rest in record:
                return record[rest]
            record = record.get(part)
        elif isinstance(record, list) and part.isdigit() and int(part) < len(record):
            record = record[int(part)]
        else:
            return None
    return record


def opened(value: Any) -> Any:
    """A value; text that is itself JSON is read."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _parse(value)
        except (ValueError, RecursionError):
            return value
    return value


def _batches(records: Iterator[Record], keep: set[str]) -> Iterator[pl.DataFrame]:
    columns: dict[str, list[str | None]] = {}
    rows: list[int] = []
    broken: list[str | None] = []
    for number, record, wrong in records:
        for name, value in record.items():
            if value is not None and (not keep or name in keep):
                cells = columns.setdefault(f"{name} (2)" if name in OWN else name, [])
                cells.extend([None] * (len(rows) - len(cells)))
                cells.append(as_text(value))
        rows.append(number)
        broken.append(wrong)
        if len(rows) == BATCH:
            yield _frame(columns, rows, broken)
            columns, rows, broken = {}, [], []
    if rows:
        yield _frame(columns, rows, broken)


def _frame(
    columns: dict[str, list[str | None]], rows: list[int], broken: list[str | None]
) -> pl.DataFrame:
    full = {name: cells + [None] * (len(rows) - len(cells)) for name, cells in columns.items()}
    schema: dict[str, Any] = dict.fromkeys(full, pl.String) | {ROW: pl.Int64, BROKEN: pl.String}
    try:
        return pl.DataFrame({**full, ROW: rows, BROKEN: broken}, schema=schema)
    except UnicodeEncodeError:
        for cells in full.values():
            for n, value in enumerate(cells):
                if value is not None and not _is_text(value):
                    cells[n], broken[n] = None, "half of a character (a lone surrogate)"
        return pl.DataFrame({**full, ROW: rows, BROKEN: broken}, schema=schema)


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_text(value: Any) -> str:
    """A value as text: lists are flattened behind marks, objects stay JSON; bytes that are no text are hexadecimal."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _of_bytes(bytes(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(v, dict) for v in value):
        return "".join(LIST + leaf for leaf in _leaves(value)) or LIST
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def _of_bytes(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


def _leaves(value: list[Any]) -> Iterator[str]:
    for part in value:
        if isinstance(part, list):
            yield from _leaves(part)
        elif part is not None:
            yield as_text(part)
