"""Small shops whose contents are known first and are then written to files, in any of the forms that are read.

A `Source` holds what the shop truly is, the files' bytes, and what may be refused of them: what cannot be told from
the cells by anybody, such as day and month where no number is above 12.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from hypothesis import strategies as st

Draw = st.DrawFn
NOTHING = (
    "",
    "NULL",
    "N/A",
    "na",
    "None",
    "-",
    "--",
    "(not set)",
    "<NA>",
    r"\N",
    "#N/A",
    " ",
    "undefined",
)
ODD = ("on request", "12..5", "see shop", "1,2,3", "abc", "12.50.1")
UNSEEN = ("\u200b", "\ufeff", "\u200d", "\u2060")
DAY, MINUTE, SECOND, MICRO = 86_400_000_000, 60_000_000, 1_000_000, 1
TIMES = {
    "%Y-%m-%d": DAY, "%Y/%m/%d": DAY, "%Y.%m.%d": DAY, "%d.%m.%Y": DAY, "%d-%m-%Y": DAY, "%m/%d/%Y": DAY,
    "%d/%m/%Y": DAY, "%m-%d-%Y": DAY, "%d/%m/%y": DAY, "%Y%m%d": DAY, "%b %d, %Y": DAY, "%d %B %Y": DAY,
    "%d-%b-%y": DAY, "%Y年%m月%d日": DAY, "%d-%m-%Y %H:%M": MINUTE, "%m/%d/%Y %I:%M %p": MINUTE,
    "%d/%m/%Y %I:%M %p": MINUTE, "%Y-%m-%d %I:%M %p": MINUTE, "%Y%m%d%H%M": MINUTE, "%d.%m.%Y %H:%M": MINUTE,
    "%Y-%m-%d %H:%M:%S": SECOND, "%a, %d %b %Y %H:%M:%S +0000": SECOND, "%a, %d %b %Y %H:%M:%S GMT": SECOND,
    "%a %b %d %H:%M:%S %Y": SECOND, "%Y%m%d%H%M%S": SECOND, "%Y%m%dT%H%M%SZ": SECOND,
    "%d/%b/%Y:%H:%M:%S +0000": SECOND, "%Y-%m-%dT%H:%M:%S+00:00": SECOND, "%Y-%m-%dT%H:%M:%S.%fZ": MICRO,
}  # fmt: skip
"""Forms of times as text, and how fine they are in microseconds."""
TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}
TYPED_TIMES = ("datetime", "zoned", "date")
STYLES = (
    (".", "", "{}"), (",", "", "{}"), (".", ",", "{}"), (",", ".", "{}"), (",", " ", "{}"), (",", "\u00a0", "{}"),
    (".", "'", "{}"), (".", ",", "${}"), (".", "", "{} USD"), (",", ".", "€ {}"), (",", "", "{} €"),
    (",", " ", "{} kr"), (".", "'", "CHF {}"), (".", ",", "({})"),
)  # fmt: skip
"""Decimal mark, sign of thousands, and what stands around; brackets make an amount negative."""
NAMES = {
    "item_id": ("item_id", "Product ID", "SKU", "productId", "Stock Code", "商品ID"),
    "user_id": ("user_id", "Customer ID", "userId", "visitorid", "Member No", "用户ID"),
    "session_id": ("session_id", "Session", "sessionId", "会话ID"),
    "time": ("time", "Timestamp", "created_at", "Order Date", "eventTime", "时间"),
    "event": ("event", "event_name", "Action", "行为"),
    "value": ("value", "Revenue", "Line Total", "amount", "金额"),
    "quantity": ("quantity", "Qty", "Units", "数量"),
    "title": ("title", "Product Name", "Product Title", "标题"),
    "price": ("price", "Unit Price", "listPrice", "价格"),
    "brand": ("brand", "Manufacturer", "Vendor", "品牌"),
    "launched_at": ("launched_at", "Launch Date", "上架时间"),
    "colour": ("colour",),
}
EVENTS = {
    "view_item": ("view", "Product Viewed", "pv", "浏览"),
    "add_to_cart": ("cart", "add_to_cart", "加购"),
    "purchase": ("purchase", "buy", "Order Completed", "购买"),
}
TEXT_IDS = ("A-1", "b 2", "é3", "商品4", "x_5", "SKU.6")
FORMS_OF_IDS = {
    "number": ("plain", ".0", "zeros", "blanks", "unseen", "power", "int", "float"),
    "mixed": ("plain", "zeros", "blanks", "unseen"),
    "text": ("plain", "blanks", "unseen", "small"),
}


@dataclass
class File:
    """One file of the source."""

    name: str
    columns: dict[str, list[Any]]
    """Cells by the schema's column, as they are written"""
    body: bytes = b""


