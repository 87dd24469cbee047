"""What is asked over HTTP as what a published ranker is asked, and how long that may take."""

from __future__ import annotations

import numpy as np

from wareloom.serving.forms.base import NOTHING, Asked, Found
from wareloom.serving.forms.reorder import Reorder
from wareloom.serving.versions.published import Served
from wareloom.serving.versions.rules import TOLD
from wareloom.serving.versions.version import Version
from wareloom.serving.wire import Ask


def request_of(served: Served, ask: Ask, history: np.ndarray) -> Asked:
    """A request in codes; of its context, what the ranker looks at."""
    asked = served.asked(history, ask.query.strip() and ask.query, ask.user)
    if not ask.context and ask.time is None:
        return asked
    heeds = served.form.heeds
    context = {name: value for name, value in ask.context.items() if name in heeds}
    if ask.time is not None and "time" in heeds:
        return asked._replace(context=context, time=ask.time)
    return asked._replace(context=context)


def ignored(version: Version, ask: Ask) -> list[str]:
    """Names of what a request says of its context and the version's ranker does not look at."""
    served = version.searcher() if ask.query.strip() else version.served
    heeds = frozenset[str]() if served is None else served.form.heeds
    said = [*ask.context, *(() if ask.time is None else ("time",))]
    return [name for name in said if name not in heeds]


def best(
    served: Served, ask: Ask, history: np.ndarray, k: int, had: np.ndarray, barred: np.ndarray
) -> Found:
    """The best items of a ranker for a request and a history."""
    codes, scores = served.form.best(request_of(served, ask, history), k, had, barred)
    if ask.query.strip() and served.form.kind == "words":
        # What shares no word with the query is no hit.
        kept = scores > 0
        return codes[kept], scores[kept]
    return codes, scores


def ordered(
    served: Served,
    orders: Reorder | None,
    depth: int,
    ask: Ask,
    history: np.ndarray,
    most: int,
    had: np.ndarray,
    barred: np.ndarray,
) -> Found:
    """The best items of a ranker that takes its time, in the order of the version's reranker."""
    found = best(served, ask, history, most, had, barred)
    return found if orders is None else orders.apply(found, history, depth)


def is_slow(served: Served, history: np.ndarray = NOTHING, query: str = "") -> bool:
    """Whether an answer may take long: a ranker is asked itself, a text is to be read, or a network writes on."""
    if served.realtime is not None and served.realtime.slow and not query.strip():
        return True
    return served.form.waits(Asked(history, query))


def had_instead(
    version: Version,
    ask: Ask,
    history: np.ndarray,
    found: Found,
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> set[int]:
    """Codes of the first that are found behind the best of what cannot be had: they stand higher for it.

    `out`: what cannot be had, what else is not shown (codes), and what a filter bars. None where an answer takes long:
    for this a ranker is not asked twice.
    """
    served = version.searcher() if ask.query.strip() else version.served
    if served is None or version.reorder is not None or is_slow(served, history, ask.query):
        return set()
    gone, had, barred = out
    others = np.ones(len(served), np.uint8)
    others[gone] = barred[gone] if len(barred) else 0
    _, scores = best(served, ask, history, 1, had, others)
    if not len(scores):
        return set()
    return set(found[0][found[1] < scores[0]][:TOLD].tolist())
