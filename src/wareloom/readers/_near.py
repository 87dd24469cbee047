"""Columns that nearly are what a table lacks: by the words of their names, or by what they hold."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from wareloom.errors import SchemaError
from wareloom.readers import Intake
from wareloom.readers._names import EMAILS, USUAL, plain

NEARBY = ("events", "items")
"""Tables whose lacking columns are looked for"""
MOST = 200
"""Columns of which all are looked at; of more only those whose names have a telling word"""
SAMPLE = 2000
"""Rows that are looked at"""
WORDS = {
    "user_id": "user customer hh client buyer shopper member visitor household account person cust guest kunde kunden "
    "cliente usuario utilisateur 用户 会员 客户 买家 顾客",
    "session_id": "session visit basket order cart invoice receipt ticket transaction checkout 订单 会话",
    "time": "time date timestamp datetime created ordered occurred datum fecha 时间 日期",
}
"""Words of a name that tell what its column holds"""
NOT_WHO = re.compile(
    r"name|count|number of|type|group|segment|age|rating|score|value|amount|total|status|note|agent|country|city|"
    r"service|zip|phone|address|comment|since|satisf",
    re.IGNORECASE,
)
"""Words of names that tell something about a person or order, and not which one"""
NOT_WHEN = re.compile(r"birth|dob|expir|launch|releas|valid|since|deliver|ship|due", re.IGNORECASE)
"""Words of names of times at which no event happened"""

DATE = (
    r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}|"
    r"\d{1,2}[- ]?[A-Za-z]{3}|[A-Za-z]{3,} \d{1,2}"
)
"""What a date looks like"""


def nearly(column: str, there: Sequence[str], sample: pl.DataFrame) -> str | None:
    """The column of `there` that most likely is `column` (user_id, session_id or time); None where none is likely."""
    usual = [column, *USUAL["events"][column].split()]
    words = set(WORDS[column].split())
    best: tuple[float, str] | None = None
    for name in there:
        parts = set(_words(name))
        close = max(
            (
                difflib.SequenceMatcher(None, plain(name), word).ratio()
                for word in usual
                if len(word) > 3
            ),
            default=0.0,
        )
        told = bool(parts & words) or any(w in plain(name) for w in words if len(w) > 3)
        score = close + (0.5 if told else 0.0)
        if column != "time" and (NOT_WHO.search(name) or plain(name) in EMAILS):
            continue
        if column == "time" and NOT_WHEN.search(name):
            continue
        if score < 0.85 or not _holds(column, sample[name]):
            continue
        if best is None or score > best[0]:
            best = (score, name)
    if best is None and column == "time":
        usable = [n for n in there if not NOT_WHEN.search(n)]
        return next(
            (n for n in usable if _holds("time", sample[n]) and _is_text_time(sample[n])), None
        )
    return best[1] if best else None


def looks_logged(item: str, sample: pl.DataFrame) -> bool:
    """Whether items repeat from row to row, as in a log."""
    ids = sample[item].drop_nulls()
    return len(ids) > 3 and ids.n_unique() < 0.8 * len(ids)


def sample_of(frame: pl.LazyFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The first rows, as text."""
    return frame.select(pl.col(columns).cast(pl.String, strict=False)).head(SAMPLE).collect()


def fitting(column: str, there: Sequence[str]) -> str | None:
    """The name of `there` that most likely is `column`, by the words of both."""
    words = set(WORDS.get(column, "").split())
    usual = [column, *(n for names in USUAL.values() for n in names.get(column, "").split())]
    best: tuple[float, str] | None = None
    for name in there:
        own = plain(name)
        close = max(
            (
                difflib.SequenceMatcher(None, own, plain(word)).ratio()
                for word in usual
                if len(word) > 3
            ),
            default=0.0,
        )
        close += 0.3 * bool(set(_words(name)) & words) + 0.3 * (own == "id")
        if close >= 0.7 and (best is None or close > best[0]):
            best = (close, name)
    return best[1] if best else None


def suggest(
    frame: pl.LazyFrame,
    table: str,
    name: str,
    told: Collection[str],
    columns: Sequence[str],
    found: Mapping[str, str],
    intake: Intake,
) -> str:
    """Say which columns may be the users, sessions and times that a log lacks, and the line of the map to write.

    A file taken for items whose ids repeat, and that has a column of users by all but its name, is refused: it is a
    log. Returns a hint for the message where something else is missing.
    """
    lacking = [c for c in WORDS if c not in told]
    schema = frame.collect_schema()
    rest = [c for c in columns if c not in found.values() and not schema[c].is_nested()]
    item = found.get("item_id")
    if not lacking or not rest or (table == "items" and (item is None or lacking != list(WORDS))):
        return ""
    looked = rest if len(rest) <= MOST else [c for c in rest if _is_close(c)]
    if not looked:
        return ""
    sample = sample_of(frame, [*looked, *([item] if item else [])])
    likely = {c: n for c in lacking if (n := nearly(c, looked, sample))}
    if "user_id" in told:
        likely.pop("session_id", None)
    if table == "items":
        if item and "user_id" in likely and looks_logged(item, sample):
            line = line_of_map(name, "events", likely | {"item_id": item})
            raise SchemaError(
                f"{name} repeats its items, as a log does, and has no column that is known as user_id; "
                f"{likely['user_id']!r} may be it. If so, write in a map: {line} and read with --set map=MAP.toml."
            )
        return ""
    for ours, theirs in likely.items():
        intake.say(
            f"{name}: no column is known as {ours}; {theirs!r} may be it. If so, write in a map: "
            f"{line_of_map(name, table, {ours: theirs})} and read with --set map=MAP.toml."
        )
    return ""


def _is_close(column: str) -> bool:
    words = {word for names in WORDS.values() for word in names.split()}
    return bool(set(_words(column)) & words)


def line_of_map(name: str, table: str, columns: Mapping[str, str]) -> str:
    """What a map would have to say, in one line."""
    said = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())
    return f'[[table]] file = "{name}" table = "{table}" columns = {{ {said} }}'


def _words(name: str) -> list[str]:
    """The words of a name, at its blanks, signs and inner capitals."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [word.lower() for word in re.split(r"[\W_\d]+", apart) if word]


def _holds(column: str, cells: pl.Series) -> bool:
    """Whether cells can be what they would have to be."""
    filled = cells.drop_nulls().str.strip_chars()
    filled = filled.filter(filled != "")
    if len(filled) == 0:
        return False
    if column != "time":
        return not filled.str.contains(r"^-?\d+[.,]\d*[1-9]\d*$").any()
    return bool(filled.str.contains(DATE).all()) or _are_ticks(filled)


def _are_ticks(filled: pl.Series) -> bool:
    """Whether numbers are seconds (or thousandths and smaller parts) since 1970 between 1995 and 2100."""
    numbers = filled.cast(pl.Float64, strict=False)
    return numbers.null_count() == 0 and any(
        bool(numbers.is_between(0.79e9 * scale, 4.1e9 * scale).all())
        for scale in (1, 1e3, 1e6, 1e9)
    )


def _is_text_time(cells: pl.Series) -> bool:
    """Whether cells are dates and no bare numbers, which might be anything."""
    filled = cells.drop_nulls()
    return len(filled) > 0 and bool(filled.str.contains(DATE).all())
