"""The page of a proof: one HTML file with everything in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from wareloom.proof.arms import CONTROLS, MIXED, REAL
from wareloom.report import figures

STYLE = """
:root{--ink:#1f2933;--faint:#616e7c;--line:#e4e7eb;--paper:#fff;--wash:#f5f7fa}
*{box-sizing:border-box}
body{margin:0;background:var(--wash);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 20px 60px}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:20px 24px;margin:18px 0}
h1{font-size:1.5rem;margin:0 0 6px}
h2{font-size:1.12rem;margin:0 0 10px}
p{margin:6px 0}
.faint{color:var(--faint);font-size:.92rem}
.badge{display:inline-block;color:#fff;border-radius:999px;padding:2px 14px;font-weight:600;margin-bottom:10px}
table{border-collapse:collapse;width:100%;font-size:.93rem;margin:8px 0 16px}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--faint);font-weight:600}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:18px}
@media(max-width:800px){.pair{grid-template-columns:1fr}}
.wide{overflow-x:auto}
details{margin-top:8px}
summary{cursor:pointer;color:var(--faint)}
pre{white-space:pre-wrap;font-size:.84rem;margin:8px 0}
"""
HEAD = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    "<title>Wareloom proof: {verdict}</title><style>{style}</style><script>{plotly}</script></head>"
)


def render(data: Mapping[str, Any], cleaned: Mapping[str, Any] | None = None) -> str:
    """Return the page of `proof.json`'s `data`; `cleaned` is `clean.json`'s."""
    metric = data["decisive"]["metric"]
    parts = [
        _head(data),
        _section("Every arm on the same held-out requests", _arms(data, metric)),
        _section("Real + synthetic against each control", _comparisons(data, metric)),
        _section("Where it helps and where it hurts", _slices(data, metric)),
        _section("What the synthetic data looks like", _synthetic(data)),
        _section("How the ratio was chosen", _choice(data)),
        _section("What was cleaned", _cleaned(cleaned)) if cleaned else "",
        _section("Settings", _settings(data)),
    ]
    head = HEAD.format(verdict=escape(data["verdict"]), style=STYLE, plotly=get_plotlyjs())
    return f"{head}<body><main>{''.join(parts)}</main></body></html>\n"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _figure(figure: go.Figure, name: str) -> str:
    config = {"displaylogo": False, "responsive": True, "displayModeBar": False}
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=config)
    return html


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Lay out a table; numbers go to the right."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{escape(str(value))}</td>"
    return f"<td class='n'>{value:,}</td>" if isinstance(value, int) else f"<td class='n'>{value:.4g}</td>"


def _head(data: Mapping[str, Any]) -> str:
    """The verdict and what was asked."""
    shop, settings, mode = data["shop"], data["settings"], data["modes"][0]
    name = shop["meta"].get("name", "This shop")
    ties = f", {figures.TIES[mode['ties']]}" if len(data["modes"]) > 1 else ""
    seen = "items of the history included" if mode["task"]["repeats"] else "items of the history left out"
    asked = (
        f"{name}: {shop.get('events', 0):,} events on {shop['items']:,} items. The ranker {settings['ranker']} was "
        f"trained with and without data from the synthesizer {settings['generator']['synthesizer']}, "
        f"{settings['seeds']} times, and judged on {mode['task']['requests']:,} held-out requests over the whole "
        f"catalogue, {seen} (split: {mode['split']['settings']['by']}{ties})."
    )
    rule = (
        "“Helps” is said only where the lower end of the 95 % interval is above zero against each of: "
        f"{'; '.join(CONTROLS)}. The synthesizer saw the training part alone."
    )
    return (
        f"<section><span class='badge' style='background:{figures.COLOURS[data['verdict']]}'>"
        f"{escape(data['verdict'])}</span><h1>{escape(data['sentence'])}</h1><p>{escape(asked)}</p>"
        f"<p class='faint'>{escape(rule)}</p></section>"
    )


def _arms(data: Mapping[str, Any], metric: str) -> str:
    """The arms for the deciding metric, and the others folded away."""
    body = _figure(figures.arms(data["arms"], data["baselines"], metric), "arms-0")
    refused = dict.fromkeys((r["ranker"], r["refused"]) for r in data["baselines"] if "refused" in r)
    body += "".join(f"<p class='faint'>{escape(name)} is not shown: {escape(why)}</p>" for name, why in refused)
    for number, other in enumerate(data["settings"]["metrics"][1:], 1):
        drawn = _figure(figures.arms(data["arms"], data["baselines"], other), f"arms-{number}")
        body += f"<details><summary>{escape(other)}</summary>{drawn}</details>"
    return body


def _comparisons(data: Mapping[str, Any], metric: str) -> str:
    rows = [
        (
            figures.TIES[r["ties"]],
            r["arm"],
            r["against"],
            "–" if r["lift"] is None else f"{r['lift']:+.1%}",
            "–" if r["lift"] is None else f"{r['lift_low']:+.1%} … {r['lift_high']:+.1%}",
            f"{r['p']:.2g}",
            r["verdict"],
        )
        for r in data["comparisons"]
        if r["metric"] == metric and r["slice"] == "all"
    ]
    note = (
        "<p class='faint'>Intervals join a paired bootstrap over requests with the spread between seeds (Student's t, "
        "Welch–Satterthwaite). The lift is the difference over the control's mean.</p>"
    )
    return _table(("order of ties", "arm", "against", "lift", "95 % interval", "p", "verdict"), rows) + note


def _slices(data: Mapping[str, Any], metric: str) -> str:
    shown = _figure(figures.slices(data["comparisons"], metric, MIXED, REAL), "slices")
    return shown + (
        "<p class='faint'>Head, middle and tail items hold a third of the training events each; cold items have none. "
        "Tied users' last event shares its time with the one before.</p>"
    )


def _synthetic(data: Mapping[str, Any]) -> str:
    """Curves, distances and what the screens took."""
    mode = data["modes"][0]
    made = mode["synthetic"]
    curves = {name: mode["curves"][name] for name in ("real", "synthetic", "naive")}
    body = (
        f"<p>{made['events']:,} events of {made['users']:,} synthetic users ({escape(made['origin'])}).</p>"
        f"<div class='pair'>{_figure(figures.popularity(curves), 'popularity')}"
        f"{_figure(figures.lengths(curves), 'lengths')}</div>"
    )
    keys = ("popularity_tv", "length_ks", "transitions_known", "items")
    names = (
        "data",
        "popularity: total variation",
        "length: KS",
        "transitions known from real data",
        "items with events",
    )
    body += _table(names, ((name, *(curve[key] for key in keys)) for name, curve in curves.items()))
    rows = [(name, r.get("seen", ""), r.get("rejected", 0), _why(r)) for name, r in made["screens"].items()]
    return body + _table(("screen", "rows seen", "rows taken", "why"), rows)


def _why(report: Mapping[str, Any]) -> str:
    """Say why a screen took rows, or what the leak screen found."""
    if report.get("looked"):
        explained = f"{report['expected']:.1f} explained by training"
        return f"{report['held']:,} of {report['pairs']:,} held-out pairs found, {explained}: no leak"
    return ", ".join(f"{reason}: {count:,}" for reason, count in report.get("reasons", {}).items()) or "nothing"


def _choice(data: Mapping[str, Any]) -> str:
    chosen = data["modes"][0]["choice"]
    figure = figures.choice(chosen["tried"], chosen["real"], chosen["metric"])
    return (
        f"<p>On the validation part, with the first seed: {chosen['ratio']:g} was taken.</p>{_figure(figure, 'choice')}"
    )


def _cleaned(cleaned: Mapping[str, Any]) -> str:
    """What cleaning did to how many rows of each table."""
    rows: list[tuple[Any, ...]] = []
    for name, table in cleaned["tables"].items():
        rows.append((name, "rows before", table["before"]))
        for kind in ("rejected", "changed", "blanked"):
            rows += [("", f"{kind}: {what}", count) for what, count in table.get(kind, {}).items() if count]
        rows.append(("", "rows after", table["after"]))
    return _table(("table", "what", "rows"), rows)


def _settings(data: Mapping[str, Any]) -> str:
    """Everything needed to repeat it."""
    text = json.dumps(
        {"settings": data["settings"], "splits": [mode["split"] for mode in data["modes"]]},
        indent=2,
        ensure_ascii=False,
    )
    return (
        f"<p>Seed {data['seed']}; data fingerprint {escape(data['shop']['fingerprint'][:16])}….</p>"
        f"<details><summary>All settings</summary><pre>{escape(text)}</pre></details>"
    )