@dataclass
class Source:
    """What a shop is, how it was written, and what nobody could tell from it."""

    items: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    map: str = ""
    """A map file"""
    on_error: str = "stop"
    must: list[str] = field(default_factory=list)
    """Words of which a refusal has to have some, where there are any: then there has to be one"""
    may: list[str] = field(default_factory=list)
    """Words of refusals that are as good as the truth"""
    blanked: int = 0
    """Cells that `on_error="reject"` takes out of rows that stay"""


def nothing(draw: Draw, typed: bool = False) -> Any:
    """A cell that says nothing."""
    return None if typed else draw(st.sampled_from((None, *NOTHING)))


# --- ids


def id_cells(draw: Draw, ids: list[str], kind: str, form: str) -> list[Any]:
    """Ids as one file writes them."""

    def around(text: str) -> str:
        sign = draw(st.sampled_from(UNSEEN))
        return draw(
            st.sampled_from((f"{sign}{text}", f"{text}{sign}", f"{text[:1]}{sign}{text[1:]}"))
        )

    write: dict[str, Callable[[str], Any]] = {
        "plain": str,
        ".0": lambda v: f"{v}.0",
        "zeros": lambda v: v.zfill(7) if v.isdigit() else v,
        "blanks": lambda v: draw(st.sampled_from((f" {v}", f"{v} ", f"\u00a0{v}", v))),
        "unseen": around,
        "power": lambda v: f"{v[0]}.{v[1:]}E+{len(v) - 1:02d}",
        "small": str.lower,
        "int": int,
        "float": float,
    }  # fmt: skip
    return [write[form](v) for v in ids]


# --- times


def order_open(form: str) -> str:
    """The shape of a form that leaves the order of day and month open; empty where it says it."""
    if not re.match(r"%[dm][/-]%[dm][/-]", form):
        return ""
    return form.replace("%d", "%1").replace("%m", "%1")


def time_cells(moments: list[dt.datetime | None], form: str, made: str) -> list[Any]:
    """Moments in one form."""
    cells: list[Any] = []
    for moment in moments:
        if moment is None:
            cells.append(None)
        elif form in TICKS:
            ticks = (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=TICKS[form])
            cells.append({"int": ticks, "float": float(ticks)}.get(made, str(ticks)))
        elif form == "zoned":
            zone = dt.timezone(dt.timedelta(hours=2))
            cells.append(moment.replace(tzinfo=dt.UTC).astimezone(zone))
        elif form == "date":
            cells.append(moment.date())
        elif form == "datetime":
            cells.append(moment)
        else:
            text = moment.strftime(form)
            number = form in ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
            typed = {"int": int, "float": float, "text.0": lambda t: f"{t}.0"} if number else {}
            cells.append(typed.get(made, str)(text))
    return cells


def fineness(form: str) -> int:
    """How fine times of a form are, in microseconds."""
    return {"date": DAY, "datetime": MICRO, "zoned": MICRO, **TICKS}.get(form) or TIMES[form]


