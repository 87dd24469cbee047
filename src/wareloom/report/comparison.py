"""The page of a comparison: every figure beside its floor, what the curves look like, what betrays the synthetic."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wareloom.core.files import replacing
from wareloom.core.sentences import Say
from wareloom.core.state import write_json
from wareloom.evaluation.compare import Comparison
from wareloom.report.charts import Chart
from wareloom.report.comparison_figures import curve, figured, ratios
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
    caption: str


@dataclass(frozen=True)
class ComparisonPage:
    """What the page of a comparison says, section by section."""

    title: str
    tone: str
    """The verdict's class in the style sheet"""
    shop: str
    sentence: str
    asked: tuple[str, ...]
    notes: tuple[str, ...]
    chart: Chart | None
    figures: Table
    curves: tuple[Chart, ...]
    users: tuple[Betrayed, ...]
    queries: tuple[Betrayed, ...]
    left_out: Table | None
    seed: int
    settings: str


def save_comparison(
    found: Comparison, folder: str | Path, language: str = "", *, interactive: bool = False
) -> None:
    """Write `compare.json` and `compare.html` to `folder`, which is made; an older comparison there is replaced."""
    page = comparison_page(found.data, language, interactive=interactive)
    with replacing(Path(folder), marker="compare.json") as partial:
        write_json(partial / "compare.json", found.data)
        (partial / "compare.html").write_text(page, encoding="utf-8")


def comparison_page(
    data: Mapping[str, Any], language: str = "", *, interactive: bool = False
) -> str:
    """Return the page of `compare.json`'s `data`: one HTML file that needs no network; the same bytes for the same."""
    view = view_of(data, Say.of(language))
    return filled("comparison.html.j2", view, language, interactive=interactive)


def view_of(data: Mapping[str, Any], say: Say) -> ComparisonPage:
    """Return what the page of `compare.json`'s `data` says, in plain text and charts."""
    figures: Figures = data["figures"]
    beyond = sum(figure["verdict"] == "beyond" for figure in figures)
    asked = (
        _of_users(data["users"], say),
        _of_queries(data.get("queries"), say),
        *_of_pictures(data, say),
    )
    return ComparisonPage(
        title=say("compare.title", beyond=beyond, count=len(figures)),
        tone="beyond" if beyond else "within",
        shop=data["shops"]["real"]["meta"].get("name", say("proof.this_shop")),
        sentence=_sentence(data, say),
        asked=tuple(each for each in asked if each),
        notes=tuple(say.retold("note", note) for note in data["notes"]),
        chart=ratios(figures, data["settings"]["tolerance"], say) if figures else None,
        figures=_figures(figures, say),
        curves=tuple(
            curve(figure["curve"], figure["name"], say) for figure in figures if figure["curve"]
        ),
        users=tuple(_users(f, say) for f in figures if f["about"].get("betray") is not None),
        queries=tuple(_queries(f, say) for f in figures if f["about"].get("signs")),
        left_out=table((say("head.measure"), say("head.why")), sorted(data["left_out"].items()))
        if data["left_out"]
        else None,
        seed=data["seed"],
        settings=_settings(data),
    )


def _sentence(data: Mapping[str, Any], say: Say) -> str:
    """How many figures are where, and which are furthest; in English the comparison's own sentence."""
    if say.language == "en":
        return str(data["sentence"])
    figures: Figures = data["figures"]
    if not figures:
        return say("compare.nothing")
    number = Counter(figure["verdict"] for figure in figures)
    said = say(
        "compare.counts",
        count=len(figures),
        within=number["within"],
        chance=number["chance"],
        beyond=number["beyond"],
        tolerance=f"{data['settings']['tolerance']:g}",
    )
    worst = sorted(
        (f for f in figures if f["verdict"] == "beyond"),
        key=lambda f: -(f["ratio"] or float("inf")),
    )[:3]
    if not worst:
        return said
    names = [
        say(
            "compare.times" if f["ratio"] is not None else "compare.no_ratio",
            name=f["name"],
            ratio=figured(f["ratio"]),
        )
        for f in worst
    ]
    return say("compare.furthest", counts=said, names=say.joined(names))


def _of_users(users: Mapping[str, Any] | None, say: Say) -> str:
    """Which users were held beside which."""
    if users is None:
        return ""
    key = "held_out" if users["reference"] == "held out" else "real"
    return say(
        f"compare.users_{key}",
        count=f"{users['compared']:,}",
        events=f"{users['events']['synthetic']:,}",
    )


