"""Rows that must not leave: texts with personal data in them, and cells that few real users have."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import polars as pl

from wareloom.language.personal import personal_data, without_personal_data
from wareloom.language.runs import copied, runs_of
from wareloom.release.photos import signs_of
from wareloom.shop import Shop
from wareloom.shop.languages import language_of
from wareloom.shop.pictures import parts
from wareloom.shop.schema import MAP, SLOTS
from wareloom.shop.spans import moved

TEXTS: dict[str, tuple[str, ...]] = {
    "searches": ("query",),
    "judgments": ("query",),
    "dialogues": ("text",),
    "users": ("attributes",),
    "events": ("context",),
}
"""Columns in which people write, by table; a map from name to value counts by its values. The catalogue is the shop's
own word: names in it are makers' and authors'."""
USER = "user"
NUMBER = re.compile(r"[A-Za-z0-9]{4,}")
NUMBERED = ("order.id", "order_id", "order_number", "invoice_id", "ticket.id")
"""Slots whose value is a number that a synthesizer makes up"""


@dataclass(frozen=True)
class Bad:
    """Rows of some tables that a gate objects to."""

    rows: dict[str, pl.Series]
    """bool [rows of the table], by table; tables without such rows are left out"""
    kinds: dict[str, int]
    """How many of which kind"""
    of: int
    """Rows that were looked at"""

    @property
    def number(self) -> int:
        """How many rows there are."""
        return sum(int(rows.sum()) for rows in self.rows.values())

    @property
    def share(self) -> float:
        """Of all rows that were looked at."""
        return self.number / self.of if self.of else 0.0


def with_personal_data(
    shop: Shop, brands: tuple[str, ...] = (), invented: frozenset[str] = frozenset()
) -> Bad:
    """Rows of `shop` whose texts hold personal data, and pictures whose metadata do; each text is looked at once.

    `invented`: numbers that are nobody's, see `invented_numbers`.
    """
    found: dict[str, pl.Series] = {}
    kinds, looked = Counter[str](), 0
    for table, column in columns_of(shop):
        frame = shop.scan(table).select(column).collect()
        looked += len(frame)
        words = _words(frame[column])
        counts = {
            text: Counter(
                one.kind for one in personal_data(text, brands) if one.text not in invented
            )
            for text in words.drop_nulls().unique()
        }
        bad = {text for text, own in counts.items() if own}
        mask = (
            words.is_in(list(bad)).fill_null(False)
            if bad
            else pl.repeat(False, len(words), eager=True)
        )
        if mask.any():
            for text in words.filter(mask):
                kinds.update(counts[text])
            found[table] = mask | found[table] if table in found else mask
    if shop.has("images", "image"):
        marks = [signs_of(data) for part in parts(shop) for data in part["image"].to_list()]
        looked += len(marks)
        for own in marks:
            kinds.update(own)
        if any(marks):
            found["images"] = pl.Series(list(map(bool, marks)), dtype=pl.Boolean)
    return Bad(found, dict(sorted(kinds.items())), looked)


def invented_numbers(real: Shop, synth: Shop) -> frozenset[str]:
    """Numbers that a sample's dialogues made up, of orders and of what was passed on: no real dialogue has them."""
    if not synth.rows("dialogues"):
        return frozenset()
    rows = synth.table("dialogues")
    made = set(rows["order_id"].drop_nulls()) if "order_id" in rows.columns else set()
    if "slots" in rows.columns:
        own = [slot for slots in rows["slots"].drop_nulls().to_list() for slot in slots]
        made |= {slot["value"] for slot in own if slot["name"] in NUMBERED}
    if real.rows("dialogues"):
        rows = real.table("dialogues")
        made -= set(rows["order_id"].drop_nulls()) if "order_id" in rows.columns else set()
        made -= {word for text in rows["text"].drop_nulls() for word in NUMBER.findall(text)}
    return frozenset(made)


def columns_of(shop: Shop) -> list[tuple[str, str]]:
    """The columns of texts that a shop has, by table."""
    return [
        (table, column)
        for table, columns in TEXTS.items()
        for column in columns
        if shop.has(table, column)
    ]


