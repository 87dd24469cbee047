"""Why an item stands where it stands, in figures and in one sentence, English or Chinese.

What others did is said only of pairs of items that five people or more had, as the version keeps them, and only where
that is what the part of the score comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wareloom.serving.forms.base import Part
from wareloom.serving.versions.rules import IN_STOCK
from wareloom.serving.wire import Why

SENTENCES = {
    "en": {
        "item": "Goes with “{}”, which you looked at.",
        "bought": "Others who bought “{}” bought this, too.",
        "viewed": "Others who looked at “{}” looked at this, too.",
        "word": "Has the word “{}”.",
        "popularity": "Liked in this shop.",
        "member": "Fits what you look at ({}).",
        "onward": "Fits how visits like yours may go on ({}).",
        "context": "Fits when and where you ask ({}).",
        "rule": "Placed here by the shop’s rule “{}”.",
        "exploration": "Shown to learn whether it is liked.",
        "in_stock": "Stands higher here, since what fits better cannot be had now.",
        "gave_way": "Stands lower here, since another is tried in its place.",
        "new": "New, and described with words like “{}”.",
    },
    "zh": {
        "item": "与您看过的“{}”相配。",
        "bought": "购买了“{}”的其他顾客也购买了这件商品。",
        "viewed": "看过“{}”的其他顾客也看过这件商品。",
        "word": "含有“{}”一词。",
        "popularity": "本店受欢迎的商品。",
        "member": "符合您的浏览偏好（{}）。",
        "onward": "符合类似浏览可能的后续（{}）。",
        "context": "符合您所处的时间与场景（{}）。",
        "rule": "由店铺规则“{}”安排。",
        "exploration": "试展示，以了解是否受欢迎。",
        "in_stock": "更匹配的商品暂时缺货，因此排位提前。",
        "gave_way": "因试展示其他商品，此处排位靠后。",
        "new": "新品，描述中含有“{}”等词。",
    },
}


def why(kind: str, cause: str, language: str, amount: float = 0.0) -> Why:
    """A part in words."""
    return Why(kind, cause, amount, SENTENCES[language][kind].format(cause))


def rule(name: str, language: str) -> Why:
    """A rule that moved a hit, by its name; one that stands higher for what cannot be had says just that."""
    made = why("rule", name, language)
    if name == IN_STOCK:
        made.sentence = SENTENCES[language]["in_stock"]
    return made


def gave_way(language: str) -> Why:
    """Why an item stands where one came from that is tried in its place."""
    return Why("exploration", "", 0.0, SENTENCES[language]["gave_way"])


def told(
    parts: Sequence[Part],
    titles: dict[int, str],
    ids: dict[int, str],
    language: str,
    did: Callable[[int], str],
) -> list[Why]:
    """Parts in words, in their order; `did` says what enough people did with an item (code) and the one explained."""
    found = []
    for part in parts:
        if part.kind == "item":
            code = int(part.cause)
            others = did(code) if part.others and part.amount > 0 else ""
            one = why(others or "item", titles[code], language, part.amount)
            one.kind, one.cause, one.others = "item", ids[code], others
        else:
            one = why(part.kind, str(part.cause), language, part.amount)
        found.append(one)
    return found
