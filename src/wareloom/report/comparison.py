"""The page of a comparison: every figure beside its floor, what the curves look like, what betrays the synthetic."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from wareloom.core.files import replacing
from wareloom.core.state import write_json
from wareloom.evaluation.compare import Comparison
from wareloom.report.comparison_figures import TONES, curve, figured, ratios
from wareloom.report.figures import drawn
from wareloom.report.templating import filled
from wareloom.report.views import Table, table

Figures = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Betrayed:
    """What a discriminator went by: it judged so many `judged`, and has an area under the curve beside its floor."""

    name: str
    table: Table
    judged: str
    known: str
    """Real users from which it knows what is popular; blank of queries."""
    area: str
    floor: str


@dataclass(frozen=True)
class ComparisonPage:
    """What the page of a comparison says, section by section."""

    title: str
    tone: str
    """The verdict's colour."""
    shop: str
    sentence: str
    asked: str
    notes: tuple[str, ...]
    chart: Markup | None
    figures: Table
    curves: tuple[tuple[str, Markup], ...]
    users: tuple[Betrayed, ...]
    queries: tuple[Betrayed, ...]
    left_out: Table | None
    seed: int
    settings: str


def save_comparison(found: Comparison, folder: str | Path) -> None:
    """Write `compare.json` and `compare.html` to `folder`, which is made; an older comparison there is replaced."""
    with replacing(Path(folder), marker="compare.json") as partial:
        write_json(partial / "compare.json", found.data)
        (partial / "compare.html").write_text(comparison_page(found.data), encoding="utf-8")


def comparison_page(data: Mapping[str, Any]) -> str:
    """Return the page of `compare.json`'s `data`: one HTML file that needs no network; the same bytes for the same."""
    return filled("comparison.html.j2", view_of(data))


def view_of(data: Mapping[str, Any]) -> ComparisonPage:
    """Return what the page of `compare.json`'s `data` says, in plain text and figures."""
    figures: Figures = data["figures"]
    beyond = sum(figure["verdict"] == "beyond" for figure in figures)
    asked = (_of_users(data["users"]), _of_queries(data.get("queries")))
    curves = [figure for figure in figures if figure["curve"]]
    return ComparisonPage(
        title=f"{beyond} of {len(figures)} figures beyond the floor",
        tone=TONES["beyond" if beyond else "within"],
        shop=data["shops"]["real"]["meta"].get("name", "This shop"),
        sentence=data["sentence"],
        asked=" ".join(each for each in asked if each),
        notes=tuple(data["notes"]),
        chart=drawn(ratios(figures, data["settings"]["tolerance"]), "ratios") if figures else None,
        figures=_figures(figures),
        curves=tuple(
            (figure["name"], drawn(curve(figure["curve"]), f"curve-{number}"))
            for number, figure in enumerate(curves)
        ),
        users=tuple(map(_users, (f for f in figures if f["about"].get("betray") is not None))),
        queries=tuple(map(_queries, (f for f in figures if f["about"].get("signs")))),
        left_out=table(("measure", "why"), sorted(data["left_out"].items()))
        if data["left_out"]
        else None,
        seed=data["seed"],
        settings=_settings(data),
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


def _figures(figures: Figures) -> Table:
    """Every figure with its floor."""
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
    rows = [
        (
            figure["name"],
            figured(figure["value"]),
            _span(figure["low"], figure["high"]),
            figured(figure["floor"]),
            _span(figure["floor_low"], figure["floor_high"]),
            figured(figure["ratio"]),
            figure["verdict"],
            _sides(figure),
            figure["unit"],
        )
        for figure in figures
    ]
    return table(head, rows)


def _sides(figure: Mapping[str, Any]) -> str:
    if figure["real"] is None:
        return "–"
    return f"{figured(figure['real'])} → {figured(figure['synthetic'])}"


def _span(low: float, high: float) -> str:
    return f"{low:.3g} to {high:.3g}"


def _users(figure: Mapping[str, Any]) -> Betrayed:
    """What the discriminator of users went by."""
    about = figure["about"]
    rows = [
        (
            r["feature"],
            figured(r.get("area")),
            f"{r['gain']:.0%}",
            figured(r["real"]),
            figured(r["synthetic"]),
        )
        for r in about["betray"]
    ]
    return Betrayed(
        name=figure["name"],
        table=table(
            ("feature of a user", "area alone", "share of gain", "real", "synthetic"), rows
        ),
        judged=f"{about['users']:,}",
        known=f"{about['known_users']:,}",
        area=f"{figure['value']:.3f}",
        floor=f"{figure['floor']:.3f}",
    )


def _queries(figure: Mapping[str, Any]) -> Betrayed:
    """What the discriminator of queries went by."""
    about = figure["about"]
    rows = [
        (r["sign"], r["kind"], f"{r['real']:.2%}", f"{r['synthetic']:.2%}") for r in about["signs"]
    ]
    return Betrayed(
        name=figure["name"],
        table=table(("sign in a query", "kind", "real", "synthetic"), rows),
        judged=f"{about['queries']:,}",
        known="",
        area=f"{figure['value']:.3f}",
        floor=f"{figure['floor']:.3f}",
    )


def _settings(data: Mapping[str, Any]) -> str:
    return json.dumps(
        {key: data.get(key) for key in ("settings", "users", "queries")},
        indent=2,
        sort_keys=True,
        ensure_ascii=False,
    )