def _of_queries(queries: Mapping[str, Any] | None, say: Say) -> str:
    """Which queries were held beside which."""
    if queries is None:
        return ""
    key = "real" if queries["reference"] == "halves of real" else "held_out"
    return say(f"compare.queries_{key}", count=f"{queries['compared']:,}")


def _of_pictures(data: Mapping[str, Any], say: Say) -> list[str]:
    """Which pictures were held beside which, and what training photos would score if they were given for made ones."""
    pictures = data.get("pictures")
    if pictures is None:
        return []
    key = "held_out" if pictures["reference"] == "held out" else "real"
    told = [
        say(
            "compare.memoriser_part",
            name=figure["name"].replace("_", " "),
            value=figured(figure["value"]),
            floor=figured(figure["floor"]),
            # A share that is left to 1 is told of photos as the share itself is.
            copied=figured(_copied(figure)),
        )
        for figure in data["figures"]
        if "training photos" in figure["about"]
    ]
    said = [say(f"compare.pictures_{key}", count=f"{pictures['compared']:,}")]
    return [*said, say("compare.memoriser", parts=say.listed(told))] if told else said


def _copied(figure: Mapping[str, Any]) -> float:
    """What training photos score in a figure, on its own scale: lower is better."""
    score, about = float(figure["about"]["training photos"]), figure["about"]
    if "synthetic photos" in about:
        return max(0.0, 1 - score)
    return max(0.0, score)


def _figures(figures: Figures, say: Say) -> Table:
    """Every figure with its floor."""
    head = (
        "figure",
        "value",
        "95",
        "floor",
        "95_floors",
        "ratio_floor",
        "verdict",
        "sides",
        "unit",
    )
    rows = [
        (
            figure["name"],
            figured(figure["value"]),
            _span(figure["low"], figure["high"], say),
            figured(figure["floor"]),
            _span(figure["floor_low"], figure["floor_high"], say),
            figured(figure["ratio"]),
            say.term("verdict", figure["verdict"]),
            _sides(figure, say),
            say.term("unit", figure["unit"]),
        )
        for figure in figures
    ]
    return table([say(f"head.{name}") for name in head], rows)


def _sides(figure: Mapping[str, Any], say: Say) -> str:
    if figure["real"] is None:
        return "–"
    pair = {"real": figured(figure["real"]), "synthetic": figured(figure["synthetic"])}
    return say("compare.sides", **pair)


def _span(low: float, high: float, say: Say) -> str:
    return say("figure.to", low=f"{low:.3g}", high=f"{high:.3g}")


def _users(figure: Mapping[str, Any], say: Say) -> Betrayed:
    """What the discriminator of users went by."""
    about = figure["about"]
    rows = [
        (
            say.retold("feature", r["feature"]),
            figured(r.get("area")),
            f"{r['gain']:.0%}",
            figured(r["real"]),
            figured(r["synthetic"]),
        )
        for r in about["betray"]
    ]
    head = ("feature", "area_alone", "gain", "real", "synthetic")
    return Betrayed(
        name=figure["name"],
        table=table([say(f"head.{name}") for name in head], rows),
        judged=f"{about['users']:,}",
        known=f"{about['known_users']:,}",
        area=f"{figure['value']:.3f}",
        floor=f"{figure['floor']:.3f}",
        caption=say("compare.betrays_users", name=figure["name"].replace("_", " ")),
    )


def _queries(figure: Mapping[str, Any], say: Say) -> Betrayed:
    """What the discriminator of queries went by."""
    about = figure["about"]
    rows = [
        (r["sign"], say.term("sign", r["kind"]), f"{r['real']:.2%}", f"{r['synthetic']:.2%}")
        for r in about["signs"]
    ]
    head = ("sign", "sign_kind", "real", "synthetic")
    return Betrayed(
        name=figure["name"],
        table=table([say(f"head.{name}") for name in head], rows),
        judged=f"{about['queries']:,}",
        known="",
        area=f"{figure['value']:.3f}",
        floor=f"{figure['floor']:.3f}",
        caption=say("compare.betrays_queries", name=figure["name"].rpartition(".")[2]),
    )


def _settings(data: Mapping[str, Any]) -> str:
    return json.dumps(
        {key: data.get(key) for key in ("settings", "users", "queries")},
        indent=2,
        sort_keys=True,
        ensure_ascii=False,
    )
