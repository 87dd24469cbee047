"""The first page of a proof, for those who decide: a verdict, a few plain sentences, one chart, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from wareloom.experiment.plan import MIXED
from wareloom.proof.decide import BUT, listed, name_of
from wareloom.proof.story import named
from wareloom.report import figures
from wareloom.report.markup import drawn

SAID = {
    "helps": "Synthetic data helps.",
    "no evidence": "No evidence that synthetic data helps.",
    "hurts": "Synthetic data hurts.",
}


def summary(data: Mapping[str, Any]) -> str:
    """The card that comes first."""
    story, shop, settings = data["story"], data["shop"], data["settings"]
    generator = settings["generator"]
    made = " + ".join(m["synthesizer"] for m in generator["members"]) or generator["synthesizer"]
    kicker = f"{shop['meta'].get('name', 'This shop')} · {settings['ranker']} with data from {made}"
    sentences = (story["finding"], story["controls"], story["slices"], *story["references"])
    told = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
    steps = "".join(f"<li>{escape(step)}</li>" for step in story["next"])
    return (
        f"<section class='verdict' style='--tone:{figures.COLOURS[data['verdict']]}'><div class='banner told'>"
        f"<div class='kicker'><span class='badge'>{escape(data['verdict'])}</span>"
        f"<span>{escape(kicker)}</span></div>"
        f"<h1>{escape(title(data))}</h1>{told}</div>"
        f"<div class='chart'><h3>Real + synthetic against each control</h3>{_chart(data)}</div>"
        f"<div class='then'><div><h3>What it would take to know more</h3><p>{escape(story['power'] or '–')}</p></div>"
        f"<div><h3>What to do next</h3><ul>{steps}</ul></div></div></section>"
    )


def title(data: Mapping[str, Any]) -> str:
    """The verdict in one short sentence."""
    if data["verdict"] != BUT:
        return SAID[data["verdict"]]
    falls = [name_of(fall["slice"]) for fall in data["guard"]["falls"]]
    return f"Synthetic data helps, but {listed(falls)} {'falls' if len(falls) == 1 else 'fall'}."


def _chart(data: Mapping[str, Any]) -> str:
    decisive = data["decisive"]
    mine = {
        (row["arm"], row["against"]): row
        for row in data["comparisons"]
        if (row["ties"], row["metric"], row["slice"])
        == (decisive["ties"], decisive["metric"], "all")
    }
    names = named(data)
    rows = [mine[MIXED, control] | {"name": names[control]} for control in decisive["controls"]]
    if any(row["lift"] is None for row in rows):
        return "<p class='faint'>Real data alone reaches nothing on this metric: there is no lift to draw.</p>"
    power = next(row for row in data["power"] if row["against"] == decisive["against"])
    figure = figures.against(rows, power["detectable_lift"], decisive["metric"])
    return drawn(figure, "against") + (
        f"<p class='faint'>A dot is the lift, a bar its 95 % interval; a bar that lies right of zero is beyond "
        f"chance. A lift as small as the grey band, ±{power['detectable_lift']:.1%}, would be missed by one proof in "
        "five such as this, or more.</p>"
    )
