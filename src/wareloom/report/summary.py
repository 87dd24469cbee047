"""The first card of a proof, for those who decide: a verdict, a few plain sentences, one chart, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from wareloom.proof.frozen import frozen
from wareloom.report import proof_figures as figures
from wareloom.report.figures import drawn
from wareloom.report.words import BUT, MIXED, listed, name_of, named

SAID = {
    "helps": "Synthetic data helps.",
    "no evidence": "No evidence that synthetic data helps.",
    "hurts": "Synthetic data hurts.",
}


@dataclass(frozen=True)
class Summary:
    """What the card says."""

    verdict: str
    tone: str
    """The verdict's colour."""
    kicker: str
    title: str
    sentences: tuple[str, ...]
    chart: Markup | None
    """The lift over each control; nothing where real data alone reaches nothing."""
    detectable: str
    power: str
    steps: tuple[str, ...]


def summary(data: Mapping[str, Any]) -> Summary:
    """The card that comes first."""
    story, shop, settings = data["story"], data["shop"], data["settings"]
    generator = settings["generator"]
    made = " + ".join(m["synthesizer"] for m in generator["members"]) or generator["synthesizer"]
    sentences = (
        story["finding"],
        story["controls"],
        story["rows"],
        story["slices"],
        *story["references"],
        *frozen(data),
    )
    decisive = data["decisive"]
    power = next(row for row in data["power"] if row["against"] == decisive["against"])
    detectable = power["detectable_lift"]
    return Summary(
        verdict=data["verdict"],
        tone=figures.COLOURS[data["verdict"]],
        kicker=f"{shop['meta'].get('name', 'This shop')} · {settings['ranker']} with data from {made}",
        title=title(data),
        sentences=tuple(sentence for sentence in sentences if sentence),
        chart=_chart(data, detectable),
        detectable="" if detectable is None else f"{detectable:.1%}",
        power=story["power"] or "–",
        steps=tuple(story["next"]),
    )


def title(data: Mapping[str, Any]) -> str:
    """The verdict in one short sentence."""
    if data["verdict"] != BUT:
        return SAID[data["verdict"]]
    falls = [name_of(fall["slice"]) for fall in data["guard"]["falls"]]
    return f"Synthetic data helps, but {listed(falls)} {'falls' if len(falls) == 1 else 'fall'}."


def _chart(data: Mapping[str, Any], detectable: float | None) -> Markup | None:
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
        return None
    return drawn(figures.against(rows, detectable, decisive["metric"]), "against")
