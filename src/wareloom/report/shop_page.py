"""The page of a shop that was checked: what there is, four small plots, and what one should know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from wareloom.core.files import replacing
from wareloom.core.sentences import Say
from wareloom.core.state import write_json
from wareloom.report.charts import Axis, Bars, Chart, Lines, Mark, Row, Series
from wareloom.report.templating import filled
from wareloom.report.views import Table, table

QUANTILES = ("0", "0.25", "0.5", "0.75", "0.9", "0.99", "1", "mean")
"""Keys of quantiles that are shown"""


@dataclass(frozen=True)
class ShopPage:
    """What the page of a shop says, section by section."""

    title: str
    tone: str
    shop: str
    told: tuple[str, ...]
    """What there is, a sentence each"""
    warnings: tuple[str, ...]
    charts: tuple[Chart, ...]
    quantiles: Table | None
    tables: Table


def save_check(found: Mapping[str, Any], name: str, folder: str | Path, language: str = "") -> None:
    """Write `check.json` and `check.html` to `folder`, which is made; an older check there is replaced.

    `found`: what `wareloom.preparing.statistics.statistics` found of the shop called `name`.
    """
    with replacing(Path(folder), marker="check.json") as partial:
        write_json(partial / "check.json", dict(found))
        page = check_page(found, name, language)
        (partial / "check.html").write_text(page, encoding="utf-8")


def check_page(
    found: Mapping[str, Any], name: str, language: str = "", *, interactive: bool = False
) -> str:
    """Return the page of a shop's statistics: one HTML file that needs no network; the same bytes for the same."""
    view = view_of(found, name, Say.of(language))
    return filled("shop.html.j2", view, language, interactive=interactive)


def view_of(found: Mapping[str, Any], name: str, say: Say) -> ShopPage:
    """Return what the page of a shop's statistics says, in plain text and charts."""
    warnings, events = found["warnings"], found.get("events", {})
    return ShopPage(
        title=say.counted("shop.title", len(warnings)) if warnings else say("shop.clear"),
        tone="but" if warnings else "helps",
        shop=name,
        told=_told(found, say),
        warnings=tuple(say.retold("warning", each) for each in warnings),
        charts=tuple(_charts(events, say)) if events else (),
        quantiles=_quantiles(found, say),
        tables=_tables(found["tables"], say),
    )


def _told(found: Mapping[str, Any], say: Say) -> tuple[str, ...]:
    """What there is, of whom, and over which time."""
    items, events = f"{found['tables']['items']['rows']:,}", found.get("events")
    if not events:
        return (say("shop.no_events", items=items),)
    who = {name: f"{events[name]['count']:,}" for name in ("customers", "visits")}
    said = [
        say("shop.events_of", events=f"{events['rows']:,}", items=items),
        say("shop.who", **who),
    ]
    time = events["time"]
    if "first" in time:
        ends = {"first": time["first"][:10], "last": time["last"][:10]}
        said.append(say("shop.span", **ends, days=f"{round(time['days']):,}"))
    return tuple(said)


def _charts(events: Mapping[str, Any], say: Say) -> list[Chart]:
    """Events over time, how much users do, how interactions fall on items, and the funnel; those that there are."""
    curves = events["curves"]
    drawn: list[Chart] = []
    if len(curves["time"].get("first", ())) > 1:
        drawn.append(_over_time(curves["time"], say))
    doing = [
        Series(say(f"shop.{name}"), tuple(of["events"]), tuple(of["share"]), tone=tone, step=True)
        for name, tone in (("customers", "s0"), ("visits", "s1"))
        if (of := curves[name])
    ]
    if doing:
        axes = Axis(say("shop.activity_x"), log=True), Axis(say("shop.activity_y"), "percent")
        drawn.append(Lines(say("shop.activity"), tuple(doing), *axes))
    if tail := curves["items"]:
        line = Series("", tuple(tail["rank"]), tuple(tail["interactions"]))
        axes = Axis(say("shop.tail_x"), log=True), Axis(say("shop.tail_y"), log=True)
        drawn.append(Lines(say("shop.tail"), (line,), *axes))
    if kinds := events["kinds"]:
        drawn.append(_funnel(kinds, say))
    return drawn


def _over_time(curve: Mapping[str, Any], say: Say) -> Lines:
    first = date.fromisoformat(curve["first"][0])
    days = tuple(float((date.fromisoformat(day) - first).days) for day in curve["first"])
    line = Series("", days, tuple(map(float, curve["events"])), step=True)
    wide = curve["days"]
    high = say("shop.time_y_one") if wide == 1 else say("shop.time_y", days=wide)
    return Lines(
        say("shop.time"), (line,), Axis(say("shop.time_x", first=first)), Axis(high, zero=True)
    )


def _funnel(kinds: Mapping[str, int], say: Say) -> Bars:
    """The events of each kind, from the top of the funnel down, with the share of those of the kind before."""
    shares = [""] + [
        say("shop.of_before", share=f"{below / above:.1%}", kind=kind)
        for (kind, above), (_, below) in pairwise(kinds.items())
    ]
    rows = tuple(
        Row(kind, (Mark(float(number)),), f"{number:,}", share)
        for (kind, number), share in zip(kinds.items(), shares, strict=True)
    )
    return Bars(say("shop.funnel"), rows, Axis(say("shop.funnel_x")))


def _quantiles(found: Mapping[str, Any], say: Say) -> Table | None:
    events = found.get("events", {})
    of = {
        "per_customer": events.get("customers", {}).get("events_per"),
        "per_visit": events.get("visits", {}).get("events_per"),
        "per_session": events.get("sessions", {}).get("length"),
        "per_query": found.get("judgments", {}).get("per_query"),
        "price": found["items"].get("price"),
    }
    rows = [
        (say(f"shop.{name}"), *(float(values[key]) for key in QUANTILES))
        for name, values in of.items()
        if values
    ]
    if not rows:
        return None
    named = {"0": "least", "0.5": "median", "1": "most", "mean": "mean"}
    head = [say(f"shop.{named[k]}") if k in named else f"{float(k):.0%}" for k in QUANTILES]
    return table((say("shop.of"), *head), rows)


def _tables(tables: Mapping[str, Any], say: Say) -> Table:
    """Rows of every table, and which of its values are missing."""
    head = (say("shop.table"), say("shop.rows"), say("shop.missing"))
    rows = [(name, one["rows"], _missing(one["missing"], say)) for name, one in tables.items()]
    return table(head, rows)


def _missing(shares: Mapping[str, float], say: Say) -> str:
    return say.joined([f"{name} {share:.1%}" for name, share in shares.items()]) or say("shop.none")