def some_times(
    draw: Draw, source: Source, sizes: list[int], names: list[str] | None = None
) -> tuple[list[list], list[list]]:
    """The moments of several files, and their cells; what cannot be told goes to `source`.

    Where the files' `names` are given, a map may say their forms.
    """
    mapped = names is not None and not draw(st.integers(0, 4))
    pool = [f for f in TIMES if "%f" not in f] if mapped else [*TIMES, *TYPED_TIMES]
    kinds = st.sampled_from((*pool, *TICKS))
    forms = [draw(kinds)] * len(sizes)
    if draw(st.booleans()):
        forms = [draw(kinds) for _ in sizes]
    shapes = [order_open(f) for f in forms]
    truth, cells = [], []
    drawn = st.datetimes(dt.datetime(1996, 1, 2), dt.datetime(2026, 10, 30))
    for form, shape, size in zip(forms, shapes, sizes, strict=True):
        some = [draw(st.none() | drawn if draw(st.booleans()) else drawn) for _ in range(size)]
        fine = fineness(form)
        some = [m and m - (m - dt.datetime.min) % dt.timedelta(microseconds=fine) for m in some]
        # Two files of one shape that mean different things by it can be told apart only where each tells.
        other = any(s == shape and f != form for s, f in zip(shapes, forms, strict=True))
        if shape and (other or draw(st.integers(0, 3))):
            some[0] = (some[0] or dt.datetime(2024, 3, 5)).replace(day=draw(st.integers(13, 28)))
        truth.append(some)
        cells.append(
            time_cells(some, form, draw(st.sampled_from(("text", "text.0", "int", "float"))))
        )
    if mapped:
        for name, form in zip(names or (), forms, strict=True):
            source.map += f"[[table]]\nfile = {name!r}\ntable = 'events'\ntime_format = {form!r}\n"
        return truth, cells
    told = {f for f, some in zip(forms, truth, strict=True) if any(m and m.day > 12 for m in some)}
    openly = [f for f, some in zip(forms, truth, strict=True) if order_open(f) and any(some)]
    if set(openly) - told:
        source.must.append("day and month cannot be told apart|the year may be the first")
    elif any("%y" in f for f in openly):
        source.may.append("the year may be the first")
    return truth, cells


# --- numbers


def amount_text(value: float, style: tuple[str, str, str], places: int) -> str:
    """An amount as one file writes it."""
    mark, group, around = style
    text = f"{abs(value):,.{places}f}".replace(",", "G").replace(".", mark).replace("G", group)
    if around == "({})":
        return f"({text})" if value < 0 else text
    return around.format(f"-{text}" if value < 0 else text)


def marks_in(cells: list[Any]) -> tuple[set[str], bool]:
    """The decimal marks that a file's cells tell, and whether one of them may have either."""
    tells, openly = set(), False
    for cell in cells:
        bare = re.sub(r"[^\d.,]", "", str(cell)) if cell is not None else ""
        signs = re.findall(r"[.,]", bare)
        if re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", bare):
            openly = True
        elif signs:
            several = signs.count(signs[-1]) > 1
            tells.add({".": ",", ",": "."}[signs[-1]] if several else signs[-1])
    return tells, openly


