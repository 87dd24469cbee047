"""The card of a proof in a notebook: what it found, what it chose, what to do next, and the comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from wareloom.core.notebook import Table, card


def card_of(data: Mapping[str, Any], sentence: str, headline: pl.DataFrame) -> str:
    """Return the card of `proof.json`'s `data`; `headline` are the comparisons on the deciding metric."""
    choice, story = data["choice"], data["story"]
    generator = choice["generator"]
    members = generator.get("members") or [generator]
    chosen = " + ".join(str(one["synthesizer"]) for one in members)
    facts = {
        "verdict": data["verdict"],
        "finding": story["finding"],
        "rows": story["rows"],
        "chosen": f"{chosen} × {choice['ratio']:g} by {choice['mixer']}, for {choice['ranker']}",
        "next": story["next"][0] if story["next"] else "",
    }
    rows = [
        [_percent(v) if k.startswith("lift") else v for k, v in row.items()]
        for row in headline.iter_rows(named=True)
    ]
    table = Table(f"Comparisons on {data['decisive']['metric']}", headline.columns, rows)
    note = "wl.write_report(proof, PAGE) writes its page."
    return card(f"Proof of {data['kind']}", sentence, facts, [table], note)


def _percent(lift: float | None) -> str:
    """A lift as a person reads it."""
    return "–" if lift is None else f"{lift:+.1%}"
