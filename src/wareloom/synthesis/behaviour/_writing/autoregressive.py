"""What the networks that write shoppers event by event share: their training, their sampling, one live session."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import polars as pl
from annotated_types import Ge, Le
from threadpoolctl import threadpool_limits

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, Positive, ShareBelowOne, Size
from wareloom.core.state import flattened, unflattened
from wareloom.errors import InputError
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, train
from wareloom.neural.weights import arrays, loaded
from wareloom.rankers.sequence.data import Negatives
from wareloom.rankers.vectors import check_embedder, text_vectors
from wareloom.shop import Log, Shop
from wareloom.shop.keeps import Keeps
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS, INTERACTIONS
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.behaviour._frames import Walked, build, fit_columns
from wareloom.synthesis.behaviour._given import check_length, continued, known_items, starts
from wareloom.synthesis.behaviour._learned_from import active, learnable
from wareloom.synthesis.behaviour._onward import check_onward
from wareloom.synthesis.behaviour._walk import LOOK_BACK
from wareloom.synthesis.behaviour._writing.choose import Choice, Limits, Rules
from wareloom.synthesis.behaviour._writing.clusters import (
    STATES,
    Best,
    Clusters,
    Guess,
    fit_clusters,
)
from wareloom.synthesis.behaviour._writing.decode import Past, Writer, Written, at_hand
from wareloom.synthesis.behaviour._writing.event_net import EventNet, Prior, priors
from wareloom.synthesis.behaviour._writing.grammar import KINDS, NEW, Grammar, fit_grammar
from wareloom.synthesis.behaviour._writing.pace import Pace, classify, fit_pace, gaps
from wareloom.synthesis.behaviour._writing.tokens import Tokens, hazard, held_back
from wareloom.synthesis.draws import mark, new_ids

BLOCK = (512, 4_096)
"""Users that are written at a time: an eighth of those asked for, at least and at most so many"""
MOST_BINS = 10_000
"""Classes of gaps are held in 16 bits"""
LEAST = 20
"""Users that are held back to stop the training early, at least; else none"""


@dataclass(kw_only=True, eq=False)
class Autoregressive(Synthesizer):
    """Base of networks that write shoppers event by event.

    After each event a network predicts, one given the others: whether the user stops; the gap to the next event, among
    classes that divide the log's gaps within and between sessions evenly (none at all is a class of its own), drawn
    within a class from its quantiles, on the log's clock; the kind of event and whether it is on the same item, an
    earlier or a new one; and the item. All are residuals beside what the log's counts say. What the log never has, a
    kind after a kind or on an item that had had such a set of kinds, is never written. New items are learned by the
    softmax over all items, sampled with the logQ correction where they are many, and drawn without computing it (see
    `_clusters`); earlier ones by a softmax over the user's own. Trained on one thread, so that the same seed gives the
    same bytes on any machine.
    """

    keeps: ClassVar[Keeps] = "people"
    conditions: ClassVar[frozenset[str]] = frozenset({"histories", "start_items", "length"})

    embedding_size: Size = 64
    """Numbers in an item's vector and in the network's state."""
    max_length: Annotated[int, Ge(4)] = 50
    """Events that are read at most."""
    text: str = "none"
    """Embedder of the items' texts, such as tfidf or minilm, of which a learned map is added to the items' vectors, so
    that items without events are written, too; none learns from behaviour alone."""
    bins: Annotated[int, Ge(1), Le(MOST_BINS)] = 32
    """Classes of gaps within a session, and as many between sessions, at most."""
    negatives: Count = 512
    """Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax."""
    power: float = 0.5
    """They are drawn by popularity to this power."""
    temperature: Positive = 1.0
    """Below 1 likely items are drawn more often; it is part of what is fitted."""
    top_k: Count = 0
    """New items are drawn among so many of the likeliest; 0 for all."""
    top_p: Factor = 1.0
    """New items are drawn among the fewest that hold this share of the probability; 1 for all."""
    dropout: ShareBelowOne = 0.2
    """Share of the network's numbers that are left out while it learns."""
    epochs: Size = 20
    """Passes over the log, at most."""
    batch_size: Size = 2048
    """Events of an update, padding included."""
    learning_rate: Positive = 2e-3
    """Highest step size."""
    weight_decay: float = 0.0
    """Decoupled decay of the weights."""
    patience: Count = 4
    """Passes without a better likelihood of the users held back after which training stops; 0 never stops early."""
    validation: ShareBelowOne = 0.05
    """Share of users held back to stop early; none where it comes to fewer than 20."""

    def _check(self) -> None:
        check_embedder(self.text)

    @abstractmethod
    def _encoder(self) -> Any:
        """Return a module: vectors of tokens [users, places, size] → states of the same shape, each of what is left of
        it and itself.
        """

    @abstractmethod
    def _memory(self, encoder: Any, rows: int) -> Any:
        """Return the `Memory` of so many users."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from the events of `shop`; raises `InputError` where it has none on known items."""
        run = (run or Run()).with_(threads=1)
        log = learnable(self.name, shop)
        self._forget()
        log = active(log.keep(log.weight > 0))
        with run.limits(), seeded(run, self.name):
            pace = fit_pace(log, self.bins)
            grammar, action = fit_grammar(log)
            tokens = Tokens.of(log, pace, action)
            stops = hazard(log)
            classes = np.bincount(tokens.columns["gap"], minlength=len(pace.lower) + 1)[1:]
            features = None
            if self.text != "none":
                features = text_vectors(shop, self.text, 2 * self.embedding_size, run)
            prior = priors(stops, classes, grammar.follow)
            net = EventNet(
                len(log.items), self.embedding_size, self._encoder(), prior, log.counts(), features
            )
            net, self.training_ = self._trained(net, tokens, log, run)
            self._bake(net, tokens, log, run)
        vars(self).update(flattened("pace", pace) | flattened("grammar", grammar))
        self.hazard_, self.longest_ = stops, int(log.lengths().max())
        vars(self).update(fit_columns(shop, log.items))
        self.catalogue_, self._ready = shop.table("items"), None
        return self

    def _trained(
        self, net: EventNet, tokens: Tokens, log: Log, run: Run
    ) -> tuple[EventNet, list[dict[str, float]]]:
        """Fit the network, and stop where the users held back are foretold no better."""
        sampled = bool(self.negatives) and len(log.items) > 2 * self.negatives
        negatives = Negatives(log, self.negatives, self.power, run.device) if sampled else None
        ours, held = held_back(len(log.users), self.validation, LEAST, run)
        ours_tokens, held_tokens = tokens.part(ours), tokens.part(held)

        def batches(epoch: int) -> Iterator[dict[str, Any]]:
            return ours_tokens.batches(
                self.max_length, self.batch_size, run.rng("sequence", "epoch", epoch)
            )

        def judge() -> float:
            # The same negatives each time, and none of the training's random numbers.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(run.seed_for("sequence", "judge"))
                parts = held_tokens.batches(
                    self.max_length, self.batch_size, run.rng("sequence", "judge")
                )
                moved = ({k: v.to(run.device) for k, v in part.items()} for part in parts)
                found = [
                    (float(net.loss(part, negatives)), float(part["next_weight"].sum()))
                    for part in moved
                ]
            return -sum(a * b for a, b in found) / max(1e-12, sum(b for _, b in found))

        how = Training(
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            weight_decay=self.weight_decay,
            patience=self.patience if len(held) else 0,
        )
        history = train(
            net, batches, lambda b: net.loss(b, negatives), how, run, judge if len(held) else None
        )
        return net.cpu().eval(), history

    def _bake(self, net: EventNet, tokens: Tokens, log: Log, run: Run) -> None:
        """Keep the network with its items' final vectors, and what items are drawn by."""
        with torch.no_grad():
            vectors = net.item.every().numpy().copy()
        weights = {k: v for k, v in arrays(net).items() if not k.startswith("item.")}
        self.weights_ = weights | {
            "item.own.weight": np.concatenate([np.zeros_like(vectors[:1]), vectors])
        }
        drawn = np.arange(len(vectors)) if self.text != "none" else np.flatnonzero(log.counts() > 0)
        bias = weights["bias.weight"][1:, 0]
        queries = _queries(net, tokens, self.max_length, self.batch_size, run)
        clusters, self.guess_ = fit_clusters(
            vectors[drawn] / self.temperature, bias[drawn] / self.temperature, drawn, queries, run
        )
        vars(self).update(flattened("clusters", clusters))

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw `n` users, called ORIGIN/0-MARK, ORIGIN/1-MARK, ….

        With `given.histories` the first `n` users of that shop are continued instead: under their own ids, after their
        last event, by one session or by `given.length` events.
        """
        self._checked(n, given)
        run, given = run or Run(), given or Given()
        check_length(given)
        with run.task(f"{self.name}: sample {n:,} users"):
            known = continued(given, n, known_items(self))
            past = self._past(known) if known is not None else _nothing(n)
            rules = self._rules(
                given.length or 0,
                one_session=known is not None and given.length is None,
                start=starts(given, known_items(self)) if given.start_items else None,
            )
            found = self._written(rules, past, run)
            own = mark(self, n, run, given)
            users = known.users.ids if known is not None else new_ids(self.origin, n, own)
            fresh = found.gap > rules.pace.split[0]
            fresh[np.searchsorted(found.user, np.arange(n))] = True
            time = found.time if rules.pace.bounds[3] else np.full(len(found.item), NO_TIME)
            walked = Walked(found.user, found.item, found.kind, time, np.cumsum(fresh) - 1)
            rng = run.rng(self.name, "columns")
            made = build(vars(self), self.catalogue_, walked, users, self.origin, own, rng)
        return self._stamped(made, given)

    def continue_session(
        self,
        items: Sequence[str],
        n: int = 1,
        kinds: Sequence[str] | None = None,
        run: Run | None = None,
    ) -> pl.DataFrame:
        """Write the next `n` events of the session at hand: columns item_id, event and seconds after the last event.

        `kinds`: the kinds of the events on `items` so far; without them the log's most common one. The session is taken
        to have been at the end of the log, all at once. Raises `InputError` for an unknown item or kind.
        """
        self._checked(n)
        code = known_items(self).encode(items)
        rules = self._rules(n, goes_on=True)
        said = list(kinds) if kinds is not None else [EVENTS[_usual(rules)]] * len(code)
        if np.any(code < 0):
            unknown = list(items)[int(np.flatnonzero(code < 0)[0])]
            raise InputError(
                f"The session holds the item {unknown!r}, which the fitted shop does not know."
            )
        if len(said) != len(code) or not set(said) <= set(INTERACTIONS):
            raise InputError(
                f"The session has {len(code)} items and the kinds {said}; give each item one of "
                f"{', '.join(INTERACTIONS)}."
            )
        kind = np.array([EVENTS.index(each) for each in said], dtype=np.int64)
        found = self._written(rules, at_hand(rules.pace, code, kind, 1), run or Run())
        seconds = (
            (found.time - rules.pace.bounds[1]) / 1e6
            if rules.pace.bounds[3]
            else np.full(n, np.nan)
        )
        ids = self.catalogue_["item_id"].gather(found.item)
        return pl.DataFrame(
            {"item_id": ids, "event": pl.Series(EVENTS).gather(found.kind), "seconds": seconds}
        )

    def continuations(self, past: np.ndarray, draws: int, length: int, run: Run) -> np.ndarray:
        """See `Synthesizer.continuations`; the session is taken to be as in `continue_session`."""
        check_onward(past, draws, length)
        rules = self._rules(length, goes_on=True)
        before = at_hand(rules.pace, past, np.full(len(past), _usual(rules)), draws)
        return self._written(rules, before, run).item.reshape(draws, length)

    def _written(self, rules: Rules, past: Past, run: Run) -> Written:
        """Write all users in blocks; the blocks do not hang on the number of threads, nor do the random streams."""
        n, writer = len(past.offsets) - 1, self._writer
        seed = np.uint64(run.seed_for(self.name, "events"))
        size = min(max(BLOCK[0], -(-n // 8)), BLOCK[1])
        blocks = [np.arange(a, min(n, a + size)) for a in range(0, n, size)]

        def write(users: np.ndarray) -> Written:
            a, b = past.offsets[users[0]], past.offsets[users[-1] + 1]
            own = Past(
                past.offsets[users[0] : users[-1] + 2] - a, *(column[a:b] for column in past[1:])
            )
            return writer.write(rules, own, users, seed)

        with seeded(run.with_(threads=1), self.name):
            if len(blocks) == 1:
                # A session that waits does not pay for looking through all libraries for their threads.
                return write(blocks[0])
            parts = list[Written]()
            told = run.task("blocks of users", len(blocks))
            with told as advance, threadpool_limits(1), ThreadPoolExecutor(run.cores) as pool:
                for part in pool.map(write, blocks):
                    parts.append(part)
                    advance()
        return Written(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _rules(
        self,
        length: int = 0,
        *,
        one_session: bool = False,
        goes_on: bool = False,
        start: np.ndarray | None = None,
    ) -> Rules:
        return Rules(
            unflattened(Pace, "pace", self),
            unflattened(Grammar, "grammar", self),
            self.hazard_,
            Limits(self.longest_, length, int(one_session), int(goes_on)),
            len(self._writer.choice.clusters.code),
            np.zeros(0, dtype=np.int32) if start is None else start,
            Best(self.top_k, self.top_p),
            max(self.max_length, LOOK_BACK),
        )

    def _past(self, log: Log) -> Past:
        """The users' past events, with the classes of the gaps before them."""
        pace = self._rules().pace
        gap, fresh, there = gaps(log)
        kind = classify(pace, gap, fresh)
        kind[~there] = 0
        time = log.time if log.timed else np.full(len(log), NO_TIME)
        return Past(log.offsets, log.item, log.event.astype(np.int64), time, kind)

    @cached_property
    def _writer(self) -> Writer:
        """What writes, built anew once from the saved weights: a live session has no time for it."""
        clusters = Clusters(
            *(np.array(getattr(self, f"clusters_{name}_")) for name in Clusters._fields)
        )
        weights, items = self.weights_, len(self.catalogue_)
        prior = Prior(*(np.array(weights[f"prior_{name}"]) for name in Prior._fields))
        net = EventNet(items, self.embedding_size, self._encoder(), prior, np.zeros(items))
        guess = Guess(self.embedding_size, clusters)
        net, guess = loaded(net, weights), loaded(guess, self.guess_)
        vectors = np.array(weights["item.own.weight"][1:])
        widest = int(np.diff(clusters.start).max())
        age, pair, age_remind = (np.array(weights[name]) for name in ("age", "pair", "age_remind"))
        choice = Choice(clusters, vectors, age, pair, age_remind, widest)
        return Writer(net, guess, choice, partial(self._memory, net.encoder), self.max_length)


def _usual(rules: Rules) -> int:
    """The log's most common kind of event."""
    return int(np.argmax(rules.grammar.follow.reshape(KINDS + 1, 3, KINDS).sum(axis=(0, 1))))


def _nothing(n: int) -> Past:
    none = np.zeros(0, dtype=np.int64)
    return Past(np.zeros(n + 1, dtype=np.int64), none.astype(np.int32), none, none, none)


def _queries(net: EventNet, tokens: Tokens, length: int, size: int, run: Run) -> np.ndarray:
    """What the network asks for where new items come next: float32 [at most STATES, size]."""
    found, many = list[np.ndarray](), 0
    with torch.no_grad():
        for batch in tokens.batches(length, size, run.rng("sequence", "queries")):
            row = (batch["next_action"] // KINDS == NEW) & (batch["next_weight"] > 0)
            read = (batch[name] for name in ("item", "kind", "gap", "count", "calendar"))
            state = net.encoder(net.read(*read))[row]
            query = net.queries(state, batch["next_gap"][row], batch["next_action"][row] % KINDS)
            found.append(query.numpy())
            many += len(query)
            if many >= STATES:
                break
    return np.concatenate(found)[:STATES]
