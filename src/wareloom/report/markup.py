"""Pieces of HTML that every page shares."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import plotly.graph_objects as go

from wareloom.proof.decide import signed

STYLE = """
:root{--ink:#1f2933;--faint:#616e7c;--line:#e4e7eb;--paper:#fff;--wash:#f5f7fa}
*{box-sizing:border-box}
body{margin:0;background:var(--wash);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 20px 60px}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:22px 28px;margin:18px 0}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.01em;margin:0 0 14px}
h2{font-size:1.12rem;margin:0 0 10px}
h3{font-size:.82rem;letter-spacing:.06em;text-transform:uppercase;color:var(--faint);margin:0 0 8px}
p{margin:6px 0}
.faint{color:var(--faint);font-size:.92rem}
.verdict{padding:0;overflow:hidden}
.verdict>div{padding:30px 36px}
.banner{border-top:7px solid var(--tone)}
.kicker{display:flex;gap:12px;align-items:center;margin-bottom:12px;color:var(--faint);font-size:.92rem}
.badge{color:#fff;background:var(--tone);border-radius:999px;padding:2px 14px;font-weight:600;white-space:nowrap}
.told p{font-size:1.07rem;max-width:70ch;margin:9px 0}
.told p:first-of-type{font-size:1.22rem;line-height:1.5}
.chart{border-top:1px solid var(--line);padding-bottom:10px!important}
.then{display:grid;grid-template-columns:1fr 1fr;gap:36px;background:var(--wash);border-top:1px solid var(--line)}
.then ul{margin:0;padding-left:1.1em}
.then li{margin:5px 0}
.part{margin:38px 0 0;font-size:1.3rem}
table{border-collapse:collapse;width:100%;font-size:.93rem;margin:8px 0 16px}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--faint);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:18px}
@media(max-width:800px){.pair,.then{grid-template-columns:1fr}}
.wide{overflow-x:auto}
details{margin-top:8px}
summary{cursor:pointer;color:var(--faint)}
pre{white-space:pre-wrap;font-size:.84rem;margin:8px 0}
@media print{body{background:#fff}.part{break-before:page}section{break-inside:avoid}}
"""

HEAD = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    "<title>{title}</title><style>{style}</style><script>{plotly}</script></head>"
)


def section(title: str, body: str) -> str:
    """A card with a heading."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def faint(text: str) -> str:
    """A paragraph in a quiet colour."""
    return f"<p class='faint'>{escape(text)}</p>"


def drawn(figure: go.Figure, name: str) -> str:
    """A figure under an id of its own."""
    config = {"displaylogo": False, "responsive": True, "displayModeBar": False}
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=config)
    return html


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Lay out a table; numbers go to the right, and so do the headings of columns of numbers."""
    laid, names = [list(row) for row in rows], list(header)
    columns = zip(*laid, strict=True) if laid else [()] * len(names)
    right = [
        any(map(_number, column)) and all(_number(v) or v in ("", None) for v in column)
        for column in columns
    ]
    heads = zip(names, right, strict=True)
    head = "".join(
        f"<th{' class=n' if to_right else ''}>{escape(name)}</th>" for name, to_right in heads
    )
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in laid)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def percent(value: float | None) -> str:
    """A lift with its sign, a dash where there is none."""
    return "–" if value is None else signed(value)


def span(low: float | None, high: float | None) -> str:
    """The ends of an interval of a lift."""
    return "–" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if not _number(value):
        return f"<td>{escape('–' if value is None else str(value))}</td>"
    return (
        f"<td class='n'>{value:,}</td>"
        if isinstance(value, int)
        else f"<td class='n'>{value:.4g}</td>"
    )
