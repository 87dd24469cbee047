"""The page of advice: one sentence first, then what a product manager asks, then what an engineer acts on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.report.proof_figures import COLOURS
from wareloom.report.templating import filled
from wareloom.report.views import Table, table

TONES = {
    "synthesis helps": "helps",
    "distil": "helps, but",
    "leave it out": "hurts",
}
"""The verdict whose colour an answer has; any other has that of no evidence"""


@dataclass(frozen=True)
class Told:
    """A section in sentences."""

    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class AdvicePage:
    """What the page says, section by section."""

    title: str
    tone: str
    """The answer's colour."""
    answer: str
    kicker: str
    headline: str
    next: tuple[str, ...]
    sections: tuple[Told, ...]
    tried: Table | None
    """Rankers and generators on events before the test part."""
    stages: Table
    warnings: tuple[str, ...]
    seed: int
    fingerprint: str


def advice_page(data: Mapping[str, Any]) -> str:
    """Return the page of `advice.json`'s `data`: one HTML file that needs no network."""
    return filled("advice.html.j2", view_of(data))


def view_of(data: Mapping[str, Any]) -> AdvicePage:
    """Return what the page of `advice.json`'s `data` says, in plain text and figures."""
    name = data["shop"]["meta"].get("name", "This shop")
    return AdvicePage(
        title=f"Wareloom advice: {data['answer']}",
        tone=COLOURS[TONES.get(data["answer"], "no evidence")],
        answer=data["answer"],
        kicker=f"{name} · {data['settings']['job']} · {data['took']['minutes']:.0f} of "
        f"{data['settings']['minutes']:g} minutes",
        headline=data["headline"],
        next=tuple(data["next"]),
        sections=tuple(Told(s["title"], tuple(s["sentences"])) for s in data["sections"]),
        tried=_tried(data),
        stages=table(
            ("stage", "minutes at most", "what it does"),
            [(s["stage"], f"{s['seconds'] / 60:.1f}", s["does"]) for s in data["plan"]["stages"]],
        ),
        warnings=tuple(data["look"]["warnings"]),
        seed=data["seed"],
        fingerprint=data["shop"]["fingerprint"][:16],
    )


def _tried(data: Mapping[str, Any]) -> Table | None:
    """What was tried, and what it reached."""
    rows: list[tuple[Any, ...]] = [
        (t["label"], "real data", t["events"], t["value"], t["fit"] + t["rank"])
        for t in sorted(data["rankers"]["trials"], key=lambda t: (-t["events"], -t["value"]))
    ]
    told = data["generators"] or {"tried": []}
    for one in [*told["tried"], *([told["light"]] if told.get("light") else [])]:
        ratio = f"real + {one['label']}, {one['ratio']:g} to 1"
        rows.append((one["ranker"], "real data", told["events"], one["real"], None))
        rows.append((one["ranker"], ratio, told["events"], one["mixed"], None))
    heads = ("ranker", "trained on", "events", "ndcg@10", "seconds")
    return table(heads, dict.fromkeys(rows)) if rows else None
