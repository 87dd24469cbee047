"""One path from what is asked to what is shown: candidates, filter, score, rules, exploration, explanation.

Recommendation is search with an empty query.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from wareloom.serving import explain
from wareloom.serving.asking import best, had_instead, ignored, is_slow, ordered, request_of
from wareloom.serving.files.lookup import hash_of
from wareloom.serving.forms.base import NO_ONE, NOTHING, Found
from wareloom.serving.paging import CHANCES, Pages, Paging
from wareloom.serving.shoppers.memory import ABSENT, Forgotten, Memory, whose
from wareloom.serving.shoppers.sessions import NO_ENTRIES, merged
from wareloom.serving.versions.catalogue import card_of
from wareloom.serving.versions.rules import EXPLORED, GAVE_WAY, IN_STOCK, Placed
from wareloom.serving.versions.stock import Stock, best_first, of_itself
from wareloom.serving.versions.version import Version
from wareloom.serving.wire import KINDS, Ask, Why, written
from wareloom.shop.schema import INTERACTIONS

CHOSEN = np.array([name in INTERACTIONS for name in KINDS])
"""Whether events of a kind are of the history that rankers see"""
NEVER = np.array([name in ("purchase", "hide") for name in KINDS])
"""Whether an item with an event of a kind is not shown again, whatever is asked"""
NEW_PLACE = 4
"""Where a product that the model does not know is put, if its words are like what was looked at"""
ALIKE = 0.35
"""Share of what a title scores for itself that a new product must score for it"""
CANDIDATES = 100
"""Items, at least, that a reranker chooses from"""
MOST_WAITING = 64
"""Requests that may wait for a ranker that takes its time; what comes then is answered without it, and says so"""
LATEST = 3
"""Events of the history whose words new products are compared with"""


class Shown(NamedTuple):
    """An answer before it is written."""

    version: Version
    placed: list[Placed]
    scores: dict[int, float]
    new: dict[int, tuple[str, float]]
    """Products unknown to the version by the (negative) codes they have in `placed`: id and score"""
    history: np.ndarray
    degraded: list[str]
    next: str
    first: int = 0
    """Items that stand on the pages before"""


class Answers:
    """Answers requests in one process."""

    def __init__(self, memory: Memory, stock: Stock, secret: bytes) -> None:
        self.memory, self.stock, self.pages = memory, stock, Pages(secret)
        self.slow = ThreadPoolExecutor(1, thread_name_prefix="slow")
        self.waiting = 0
        """Requests that wait for it"""

    async def known(self, ask: Ask, now: int) -> tuple[np.ndarray, list[str]]:
        """The events of the user and the session that ask; and what could not be asked for them."""
        who = [*whose(ask.user, ask.session)]
        if not who:
            return NO_ENTRIES, []
        try:
            found = await self.memory.of(who, now)
        except Forgotten:
            return NO_ENTRIES, [ABSENT]
        return merged(found[0], found[-1]) if len(found) > 1 else found[0], []

    async def answer(self, version: Version, ask: Ask, now: int) -> Shown:
        """Answer with a version."""
        self.stock.refresh()
        ids = version.served.ids
        entries, lost = await self.known(ask, now)
        codes = ids.of_hashes(entries["item"]) if len(entries) else NOTHING
        there = codes >= 0
        kinds = entries["kind"]
        history = codes[there & CHOSEN[kinds]]
        never = codes[there & NEVER[kinds]]
        if ask.history is not None:
            history = ids.codes(ask.history)
            history = history[history >= 0]
        gone, new = version.stock(self.stock, now)
        parts = [gone, never]
        if not ask.repeats and not ask.query:
            parts.append(history)
        if ask.exclude:
            parts.append(_known(ids.codes(ask.exclude)))
        had = np.concatenate(parts) if len(parts) > 2 or len(gone) or len(never) else NOTHING
        barred = NO_ONE if ask.filter is None else version.barred(ask.filter)
        paging = self.pages.begun(ask, version)
        first = paging.first
        depth = min(version.rules.wanted(paging.size, first, ask.k), len(version.served))
        before = self.stock.number
        found, degraded = await self._candidates(version, ask, history, depth, had, barred)
        self.stock.refresh()
        if self.stock.number != before:
            # Something went out of stock while a slow ranker was at it.
            gone, new = version.stock(self.stock, now)
            kept = ~np.isin(found[0], gone)
            found = found[0][kept], found[1][kept]
        placed, extra = self._placed(version, ask, found, paging, (had, barred))
        if version.rules.rules.in_stock and len(gone):
            others = np.concatenate(parts[1:])
            higher = had_instead(version, ask, history, found, (gone, others, barred))
            placed = [
                p._replace(rules=(*p.rules, IN_STOCK)) if p.code in higher else p for p in placed
            ]
        scores = dict(zip(found[0].tolist(), found[1].tolist(), strict=True))
        shown_new: dict[int, tuple[str, float]] = {}
        if new:
            shown_new = self._new(version, ask, entries, history, new, placed, scores)
        shown = placed[: ask.k]
        further = first + sum(place.code >= 0 for place in shown)
        page = self.pages.token(version, paging._replace(first=further)) if extra else ""
        return Shown(version, shown, scores, shown_new, history, lost + degraded, page, first)

    async def _candidates(
        self,
        version: Version,
        ask: Ask,
        history: np.ndarray,
        depth: int,
        had: np.ndarray,
        barred: np.ndarray,
    ) -> tuple[Found, list[str]]:
        """The best items, by what is there in time; and what was left out."""
        served = version.searcher() if ask.query.strip() else version.served
        if served is None:
            return (NOTHING, np.zeros(0, np.float32)), ["search"]
        orders = version.reorder if served is version.served else None
        given = (ask, history, depth if orders is None else max(depth, CANDIDATES), had, barred)
        slow = is_slow(served, history, ask.query)
        if orders is None and not slow:
            return best(served, *given), []
        found = await self._in_time(ask.timeout_ms, ordered, served, orders, depth, *given)
        if found is not None:
            return found, []
        if not slow:
            assert orders is not None
            return best(served, *given), [orders.reranker.name]
        left = [served.ranker]
        if ask.query.strip() and version.words is not None and version.words is not served:
            return best(version.words, *given), left
        return version.popular(depth, had, barred), left

    async def _in_time(
        self, limit: int | None, work: Callable[..., Found], *given: Any
    ) -> Found | None:
        """What takes its time, by the one thread for it; None where that is too long, or too much waits already."""
        if self.waiting >= MOST_WAITING:
            return None
        self.waiting += 1
        done = asyncio.get_running_loop().run_in_executor(self.slow, work, *given)
        done.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(done), limit and limit / 1000)
        except TimeoutError:
            done.cancel()
            return None

    def _done(self, _: object) -> None:
        self.waiting -= 1

    def _placed(
        self,
        version: Version,
        ask: Ask,
        found: Found,
        paging: Paging,
        out: tuple[np.ndarray, np.ndarray],
    ) -> tuple[list[Placed], bool]:
        """Candidates in the order of the rules, from a page's first on; and whether there are more."""
        rules, first = version.rules, paging.first
        codes, until = found[0].tolist(), first + ask.k
        if not rules.any:
            return [Placed(code) for code in codes[first:until]], len(codes) >= until
        never, barred = set(out[0].tolist()), out[1]

        def allowed(code: int) -> bool:
            return code not in never and not (len(barred) and barred[code])

        chance = paging.drawn / CHANCES
        placed = rules.place(codes, until, ask.query, allowed, chance, paging.size)
        return placed[first:], len(placed) >= until

    def _new(
        self,
        version: Version,
        ask: Ask,
        entries: np.ndarray,
        history: np.ndarray,
        new: Collection[str],
        placed: list[Placed],
        scores: dict[int, float],
    ) -> dict[int, tuple[str, float]]:
        """Put products that the version does not know among the hits, by their words; changes `placed`."""
        if ask.page:
            return {}
        again = ask.repeats or bool(ask.query.strip())
        kept_back = entries if not again else entries[NEVER[entries["kind"]]]
        seen = {int(item) for item in kept_back["item"]} | {hash_of(n) for n in ask.exclude}
        if not again:
            seen |= {hash_of(n) for n in ask.history or ()}

        def found_by(text: str, most: int) -> dict[str, float]:
            scores = self.stock.found(text, version.idf, version.mean, new)
            order = best_first(scores, most)
            shown = (n for n in order if hash_of(n) not in seen and self._passes(version, ask, n))
            return {name: scores[name] for name in islice(shown, most)}

        if ask.query.strip():
            found = found_by(ask.query, ask.k)
            words = version.words is not None and version.searcher() is version.words
            told = {}
            for number, name in enumerate(found):
                at = (
                    sum(scores.get(p.code, 0.0) >= found[name] for p in placed)
                    if words
                    else min(NEW_PLACE - 1 + number, len(placed))
                )
                placed.insert(at, Placed(-2 - number, ("new",)))
                scores[-2 - number] = found[name]
                told[-2 - number] = (name, found[name])
            return told
        titles = [version.catalogue.title(int(code)) for code in history[-LATEST:]]
        for title in reversed(titles):
            found = found_by(title, 1)
            own = of_itself(title, version.idf, version.mean)
            name, score = next(iter(found.items()), ("", 0.0))
            if found and score >= ALIKE * own:
                placed.insert(min(NEW_PLACE - 1, len(placed)), Placed(-2, ("new",)))
                return {-2: (name, score)}
        return {}

    def _passes(self, version: Version, ask: Ask, name: str) -> bool:
        return ask.filter is None or version.catalogue.passes(self.stock.items[name], ask.filter)

    def body(self, shown: Shown, ask: Ask, request: str, slot: str) -> bytes:
        """Write an answer as JSON: prepared cards of the items, with rank and score between."""
        version, hits = shown.version, []
        for rank, place in enumerate(shown.placed, 1):
            card = self._card(shown, place)
            why = b""
            if ask.explain or place.rules:
                why = b',"why":' + written(self.why(shown, ask, place))
            score = shown.scores.get(place.code)
            told = b"%.7g" % score if score is not None and np.isfinite(score) else b"0"
            seldom = b',"propensity":%.6g' % place.propensity if place.propensity < 1 else b""
            hits.append(b'{"rank":%d,%b,"score":%b%b%b}' % (rank, card, told, seldom, why))
        tail = b""
        if shown.degraded:
            tail += b',"degraded":' + written(shown.degraded)
        if (ask.context or ask.time is not None) and (names := ignored(version, ask)):
            tail += b',"ignored":' + written(names)
        if version.unproved:
            tail += b',"unproved":true'
        if shown.next:
            tail += b',"page":"%b"' % shown.next.encode()
        return b'{"request":"%b","slot":"%b","version":"%b","hits":[%b]%b}' % (
            request.encode(),
            slot.encode(),
            version.id.encode(),
            b",".join(hits),
            tail,
        )

    def _card(self, shown: Shown, place: Placed) -> bytes:
        if place.code in shown.new:
            return card_of(self.stock.items[shown.new[place.code][0]])
        told = (
            self.stock.items.get(shown.version.served.ids.text(place.code))
            if self.stock.items
            else None
        )
        if told is not None and told.keys() & {"title", "brand", "price"}:
            # What changed since stands beside what was published.
            return card_of(
                {"item_id": told["item_id"], "title": shown.version.catalogue.title(place.code)}
                | told
            )
        return shown.version.catalogue.card(place.code)

    def why(self, shown: Shown, ask: Ask, place: Placed) -> list[Why]:
        """Why a hit stands where it stands: the rules that moved it, then the parts of its score."""
        rules = [name for name in place.rules if name not in ("new", EXPLORED, GAVE_WAY)]
        found = [explain.rule(name, ask.language) for name in rules]
        if EXPLORED in place.rules:
            found.append(explain.why("exploration", "", ask.language))
        if GAVE_WAY in place.rules:
            found.append(explain.gave_way(ask.language))
        if place.code in shown.new:
            # Words alone: pairs of them would say each again.
            words = [w for w in self.stock.words[shown.new[place.code][0]] if " " not in w]
            return [*found, explain.why("new", " ".join(words[:3]), ask.language)]
        if not ask.explain:
            return found
        version = shown.version
        served = version.searcher() if ask.query.strip() else version.served
        assert served is not None
        parts = served.parts(request_of(served, ask, shown.history), place.code)
        causes = {int(p.cause) for p in parts if p.kind == "item"}
        titles = {code: version.catalogue.title(code) for code in causes}
        ids = {code: served.ids.text(code) for code in causes}

        def did(code: int) -> str:
            return version.others(code, place.code)

        return found + explain.told(parts, titles, ids, ask.language, did)


def exposure(shown: Shown, ask: Ask, request: str, now: int) -> dict[str, Any]:
    """What was shown, from which place on, and how likely that was, as the log keeps it."""
    ids = shown.version.served.ids
    return {
        "exposure": request,
        "time": now,
        "slot": ask.slot,
        "version": shown.version.id,
        "user_id": ask.user,
        "session_id": ask.session,
        "first": shown.first + 1,
        "items": [ids.text(p.code) if p.code >= 0 else shown.new[p.code][0] for p in shown.placed],
        "propensities": [p.propensity for p in shown.placed],
    }


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def _known(codes: np.ndarray) -> np.ndarray:
    found: np.ndarray = codes[codes >= 0]
    return found
