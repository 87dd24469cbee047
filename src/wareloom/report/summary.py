"""The first card of a proof, for those who decide: a verdict, four answers, one chart, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.proof.frozen import frozen
from wareloom.report import proof_figures as figures
from wareloom.report.charts import Dots
from wareloom.report.conclusion import Answer, answers, headline
from wareloom.report.words import BUT, MIXED, called, story, the_slice, transfer


@dataclass(frozen=True)
class Summary:
    """What the card says."""

    verdict: str
    tone: str
    """The verdict's class in the style sheet"""
    kicker: str
    title: str
    lead: str
    answers: tuple[Answer, ...]
    chart: Dots | None
    """The lift over each control; nothing where real data alone reaches nothing."""
    detectable: str
    sentences: tuple[str, ...]
    power: str
    steps: tuple[str, ...]


def summary(data: Mapping[str, Any], say: Say) -> Summary:
    """The card that comes first."""
    story, shop, settings = told(data, say), data["shop"], data["settings"]
    generator = settings["generator"]
    made = " + ".join(m["synthesizer"] for m in generator["members"]) or generator["synthesizer"]
    sentences = (
        story["controls"],
        story["rows"],
        story["slices"],
        *story["references"],
        *frozen(data, say),
    )
    decisive = data["decisive"]
    power = next(row for row in data["power"] if row["against"] == decisive["against"])
    detectable = power["detectable_lift"]
    return Summary(
        verdict=say.term("verdict", data["verdict"]),
        tone=figures.TONES[data["verdict"]],
        kicker=say(
            "proof.kicker",
            shop=shop["meta"].get("name", say("proof.this_shop")),
            ranker=settings["ranker"],
            generator=made,
        ),
        title=title(data, say),
        lead=story["finding"],
        answers=answers(data, say),
        chart=_chart(data, detectable, say),
        detectable="" if detectable is None else f"{detectable:.1%}",
        sentences=tuple(sentence for sentence in sentences if sentence),
        power=story["power"] or "–",
        steps=tuple(story["next"]),
    )


def title(data: Mapping[str, Any], say: Say) -> str:
    """The verdict in one short sentence."""
    if data["verdict"] != BUT:
        return say(f"proof.{data['verdict'].replace(' ', '_')}")
    falls = data["guard"]["falls"]
    names = [say("proof.the_slice", name=the_slice(fall["slice"], say)) for fall in falls]
    return say.counted("proof.but", len(falls), names=say.listed(names))


def told(data: Mapping[str, Any], say: Say) -> Mapping[str, Any]:
    """The proof's story: in English as it was written, in other languages told anew of the same figures."""
    if say.language == "en":
        own: Mapping[str, Any] = data["story"]
        return own
    anew = story(dict(data), say)
    if data["kind"] == "transfer":
        anew["references"] += transfer.sentences(data, say)
    return anew


def _chart(data: Mapping[str, Any], detectable: float | None, say: Say) -> Dots | None:
    decisive, by = data["decisive"], headline(data)
    rows = [
        {**by[MIXED, control], "name": called(control, data, say)}
        for control in decisive["controls"]
    ]
    if any(row["lift"] is None for row in rows):
        return None
    return figures.against(rows, detectable, decisive["metric"], say, decisive["against"])