def some_amounts(
    draw: Draw, source: Source, sizes: list[int], *, money: bool, least: int
) -> tuple[list[list], list[list]]:
    """The amounts of several files, and their cells; what cannot be told goes to `source`."""
    styles = [s for s in STYLES if money or s[2] == "{}"]
    kinds = st.sampled_from((*styles, "typed"))
    usual, one = draw(kinds), draw(st.booleans())
    truth: list[list] = []
    cells: list[list] = []
    used = []
    for size in sizes:
        style = usual if one else draw(kinds)
        places = draw(st.sampled_from((2, 2, 2, 2, 0, 3)))
        number = st.integers(least, 2_500_000).map(lambda n, d=places: n / 10**d)
        some = [draw(st.none() | number if draw(st.booleans()) else number) for _ in range(size)]
        truth.append(some)
        used.append(style)
        if style == "typed":
            cells.append(list(some))
        else:
            cells.append([None if v is None else amount_text(v, style, places) for v in some])
    told = [marks_in(some) for some in cells]
    every = set().union(*(tells for tells, _ in told))
    for place, ((tells, openly), style) in enumerate(zip(told, used, strict=True)):
        if openly and not tells and len(every) == 1 and style[0] not in every:
            # What other files tell would be wrong of this one, and nobody could know: it tells itself.
            truth[place][0] = 12.25
            cells[place][0] = 12.25 if style == "typed" else amount_text(12.25, style, 2)
    told = [marks_in(some) for some in cells]
    every = set().union(*(tells for tells, _ in told))
    if len(every) != 1 and any(openly and not tells for tells, openly in told):
        typed = {"typed"} & {*used}
        (source.may if typed else source.must).append("may have a decimal mark or a sign of")
    return truth, cells


def odd_cell(draw: Draw, source: Source, cells: list[list], truth: list[list]) -> None:
    """Put a cell that is no number among the others, now and then."""
    if draw(st.integers(0, 19)) != 7 or not all(isinstance(c, str) for some in cells for c in some):
        return
    place, word = draw(st.integers(0, len(cells) - 1)), draw(st.sampled_from(ODD))
    at = draw(st.integers(0, len(cells[place]) - 1))
    cells[place][at], truth[place][at] = word, None
    if source.on_error == "stop":
        source.must.append(re.escape(repr(word)))
    else:
        source.blanked += 1
        # What is left of the column may tell less than all of it did.
        source.may.append("may have a decimal mark or a sign of")


# --- files


def text_of(cell: Any) -> str:
    """A cell in a file of text."""
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    return str(cell)


def delimited(draw: Draw, source: Source, file: File, names: list[str]) -> str:
    """The text of a delimited file: separators, quotes, escapes, what stands before the header."""
    tabs = source.settings.get("quote") == "none"
    separator = "\t" if tabs else draw(st.sampled_from(",;\t|"))
    out = io.StringIO(newline="")
    escaped = source.settings.get("escape") == "\\"
    how = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    end = draw(st.sampled_from(("\n", "\n", "\r\n")))
    options: dict[str, Any] = {"delimiter": separator, "lineterminator": end, "quoting": how}
    if tabs:
        options |= {"quoting": csv.QUOTE_NONE, "quotechar": None}
    elif escaped:
        options |= {"quoting": csv.QUOTE_ALL, "doublequote": False, "escapechar": "\\"}
    writer = csv.writer(out, **options)
    writer.writerow(names)
    writer.writerows(
        zip(*([text_of(c) for c in cells] for cells in file.columns.values()), strict=True)
    )
    before = draw(
        st.sampled_from(
            (
                "",
                "",
                "sep",
                "# made by a shop\n",
                "Report of orders\n\n",
                "\n",
                "Export\nall of it\n",
            )
        )
    )
    return (f"sep={separator}\n" if before == "sep" else before) + out.getvalue()


def encoded(draw: Draw, source: Source, text: str) -> bytes:
    """Text in an encoding; where its lines may end with carriage returns alone, now and then they do."""
    told = source.settings.get("encoding")
    codec = told or draw(
        st.sampled_from(
            ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be")
        )
    )
    if codec in ("utf-16-le", "utf-16-be"):
        source.may.append(".")
    if codec in ("utf-8", "utf-8-sig") and not draw(st.integers(0, 3)):
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    return text.encode(codec)


def as_json(draw: Draw, file: File, names: list[str]) -> str:
    """The text of a file of JSON: lines, or an array."""

    def value(cell: Any) -> Any:
        return text_of(cell) if isinstance(cell, dt.date | dt.datetime) else cell

    skip = draw(st.booleans())
    rows = [
        {k: value(c) for k, c in zip(names, cells, strict=True) if not (skip and c is None)}
        for cells in zip(*file.columns.values(), strict=True)
    ]
    ascii_ = draw(st.booleans())
    if file.name.endswith(".json"):
        return json.dumps(rows, ensure_ascii=ascii_)
    return "".join(json.dumps(row, ensure_ascii=ascii_) + "\n" for row in rows)


