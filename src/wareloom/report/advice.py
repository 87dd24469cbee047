"""The page of advice: one sentence first, then what a product manager asks, then what an engineer acts on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report.templating import filled
from wareloom.report.views import Table, table

ENGLISH = re.compile(r"(?:\b[A-Za-z][a-z']+ ){3}[A-Za-z][a-z']+")
"""Four English words in a row: a sentence, and no list of names"""
LABELS = (
    "teacher with other shops",
    "ensemble with all",
    "ensemble with networks",
    "words and runs",
    "two stages of words and runs",
    "two stages, taught by judgments",
    "two stages with a reader, taught by judgments",
)
"""Systems that are called by several words, wherever a sentence names them"""
TONES = {"synthesis helps": "helps", "distil": "but", "leave it out": "hurts"}
"""Tones of answers; any other has that of no evidence"""


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
    proofs: tuple[str, ...]
    """Folders beside the page that hold a proof with its own page."""
    tried: Table | None
    """Rankers and generators on events before the test part."""
    stages: Table
    warnings: tuple[str, ...]
    seed: int
    fingerprint: str


def advice_page(data: Mapping[str, Any], language: str = "", *, interactive: bool = False) -> str:
    """Return the page of `advice.json`'s `data`: one HTML file that needs no network."""
    view = view_of(data, Say.of(language))
    return filled("advice.html.j2", view, language, interactive=interactive)


def view_of(data: Mapping[str, Any], say: Say) -> AdvicePage:
    """Return what the page of `advice.json`'s `data` says, in plain text and figures."""
    answer = say.term("advice", data["answer"])
    return AdvicePage(
        title=say("advice.page", answer=answer),
        tone=TONES.get(data["answer"], "none"),
        answer=answer,
        kicker=say(
            "advice.minutes",
            name=data["shop"]["meta"].get("name", "–"),
            job=say.retold("advised", data["settings"]["job"]),
            took=f"{data['took']['minutes']:.1f}",
            minutes=f"{data['settings']['minutes']:g}",
        ),
        headline=_told(data["headline"], say),
        next=tuple(_told(step, say) for step in data["next"]),
        sections=tuple(
            Told(
                say(f"advice.{s['about']}"),
                tuple(dict.fromkeys(_told(each, say) for each in s["sentences"])),
            )
            for s in data["sections"]
        ),
        proofs=_proofs(data),
        tried=_tried(data, say),
        stages=table(
            [say(f"advice.{name}") for name in ("stage", "most", "does")],
            [
                (
                    say.retold("advised", s["stage"]),
                    f"{s['seconds'] / 60:.1f}",
                    _told(s["does"], say),
                )
                for s in data["plan"]["stages"]
            ],
        ),
        warnings=tuple(say.retold("warning", each) for each in data["look"]["warnings"]),
        seed=data["seed"],
        fingerprint=data["shop"]["fingerprint"][:16],
    )


def _told(text: str, say: Say) -> str:
    """A sentence in the page's language; one that has no other language is pointed at, so that no page mixes two."""
    told = say.retold("advised", text)
    if say.language == "en":
        return told
    for english in sorted(LABELS, key=len, reverse=True):
        told = told.replace(english, say.retold("advised", english))
    return say("advised.other_sentence") if ENGLISH.search(told) else told


def _proofs(data: Mapping[str, Any]) -> tuple[str, ...]:
    found = {"proof": data.get("proof"), "proof-search": (data.get("search") or {}).get("proof")}
    return tuple(name for name, proof in found.items() if proof)


def _tried(data: Mapping[str, Any], say: Say) -> Table | None:
    """What was tried, and what it reached."""
    real = say.term("arm", "real")
    rows: list[tuple[Any, ...]] = [
        (say.retold("advised", t["label"]), real, t["events"], t["value"], t["fit"] + t["rank"])
        for t in sorted(data["rankers"]["trials"], key=lambda t: (-t["events"], -t["value"]))
    ]
    told = data["generators"] or {"tried": []}
    for one in [*told["tried"], *([told["light"]] if told.get("light") else [])]:
        mixed = f"{real} + {one['label']}, {one['ratio']:g} : 1"
        rows.append((one["ranker"], real, told["events"], one["real"], None))
        rows.append((one["ranker"], mixed, told["events"], one["mixed"], None))
    heads = [
        say("advice.ranker"),
        say("advice.trained"),
        say("advice.events"),
        "ndcg@10",
        say("advice.seconds"),
    ]
    return table(heads, dict.fromkeys(rows)) if rows else None
