"""The page of a leaderboard: who is ahead, who cannot be told from the first, on every metric and slice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wareloom.core.files import replacing
from wareloom.core.sentences import Say
from wareloom.core.state import write_json
from wareloom.proof.leaderboard import Leaderboard
from wareloom.report.charts import Axis, Dots, Mark, Row
from wareloom.report.templating import filled
from wareloom.report.views import Table, table

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Order:
    """The leaderboard in one order of ties."""

    ties: str
    chart: Dots
    table: Table
    caption: str


@dataclass(frozen=True)
class BoardPage:
    """What the page of a leaderboard says."""

    title: str
    shop: str
    lead: str
    orders: tuple[Order, ...]
    others: tuple[tuple[str, Table], ...]
    """Pairs of a metric and its table, of the first order of ties"""
    slices: Table | None
    refused: tuple[str, ...]
    seed: int
    fingerprint: str
    settings: str


def save_leaderboard(found: Leaderboard, folder: str | Path, language: str = "") -> None:
    """Write `leaderboard.json` and `leaderboard.html` to `folder`, which is made; an older one there is replaced."""
    page = leaderboard_page(found.data, language)
    with replacing(Path(folder), marker="leaderboard.json") as partial:
        write_json(partial / "leaderboard.json", found.data)
        (partial / "leaderboard.html").write_text(page, encoding="utf-8")


def leaderboard_page(
    data: Mapping[str, Any], language: str = "", *, interactive: bool = False
) -> str:
    """Return the page of `leaderboard.json`'s `data`: one HTML file that needs no network."""
    view = board_of(data, Say.of(language))
    return filled("leaderboard.html.j2", view, language, interactive=interactive)


def board_of(data: Mapping[str, Any], say: Say) -> BoardPage:
    """Return what the page of a leaderboard says, in plain text and charts."""
    metrics, rows = list(data["settings"]["metrics"]), data["rows"]
    orders = list(dict.fromkeys(row["ties"] for row in rows))
    whole = [row for row in rows if row["slice"] == "all"]
    by = {
        (ties, metric): [r for r in whole if (r["ties"], r["metric"]) == (ties, metric)]
        for ties in orders
        for metric in metrics
    }
    first = by[orders[0], metrics[0]] if orders else []
    level = [row["ranker"] for row in first[1:] if not _behind(row)]
    return BoardPage(
        title=_title(first, level, say),
        shop=data["shop"]["meta"].get("name", say("proof.this_shop")),
        lead=_lead(first, level, metrics[0], say),
        orders=tuple(_order(ties, by[ties, metrics[0]], metrics[0], say) for ties in orders),
        others=tuple((metric, _table(by[orders[0], metric], say)) for metric in metrics[1:])
        if orders
        else (),
        slices=_slices([r for r in rows if r["ties"] == orders[0]], metrics[0], say)
        if orders
        else None,
        refused=tuple(
            say("judged.refused", ranker=name, why=say.retold("reason", why))
            for name, why in data["refused"].items()
        ),
        seed=data["seed"],
        fingerprint=data["shop"]["fingerprint"][:16],
        settings=json.dumps(data["settings"], indent=2, ensure_ascii=False),
    )


def _title(first: Rows, level: Sequence[str], say: Say) -> str:
    if not first:
        return say("board.nobody")
    key = "board.level" if level else "board.ahead"
    return say(key, ranker=first[0]["ranker"])


def _lead(first: Rows, level: Sequence[str], metric: str, say: Say) -> str:
    if not first:
        return ""
    best = say(
        "board.best", ranker=first[0]["ranker"], metric=metric, figure=_figure(first[0], say)
    )
    if level:
        return say.sentences([best, say("board.not_told", names=say.listed(level))])
    return say.sentences([best, say("board.told")]) if len(first) > 1 else best


def _behind(row: Mapping[str, Any]) -> bool:
    """Whether a ranker is behind the first beyond chance."""
    return row["behind"]["low"] is not None and row["behind"]["low"] > 0


def _order(ties: str, rows: Rows, metric: str, say: Say) -> Order:
    shown = tuple(
        Row(
            row["ranker"],
            (Mark(row["mean"], row["low"], row["high"], "s4" if _behind(row) else "s0"),),
            f"{row['mean']:.4f}",
            _ends(row["low"], row["high"], say),
        )
        for row in rows
    )
    series = (("s0", say("board.first")), ("s4", say("board.behind")))
    title = say("board.caption", metric=metric, ties=say.term("ties", ties))
    axis = Axis(say("figure.interval", metric=metric))
    return Order(ties, Dots(title, shown, axis, series=series), _table(rows, say), title)


def _table(rows: Rows, say: Say) -> Table:
    head = ("ranker", "mean", "interval", "lack", "lack_interval", "p", "seeds", "requests")
    body = [
        (
            row["ranker"],
            f"{row['mean']:.4f}",
            _ends(row["low"], row["high"], say, bare=True),
            "–" if place == 0 else f"{row['behind']['difference']:.4f}",
            "–"
            if place == 0
            else _ends(row["behind"]["low"], row["behind"]["high"], say, bare=True),
            "–" if place == 0 else f"{row['behind']['p']:.2g}",
            len(row["seeds"]),
            row["requests"],
        )
        for place, row in enumerate(rows)
    ]
    return table([say(f"head.{name}") for name in head], body)


def _slices(rows: Rows, metric: str, say: Say) -> Table | None:
    """Every ranker in every slice; nothing where there are none."""
    part = [row for row in rows if row["metric"] == metric and row["slice"] != "all"]
    names = list(dict.fromkeys(row["slice"] for row in part))
    if not names:
        return None
    means: dict[str, dict[str, str]] = {}
    for row in part:
        value = "–" if row["mean"] is None else f"{row['mean']:.4f}"
        means.setdefault(row["ranker"], {})[row["slice"]] = value
    head = [say("head.ranker"), *(say.term("slice", name) for name in names)]
    return table(head, [(n, *(told.get(s, "–") for s in names)) for n, told in means.items()])


def _figure(row: Mapping[str, Any], say: Say) -> str:
    ends = _ends(row["low"], row["high"], say)
    return (
        say("board.figure", mean=f"{row['mean']:.4f}", ends=ends) if ends else f"{row['mean']:.4f}"
    )


def _ends(low: float | None, high: float | None, say: Say, *, bare: bool = False) -> str:
    if low is None or high is None:
        return "–" if bare else ""
    pair = say("figure.to", low=f"{low:.4f}", high=f"{high:.4f}").replace("-", "−")
    return pair if bare else say("figure.ends", ends=pair)
