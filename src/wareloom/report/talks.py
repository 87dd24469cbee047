"""The page on which some dialogues of a sample are read, turn by turn, with their slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wareloom.core.files import beside
from wareloom.core.sentences import Say
from wareloom.errors import InputError
from wareloom.report.templating import filled
from wareloom.shop import Shop

SHOWN = 20
"""Dialogues of a page"""


@dataclass(frozen=True)
class Part:
    """A piece of a turn; `name` is the slot's, "" outside of slots."""

    text: str
    name: str


@dataclass(frozen=True)
class TurnView:
    """One turn as the page shows it."""

    side: str
    who: str
    act: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class TalkView:
    """One dialogue as the page shows it."""

    title: str
    about: str
    label: str
    language: str
    turns: tuple[TurnView, ...]


@dataclass(frozen=True)
class TalksPage:
    """What the page says."""

    name: str
    title: str
    refused: str
    talks: tuple[TalkView, ...]


def save_talks(shop: Shop, path: str | Path, count: int = SHOWN, language: str = "") -> None:
    """Write the page of a shop's first `count` dialogues to a file; raises `InputError` where there are none."""
    page = talks_page(shop, count, language)
    with beside(Path(path)) as partial:
        partial.write_text(page, encoding="utf-8")


def talks_page(shop: Shop, count: int = SHOWN, language: str = "") -> str:
    """Return the page as HTML: one file that needs no network; the same bytes for the same shop."""
    return filled("talks.html.j2", view_of(shop, count, Say.of(language)), language)


def view_of(shop: Shop, count: int, say: Say) -> TalksPage:
    """Return what the page says, in plain text."""
    if not shop.rows("dialogues"):
        raise InputError("The shop has no dialogues: there is nothing to read.")
    rows = shop.table("dialogues")
    items = shop.table("items")
    titles = dict(items.select("item_id", "title").iter_rows()) if "title" in items.columns else {}
    held: dict[str, list[dict[str, Any]]] = {}
    for row in rows.sort("dialogue_id", "turn", maintain_order=True).to_dicts():
        held.setdefault(row["dialogue_id"], []).append(row)
    order = rows["dialogue_id"].unique(maintain_order=True).to_list()
    talks = [
        _talk(held[name], number, titles, say) for number, name in enumerate(order[:count], start=1)
    ]
    refused = shop.meta.get("dialogues", {}).get("refused", {})
    told = [say("talks.reason", why=why, count=f"{n:,}") for why, n in sorted(refused.items())]
    return TalksPage(
        name=str(shop.meta.get("name", say("talks.kind"))),
        title=say("talks.title", shown=len(talks), count=f"{len(order):,}"),
        refused=say("talks.refused", told=say.joined(told)) if told else "",
        talks=tuple(talks),
    )


def _talk(
    rows: Sequence[Mapping[str, Any]], number: int, titles: Mapping[str, str | None], say: Say
) -> TalkView:
    first = rows[0]
    item = titles.get(first.get("item_id") or "") or "–"
    return TalkView(
        title=say("talks.one", number=number, outcome=first.get("outcome") or "–"),
        about=say("talks.about", order=first.get("order_id") or "–", item=item),
        label=say("talks.turns", number=number),
        language={"zh": "zh-Hans"}.get(first.get("language") or "", first.get("language") or "en"),
        turns=tuple(_turn(row, say) for row in rows if row["text"]),
    )


def _turn(row: Mapping[str, Any], say: Say) -> TurnView:
    role, text, last = row["role"], row["text"], 0
    parts: list[Part] = []
    for slot in sorted(row.get("slots") or (), key=lambda one: one["start"]):
        if slot["start"] >= last:
            parts += [Part(text[last : slot["start"]], ""), Part(slot["value"], slot["name"])]
            last = slot["end"]
    parts.append(Part(text[last:], ""))
    who = say(f"talks.{role}") if role in ("customer", "agent") else role
    told = row.get("intent") or row.get("act") or ""
    return TurnView("agent" if role == "agent" else "customer", who, told, tuple(parts))
