"""The files of a source: their order, which are notes, and what is said of those that are no table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from wareloom.errors import SchemaError, SourceError
from wareloom.readers import Intake
from wareloom.readers._header import head_of
from wareloom.readers._names import COLUMNS, FILES, USUAL, plain
from wareloom.readers._near import fitting
from wareloom.readers._text import Piece, start_of

PARTS = {
    "prior": 0,
    "train": 1, "training": 1, "tr": 1,
    "valid": 2, "val": 2, "dev": 2, "validation": 2,
    "test": 3, "testing": 3,
}  # fmt: skip
"""Words of names by which the parts of a split come one after the other"""
NOTES = re.compile(
    r"^(readme|read_me|notes?|licen[cs]e|provenance|copying|changelog|changes|authors|citations?|about|credits|terms|"
    r"manifest|checksums?|md5sums?|sha\d+sums?|metadata|package|config|settings|schema|datapackage|dataset_infos?|"
    r"说明|自述)([-_. ].*)?$",
    re.IGNORECASE,
)
"""Names of files that tell of the others"""
PLAIN_TEXT = (".txt", ".dat", ".md")
IDS = re.compile(r"^\s*-?\d+( +-?\d+)+\s*$")
"""A line of numbers between blanks, as sets for baskets and next-item recommendation have them"""
MARKS = "\t,;|"
OTHERS = (
    ".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".feather", ".arrow", ".avro", ".orc", ".h5", ".hdf5", ".sqlite",
    ".db", ".sql", ".dta", ".sav", ".sas7bdat", ".rds", ".rdata", ".mdb", ".accdb", ".7z", ".rar", ".tar", ".tgz",
    ".bz2", ".xz", ".zst", ".pkl", ".pickle", ".npz", ".npy",
)  # fmt: skip
"""Endings of files that may hold tables and are not read"""
SUBMISSION = re.compile(r"submission", re.IGNORECASE)
TITLES = set(USUAL["items"]["title"].split()) | {"title"}
GOODS = {*USUAL["items"]["price"].split(), *USUAL["items"]["brand"].split()}
CATALOGUE = TITLES | GOODS | {"description", "category"}


def in_order(found: Sequence[Piece], intake: Intake) -> list[Piece]:
    """The files in order of name, but the parts of a split train before validation before test."""
    ranks = [_rank(piece.name) for piece in found]
    parts = [piece.name for piece, rank in zip(found, ranks, strict=True) if rank is not None]
    if len({rank for rank in ranks if rank is not None}) < 2:
        return list(found)
    placed = sorted(range(len(found)), key=lambda n: (ranks[n] if ranks[n] is not None else 1, n))
    ordered = [found[n] for n in placed]
    names = [piece.name for piece in ordered if piece.name in parts]
    intake.say(
        f"{', '.join(names)} are taken for parts of a split and read in this order, which counts where there are no "
        "times."
    )
    return ordered


def _rank(name: str) -> int | None:
    words = [w for w in re.split(r"[\W_\d]+", name.lower().partition(".")[0]) if w]
    return next((PARTS[word] for word in words if word in PARTS), None)


def is_note(piece: Piece, intake: Intake, encoding: str = "utf-8", *, quoted: bool = True) -> bool:
    """Whether a file tells of the others instead of holding rows: by its name, or as text without columns (said).

    Lines before a table's header do not make a note of it. Raises `SourceError` for lines of bare ids: they may be the
    whole log, and nothing tells whose they are.
    """
    name = piece.name.lower()
    stem = name.rpartition(".")[0] or name
    start = start_of(piece, encoding)
    rest = start.split("\n")[head_of(piece.name, start, "", 0, quoted=quoted).skip :]
    lines = [line for line in rest[:20] if line.strip()]
    if not lines or name.endswith((".csv", ".tsv", ".jsonl", ".ndjson")):
        return False
    known = any(plain(word) in COLUMNS for word in re.split(r"[\t,;|\"{}:\[\]]", lines[0]))
    if NOTES.match(stem) and not known:
        return True
    if not name.endswith(PLAIN_TEXT) or known:
        return False
    lines = lines[:-1] or lines
    if all(IDS.match(line) for line in lines):
        raise SourceError(
            f"{piece.name} has lines of ids without column names ({lines[0][:40]!r}): nothing tells users from items. "
            'Write a line for each user and item under a header, or lists as JSON, such as {"u1": ["a", "b"]}.'
        )
    counts = {max(line.count(mark) for mark in MARKS) for line in lines}
    if len(counts) > 1 or counts == {0}:
        intake.say(f"{piece.name} is taken for a note, as text without columns, and is not read.")
        return True
    return False


def is_submission(name: str, columns: Sequence[str]) -> bool:
    """Whether a file is the empty form of a competition's answers, as sample_submission.csv is."""
    return SUBMISSION.search(name) is not None and len(columns) <= 3


