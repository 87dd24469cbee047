"""A back-off Markov walk over items and event kinds, with activity, sessions and time."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Size
from wareloom.core.state import flattened, unflattened
from wareloom.errors import InputError
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.keeps import Keeps
from wareloom.shop.log import NO_TIME
from wareloom.shop.pairs import follow_counts, recency
from wareloom.shop.schema import EVENTS
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.behaviour._brands import brand_codes
from wareloom.synthesis.behaviour._candidates import Candidates, fit_candidates, known_predecessors
from wareloom.synthesis.behaviour._dates import beside_others, fit_dates
from wareloom.synthesis.behaviour._fill import fill
from wareloom.synthesis.behaviour._frames import Walked, build, fit_columns
from wareloom.synthesis.behaviour._given import check_length, coded, continued, known_items, starts
from wareloom.synthesis.behaviour._learned.learn import Structure, draw_structure, fit_structure
from wareloom.synthesis.behaviour._learned_from import active, learnable
from wareloom.synthesis.behaviour._onward import check_onward, onward
from wareloom.synthesis.behaviour._outline import (
    POPULARITY_BUCKETS,
    Outline,
    categories_of,
    clock_outlines,
    draw_outlines,
    fit_outline,
    price_bands,
    rows_of,
    sessions_of,
)
from wareloom.synthesis.behaviour._rhythm import Rhythm, Visits, clock, draw_shapes, fit_rhythm
from wareloom.synthesis.behaviour._saved import with_new_names
from wareloom.synthesis.behaviour._shared import (
    pairs_within,
    shared_counts,
    shared_pairs,
    shared_shapes,
    with_shared_dates,
)
from wareloom.synthesis.behaviour._teach import same_before
from wareloom.synthesis.behaviour._walk import BUCKETS, AliasTables, Model, Plan, alias_tables, walk
from wareloom.synthesis.draws import mark, new_ids


class _Past(NamedTuple):
    """What each user to sample had before."""

    users: pl.Series | None
    offsets: np.ndarray
    item: np.ndarray
    event: np.ndarray
    last: np.ndarray
    """int64 [users], time last seen; negative where there is none"""


@dataclass(kw_only=True, eq=False)
class Markov(Synthesizer):
    """Shoppers that walk from item to item as real ones did, backing off where little is known.

    With `structure` "outline" a shopper has the outline of a real user drawn at random: sessions and gaps, moved and
    stretched a little in time, kinds of event, which events are on one item or in one category, the level above each
    category, how popular each item is, and which of the four before it others had it after, too; also whether its brand
    is new, how dear it is for its category, and where it lies among the dates at which others chose it, so that items
    are taken when they were sold. New items fill it:
    where an item is to follow one before it, such as followed that one, by their counts less an absolute discount for
    what was not seen (Ney, Essen and Kneser 1994), else others of the category and popularity; one that is to be
    followed is drawn as often as it would be. No item is copied, but a fitted model holds the outlines of all users:
    it is no anonymous summary.

    With "chain" all is drawn one by one: the next item from what followed the present one, with the probability
    T / (T + N) of Witten and Bell (1991), for T distinct followers seen N times, from popularity; before it whether it
    is the same item again, one the user had, or another, and the kind of event, from a chain over kinds; number and
    length of sessions are those of a user drawn at random, gaps come from quantiles by activity. So are shoppers who
    continue given histories or have a given length.
    """

    keeps: ClassVar[Keeps] = "people"
    conditions: ClassVar[frozenset[str]] = frozenset({"histories", "start_items", "length", "like"})
    laws: ClassVar[frozenset[str]] = frozenset({"each of those given is drawn once"})

    window: int = 2
    """Items this many places apart still count as following one another; for chains."""
    decay: float = 0.5
    """Factor on a pair's weight for each further place apart; for chains."""
    half_life: float | None = None
    """Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is
    drawn as often as its last event weighs."""
    structure: Literal["outline", "learned", "chain"] = "outline"
    """Whether a new shopper's sessions, times, kinds of event, repeats and pattern of categories are those of a real
    user drawn at random and moved in time, to be filled with other items; are nobody's, drawn event by event from
    tables of what users did where, and filled alike; or are drawn one by one, items too."""
    min_users: Size = 1
    """Users who must have done something for it to be counted by itself; not for outlines, which are of one each."""
    jitter: NonNegative = 0.2
    """How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm."""
    look_ahead: Size = 15
    """Items that are tried at most, where an outline's next item is known to follow, until one leads on to such."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from the events of `shop`; raises `InputError` where it has none on known items."""
        run = run or Run()
        log = learnable(self.name, shop)
        self._forget()
        with run.limits(), run.task(f"{self.name}: fit"):
            weight, few = recency(log, self.half_life), self._few()
            counts = shared_pairs(self._follow(log, weight), pairs_within(log, self.window), few)
            begins = np.isin(np.arange(len(log)), log.offsets[:-1])
            self._keep("follow", alias_tables(counts))
            self._keep("popular", alias_tables(_one_row(shared_counts(log, weight, few))))
            begun = shared_counts(log.keep(begins), weight[begins], few)
            self._keep("start", alias_tables(_one_row(begun)))
            distinct, total = np.diff(counts.indptr), np.asarray(counts.sum(axis=1)).ravel()
            self.backoff_ = (distinct / np.maximum(distinct + total, 1e-12)).astype(np.float32)
            self.repeat_, self.chain_, self.first_ = self._habits(log)
            if self.structure != "chain":
                self._sketch(shop, run)
            self._keep("rhythm", self._shapeless(fit_rhythm(log), run))
            vars(self).update(fit_columns(shop, log.items, few))
        self.catalogue_ = shop.table("items")
        return self

    @classmethod
    def restore(cls, settings: dict[str, Any], values: dict[str, Any]) -> Self:
        """Build an instance from its settings and its state; one that an earlier version saved is read, too."""
        return super().restore(settings, with_new_names(values))

    def holds(self) -> Keeps:
        """What it keeps of the users: outlines are people, what is drawn one by one are counts."""
        return "people" if self.structure == "outline" else "counts"

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw `n` users, called ORIGIN/0-MARK, ORIGIN/1-MARK, ….

        With `given.histories` the first `n` users of that shop are continued instead: under their own ids, after their
        last event, by one session or by `given.length` events. With `given.like` they have outlines of that shop's
        users.
        """
        self._checked(n, given)
        run, given = run or Run(), given or Given()
        check_length(given)
        if given.like is not None:
            return self._like(given, run).sample(n, run, replace(given, like=None))
        with run.limits(), run.task(f"{self.name}: sample {n:,} users"):
            of, past = self, self._past(given, n)
            if self.structure != "chain" and past.users is None and given.length is None:
                of, template, offsets = self._drawn_outlines(n, run)
                sessions, sizes = sessions_of(of._outline(), template)
            else:
                template, (sessions, sizes) = (
                    np.zeros(0, np.int64),
                    self._shapes(past, given, n, run),
                )
                offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)[sessions]
            plan = Plan(offsets, past.offsets, past.item, past.event, self._starts(given), template)
            time = of._times(plan, Visits(sessions, sizes, offsets, past.last), run)
            item, event = of._walked(plan._replace(time=time), run)
            own = mark(self, n, run, given)
            users = past.users if past.users is not None else new_ids(self.origin, n, own)
            user = np.repeat(np.arange(n, dtype=np.int32), np.diff(offsets))
            walked = Walked(user, item, event, time, np.repeat(np.arange(len(sizes)), sizes))
            rng = run.rng("markov", "columns")
            made = build(self.state(), self.catalogue_, walked, users, self.origin, own, rng)
        return self._stamped(made, given)

    def continuations(self, past: np.ndarray, draws: int, length: int, run: Run) -> np.ndarray:
        """See `Synthesizer.continuations`: drawn one by one, as chains are, from the tables of what followed what."""
        check_onward(past, draws, length)
        usual = int(np.argmax(np.diff(self.first_, prepend=0.0)))
        return self._walked(onward(past, draws, length, usual), run)[0].reshape(draws, length)

    def _walked(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Items and kinds of event of the planned users."""
        if len(plan.template):
            candidates, outline = self._fill()
            seed = np.uint64(run.seed_for("markov", "fill"))
            items = fill(candidates, outline, plan, self.look_ahead, seed, run.cores)
            return items, outline.event[rows_of(outline, plan.template)]
        return self._chained(plan, run)

    def _chained(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Items and kinds of event, drawn one by one."""
        return walk(self._model(), plan, np.uint64(run.seed_for("markov", "walk")), run.cores)

    def _skeleton(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Which events of the planned users are on an item that they had, see `same_before`, and the kinds of all."""
        if len(plan.template):
            outline = self._outline()
            rows = rows_of(outline, plan.template)
            return outline.same_item[rows].astype(np.int64), outline.event[rows]
        items, event = self._chained(plan, run)
        return same_before(plan.offsets, items, plan.past_offsets, plan.past_item), event

    def _outline(self) -> Outline:
        """The outlines to fill: those of the fitted users, or those just drawn."""
        drawn: Outline | None = vars(self).get("_drawn")
        found: Outline = drawn if drawn is not None else unflattened(Outline, "outline", self)
        return found

    def _drawn_outlines(self, n: int, run: Run) -> tuple[Self, np.ndarray, np.ndarray]:
        """Draw `n` outlines: (who has them, which they are int64 [n], offsets int64 [n + 1])."""
        rng = run.rng("markov", "outlines")
        if self.structure == "outline":
            return self, *draw_outlines(self._outline(), n, rng)
        structure = unflattened(Structure, "structure", self)
        other, seed = copy(self), np.uint64(run.seed_for("markov", "structure"))
        vars(other)["_drawn"] = draw_structure(structure, n, rng, seed, run.cores)
        return other, np.arange(n), other._outline().offsets

    def _fill(self) -> tuple[Candidates, Outline]:
        """The outlines, and what they are filled from."""
        return unflattened(Candidates, "candidates", self), self._outline()

    def _sketch(self, shop: Shop, run: Run) -> None:
        """Keep the users' outlines, and what they are filled from."""
        log = _ordered(shop, run)
        log = log.keep(log.weight > 0)
        self.counts_ = log.counts()
        items = shop.table("items")
        categories = categories_of(items, self.counts_)
        price = price_bands(items, categories[0], self.counts_)
        brand, few = brand_codes(items), self._few()
        candidates = fit_candidates(log, *categories, brand, price, few)
        outline = self._outlines(log, candidates)
        if self.structure == "outline":
            self._keep("outline", outline)
        else:
            parents = int(candidates.parent.max()) + 1
            self._keep("structure", fit_structure(outline, active(log), parents, few))
            dated = with_shared_dates(log, few, run.rng("markov", "dates"))
            row = candidates.category.astype(np.int64) * POPULARITY_BUCKETS + candidates.bucket
            rows = len(candidates.parent) * POPULARITY_BUCKETS
            candidates = candidates._replace(dates=fit_dates(dated, row, rows))
            self.counts_ = shared_counts(log, np.ones(len(log)), few)
        self._keep("candidates", candidates)

    def _like(self, given: Given, run: Run) -> Self:
        """Return a copy that has the outlines of other users."""
        if self.structure != "outline" or given.histories is not None or given.length is not None:
            raise InputError(
                f"{self.name}: shoppers like those of a shop have their outlines, so that given.like needs "
                "structure='outline', and no histories or length beside it."
            )
        assert given.like is not None
        log = _ordered(given.like, run)
        log = replace(
            log,
            item=coded(log, self.catalogue_["item_id"]),
            items=Vocabulary(self.catalogue_["item_id"]),
        )
        if len(log) == 0:
            raise InputError(f"{self.name}: the shop of given.like has no events on known items.")
        other = copy(self)
        other._keep("outline", self._outlines(log, unflattened(Candidates, "candidates", self)))
        return other

    def _outlines(self, log: Log, candidates: Candidates) -> Outline:
        """The outlines of the users of a log."""
        weight = recency(log, self.half_life)
        categories = candidates.category, candidates.parent
        outline = fit_outline(log, categories, candidates.brands.of, self.counts_, weight)
        where, apart, middle = beside_others(candidates.dates, log)
        return outline._replace(
            predecessors=known_predecessors(candidates, outline, log),
            price=candidates.price[log.item],
            where=where,
            apart=np.maximum(apart, outline.bounds[2]),
            middle=middle,
        )

    def _shapes(self, past: _Past, given: Given, n: int, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Sessions of n users, drawn one by one: where each user's begin, and the events of each."""
        rhythm, rng = self._rhythm(), run.rng("markov", "shapes")
        if past.users is not None and given.length is None:
            return np.arange(n + 1), rhythm.shape[rng.integers(len(rhythm.shape), size=n)]
        return draw_shapes(rhythm, n, given.length, rng)

    def _rhythm(self) -> Rhythm:
        found: Rhythm = unflattened(Rhythm, "rhythm", self)
        return found

    def _times(self, plan: Plan, visits: Visits, run: Run) -> np.ndarray:
        """Time of every event: int64 [events], `NO_TIME` where the log has none."""
        rhythm, seed = self._rhythm(), np.uint64(run.seed_for("markov", "clock"))
        if not rhythm.bounds[2]:
            return np.full(plan.offsets[-1], NO_TIME)
        if len(plan.template):
            if self.structure == "learned":
                return self._outline().time
            return clock_outlines(self._outline(), plan, self.jitter, seed, run.cores)
        return clock(rhythm, visits, seed, run.cores)

    def _few(self) -> int:
        """Users who must have done something for it to be counted by itself."""
        return 1 if self.structure == "outline" else self.min_users

    def _shapeless(self, rhythm: Rhythm, run: Run) -> Rhythm:
        """The rhythm without the users' own session lengths, unless their outlines are kept."""
        if self.structure == "outline":
            return rhythm
        rng = run.rng("markov", "session lengths")
        offsets, shape = shared_shapes(rhythm.shape_offsets, rhythm.shape, self._few(), rng)
        return rhythm._replace(shape_offsets=offsets, shape=shape)

    def _follow(self, log: Log, weight: np.ndarray) -> sparse.csr_matrix:
        """How often which item follows which."""
        return follow_counts(log, window=self.window, decay=self.decay, weight=weight)

    def _habits(self, log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chances of repeats, next kinds of event and first kinds, see `Model`."""
        return _habits(log)

    def _keep(self, prefix: str, learned: NamedTuple) -> None:
        vars(self).update(flattened(prefix, learned))

    def _model(self) -> Model:
        """What walks are drawn from, laid out once: a live session has no time for it."""
        kept = vars(self).get("_laid_out")
        if kept is None or kept.backoff is not self.backoff_:
            follow, popular, start = (
                unflattened(AliasTables, name, self) for name in ("follow", "popular", "start")
            )
            habits = self.backoff_, self.repeat_, self.chain_, self.first_
            kept = Model(follow, popular, start, *habits)
            vars(self)["_laid_out"] = kept
        found: Model = kept
        return found

    def _past(self, given: Given, n: int) -> _Past:
        """What the `n` users had before: nothing, or the given histories."""
        known = continued(given, n, known_items(self))
        if known is None:
            nothing = np.zeros(0, np.int32), np.zeros(0, np.int8)
            return _Past(None, np.zeros(n + 1, np.int64), *nothing, np.full(n, -1, np.int64))
        last = known.time[known.offsets[1:] - 1] if known.timed else np.zeros(n, np.int64)
        return _Past(known.users.ids, known.offsets, known.item, known.event, last)

    def _starts(self, given: Given) -> np.ndarray:
        return starts(given, known_items(self))


def _ordered(shop: Shop, run: Run) -> Log:
    """The log, events of one time in random order; where no time is known the order is the table's."""
    return Log.of(shop, shuffle_ties=run.seed_for("ties") if shop.has("events", "time") else None)


def _one_row(weight: np.ndarray) -> sparse.csr_matrix:
    """Weight by item as a matrix of one row; items without weight fall out."""
    return sparse.csr_matrix(weight[None, :])


def _habits(log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure how events follow one another: (repeat by events before, chain over kinds, first kinds), see `Model`."""
    kinds = len(EVENTS)
    user, place = log.user, np.arange(len(log)) - log.offsets[log.user]
    inner = np.flatnonzero(place > 0)
    same = log.item[inner] == log.item[inner - 1]
    before, now = log.event[inner - 1].astype(int), log.event[inner].astype(int)
    counts = np.zeros((kinds, 2 * kinds))
    np.add.at(counts, (before, np.where(same, now, kinds + now)), 1.0)
    heads = log.offsets[:-1][log.lengths() > 0]
    first = np.bincount(log.event[heads], minlength=kinds).astype(float)
    unseen = counts.sum(axis=1) == 0
    counts[unseen, kinds:] = first

    pair = pl.DataFrame({"user": user, "item": log.item})
    earlier = (~pair.select(pl.struct("user", "item").is_first_distinct()).to_series()).to_numpy()
    fresh = inner[~same]
    bucket = np.minimum(np.log2(np.maximum(place[fresh], 1)).astype(int), BUCKETS - 1)
    tries = np.bincount(bucket, minlength=BUCKETS)
    hits = np.bincount(bucket, weights=earlier[fresh], minlength=BUCKETS)
    overall = hits.sum() / max(1, tries.sum())
    repeat = (hits + overall) / (tries + 1.0)
    return repeat, np.cumsum(counts, axis=1), np.cumsum(first)
