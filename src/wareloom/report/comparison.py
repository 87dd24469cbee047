"""The page of a comparison: every figure beside its floor, what the curves look like, what betrays the synthetic."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from wareloom.core.files import replacing
from wareloom.core.state import write_json
from wareloom.evaluation.compare import Comparison
from wareloom.report.figures import FAINT, GRID, INK, SHADES, styled
from wareloom.report.markup import HEAD, STYLE, drawn, faint, section, table

TONES = {"within": "#1b7f4b", "chance": "#616e7c", "beyond": "#b42318"}
SAID = {
    "within": "Within {tolerance:g} times the floor",
    "chance": "Above it, no further than chance",
    "beyond": "Beyond the floor",
}
MOST = 30.0
"""Times the floor at which the chart ends."""


def save_comparison(found: Comparison, folder: str | Path) -> None:
    """Write `compare.json` and `compare.html` to `folder`, which is made; an older comparison there is replaced."""
    with replacing(Path(folder), marker="compare.json") as partial:
        write_json(partial / "compare.json", found.data)
        (partial / "compare.html").write_text(comparison_page(found.data), encoding="utf-8")


def comparison_page(data: Mapping[str, Any]) -> str:
    """Return the page of `compare.json`'s `data`: one HTML file that needs no network; the same bytes for the same."""
    parts = [
        _first(data),
        section("Every figure", _table(data)),
        *_curves(data["figures"]),
        *_betrayed(data["figures"]),
        section("What was left out", _left_out(data)) if data["left_out"] else "",
        section("How it was done", _how(data)),
    ]
    head = HEAD.format(
        title=f"Wareloom comparison: {escape(_title(data))}", style=STYLE, plotly=get_plotlyjs()
    )
    return f"{head}<body><main>{''.join(parts)}</main></body></html>\n"


def _title(data: Mapping[str, Any]) -> str:
    beyond = sum(figure["verdict"] == "beyond" for figure in data["figures"])
    return f"{beyond} of {len(data['figures'])} figures beyond the floor"


def _first(data: Mapping[str, Any]) -> str:
    """The card that comes first: a sentence, and each figure in times its floor."""
    name = data["shops"]["real"]["meta"].get("name", "This shop")
    tone = TONES["beyond" if any(f["verdict"] == "beyond" for f in data["figures"]) else "within"]
    asked = " ".join(
        each for each in (_of_users(data["users"]), _of_queries(data.get("queries"))) if each
    )
    notes = "".join(faint(note) for note in data["notes"])
    chart = (
        drawn(_ratios(data["figures"], data["settings"]["tolerance"]), "ratios")
        if data["figures"]
        else ""
    )
    return (
        f"<section class='verdict' style='--tone:{tone}'><div class='banner told'>"
        f"<div class='kicker'><span class='badge'>compared</span><span>{escape(name)}</span></div>"
        f"<h1>{escape(_title(data))}</h1><p>{escape(data['sentence'])}</p><p>{escape(asked)}</p>{notes}</div>"
        f"<div class='chart'><h3>Times the floor</h3>{chart}</div></section>"
    )


def _of_users(users: Mapping[str, Any] | None) -> str:
    """Which users were held beside which."""
    if users is None:
        return ""
    against = "held-out users" if users["reference"] == "held out" else "real users"
    return (
        f"{users['compared']:,} synthetic users with {users['events']['synthetic']:,} events were held beside as many "
        f"{against}. The floor of a figure is the same figure between two samples of as many real users."
    )


def _of_queries(queries: Mapping[str, Any] | None) -> str:
    """Which queries were held beside which."""
    if queries is None:
        return ""
    against = "real queries" if queries["reference"] == "halves of real" else "held-out queries"
    return (
        f"{queries['compared']:,} synthetic queries were held beside as many {against}. The floor of a figure of "
        "queries is the same figure between two samples of as many real queries."
    )


def _ratios(figures: Sequence[Mapping[str, Any]], tolerance: float) -> go.Figure:
    """Draw each figure's ratio to its floor; the band is what is within it."""
    shown = go.Figure()
    shown.add_vrect(x0=0.1, x1=tolerance, fillcolor=GRID, opacity=0.55, line_width=0, layer="below")
    shown.add_vline(x=1, line_color=INK, line_width=1)
    names = [figure["name"] for figure in figures][::-1]
    for verdict, tone in TONES.items():
        part = [figure for figure in figures if figure["verdict"] == verdict]
        shown.add_scatter(
            x=[_inside(figure["ratio"]) for figure in part],
            y=[figure["name"] for figure in part],
            mode="markers",
            marker={"color": tone, "size": 11},
            name=SAID[verdict].format(tolerance=tolerance),
            customdata=[[_number(figure["ratio"])] for figure in part],
            hovertemplate="%{y}: %{customdata[0]} times the floor<extra></extra>",
        )
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, MOST]
    shown.update_xaxes(
        type="log",
        range=[-1.03, 1.53],
        tickvals=ticks,
        ticktext=[*map(str, ticks[:-1]), "30 or more"],
    )
    shown.update_yaxes(categoryorder="array", categoryarray=names)
    return styled(shown, "times the floor", 120 + 26 * len(names))


