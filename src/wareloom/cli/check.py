"""Look at a shop."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from wareloom.cli._shared import AsJson, Force, Quiet, Seed, free, place_of, run_of, show
from wareloom.cli._summary import Summary, brief, counted

QUANTILES = {"0": "least", "0.25": "25 %", "0.5": "median", "0.75": "75 %", "0.9": "90 %"}
QUANTILES |= {"0.99": "99 %", "1": "most", "mean": "mean"}
"""Quantiles that are shown, by their key"""


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Also write check.json and a page with plots to this folder; or a .json file.",
        ),
    ] = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count, measure and warn: customers and visits, funnel, activity, long tail, sessions, photos, dialogues."""
    from wareloom.core.state import write_whole
    from wareloom.preparing import statistics_beside as beside
    from wareloom.preparing.statistics import statistics
    from wareloom.shop import Shop

    alone = to is not None and to.suffix == ".json"
    if to is not None and not alone:
        free(to, force, "check.json")
    file = place_of(to, force) if alone else None
    opened = Shop.open(shop)
    run = run_of(seed, quiet)
    with run.task("count and measure"):
        found = statistics(opened, now=datetime.now(UTC).replace(tzinfo=None))
        counts = {"photos": beside.photos(opened), "dialogues": beside.dialogues(opened)}
        found |= {name: of for name, of in counts.items() if of}
    told = summary_of(found, shop)
    if file is not None:
        write_whole(file, found)
        told.place(file, name="file")
    elif to is not None:
        from wareloom.report.shop_page import save_check

        save_check(found, str(opened.meta.get("name", shop.name)), to)
        told.place(to / "check.html", name="page")
    show(found, as_json, told.next(f"wareloom clean {shop} --to CLEAN"))


def summary_of(found: dict[str, Any], shop: Path) -> Summary:
    """Who did how much, how far the funnel goes, and what one should know before trusting it."""
    tables, events = found["tables"], found.get("events", {})
    told = Summary(_head(found, shop))
    rows = [
        (what, *(_rounded(of.get(key)) for key in QUANTILES))
        for what, of in (
            ("interactions a customer", events.get("customers", {}).get("events_per")),
            ("interactions a visit", events.get("visits", {}).get("events_per")),
            ("price", found["items"].get("price")),
            ("judgments a query", found.get("judgments", {}).get("per_query")),
            # Of anonymous visits alone, a session is a visit.
            ("interactions a session", events.get("sessions", {}).get("length"))
            if events.get("customers", {}).get("count")
            else ("", None),
        )
        if of
    ]
    told.table(("quantiles", *QUANTILES.values()), rows[:3], "row")
    kinds = events.get("kinds", {})
    if len(kinds) > 1:
        told.table(("funnel", *kinds), [("events", *_falling(kinds))])
    told.warn(*found["warnings"])
    if tail := events.get("tail"):
        told.note(
            f"A fifth of the {tables['items']['rows']:,} items has {tail['top_20']:.0%} of the interactions, "
            f"{tail['items_with_none']:.0%} have none."
        )
    return told


def _head(found: dict[str, Any], shop: Path) -> str:
    """What there is of whom, and over which time."""
    tables, events = found["tables"], found.get("events")
    items = counted(tables["items"]["rows"], "item")
    said = f"{shop}: {items}, no events"
    if events:
        who = [
            counted(events[name]["count"], one, many)
            for name, one, many in (
                ("customers", "customer", "customers"),
                ("visits", "anonymous visit", "anonymous visits"),
            )
            if events[name]["count"]
        ]
        of = f" of {' and '.join(who)}" if who else ""
        said = f"{shop}: {counted(events['rows'], 'event')}{of} on {items}"
        time = events["time"]
        if "first" in time:
            said += f", {time['first'][:10]} to {time['last'][:10]} ({counted(round(time['days']), 'day')})"
    for name, one, many in (
        ("judgments", "judged query", "judged queries"),
        ("searches", "searched query", "searched queries"),
    ):
        if name in found:
            said += f", {counted(found[name]['queries'], one, many)}"
    return said + "".join(f", {each}" for each in _beside(found)) + "."


def _beside(found: dict[str, Any]) -> list[str]:
    """Photos and dialogues, in a few words."""
    said = []
    if of := found.get("photos"):
        classes = f" in {counted(of['classes'], 'class', 'classes')}" if of["classes"] else ""
        said.append(
            f"{counted(of['photos'], 'photo')} of {counted(of['items_shown'], 'item')}{classes}"
        )
    if of := found.get("dialogues"):
        names = [f"{name}: {n:,}" for name, n in of["languages"].items()]
        intents = f", {counted(of['intents'], 'intent')}" if of["intents"] else ""
        said.append(
            f"{counted(of['dialogues'], 'dialogue')} ({', '.join(names)}) of {counted(of['turns'], 'turn')}{intents}"
        )
    return said


def _falling(kinds: dict[str, int]) -> list[str]:
    """The events of each kind, with the share of those of the kind before."""
    counts = list(kinds.values())
    shares = [f"{n:,} ({n / before:.1%})" for before, n in pairwise(counts)]
    return [f"{counts[0]:,}", *shares]


def _rounded(value: float | None) -> float | int | None:
    """A quantile without digits that say nothing."""
    if value is None:
        return None
    return int(value) if float(value).is_integer() else float(brief(float(value)).replace(",", ""))
