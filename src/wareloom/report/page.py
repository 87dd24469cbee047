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
*{box-sizing:border-box}body{margin:0;background:var(--wash);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 20px 60px}section{background:var(--paper);border:1px solid var(--line);
border-radius:10px;padding:20px 24px;margin:18px 0}h1{font-size:1.5rem;margin:0 0 6px}h2{font-size:1.12rem;margin:0 0 10px}
p{margin:6px 0}.faint{color:var(--faint);font-size:.92rem}.badge{display:inline-block;color:#fff;border-radius:999px;
padding:2px 14px;font-weight:600;margin-bottom:10px}table{border-collapse:collapse;width:100%;font-size:.93rem}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--faint);
font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.pair{display:grid;
grid-template-columns:1fr 1fr;gap:18px}@media(max-width:800px){.pair{grid-template-columns:1fr}}.wide{overflow-x:auto}
details{margin-top:8px}summary{cursor:pointer;color:var(--faint)}pre{white-space:pre-wrap;font-size:.84rem;margin:8px 0}
"""


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
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Wareloom proof: {escape(data['verdict'])}</title><style>{STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


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
    colour = figures.COLOURS[data["verdict"]]
    name = shop["meta"].get("name", "This shop")
    ties = f", {figures.TIES[mode['ties']]}" if len(data["modes"]) > 1 else ""
    asked = (
        f"{name}: {shop.get('events', 0):,} events on {shop['items']:,} items. The ranker {settings['ranker']} was trained with and "
        f"without data from the synthesizer {settings['generator']['synthesizer']}, {settings['seeds']} times, and judged on "
        f"{mode['task']['requests']:,} held-out requests over the whole catalogue (split: {mode['split']['settings']['by']}{ties})."
    )
    return (
        f"<section><span class='badge' style='background:{colour}'>{escape(data['verdict'])}</span>"
        f"<h1>{escape(data['sentence'])}</h1><p>{escape(asked)}</p>"
        f"<p class='faint'>“Helps” is said only where the lower end of the 95 % interval is above zero against each of: "
        f"{escape('; '.join(CONTROLS))}. The synthesizer saw the training part alone.</p></section>"
    )


def _arms(data: Mapping[str, Any], metric: str) -> str:
    """The arms for the deciding metric, and the others folded away."""
    body = _figure(figures.arms(data["arms"], data["baselines"], metric), "arms-0")
    for row in {(r["ranker"], r["refused"]) for r in data["baselines"] if "refused" in r}:
        body += f"<p class='faint'>{escape(row[0])} is not shown: {escape(row[1])}</p>"
    for number, other in enumerate(data["settings"]["metrics"][1:], 1):
        body += f"<details><summary>{escape(other)}</summary>{_figure(figures.arms(data['arms'], data['baselines'], other), f'arms-{number}')}</details>"
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
        "<p class='faint'>Intervals join a paired bootstrap over requests with the spread between seeds (Student's t, Welch–Satterthwaite). "
        "The lift is the difference over the control's mean.</p>"
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
    curves, made = mode["curves"], mode["synthetic"]
    body = (
        f"<p>{made['events']:,} events of {made['users']:,} synthetic users ({escape(made['origin'])}).</p><div class='pair'>"
        f"{_figure(figures.popularity(curves), 'popularity')}{_figure(figures.lengths(curves), 'lengths')}</div>"
    )
    keys = ("popularity_tv", "length_ks", "transitions_known", "items")
    names = ("data", "popularity: total variation", "length: KS", "transitions known from real data", "items with events")
    body += _table(names, ((name, *(curve[key] for key in keys)) for name, curve in curves.items()))
    rows = []
    for name, report in made["screens"].items():
        taken = ", ".join(f"{reason}: {count:,}" for reason, count in report.get("reasons", {}).items()) or "nothing"
        if report.get("looked"):
            taken = f"{report['held']:,} of {report['pairs']:,} held-out pairs found, {report['expected']:.1f} explained by training: no leak"
        rows.append((name, report.get("seen", ""), report.get("rejected", 0), taken))
    return body + _table(("screen", "rows seen", "rows taken", "why"), rows)


def _choice(data: Mapping[str, Any]) -> str:
    chosen = data["modes"][0]["choice"]
    figure = figures.choice(chosen["tried"], chosen["real"], chosen["metric"])
    return f"<p>On the validation part, with the first seed: {chosen['ratio']:g} was taken.</p>{_figure(figure, 'choice')}"


def _cleaned(cleaned: Mapping[str, Any]) -> str:
    rows = [
        (step.get("table", ""), step.get("step", ""), step.get("rows", 0), "changed" if step.get("changed") else "rejected")
        for step in cleaned.get("steps", [])
    ]
    return _table(("table", "step", "rows", "what"), rows) if rows else f"<pre>{escape(json.dumps(cleaned, indent=2))}</pre>"


def _settings(data: Mapping[str, Any]) -> str:
    """Everything needed to repeat it."""
    facts = {"seed": data["seed"], "shop fingerprint": data["shop"]["fingerprint"], "settings": data["settings"]}
    splits = [mode["split"] for mode in data["modes"]]
    text = escape(json.dumps(facts | {"split": splits}, indent=2, ensure_ascii=False))
    return f"<p>Seed {data['seed']}, data fingerprint {escape(data['shop']['fingerprint'][:16])}….</p><details><summary>All settings</summary><pre>{text}</pre></details>"
