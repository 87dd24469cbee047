"""Any table: CSV, TSV, JSON lines or Parquet, plain, gzipped or zipped, with usual column names or a map."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.core.settings import Count
from wareloom.errors import SettingError, near, require
from wareloom.readers import Intake, Reader
from wareloom.readers._feed import feed
from wareloom.readers._files import (
    in_order,
    is_note,
    is_submission,
    nothing_recognised,
    unread,
)
from wareloom.readers._grades import graded
from wareloom.readers._joins import JOINED, Part, first_of_each, joined
from wareloom.readers._map import TABS, Entry, Form, NothingTaken, check_used, entries_for, load
from wareloom.readers._names import logged_ids
from wareloom.readers._orders import Came, with_headers, with_lookups, with_queries
from wareloom.readers._pictures import ENDINGS, pictures
from wareloom.readers._scan import PARQUET, numbered, without_trace
from wareloom.readers._searches import with_searches
from wareloom.readers._shape import shaped
from wareloom.readers._text import Piece, known, pieces
from wareloom.shop.schema import EVENTS

DELIMITED = (".csv", ".tsv", ".tab", ".txt", ".dat", ".inter", ".item", ".user")
JSON = (".jsonl", ".ndjson", ".json")
XML = (".xml",)


@dataclass(kw_only=True, eq=False)
class Tables(Reader):
    """Any CSV, TSV, JSON lines or Parquet files, by the usual names of their columns or by a map.

    The source is a file, a folder, a pattern or a zip archive. Which table a file holds is told by its columns, and
    by its
    name where they leave it open. Columns of items and users without a usual name become attributes; those of events
    are kept as context only where the map names them. Columns that tell how an item fared (sales rank, review counts)
    are left out, since they are known only after the log.
    """

    generality: ClassVar[int] = 9
    example: ClassVar[dict[str, str]] = {
        "items.csv": ("item_id,title,price\na,Mug,9.5\nb,Jug,12\n"),
        "events.csv": (
            "user_id,item_id,time,event\n"
            "u1,a,2020-01-01 10:00:00,purchase\n"
            "u1,b,2020-01-02 10:00:00,view_item\n"
        ),
    }

    map: str = ""
    """A TOML file that says which file is which table and how its columns are called, see `docs/formats.md`."""
    event: str = "purchase"
    """The kind of all events, where no column says it."""
    encoding: str = "utf-8"
    """The encoding of text files, for example latin-1 or gb18030."""
    time_format: str = ""
    """How times are written, for example %d.%m.%Y, or s, ms, us, ns since 1970; found from the data where empty."""
    decimal: str = ""
    """The decimal mark of numbers, "." or ","; found from the data where empty."""
    grade_scale: str = ""
    """The scale "lo:hi" of grades, mapped linearly to 0–3; found from the data where empty."""
    separator: str = ""
    """The character between fields; found from the first line where empty."""
    escape: str = ""
    """A backslash where it stands before quote signs inside fields; found from the file where empty, none is none."""
    skip: Count = 0
    """Lines before the header, such as a report's title; 0 finds them."""
    images: str = ""
    """A folder of pictures of the products, called by item id: ID.jpg, or ID/ANY.jpg where there are several."""
    quote: str = '"'
    """The sign around fields that hold separators; none where such signs mean nothing."""

    def _check(self) -> None:
        for name, signs in (("separator", self.separator), ("quote", self.quote)):
            word = {"separator": TABS, "quote": ("none",)}[name]
            usual = signs in ("", *word) or len(signs.encode("utf-8", "replace")) == 1
            wanted = "one plain character, such as ; or ,"
            require("tables", name, signs, usual and signs not in ("\n", "\r", "\0"), wanted)
        if self.event not in EVENTS:
            raise SettingError(
                f"tables: event={self.event!r} is not known.{near(self.event, EVENTS)} Known: {', '.join(EVENTS)}."
            )
        self._form().check("tables")

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether there is any file of a known ending."""
        return any(
            piece.name.lower().endswith((*DELIMITED, *JSON, *PARQUET, *XML))
            for piece in known(source)
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the tables that are recognised; files that are not are noted."""
        entries = load(self.map)
        found = in_order(pieces(source), intake)
        check_used(self.map, entries, [piece.name for piece in found])
        came: list[Came] = []
        for piece in found:
            one = self._came(piece, entries, intake)
            if one is not None:
                came.append(one)
            elif not (self.images and piece.name.lower().endswith(ENDINGS)):
                intake.not_recognised[piece.name] = []
                form = self._form(piece.name, entries)
                if not is_note(piece, intake, form.encoding, quoted=form.quoted):
                    came.append(Came(piece.name, pl.LazyFrame()))
        return self.made_of(came, source, intake, entries)

    def of_frames(
        self, frames: Mapping[str, pl.LazyFrame], intake: Intake
    ) -> dict[str, pl.LazyFrame]:
        """Return the tables that frames in memory make, read as files of their names are."""
        entries = load(self.map)
        check_used(self.map, entries, list(frames))
        came = [
            Came(name, numbered(frame, frame.collect_schema().names(), name, intake.say))
            for name, frame in frames.items()
        ]
        return self.made_of(came, "frames", intake, entries)

    def made_of(
        self, came: Sequence[Came], source: str, intake: Intake, entries: Sequence[Entry] = ()
    ) -> dict[str, pl.LazyFrame]:
        """Return the tables that frames of text (or of any type) make."""
        columns = {c.name: without_trace(c.frame) for c in came}
        came = [c for c in came if columns[c.name]]
        mapped = {c.name for c in came if entries_for(entries, c.name)}
        for complete in (with_headers, with_queries, with_lookups):
            came = complete(came, mapped, intake)
        came, searched = with_searches(came, mapped, self.event, intake)
        _note_logs(came, mapped, intake)
        parts: dict[str, list[Part]] = {}
        without = Without()
        for name, frame, spread in came:
            if is_submission(name, columns[name]):
                intake.not_recognised[name] = columns[name]
                continue
            own = entries_for(entries, name)
            for of in own:
                if form := of.form.get("time_format"):
                    intake.time_formats[name] = str(form)
                if mark := of.form.get("decimal"):
                    intake.decimals[name] = str(mark)
            asked: Sequence[Entry | None] = own or [None]
            for entry in asked:
                rows = spread[entry.each] if entry and spread else frame
                # What was spread as it was read is not to be spread again.
                what = dataclasses.replace(entry, each="") if entry and spread else entry
                try:
                    if isinstance(rows, NothingTaken):
                        raise rows
                    alone = len(own) < 2 and not (entry and entry.each)
                    made = shaped(rows, name, what, event=self.event, intake=intake, alone=alone)
                except NothingTaken as error:
                    without.note(entry, error)
                    without.files.add(name)
                    continue
                without.note(entry, None)
                if made is None:
                    continue
                table, rows = made
                if table in JOINED and len(own) > 1:
                    rows = first_of_each(rows, JOINED[table])
                used = frozenset(columns.get(name, ()))
                parts.setdefault(table, []).append(Part(name, rows, entry is not None, used))
            if len(own) > 1:
                _unused_by_all(name, columns[name], own, intake)
        without.check(intake)
        parts |= {"searches": searched} if searched else {}
        if not {"items", "events", "judgments", "dialogues"} & set(parts):
            raise nothing_recognised(source, {n: c for n, c in columns.items() if c})
        unread({n: c for n, c in columns.items() if n not in without.files}, parts, intake)
        tables = joined(parts, intake)
        if self.images:
            tables["images"] = pictures(self.images, intake)
        if "judgments" in tables:
            tables["judgments"] = graded(
                tables["judgments"], self.grade_scale, self.decimal, intake
            )
        return tables

    def _form(self, name: str = "", entries: Sequence[Entry] = ()) -> Form:
        """How a file is written: as the map says, else as the settings say."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(Form)}
        for entry in entries_for(entries, name) if name else ():
            fields |= entry.form
        if fields["separator"] in TABS:
            fields["separator"] = "\t"
        return Form(**fields)

    def _came(self, piece: Piece, entries: Sequence[Entry], intake: Intake) -> Came | None:
        """A file as it came; None for one that is no table."""
        name = piece.name.lower()
        own = entries_for(entries, piece.name)
        form = self._form(piece.name, entries)
        if name.endswith(PARQUET):
            return Came(piece.name, intake.parquet(piece))
        if not own and is_note(piece, intake, form.encoding, quoted=form.quoted):
            return None
        if name.endswith(JSON):
            paths = tuple(dict.fromkeys(p for e in own for p in e.paths if "." in p))
            frames: dict[str, pl.LazyFrame | NothingTaken] = {}
            for each in dict.fromkeys([e.each for e in own] or [""]):
                try:
                    frames[each] = intake.json_lines(
                        piece, encoding=form.encoding, each=each, paths=paths
                    )
                except NothingTaken as error:
                    frames[each] = error
            one = next((f for f in frames.values() if isinstance(f, pl.LazyFrame)), None)
            if one is None:
                one = intake.json_lines(piece, encoding=form.encoding)
            return Came(piece.name, one, frames if own else {})
        if name.endswith(XML):
            return Came(piece.name, feed(piece, intake))
        if name.endswith(DELIMITED):
            return Came(piece.name, intake.table(piece, form))
        return None


class Without:
    """Files of which an entry of the map takes nothing: a fault where it takes nothing of any file."""

    def __init__(self) -> None:
        self._told: list[tuple[Entry, list[NothingTaken | None]]] = []
        self.files: set[str] = set()

    def note(self, entry: Entry | None, error: NothingTaken | None) -> None:
        """Note that an entry took something of a file, or the error that says why it did not."""
        if entry is not None:
            found = next((told for other, told in self._told if other is entry), None)
            if found is None:
                self._told.append((entry, [error]))
            else:
                found.append(error)

    def check(self, intake: Intake) -> None:
        """Say of which files nothing was taken; raise `NothingTaken` for an entry that took nothing at all."""
        for _, told in self._told:
            errors = [error for error in told if error is not None]
            if len(errors) == len(told):
                raise errors[0]
            for error in errors:
                intake.say(str(error))


def _note_logs(came: Sequence[Came], mapped: Set[str], intake: Intake) -> None:
    """Note by which columns logs know users and items, for tables of them to follow."""
    files = {name: without_trace(frame) for name, frame, _ in came if name not in mapped}
    for key, names in logged_ids(files).items():
        # Lines that were joined to their headers have the users of those, under a name of ours.
        joined_here = key == "user_id" and key in intake.logged
        intake.logged.setdefault(key, set()).update(names - {"userid"} if joined_here else names)


def _unused_by_all(name: str, columns: Sequence[str], own: Sequence[Entry], intake: Intake) -> None:
    """Of a file that is several tables, columns are not recognised that none of them uses."""
    used = {c for e in own for c in e.paths} | set(intake.columns.get(name, ()))
    if left := [c for c in intake.not_recognised.get(name, []) if c not in used]:
        intake.not_recognised[name] = left
    else:
        intake.not_recognised.pop(name, None)