def nothing_recognised(source: str, seen: Mapping[str, Sequence[str]]) -> SchemaError:
    """The error for a source without any table; hints name the columns that fit."""
    files = "; ".join(f"{name}: {_some(columns)}" for name, columns in seen.items()) or "no tables"
    hints = []
    for name, columns in seen.items():
        fits: dict[str, str] = {}
        for column in ("item_id", "user_id"):
            # What is known as something else, such as the order, is no item.
            own = {plain(column), *USUAL["events"][column].split(), "id"}
            open_ = [c for c in columns if plain(c) in own or plain(c) not in COLUMNS]
            open_ = [c for c in open_ if c not in fits.values()]
            if found := fitting(column, open_):
                fits[column] = found
        if "item_id" in fits:
            said = ", ".join(f"{ours} = {theirs!r}" for ours, theirs in fits.items())
            hints.append(f" In {name}, did you mean {said}?")
    return SchemaError(
        f"Nothing in {source} is recognised as a table of a shop: it needs a column item_id (or product_id, asin, sku "
        f"…), with user_id (or customer_id …) for events, or query and grade for judgments. Found {files}."
        f"{''.join(hints[:3])} Name the columns in a map file: --set map=MAP.toml."
    )


def _some(columns: Sequence[str]) -> str:
    more = f" … ({len(columns)} in all)" if len(columns) > 40 else ""
    return ", ".join(columns[:40]) + more


def unread(
    columns: Mapping[str, Sequence[str]], parts: Mapping[str, Collection[object]], intake: Intake
) -> None:
    """Say which files are no table; raise `SchemaError` for one that may be the catalogue where there is no other."""
    read = {getattr(part, "file", "") for found in parts.values() for part in found}
    read |= {head for heads in intake.joined.values() for head in heads}
    for name, there in columns.items():
        if name in read or is_submission(name, there):
            continue
        words = {plain(c) for c in there}
        named = set(re.split(r"[\W_\d]+", name.lower())) & set(FILES["items"].split())
        titled = words & TITLES and words & GOODS
        if "items" not in parts and (titled or (named and words & CATALOGUE)):
            fit = fitting("item_id", list(there))
            raise SchemaError(
                f"{name} may be the catalogue, and none of its columns is known as item_id: {_some(there)}."
                f"{f' Did you mean {fit!r}?' if fit else ''} Name it in a map file (--set map=MAP.toml), or take the "
                "file out of the source."
            )
        if not there and name.lower().endswith(OTHERS):
            if named and "items" not in parts:
                raise SourceError(
                    f"{name} may be the catalogue, and is of a kind that is not read: write it as CSV, JSON lines or "
                    "Parquet, or take it out of the source."
                )
            intake.say(
                f"{name} is not read: its kind is not known. Write it as CSV, JSON lines or Parquet."
            )
        elif there:
            header = (
                ""
                if any(map(str.isalpha, "".join(there)))
                else " It seems to lack a line of column names."
            )
            intake.say(
                f"{name} is not read: no table of a shop has its columns ({_some(there)}).{header} A map can say "
                "what it is."
            )
