"""The figures of a proof, as Plotly figures."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from wareloom.report.figures import FAINT, GRID, INK, NARROW_TITLE, SHADES, lines, plain, styled

COLOURS = {
    "helps": "#1b7f4b",
    "helps, but": "#975a16",
    "no evidence": "#616e7c",
    "hurts": "#b42318",
}
TIES = {"shuffled": "ties shuffled", "file": "ties in file order"}
NARROW = 32
"""Characters of a bold name that fit a phone."""
Rows = list[dict[str, Any]]


def arms(rows: Rows, baselines: Rows, metric: str) -> go.Figure:
    """Draw every arm and every strong ranker on real data as a dot with its interval, one panel a way to order ties."""
    modes = list(dict.fromkeys(row["ties"] for row in rows))
    said = lines(f"{metric}, 95 % interval", NARROW_TITLE)
    figure = make_subplots(
        cols=len(modes),
        rows=1,
        shared_yaxes=True,
        subplot_titles=[lines(TIES[m], 10) for m in modes] if len(modes) > 1 else None,
        x_title=said if len(modes) > 1 else None,
    )
    figure.update_annotations(font_size=13)
    for column, mode in enumerate(modes, 1):
        own = [r | {"name": r["arm"]} for r in rows if _is(r, mode, metric)]
        beside = [
            r | {"name": f"{r['ranker']} (real)"}
            for r in baselines
            if "refused" not in r and _is(r, mode, metric)
        ]
        for part, colour, symbol in ((beside, FAINT, "diamond"), (own, SHADES[0], "circle")):
            _dots(
                figure,
                part[::-1],
                "mean",
                colour,
                symbol,
                (1, column),
                f"{plain(metric)} %{{x:.4f}}",
            )
    height = 90 + 34 * (len(rows and own) + len(beside))
    if len(modes) == 1:
        return styled(figure, f"{metric}, 95 % interval", height)
    # One title under all panels, and theirs in two lines: on a phone they would run into each other.
    return styled(figure, "", height + 18).update_layout(margin_t=52)


def against(rows: Rows, detectable: float | None, metric: str) -> go.Figure:
    """Draw the lift over each control, called `name`, under its figures; the band is what could not be found.

    Names and figures stand over the bars, not beside them, so that a narrow screen cuts nothing off.
    """
    figure = go.Figure()
    if detectable:
        figure.add_vrect(
            x0=-detectable, x1=detectable, fillcolor=GRID, opacity=0.55, line_width=0, layer="below"
        )
    figure.add_vline(x=0, line_color=INK, line_width=1.2)
    tallest = 0
    for place, row in enumerate(rows[::-1]):
        colour = COLOURS[row["verdict"]]
        name = lines(row["name"], NARROW)
        tallest = max(tallest, 2 + name.count("<br>"))
        figure.add_scatter(
            x=[row["lift_low"], row["lift_high"]],
            y=[place, place],
            mode="lines",
            line={"color": colour, "width": 7},
            opacity=0.35,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=[row["lift"]],
            y=[place],
            mode="markers",
            marker={"color": colour, "size": 15, "line": {"color": "white", "width": 2}},
            hovertemplate=f"against {plain(row['name'])}: %{{x:+.1%}}<extra></extra>",
        )
        figure.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            align="left",
            y=place,
            yanchor="bottom",
            yshift=8,
            text=f'<b>{name}</b><br><span style="color:{colour}">{_lift(row)}</span>',
            showarrow=False,
            bgcolor="rgba(255,255,255,.65)",
            font={"size": 13.5},
        )
    ends = [
        0.0,
        *(row[key] for row in rows for key in ("lift_low", "lift_high")),
        detectable or 0.0,
        -(detectable or 0.0),
    ]
    room = 0.05 * (max(ends) - min(ends) or 1.0)
    each = 34 + 19 * tallest
    shown = styled(figure, f"lift of {metric}", 62 + each * len(rows))
    shown.update_xaxes(tickformat="+.1%", range=[min(ends) - room, max(ends) + room])
    shown.update_yaxes(
        tickvals=list(range(len(rows))), showticklabels=False, range=[-0.3, len(rows) - 0.3]
    )
    return shown.update_layout(showlegend=False, margin={"l": 10, "r": 10, "t": 8, "b": 46})


def _lift(row: dict[str, Any]) -> str:
    """A lift in bold with its interval."""
    said = f"<b>{row['lift']:+.1%}</b>  ({row['lift_low']:+.1%} to {row['lift_high']:+.1%})"
    return said.replace("-", "−")


def curve(rows: Rows, key: str, x_title: str, metric: str) -> go.Figure:
    """Draw a lift with its interval as a band against a number."""
    x = [row[key] for row in rows]
    figure = go.Figure()
    figure.add_scatter(
        x=[*x, *x[::-1]],
        y=[*(row["lift_low"] for row in rows), *(row["lift_high"] for row in rows[::-1])],
        mode="lines",
        fill="toself",
        fillcolor="rgba(51,84,165,.14)",
        line={"width": 0},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=x,
        y=[row["lift"] for row in rows],
        mode="lines+markers",
        line={"color": SHADES[0], "width": 2.2},
        marker={"size": 9},
        hovertemplate="%{x}: %{y:+.1%}<extra></extra>",
    )
    figure.add_hline(y=0, line_color=INK, line_width=1)
    figure.update_xaxes(
        tickvals=x, ticktext=[f"{value:,.4g}" if value < 1000 else f"{value:,.0f}" for value in x]
    )
    figure.update_yaxes(tickformat="+.0%", title=plain(f"lift of {metric} over real"))
    return styled(figure, x_title, 320).update_layout(showlegend=False)


def members(rows: Rows, metric: str) -> go.Figure:
    """Draw what each member of the generator adds to the lift."""
    figure = go.Figure()
    _dots(
        figure,
        [r | {"name": r["without"]} for r in rows][::-1],
        "lift",
        SHADES[0],
        "circle",
        None,
        "%{x:+.1%}",
    )
    figure.add_vline(x=0, line_color=INK, line_width=1)
    figure.update_xaxes(tickformat="+.1%")
    return styled(
        figure, f"lift of {metric} with all, less the lift without this one", 110 + 40 * len(rows)
    )


def slices(rows: Rows, metric: str, arm: str, against: str) -> go.Figure:
    """Draw the lift of `arm` over `against` in every slice, one colour a way to order ties."""
    modes = list(dict.fromkeys(row["ties"] for row in rows))
    figure = go.Figure()
    count = 0
    for place, mode in enumerate(modes):
        part = [
            r
            for r in rows
            if (r["ties"], r["metric"], r["arm"], r["against"]) == (mode, metric, arm, against)
            and r["lift"] is not None
        ]
        part = [r | {"name": r["slice"]} for r in part][::-1]
        count = max(count, len(part))
        _dots(
            figure, part, "lift", SHADES[place], "circle", None, "lift %{x:+.1%}", name=TIES[mode]
        )
    figure.add_vline(x=0, line_color=INK, line_width=1)
    figure.update_xaxes(tickformat="+.0%")
    figure.update_layout(showlegend=len(modes) > 1, scattermode="group", scattergap=0.6)
    return styled(figure, f"lift of {metric} over {against}, 95 % interval", 110 + 38 * count)


def popularity(curves: dict[str, Any]) -> go.Figure:
    """Draw the share of all events that falls on the item of each popularity rank."""
    figure = go.Figure()
    for (name, curve), colour in zip(curves.items(), SHADES, strict=False):
        shown = [(r, s) for r, s in zip(curve["rank"], curve["share"], strict=True) if s > 0]
        figure.add_scatter(
            x=[r for r, _ in shown],
            y=[s for _, s in shown],
            name=plain(name),
            mode="lines",
            line={"color": colour, "width": 2},
        )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(type="log", tickformat=".0e", title="share of events", dtick=1)
    return styled(figure, "item, by popularity rank", 340)


def lengths(curves: dict[str, Any]) -> go.Figure:
    """Draw the share of users with at least so many events."""
    figure = go.Figure()
    for (name, curve), colour in zip(curves.items(), SHADES, strict=False):
        figure.add_scatter(
            x=curve["length"],
            y=curve["users"],
            name=plain(name),
            mode="lines",
            line={"color": colour, "width": 2},
        )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(tickformat=".0%", title="share of users")
    return styled(figure, "events of a user, at least", 340)


def choice(tried: Rows, real: float, metric: str) -> go.Figure:
    """Draw the metric on the validation part against the ratio."""
    figure = go.Figure()
    points = sorted([(0.0, real), *((entry["ratio"], entry["value"]) for entry in tried)])
    figure.add_scatter(
        x=[p[0] for p in points],
        y=[p[1] for p in points],
        mode="lines+markers",
        line={"color": SHADES[0], "width": 2},
    )
    figure.update_yaxes(title=plain(metric))
    return styled(figure, "synthetic events for each real one (0: real only)", 300)


def _is(row: dict[str, Any], ties: str, metric: str) -> bool:
    return bool(row["ties"] == ties and row["metric"] == metric and row["slice"] == "all")


def _dots(
    figure: go.Figure,
    rows: Rows,
    key: str,
    colour: str,
    symbol: str,
    cell: tuple[int, int] | None,
    hover: str,
    name: str = "",
) -> None:
    """Add one trace of dots with their intervals; a row without an interval is a dot alone."""
    low, high = ("low", "high") if key == "mean" else (f"{key}_low", f"{key}_high")
    value = [row[key] for row in rows]
    plus = [(row[high] if row[high] is not None else row[key]) - row[key] for row in rows]
    minus = [row[key] - (row[low] if row[low] is not None else row[key]) for row in rows]
    where = {"row": cell[0], "col": cell[1]} if cell else {}
    figure.add_scatter(
        x=value,
        y=[plain(row["name"]) for row in rows],
        mode="markers",
        orientation="h",
        marker={"color": colour, "size": 9, "symbol": symbol},
        error_x={
            "type": "data",
            "array": plus,
            "arrayminus": minus,
            "color": colour,
            "thickness": 1.6,
            "width": 4,
        },
        name=name,
        showlegend=bool(name),
        hovertemplate=f"%{{y}}: {hover}<extra></extra>",
        **where,
    )