def series(name: str, cells: list[Any]) -> pl.Series:
    """A column of a typed file; text where its cells are of several types."""
    kinds = {type(c) for c in cells} - {type(None)}
    if len(kinds) > 1:
        cells = [None if c is None else text_of(c) for c in cells]
    if not kinds:
        return pl.Series(name, cells, dtype=pl.String)
    if kinds == {dt.datetime} and any(c is not None and c.tzinfo for c in cells):
        return pl.Series(name, [c and c.astimezone(dt.UTC) for c in cells]).dt.convert_time_zone(
            "Europe/Berlin"
        )
    return pl.Series(name, cells)


def written(draw: Draw, source: Source, file: File) -> None:
    """Give a file its header and its bytes."""
    names = [draw(st.sampled_from(NAMES[c])) for c in file.columns]
    size = len(next(iter(file.columns.values())))
    ending = file.name.rpartition(".")[2]
    if draw(st.booleans()):
        file.columns["junk 1"], extra = (
            ["x"] * size,
            draw(st.sampled_from(("value.1", "Unnamed: 0", "source_row"))),
        )
        names.append(extra)
    if ending not in ("json", "jsonl", "parquet") and draw(st.booleans()):
        # A name that stands twice is the first column that has it.
        file.columns["junk 2"] = ["7"] * size
        names.append(draw(st.sampled_from(names)))
    if ending == "parquet":
        out = io.BytesIO()
        pl.DataFrame(
            [series(n, c) for n, c in zip(names, file.columns.values(), strict=True)]
        ).write_parquet(out)
        file.body = out.getvalue()
        return
    json_ = ending in ("json", "jsonl")
    text = as_json(draw, file, names) if json_ else delimited(draw, source, file, names)
    file.body = encoded(draw, source, text)
    if draw(st.integers(0, 9)) == 7:
        file.name, file.body = f"{file.name}.gz", gzip.compress(file.body, mtime=0)


# --- the whole


def some_text(tabs: bool) -> st.SearchStrategy[str]:
    """Titles with whatever may stand in a cell."""
    signs = "ab \"',;|\\é漢😀>#" + ("" if tabs else "\n\t")
    return st.text(signs, max_size=6)


def optional(draw: Draw, values: tuple[str, ...], size: int) -> tuple[list, list]:
    """Words of which some are missing, and their cells."""
    truth = [draw(st.sampled_from((None, *values))) for _ in range(size)]
    return truth, [nothing(draw) if v is None else v for v in truth]


def worded(draw: Draw, cells: list[list]) -> None:
    """Write words for nothing where text says nothing."""
    for some in cells:
        if all(isinstance(c, str | None) for c in some):
            some[:] = [nothing(draw) if c is None else c for c in some]


def rows(**columns: list) -> list[dict[str, Any]]:
    """Columns as rows."""
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


