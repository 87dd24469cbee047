"""What a notebook shows of a result: a small card of HTML, and one line of text.

A card brings its own look, light or dark as the reader's screen asks, or as Jupyter and VS Code say. It is escaped,
needs nothing from outside, and stays below `LARGEST` bytes however large the result is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

LARGEST = 20_000
"""Bytes of a card, at most"""
ROOM = 15_000
"""Bytes that the rows of its tables share; style, title and facts fit into the rest"""
LINE = 119
"""Characters of a line, at most"""
CELL = 60
"""Characters of a cell, at most"""
FACT = 200
"""Characters of a fact, at most"""
FACTS = 12
"""Facts of a card, at most"""
COLUMNS = 12
"""Columns of a table, at most"""
NUMBER = ' class="number"'

LIGHT = "--wl-back:#fff;--wl-text:#1f2328;--wl-quiet:#57606a;--wl-line:#d0d7de"
DARK = "--wl-back:#161b22;--wl-text:#e6edf3;--wl-quiet:#9da7b3;--wl-line:#3d444d"
STYLE = (
    f".wareloom-card{{{LIGHT};background:var(--wl-back);color:var(--wl-text);border:1px solid var(--wl-line);"
    "border-radius:6px;padding:.7em 1em;max-width:60em;overflow-x:auto;font:13px/1.5 system-ui,sans-serif}"
    f"@media(prefers-color-scheme:dark){{.wareloom-card{{{DARK}}}}}"
    f'body[data-jp-theme-light="true"] .wareloom-card,body.vscode-light .wareloom-card{{{LIGHT}}}'
    f'body[data-jp-theme-light="false"] .wareloom-card,body.vscode-dark .wareloom-card{{{DARK}}}'
    ".wareloom-card p{margin:.2em 0;color:inherit}.wareloom-card .quiet{color:var(--wl-quiet)}"
    ".wareloom-card table{border-collapse:collapse;margin:.6em 0 .2em;font:inherit;background:none;color:inherit}"
    ".wareloom-card caption{text-align:left;color:var(--wl-quiet);padding:.2em 0}"
    ".wareloom-card th,.wareloom-card td{padding:.2em .8em .2em 0;text-align:left;border:0;"
    "border-bottom:1px solid var(--wl-line);background:none;color:inherit;font-weight:400}"
    ".wareloom-card thead th{font-weight:600}"
    ".wareloom-card .number{text-align:right;font-variant-numeric:tabular-nums}"
)


class Table(NamedTuple):
    """A table of a card."""

    caption: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


def line(kind: str, *said: str) -> str:
    """One line for a `repr`: `Kind(said, said)`, cut where it is long; no line break is left in it."""
    text = ", ".join(" ".join(str(one).split()) for one in said if one)
    room = LINE - len(kind) - 2
    return f"{kind}({_cut(text, room)})"


def card(
    kind: str,
    title: str,
    facts: Mapping[str, Any] | None = None,
    tables: Sequence[Table] = (),
    note: str = "",
) -> str:
    """Return a card: what it is and its title, facts as lines, tables, a note; what is None or "" is left out.

    Rows that would make it larger than `LARGEST` bytes are counted instead.
    """
    known = [(k, v) for k, v in (facts or {}).items() if v not in (None, "")][:FACTS]
    lines = [
        f'<p><span class="quiet">{_safe(key, CELL)}</span> {_safe(text_of(value), FACT)}</p>'
        for key, value in known
    ]
    room, drawn = ROOM, []
    for table in tables:
        shown = _table(table, room)
        room -= len(shown.encode())
        drawn.append(shown)
    ending = f'<p class="quiet">{_safe(note, FACT)}</p>' if note else ""
    return (
        f'<div class="wareloom-card"><style>{STYLE}</style>'
        f'<p><span class="quiet">{_safe(kind, CELL)}</span> <strong>{_safe(title, FACT)}</strong></p>'
        f"{''.join(lines)}{''.join(drawn)}{ending}</div>"
    )


def text_of(value: Any) -> str:
    """A value as a person reads it: whole numbers with commas, others with four digits, None as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text_of(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    return str(value)


def _table(table: Table, room: int) -> str:
    """A table whose rows take at most so many bytes."""
    rows = [list(row)[:COLUMNS] for row in table.rows]
    columns = list(table.columns)[:COLUMNS]
    numeric = [any(_is_number(row[i]) for row in rows) for i in range(len(columns))]
    head = "".join(
        f'<th scope="col"{NUMBER if own else ""}>{_safe(name, CELL)}</th>'
        for name, own in zip(columns, numeric, strict=True)
    )
    drawn, left, used = [], 0, 0
    for row in rows:
        cells = [
            f"<td{NUMBER if own else ''}>{_safe(text_of(value), CELL)}</td>"
            for value, own in zip(row, numeric, strict=True)
        ]
        one = f"<tr>{''.join(cells)}</tr>"
        used += len(one.encode())
        if used > room:
            left += 1
        else:
            drawn.append(one)
    if left:
        drawn.append(f'<tr><td class="quiet" colspan="{len(columns)}">and {left:,} more</td></tr>')
    return (
        f"<table><caption>{_safe(table.caption, FACT)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(drawn)}</tbody></table>"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _safe(text: str, longest: int) -> str:
    return escape(_cut(text, longest))


def _cut(text: str, longest: int) -> str:
    text = str(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
