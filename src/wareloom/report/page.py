"""The page of a proof: one HTML file with everything in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report.beyond import Explored, explored
from wareloom.report.conclusion import headline, lift_of
from wareloom.report.judged import (
    TRAINED,
    Arms,
    Comparisons,
    Power,
    Slices,
    arms,
    comparisons,
    power,
    slices,
)
from wareloom.report.made import Choice, Synthetic, choice, cleaning, synthetic
from wareloom.report.summary import Summary, summary, title
from wareloom.report.templating import filled
from wareloom.report.views import Table
from wareloom.report.words import MIXED, askers

ENGLISH = Say()


@dataclass(frozen=True)
class Asked:
    """What was asked, of what, and by which rule it was decided."""

    sentence: str
    what: str
    controls: str
    guard: str


@dataclass(frozen=True)
class Repeat:
    """Everything needed to repeat a proof."""

    seed: int
    fingerprint: str
    settings: str


@dataclass(frozen=True)
class ProofPage:
    """What the page of a proof says, section by section."""

    title: str
    summary: Summary
    asked: Asked
    arms: Arms
    comparisons: Comparisons
    power: Power
    slices: Slices
    explored: tuple[Explored, ...]
    synthetic: Synthetic
    choice: Choice
    cleaned: Table | None
    repeat: Repeat


def render(
    data: Mapping[str, Any],
    cleaned: Mapping[str, Any] | None = None,
    language: str = "",
    *,
    interactive: bool = False,
) -> str:
    """Return the page of `proof.json`'s `data`; `cleaned` is `clean.json`'s."""
    page = proof_page(data, cleaned, Say.of(language))
    return filled("proof.html.j2", page, language, interactive=interactive)


def proof_page(
    data: Mapping[str, Any], cleaned: Mapping[str, Any] | None = None, say: Say = ENGLISH
) -> ProofPage:
    """Return what the page of `proof.json`'s `data` says, in plain text and charts."""
    metric = data["decisive"]["metric"]
    return ProofPage(
        title=say("proof.page", verdict=say.term("verdict", data["verdict"])),
        summary=summary(data, say),
        asked=_asked(data, say),
        arms=arms(data, metric, say),
        comparisons=comparisons(data, metric, say),
        power=power(data, say),
        slices=slices(data, metric, say),
        explored=explored(data["explored"], metric, say),
        synthetic=synthetic(data, say),
        choice=choice(data, say),
        cleaned=cleaning(cleaned, say) if cleaned else None,
        repeat=_repeat(data),
    )


def _asked(data: Mapping[str, Any], say: Say) -> Asked:
    shop, settings, mode = data["shop"], data["settings"], data["modes"][0]
    kind = TRAINED.get(data.get("kind", ""), "events")
    rows = say(f"proof.{kind}", count=f"{shop.get(kind, 0):,}", items=f"{shop['items']:,}")
    by = mode["split"]["settings"]["by"]
    split = say("proof.split", by=by)
    if len(data["modes"]) > 1:
        split = say("proof.split_ties", by=by, ties=say.term("ties", mode["ties"]))
    what = say(
        "proof.what",
        shop=shop["meta"].get("name", say("proof.this_shop")),
        rows=rows,
        ranker=settings["ranker"],
        origin=mode["synthetic"]["origin"],
        times=say.counted("proof.times", settings["seeds"]),
        judged=_judged(data, say),
        split=split,
    )
    controls = [say.term("arm", name) for name in data["decisive"]["controls"]]
    return Asked(_sentence(data, say), what, say.joined(controls), f"{data['guard']['guard']:.0%}")


def _sentence(data: Mapping[str, Any], say: Say) -> str:
    """The verdict with the figures that it hangs on; in English the proof's own."""
    if say.language == "en":
        return str(data["sentence"])
    against = data["decisive"]["against"]
    row = headline(data)[MIXED, against]
    return say(
        "proof.sentence",
        title=title(data, say),
        metric=data["decisive"]["metric"],
        lift=lift_of(row, say),
        against=say.term("arm", against),
        p=f"{row['p']:.2g}",
    )


def _judged(data: Mapping[str, Any], say: Say) -> str:
    """Say what the rankers were judged on."""
    task, kind = data["modes"][0]["task"], data.get("kind")
    requests = f"{task['requests']:,}"
    if kind == "clicks":
        return say("proof.on_clicks", impressions=f"{task['impressions']:,}", requests=requests)
    if kind == "search":
        return say("proof.on_search", requests=requests, answers=f"{task['answers']:,}")
    if kind in ("pictures", "dialogues"):
        return say("proof.on_asked", requests=requests, askers=say.term("askers", askers(data)))
    return say("proof.on_repeats" if task["repeats"] else "proof.on_new", requests=requests)


def _repeat(data: Mapping[str, Any]) -> Repeat:
    text = json.dumps(
        {"settings": data["settings"], "splits": [mode["split"] for mode in data["modes"]]},
        indent=2,
        ensure_ascii=False,
    )
    return Repeat(data["seed"], data["shop"]["fingerprint"][:16], text)