def without(shop: Shop, *bad: Bad) -> Shop:
    """Return `shop` without such rows; of a dialogue all turns go, and events of a search that goes lose its id."""
    tables: dict[str, pl.LazyFrame | pl.DataFrame | None] = {}
    for one in bad:
        for table, rows in one.rows.items():
            frame = tables.get(table)
            held = (
                frame
                if isinstance(frame, pl.DataFrame)
                else shop.table(table).with_row_index("row")
            )
            if table == "dialogues":
                # Half a dialogue says what nobody said.
                whole = shop.table(table)["dialogue_id"]
                rows = whole.is_in(whole.filter(rows).unique().implode())
            gone = rows.arg_true()
            tables[table] = held.filter(~pl.col("row").is_in(gone.implode()))
    cleaned = {
        table: frame.drop("row")
        for table, frame in tables.items()
        if isinstance(frame, pl.DataFrame)
    }
    if "searches" in cleaned and shop.has("events", "search_id"):
        events = cleaned.get("events", shop.table("events"))
        there = pl.col("search_id").is_in(cleaned["searches"]["search_id"].implode())
        cleaned["events"] = events.with_columns(
            pl.when(there).then(pl.col("search_id")).alias("search_id")
        )
    return shop.with_tables(**cleaned)


def replaced(shop: Shop, brands: tuple[str, ...] = ()) -> tuple[Shop, dict[str, dict[str, int]]]:
    """Return `shop` with personal data in its texts replaced by its kind, and how many of each, by table.column."""
    counts: dict[str, dict[str, int]] = {}
    tables: dict[str, pl.DataFrame] = {}
    for table, column in columns_of(shop):
        frame = tables.get(table, shop.table(table))
        values = frame[column]
        flat = values.explode().struct.field("value") if values.dtype == MAP else values
        own, new = Counter[str](), dict[str, str]()
        times = flat.drop_nulls().value_counts()
        for text, n in times.iter_rows():
            clean, found = without_personal_data(text, brands)
            if found:
                new[text] = clean
                own.update({kind: number * n for kind, number in found.items()})
        if new:
            counts[f"{table}.{column}"] = dict(sorted(own.items()))
            made = frame.with_columns(_mapped(column, values.dtype == MAP, new))
            if "slots" in frame.columns and column == "text":
                made = made.with_columns(slots=_slots(frame["slots"], values, made["text"]))
            tables[table] = made
    return shop.with_tables(**tables), counts


def _slots(slots: pl.Series, old: pl.Series, new: pl.Series) -> pl.Series:
    """Slots of texts in which something was replaced; what a slot said of a person goes with it."""
    made = []
    for own, before, after in zip(slots.to_list(), old.to_list(), new.to_list(), strict=True):
        if own and before != after:
            known = {slot["value"] for slot in own}
            own = [slot for slot in moved(own, before, after) if slot["value"] in known] or None
        made.append(own)
    return pl.Series("slots", made, dtype=SLOTS)


def _mapped(column: str, is_map: bool, new: dict[str, str]) -> pl.Expr:
    if not is_map:
        return pl.col(column).replace(new)
    name, value = (pl.element().struct.field(each) for each in ("name", "value"))
    return pl.col(column).list.eval(pl.struct(name=name, value=value.replace(new)))


def _words(values: pl.Series) -> pl.Series:
    """Texts of a column; of a map all its values."""
    if values.dtype != MAP:
        return values
    frame = values.to_frame("map")
    joined = (
        pl.col("map")
        .list.eval(pl.element().struct.field("value"))
        .list.join("\n", ignore_nulls=True)
    )
    return frame.select(joined)["map"]