@st.composite
def sources(draw: Draw) -> Source:
    """A shop of a few items and one to three logs, in any of the forms."""
    source = Source(on_error=draw(st.sampled_from(("stop", "stop", "reject"))))
    told = draw(
        st.sampled_from(({}, {}, {}, {"quote": "none"}, {"escape": "\\"}, {"encoding": "gb18030"}))
    )
    source.settings = dict(told)
    kind = draw(st.sampled_from(("number", "number", "mixed", "text")))
    pool = [str(n) for n in draw(st.sets(st.integers(11, 9999), min_size=4, max_size=4))]
    known = {"number": pool, "mixed": [*pool[:2], *TEXT_IDS[:2]], "text": list(TEXT_IDS[:4])}[kind]
    size = draw(st.integers(1, 4))
    known = known[:size]
    forms = FORMS_OF_IDS[kind if size > 2 or kind != "mixed" else "number"]
    form = draw(st.sampled_from([f for f in forms if f != "small"]))
    titles = [f"P{k}{draw(some_text('quote' in told))}" for k in range(size)]
    brands, brand_cells = optional(draw, ("Acme", "Ö & Co"), size)
    colours, colour_cells = optional(draw, ("red", "dark blue"), size)
    prices, price_cells = some_amounts(draw, source, [size], money=True, least=0)
    odd_cell(draw, source, price_cells, prices)
    launched, launch_cells = some_times(draw, source, [size])
    worded(draw, [*price_cells, *launch_cells])
    endings = st.sampled_from(
        ("csv", "csv", "csv", "tsv", "txt", "jsonl", "json", "parquet", "parquet")
    )
    source.files.append(
        File(
            f"items.{draw(endings)}",
            {
                "item_id": id_cells(draw, known, kind, form), "title": titles, "price": price_cells[0],
                "brand": brand_cells, "launched_at": launch_cells[0], "colour": colour_cells,
            },
        )
    )  # fmt: skip
    ids = [v.zfill(7) if form == "zeros" and v.isdigit() else v for v in known]
    source.items = rows(
        item_id=ids, title=[t.strip() for t in titles], price=prices[0], brand=brands,
        launched_at=launched[0], colour=colours,
    )  # fmt: skip
    logs(draw, source, known, ids, forms, kind, endings)
    for file in source.files:
        written(draw, source, file)
    return source


def logs(
    draw: Draw,
    source: Source,
    known: list[str],
    ids: list[str],
    forms: tuple[str, ...],
    kind: str,
    endings: st.SearchStrategy[str],
) -> None:
    """Add the logs to a source."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    names_ = [f"orders-{number}.{draw(endings)}" for number in range(len(sizes))]
    moments, moment_cells = some_times(draw, source, sizes, names_)
    values, value_cells = some_amounts(draw, source, sizes, money=True, least=-5000)
    odd_cell(draw, source, value_cells, values)
    counts, count_cells = some_amounts(draw, source, sizes, money=False, least=1)
    odd_cell(draw, source, count_cells, counts)
    worded(draw, [*moment_cells, *value_cells, *count_cells])
    people = draw(st.sampled_from(("number", "text")))
    names = {"number": ["41", "42", "1043"], "text": ["ann", "Bob C", "é@x"]}[people]
    shapes = [f for f in FORMS_OF_IDS[people] if f not in ("zeros", "small")]
    for number, size in enumerate(sizes):
        at = [draw(st.integers(0, len(known) - 1)) for _ in range(size)]
        users = [draw(st.sampled_from((None, *names))) for _ in range(size)]
        kinds = [draw(st.sampled_from(sorted(EVENTS))) for _ in range(size)]
        sessions = [f"s{number}-{k}" for k in range(size)]
        form = draw(st.sampled_from(shapes))
        there = iter(id_cells(draw, [u for u in users if u], people, form))
        typed = form in ("int", "float")
        file = File(
            names_[number],
            {
                "user_id": [next(there) if u else nothing(draw, typed) for u in users],
                "session_id": sessions,
                "item_id": id_cells(
                    draw, [known[k] for k in at], kind, draw(st.sampled_from(forms))
                ),
                "event": [draw(st.sampled_from(EVENTS[k])) for k in kinds],
                "time": moment_cells[number],
                "value": value_cells[number],
                "quantity": count_cells[number],
            },
        )
        order = draw(st.permutations(list(file.columns)))
        file.columns = {c: file.columns[c] for c in order}
        source.files.append(file)
        source.events += rows(
            user_id=users, session_id=sessions, item_id=[ids[k] for k in at], event=kinds,
            time=moments[number], value=values[number], quantity=counts[number],
        )  # fmt: skip