def _inside(ratio: float | None) -> float:
    return MOST if ratio is None else min(max(ratio, 0.1), MOST)


def _table(data: Mapping[str, Any]) -> str:
    rows = [
        (
            figure["name"],
            _number(figure["value"]),
            _span(figure["low"], figure["high"]),
            _number(figure["floor"]),
            _span(figure["floor_low"], figure["floor_high"]),
            _number(figure["ratio"]),
            figure["verdict"],
            _sides(figure),
            figure["unit"],
        )
        for figure in data["figures"]
    ]
    head = (
        "figure",
        "value",
        "95 %",
        "floor",
        "95 % of floors",
        "times",
        "verdict",
        "real → synthetic",
        "unit",
    )
    note = (
        "Lower is nearer. “Times” is value by floor; of figures that are shares of 1 it is the larger of that and of "
        "floor by value of what is left to 1, so that it tells where two real samples have little in common, too. "
        "“Chance”: above the tolerance, but no further than 97.5 % of pairs of real samples are apart."
    )
    return table(head, rows) + faint(note)


def _sides(figure: Mapping[str, Any]) -> str:
    if figure["real"] is None:
        return "–"
    return f"{_number(figure['real'])} → {_number(figure['synthetic'])}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _span(low: float, high: float) -> str:
    return f"{low:.3g} to {high:.3g}"


def _curves(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = [figure for figure in figures if figure["curve"]]
    if not shown:
        return []
    body = "".join(
        f"<div><h3>{escape(figure['name'])}</h3>{drawn(_curve(figure['curve']), f'curve-{number}')}</div>"
        for number, figure in enumerate(shown)
    )
    return [section("What it looks like", f"<div class='pair'>{body}</div>")]


def _curve(curve: Mapping[str, Any]) -> go.Figure:
    """Draw real and synthetic: lines, on logarithmic axes where the kind says so, or steps round the clock."""
    figure = go.Figure()
    for name, colour in (("real", FAINT), ("synthetic", SHADES[0])):
        line = {
            "color": colour,
            "width": 2,
            "shape": "hvh" if curve["kind"] == "bars" else "linear",
        }
        points = list(zip(curve["x"], curve[name], strict=True))
        if curve["kind"] == "loglog":
            points = [point for point in points if point[1] > 0]
        elif curve["kind"] == "log":
            points = [point for point in points if point[0] > 0]
        figure.add_scatter(
            x=[p[0] for p in points], y=[p[1] for p in points], name=name, mode="lines", line=line
        )
    figure.update_xaxes(type="log" if curve["kind"].startswith("log") else "linear", dtick=None)
    figure.update_yaxes(
        title=curve["y_title"],
        **({"type": "log"} if curve["kind"] == "loglog" else {"rangemode": "tozero"}),
    )
    return styled(figure, curve["x_title"], 300)


def _betrayed(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the discriminator went by."""
    found = []
    for figure in figures:
        rows = figure["about"].get("betray")
        if rows is None:
            continue
        body = table(
            ("feature of a user", "share of gain", "real", "synthetic"),
            [
                (r["feature"], f"{r['gain']:.0%}", _number(r["real"]), _number(r["synthetic"]))
                for r in rows
            ],
        )
        said = (
            f"The {figure['name']} judged {figure['about']['users']:,} users of each kind; what is popular and which "
            f"transitions are known it took from {figure['about']['known_users']:,} real users that it did not judge. "
            f"Its area under the curve is {figure['value']:.3f}; between real users it is {figure['floor']:.3f}."
        )
        found.append(section("What betrays the synthetic users", body + faint(said)))
    return found + _signs(figures)


def _signs(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the discriminator of queries went by."""
    found = []
    for figure in figures:
        if not (rows := figure["about"].get("signs")):
            continue
        body = table(
            ("sign in a query", "kind", "real", "synthetic"),
            [(r["sign"], r["kind"], f"{r['real']:.2%}", f"{r['synthetic']:.2%}") for r in rows],
        )
        said = (
            f"The {figure['name']} judged {figure['about']['queries']:,} queries of each kind; shown is the share that "
            f"has the sign. Its area under the curve is {figure['value']:.3f}; between real queries it is "
            f"{figure['floor']:.3f}."
        )
        found.append(
            section(
                f"What betrays the synthetic queries: {figure['name'].rpartition('.')[2]}",
                body + faint(said),
            )
        )
    return found


def _left_out(data: Mapping[str, Any]) -> str:
    return table(("measure", "why"), sorted(data["left_out"].items()))


def _how(data: Mapping[str, Any]) -> str:
    text = json.dumps(
        {key: data.get(key) for key in ("settings", "users", "queries")},
        indent=2,
        sort_keys=True,
        ensure_ascii=False,
    )
    note = (
        "Intervals of counted figures: the groups of users (or queries) are left out in turn on both sides (jackknife, "
        "Student's). Their floors: the groups of both real samples are dealt anew into two samples of the same size; "
        "shown are the mean and what 95 % lie between. Shares of copies and repeats have Wilson's "
        "intervals, areas under the curve DeLong's."
    )
    folded = f"<details><summary>All settings</summary><pre>{escape(text)}</pre></details>"
    return f"<p>Seed {data['seed']}.</p>{faint(note)}{folded}"
