"""What is tried: rankers and generators that a shop has something for, the simplest first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from wareloom.advising._look import Look
from wareloom.sampling.generator import SCREENS, Generator

DENSE, KEPT = 12_500, 8_000
"""Items of which EASE holds a table of all pairs, 0.6 GB; of more it learns the most popular ones"""
READ, READ_ITEMS, READ_SHARE = 15.0, 12_000, 0.05
"""Seconds in which one core compares the texts of so many items with one another, and the share of all seconds that
it may take: it is done again for every generator and arm"""
UNSEEN = tuple(name for name in SCREENS if name != "leak")
"""Screens of what other shops teach: runs that training lacks are what they are asked for. That their logs do not hold
this shop's events is looked at before (`_look`)."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A ranker that is tried, and whether it can be a member of the ensemble."""

    label: str
    settings: dict[str, Any] = field(default_factory=dict)
    member: bool = True
    fixed: bool = False
    """Whether its fit takes as long with few events as with many, so that it is tried on all of them alone"""
    slow: bool = False
    """Whether it is tried only where there is time for it"""
    network: bool = False
    """Whether it is a network that reads histories: tried on all events alone, with as many epochs as fit"""


def reading(look: Look) -> float:
    """Seconds that comparing all texts with one another takes, about: it cannot be stopped midway."""
    return READ * (look.rows["items"] / READ_ITEMS) ** 2 if look.has.get("texts") else 0.0


def reads(look: Look, seconds: float) -> bool:
    """Whether there are texts, and time to compare them in `seconds`."""
    return bool(look.has.get("texts")) and reading(look) <= READ_SHARE * seconds


def rankers(look: Look, seconds: float = math.inf) -> tuple[Candidate, ...]:
    """Rankers of recommendation that the shop has something for in so many seconds, the simplest first."""
    found = [Candidate(label="popularity", member=False)]
    if look.repeat_rate > 0.01:
        found += [Candidate(label="personal"), Candidate(label="tifu_knn")]
    found.append(Candidate(label="transitions"))
    found.append(Candidate(label="item_knn"))
    if look.has.get("categories") or look.has.get("brands"):
        found.append(Candidate(label="attributes", fixed=True))
    if reads(look, seconds):
        found.append(Candidate(label="text_knn", fixed=True))
    most = {"max_items": KEPT} if look.rows["items"] > DENSE else {}
    found.append(Candidate(label="ease", settings=most, fixed=True))
    if look.has.get("pictures"):
        found.append(Candidate(label="image_knn", fixed=True))
    found.append(Candidate(label="lightgcn", slow=True))
    return (*found, *networks(look, seconds))


def networks(look: Look, seconds: float = math.inf) -> tuple[Candidate, ...]:
    """Networks that read histories, the one that gains most first: with the texts as features, where there are any."""
    plain = Candidate(label="sasrec", settings={}, slow=True, network=True)
    if not reads(look, seconds):
        return (plain,)
    told = {"ranker": "sasrec", "text": "tfidf"}
    return (Candidate(label="sasrec (text)", settings=told, slow=True, network=True), plain)


def ensemble(members: list[str], settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Settings of the stack of some rankers."""
    told = {n: {k: v for k, v in settings[n].items() if k != "ranker"} for n in members}
    own = {name: values for name, values in told.items() if values}
    return {"members": tuple(members), "member_settings": own, "held": 20_000, "halves": 8}


@dataclass(frozen=True, kw_only=True)
class Made:
    """A generator that is tried, and what it draws on in plain words."""

    label: str
    generator: Generator
    knows: str


def generators(look: Look, seconds: float = math.inf) -> tuple[Made, ...]:
    """Generators that the shop has something for; those that know more than its own log come first."""
    found = []
    texts = reads(look, seconds)
    members = ("transitions", "item_knn", *(("text_knn",) if texts else ()))
    others = tuple(folder for folder, why in look.others.items() if not why)
    if others and texts:
        settings = {"members": members, "other_shops": others}
        found.append(
            Made(
                label="teacher with other shops",
                generator=Generator(synthesizer="teacher", settings=settings, screens=UNSEEN),
                knows="what shoppers of the other shops did, and what products are called",
            )
        )
    if texts:
        found.append(
            Made(
                label="teacher",
                generator=Generator(synthesizer="teacher", settings={"members": members}),
                knows="what products are called",
            )
        )
    found.append(
        Made(label="markov", generator=Generator(synthesizer="markov"), knows="the log alone")
    )
    return tuple(found)
