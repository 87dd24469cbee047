"""The page of a proof: one HTML file with everything in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.report.beyond import Explored, explored
from wareloom.report.judged import (
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
from wareloom.report.proof_figures import TIES
from wareloom.report.summary import Summary, summary
from wareloom.report.templating import filled
from wareloom.report.views import Table


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


def render(data: Mapping[str, Any], cleaned: Mapping[str, Any] | None = None) -> str:
    """Return the page of `proof.json`'s `data`; `cleaned` is `clean.json`'s."""
    return filled("proof.html.j2", proof_page(data, cleaned))


def proof_page(data: Mapping[str, Any], cleaned: Mapping[str, Any] | None = None) -> ProofPage:
    """Return what the page of `proof.json`'s `data` says, in plain text and figures."""
    metric = data["decisive"]["metric"]
    return ProofPage(
        title=f"Wareloom proof: {data['verdict']}",
        summary=summary(data),
        asked=_asked(data),
        arms=arms(data, metric),
        comparisons=comparisons(data, metric),
        power=power(data),
        slices=slices(data, metric),
        explored=explored(data["explored"], metric),
        synthetic=synthetic(data),
        choice=choice(data),
        cleaned=cleaning(cleaned) if cleaned else None,
        repeat=_repeat(data),
    )


def _asked(data: Mapping[str, Any]) -> Asked:
    shop, settings, mode = data["shop"], data["settings"], data["modes"][0]
    name = shop["meta"].get("name", "This shop")
    ties = f", {TIES[mode['ties']]}" if len(data["modes"]) > 1 else ""
    search = data.get("kind") == "search"
    rows = f"{shop['judgments']:,} judgments" if search else f"{shop.get('events', 0):,} events"
    return Asked(
        sentence=data["sentence"],
        what=f"{name}: {rows} on {shop['items']:,} items. The ranker {settings['ranker']} was trained with and "
        f"without data from {mode['synthetic']['origin']}, {settings['seeds']} times, and judged on {_judged(data)} "
        f"(split: {mode['split']['settings']['by']}{ties}).",
        controls="; ".join(data["decisive"]["controls"]),
        guard=f"{data['guard']['guard']:.0%}",
    )


def _judged(data: Mapping[str, Any]) -> str:
    """Say what the rankers were judged on."""
    task = data["modes"][0]["task"]
    if data.get("kind") == "clicks":
        return f"{task['impressions']:,} held-out impressions of {task['requests']:,} shoppers"
    if data.get("kind") == "search":
        return (
            f"{task['requests']:,} held-out queries: their {task['answers']:,} judged items put in order, and the "
            "whole catalogue ranked"
        )
    seen = "items of the history included" if task["repeats"] else "items of the history left out"
    return f"{task['requests']:,} held-out requests over the whole catalogue, {seen}"


def _repeat(data: Mapping[str, Any]) -> Repeat:
    text = json.dumps(
        {"settings": data["settings"], "splits": [mode["split"] for mode in data["modes"]]},
        indent=2,
        ensure_ascii=False,
    )
    return Repeat(data["seed"], data["shop"]["fingerprint"][:16], text)