def rare_cells(real: Shop, synth: Shop, least: int) -> Bad:
    """Rows of `synth` with a query, a turn or an attribute's value that some real users have, and fewer than `least`.

    Queries count without case and blanks at their ends; a query of judgments that nobody is known to have asked counts
    as one user's. A dialogue counts as a user: a turn is rare that real dialogues have and fewer than `least`, or that
    has a run of 12 words which fewer than `LEAST` of them have.
    """
    found: dict[str, pl.Series] = {}
    kinds, looked = dict[str, int](), 0
    few = _few_queries(real, least)
    for table in ("searches", "judgments"):
        if synth.has(table, "query"):
            query = synth.scan(table).select(_folded("query")).collect()["query"]
            looked += len(query)
            mask = query.is_in(few.implode()).fill_null(False)
            if mask.any():
                found[table], kinds["query"] = mask, kinds.get("query", 0) + int(mask.sum())
    if synth.has("dialogues", "text"):
        looked += synth.rows("dialogues")
        mask = few_turns(real, synth, least)
        if mask.any():
            found["dialogues"], kinds["turn"] = mask, int(mask.sum())
    if synth.has("users", "attributes"):
        looked += synth.rows("users")
        mask = _few_attributes(real, synth, least)
        if mask.any():
            found["users"], kinds["attribute"] = mask, int(mask.sum())
    return Bad(found, kinds, looked)


def _folded(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_lowercase().alias(column)


def few_turns(real: Shop, synth: Shop, least: int) -> pl.Series:
    """Turns of `synth` that repeat what few real dialogues say: bool [rows of its dialogues]."""
    said = synth.scan("dialogues").select("text").collect()["text"]
    if not real.rows("dialogues"):
        return pl.repeat(False, len(said), eager=True)
    rows = real.scan("dialogues").select("dialogue_id", "text", key=_folded("text"))
    held = rows.filter(pl.col("text").is_not_null()).collect()
    counts = held.group_by("key").agg(n=pl.col("dialogue_id").n_unique())
    few = set(counts.filter(pl.col("n") < least)["key"])
    talks = held.group_by("dialogue_id", maintain_order=True).agg("text")["text"].to_list()
    runs = runs_of((language_of(own), own) for own in talks)
    made = [
        bool(text) and (text.strip().lower() in few or copied(text, language_of([text]), runs))
        for text in said.to_list()
    ]
    return pl.Series(made, dtype=pl.Boolean)


def _few_queries(real: Shop, least: int) -> pl.Series:
    parts = []
    if real.has("searches", "query"):
        owners = [c for c in ("user_id", "session_id") if real.has("searches", c)]
        owner = pl.coalesce(owners) if owners else pl.lit("somebody")
        parts.append(real.scan("searches").select(_folded("query"), owner.alias(USER)))
    if real.has("judgments", "query"):
        parts.append(
            real.scan("judgments").select(
                _folded("query"), pl.lit(None, dtype=pl.String).alias(USER)
            )
        )
    if not parts:
        return pl.Series("query", [], dtype=pl.String)
    counted = pl.concat(parts).group_by("query").agg(n=pl.col(USER).drop_nulls().n_unique())
    return counted.filter(pl.col("n") < least).select("query").collect()["query"]


def _few_attributes(real: Shop, synth: Shop, least: int) -> pl.Series:
    """Users of `synth` with a value, or with all values together, that some real users have, and fewer than `least`."""
    if not real.has("users", "attributes"):
        return pl.repeat(False, synth.rows("users"), eager=True)
    found = []
    for keys, part in ((["name", "value"], _values), (["whole"], _together)):
        counted = part(real).group_by(keys).agg(n=pl.col("row").n_unique())
        few = counted.filter(pl.col("n") < least)
        found.append(part(synth).join(few, on=keys, how="semi").select("row"))
    rows = pl.concat(found).unique().collect()["row"]
    return pl.int_range(synth.rows("users"), dtype=pl.UInt32, eager=True).is_in(rows.implode())


def _together(shop: Shop) -> pl.LazyFrame:
    """A row for each user with attributes: row, and all of them as one text."""
    told = pl.concat_str(
        pl.col("name").fill_null(""), pl.col("value").fill_null(""), separator="\x1f"
    )
    return _values(shop).group_by("row").agg(whole=told.sort().str.join("\x1e"))


def _values(shop: Shop) -> pl.LazyFrame:
    """A row for each attribute of each user: row, name, value."""
    frame = shop.scan("users").select("attributes").with_row_index("row").explode("attributes")
    return frame.drop_nulls("attributes").unnest("attributes")
