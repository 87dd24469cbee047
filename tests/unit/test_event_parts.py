"""What the writers of events are made of, beside slow and obvious versions: tokens, gaps, grammar, clusters, losses."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from numba import njit
from scipy import stats

from conftest import small_shop
from lively import lively
from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.shop import Log, Shop
from wareloom.synthesis.behaviour._writing.clusters import (
    DRAWN,
    Best,
    Clusters,
    DrawRoom,
    ProbeRoom,
    draw_best,
    draw_item,
    fit_clusters,
    halved,
    shares,
)
from wareloom.synthesis.behaviour._writing.event_net import NEVER, EventNet, priors
from wareloom.synthesis.behaviour._writing.grammar import EARLIER, KINDS, NEW, SAME, fit_grammar
from wareloom.synthesis.behaviour._writing.pace import (
    COUNTS,
    calendar,
    classify,
    count_class,
    draw_gap,
    fit_pace,
    gaps,
)
from wareloom.synthesis.behaviour._writing.tokens import Tokens, hazard

SECOND = 1_000_000


def many(n: int = 800, size: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items in bunches, their biases, and what is asked for near some of them."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(20, size))
    vectors = (middle[rng.integers(20, size=n)] + 0.6 * rng.normal(size=(n, size))).astype(
        np.float32
    )
    bias = rng.normal(size=n).astype(np.float32)
    queries = (
        0.5 * vectors[rng.integers(n, size=4100)] + 0.3 * rng.normal(size=(4100, size))
    ).astype(np.float32)
    return vectors, bias, queries


@pytest.fixture(scope="module")
def index() -> tuple[Clusters, np.ndarray, np.ndarray]:
    """Clusters of many items, the guessed logits of queries that taught nothing, and those queries."""
    from wareloom.synthesis.behaviour._writing.clusters import Guess

    vectors, bias, queries = many()
    clusters, weights = fit_clusters(
        vectors, bias, np.arange(len(vectors)), queries[:4000], Run(threads=1)
    )
    guess = Guess(vectors.shape[1], clusters)
    guess.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    with torch.no_grad():
        return clusters, guess(torch.from_numpy(queries[4000:])).numpy(), queries[4000:]


def exact(query: np.ndarray) -> np.ndarray:
    vectors, bias, _ = many()
    logits = (vectors @ query + bias).astype(np.float64)
    chance: np.ndarray = np.exp(logits - logits.max())
    return chance / chance.sum()


def test_clusters_are_even_and_hold_every_item_once() -> None:
    vectors, _, _ = many(701)
    order, start = halved(vectors)
    assert sorted(order) == list(range(701))
    assert len(start) - 1 == 32
    assert np.ptp(np.diff(start)) <= 1
    spread = np.mean([vectors[order[a:b]].var(axis=0).sum() for a, b in pairwise(start)])
    assert spread < 0.6 * vectors.var(axis=0).sum()


def test_what_clusters_hold_is_the_sum_over_their_items(
    index: tuple[Clusters, np.ndarray, np.ndarray],
) -> None:
    clusters, guess, queries = index
    held = shares(clusters, queries)
    for query, own in zip(queries[:5], held, strict=False):
        chance = exact(query)
        by_hand = [
            chance[clusters.code[a:b]].sum()
            for a, b in zip(clusters.start[:-1], clusters.start[1:], strict=True)
        ]
        np.testing.assert_allclose(own, by_hand, rtol=1e-3)
    guessed = np.exp(guess - guess.max(axis=1, keepdims=True))
    guessed /= guessed.sum(axis=1, keepdims=True)
    assert 0.5 * np.abs(guessed - held).sum(axis=1).mean() < 0.15, "queries it was not taught by"


@njit
def draw_many(clusters, guess, query, best, buffers, never, out):  # type: ignore[no-untyped-def]
    """Draws from the whole softmax, or from the best where top_k or top_p say so."""
    state = np.array([9], dtype=np.uint64)
    for i in range(len(out)):
        if best[0] > 0 or best[1] < 1.0:
            out[i] = draw_best(clusters, guess, query, best, buffers[0], never, state)
        else:
            out[i] = draw_item(clusters, guess, query, buffers[1], state)


def drawn(
    index: tuple[Clusters, np.ndarray, np.ndarray],
    q: int,
    n: int,
    best: tuple[int, float] = (0, 1.0),
    never: np.ndarray = np.zeros(0, dtype=np.int32),  # noqa: B008
) -> np.ndarray:
    """How often each item came in n draws for query q."""
    clusters, guess, queries = index
    large = ProbeRoom(np.empty(800, np.float32), np.empty(800, np.int64), np.empty(guess.shape[1]))
    small = DrawRoom(
        np.empty(guess.shape[1]),
        np.empty((1 + DRAWN, int(np.diff(clusters.start).max())), dtype=np.float32),
    )
    out = np.empty(n, dtype=np.int64)
    draw_many(clusters, guess[q], queries[q], Best(*best), (large, small), never, out)
    return np.bincount(out, minlength=800)


def apart(seen: np.ndarray, chance: np.ndarray) -> float:
    """Total variation beyond that of as many exact draws."""
    n = int(seen.sum())
    noise = 0.5 * np.abs(np.random.default_rng(0).multinomial(n, chance) / n - chance).sum()
    return float(0.5 * np.abs(seen / n - chance).sum() - noise)


def test_items_are_drawn_from_the_whole_softmax(
    index: tuple[Clusters, np.ndarray, np.ndarray],
) -> None:
    beyond = [apart(drawn(index, q, 20_000), exact(index[2][q])) for q in range(40)]
    # Now and then the guess misses a cluster that one item alone makes heavy.
    assert np.mean(beyond) < 0.03
    assert np.quantile(beyond, 0.9) < 0.08


def test_the_best_items_are_found_and_drawn_by_their_chances(
    index: tuple[Clusters, np.ndarray, np.ndarray],
) -> None:
    recalled = []
    for q in range(40):
        chance = exact(index[2][q])
        best = np.argsort(-chance)[:10]
        seen = drawn(index, q, 8000, (10, 1.0))
        assert (seen > 0).sum() <= 10
        sure = chance[best] * 8000 / chance[best].sum() > 12
        recalled.append(np.mean(seen[best][sure] > 0))
        if q < 10 and recalled[-1] == 1.0 and sure.all():
            assert (
                stats.chisquare(seen[best], chance[best] / chance[best].sum() * 8000).pvalue > 1e-4
            )
    assert np.mean(recalled) > 0.97


def test_the_nucleus_is_the_fewest_that_hold_its_share(
    index: tuple[Clusters, np.ndarray, np.ndarray],
) -> None:
    for q in range(10):
        chance = exact(index[2][q])
        order = np.argsort(-chance)
        size = int(np.searchsorted(np.cumsum(chance[order]), 0.7)) + 1
        wanted = (
            np.where(np.isin(np.arange(800), order[:size]), chance, 0.0)
            / chance[order[:size]].sum()
        )
        seen = drawn(index, q, 8000, (0, 0.7))
        assert apart(seen, wanted) < 0.04
        assert seen[order[int(1.3 * size) + 3 :]].sum() == 0
        never = order[:3].astype(np.int32)
        assert drawn(index, q, 500, (5, 0.9), never)[never].sum() == 0


def spread_log() -> Log:
    return Log.of(lively(80, 3))


def test_a_gap_goes_to_its_class_and_comes_back_from_it() -> None:
    log = spread_log()
    pace = fit_pace(log, 8)
    gap, fresh, known = gaps(log)
    row = classify(pace, gap, fresh) - 1
    within, between = pace.split
    assert within <= 9
    assert between <= 9
    assert (row[known & fresh] >= within).all()
    assert (row[known & ~fresh] < within).all()
    state = np.array([5], dtype=np.uint64)
    for g in range(within + between):
        own = gap[known & (row == g)]
        drawn = np.array([draw_gap(pace, g, log.time[0], 1 << 61, state) for _ in range(400)])
        assert own.min() <= drawn.min()
        assert drawn.max() <= own.max()
        assert not np.any(drawn % pace.bounds[2])
    assert draw_gap(pace, within + between - 1, 0, 10, state) == pace.table[-1, 0], (
        "the least, where none fits"
    )


def test_gaps_of_no_time_are_a_class_of_their_own() -> None:
    shop = small_shop(users=40)
    days = shop.table("events").with_columns(time=pl.col("time").dt.truncate("3d"))
    log = Log.of(shop.with_tables(events=days))
    pace = fit_pace(log, 4)
    assert pace.lower[0] == 0
    assert (pace.table[0] == 0).all()
    gap, fresh, known = gaps(log)
    assert set(gap[known & (classify(pace, gap, fresh) == 1)]) == {0}


def test_counts_are_classed_finely_then_by_doublings() -> None:
    classes = [count_class(n) for n in range(5000)]
    assert classes[:32] == list(range(32))
    assert all(b - a in (0, 1) for a, b in pairwise(classes))
    assert classes[64] - classes[32] == 8
    assert classes[-1] == COUNTS - 1


def test_the_calendar_divides_the_span() -> None:
    log = spread_log()
    pace = fit_pace(log, 8)
    told = calendar(pace, log.time)
    knots = told[:, :-11]
    np.testing.assert_allclose(knots.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(knots @ pace.knots, log.time, rtol=1e-6)
    days = pl.Series(log.time).cast(pl.Datetime("us")).dt.weekday().to_numpy()
    assert (told[:, -7:].argmax(axis=1) + 1 == days).all()
    assert not calendar(pace, np.array([-(2**62)])).any()


def test_actions_are_told_as_a_slow_reader_tells_them() -> None:
    log = spread_log()
    grammar, action = fit_grammar(log)
    follow = np.zeros_like(grammar.follow)
    known = set()
    for u in range(len(log.users)):
        had: dict[int, int] = {}
        last = None
        for e in range(log.offsets[u], log.offsets[u + 1]):
            item, kind = int(log.item[e]), int(log.event[e])
            relation = SAME if last and last[0] == item else EARLIER if item in had else NEW
            assert action[e] == relation * KINDS + kind
            follow[last[1] + 1 if last else 0, action[e]] += 1
            known.add((had.get(item, 0), kind))
            had[item] = had.get(item, 0) | 1 << kind
            last = item, kind
    np.testing.assert_array_equal(grammar.follow, follow)
    assert {(int(a), int(b)) for a, b in np.argwhere(grammar.known)} == known


def tokens_of(log: Log, bins: int = 6) -> Tokens:
    return Tokens.of(log, fit_pace(log, bins), fit_grammar(log)[1])


def test_a_token_predicts_the_next_event() -> None:
    log = spread_log()
    tokens = tokens_of(log)
    at = 0
    for u in range(len(log.users)):
        own = log.item[log.offsets[u] : log.offsets[u + 1]] + 1
        rows = slice(at, at + len(own) + 1)
        assert tokens.columns["item"][rows].tolist() == [0, *own]
        assert tokens.columns["next_item"][rows].tolist() == [*own, 0]
        assert tokens.columns["next_action"][rows][-1] == -1
        assert (tokens.columns["next_action"][rows][:-1] >= 0).all()
        assert tokens.columns["count"][rows].tolist() == [
            count_class(n) for n in range(len(own) + 1)
        ]
        assert tokens.columns["next_low"][at] == tokens.columns["next_low"][at + len(own)] == 0
        at += len(own) + 1


def test_an_unknown_gap_may_be_any_of_its_session() -> None:
    shop = small_shop(users=30)
    place = pl.int_range(pl.len())
    events = shop.table("events").with_columns(
        time=pl.when(place % 5 != 0).then("time"),
        session_id=pl.format("{}-{}", "user_id", place // 3),
    )
    log = Log.of(shop.with_tables(events=events))
    tokens, split = tokens_of(log), fit_pace(log, 6).split
    told = {
        (a, b)
        for a, b in zip(tokens.columns["next_low"], tokens.columns["next_high"], strict=True)
        if a != b
    }
    assert told <= {(1, split[0]), (1 + split[0], split.sum())}
    assert told


@pytest.mark.parametrize("length", [4, 7, 50])
def test_pieces_teach_every_token_once(length: int) -> None:
    log = spread_log()
    tokens = tokens_of(log)
    tokens.columns["next_weight"] = np.arange(1.0, 1.0 + len(tokens.columns["item"]))
    found = Counter[float]()
    for batch in tokens.batches(length, 256, np.random.default_rng(0)):
        assert batch["item"].shape[1] <= length
        found.update(batch["next_weight"][batch["next_weight"] > 0].tolist())
    assert found == Counter(tokens.columns["next_weight"].tolist())


def test_the_hazard_is_counted() -> None:
    log = Log.of(small_shop(users=200))
    share, lengths = hazard(log), log.lengths()
    for n in range(1, 12):
        if (lengths >= n).any():
            assert share[n] == pytest.approx((lengths == n).sum() / (lengths >= n).sum())
    assert math.isnan(share[40])


class _Sum(torch.nn.Module):  # type: ignore[misc]
    """An encoder that adds up what stands to the left."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.cumsum(dim=1)


def _others(
    net: EventNet,
    batch: dict[str, torch.Tensor],
    u: int,
    p: int,
    query: torch.Tensor,
    ages: torch.Tensor,
    kind: int | None,
) -> dict[int, float]:
    """Scores of the items had before place p, but for the one there, each at the last event on it."""
    scores: dict[int, float] = {}
    for j in range(1, p + 1):
        code = int(batch["item"][u, j])
        score = query @ net.item.own.weight[code] + ages[int(math.log2(p - j + 1))]
        if kind is not None:
            score = score + net.pair[kind, int(batch["kind"][u, j]) - 1]
        scores[code] = float(score)
    scores.pop(int(batch["item"][u, p]), None)
    return scores


def test_the_loss_is_the_likelihood_term_by_term() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"i{i}", k)
        for u in range(6)
        for i, k in zip(
            rng.integers(5, size=7), rng.choice(["view_item", "purchase"], 7), strict=True
        )
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event"], orient="row").with_columns(
        time=pl.Series(np.cumsum(rng.integers(1, 4, len(rows))) * 1200 * SECOND).cast(
            pl.Datetime("us")
        )
    )
    shop = Shop({"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(5)]}), "events": events})
    log = Log.of(shop)
    pace, (grammar, action) = fit_pace(log, 3), fit_grammar(log)
    tokens = Tokens.of(log, pace, action)
    torch.manual_seed(3)
    prior = priors(hazard(log), np.ones(len(pace.lower)), grammar.follow)
    net = EventNet(5, 8, _Sum(), prior, log.counts()).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    batch = next(tokens.batches(50, 10_000, np.random.default_rng(0)))
    with torch.no_grad():
        told = float(net.loss(batch, None))
        state = net.encoder(
            net.read(*(batch[n] for n in ("item", "kind", "gap", "count", "calendar")))
        )
        total, number = 0.0, 0
        for u in range(6):
            for p in range(8):
                h, number = state[u, p][None], number + 1
                gap, act, item = (int(batch[f"next_{n}"][u, p]) for n in ("gap", "action", "item"))
                if p:
                    stop = torch.sigmoid(net.stops(h, batch["count"][u, p][None]))[0]
                    total -= float(torch.log(stop if act < 0 else 1 - stop))
                if act < 0:
                    continue
                if p:
                    total -= float(torch.log_softmax(net.paces(h)[0], 0)[gap - 1])
                gaps_, kind = torch.tensor([gap]), torch.tensor([act % KINDS])
                others = _others(net, batch, u, p, net.remind(h[0]), net.age_remind, None)
                called = torch.tensor(
                    [math.log(sum(map(math.exp, others.values()))) if others else 0.0]
                )
                total -= float(
                    torch.log_softmax(
                        net.actions(h, gaps_, batch["kind"][u, p][None], called)[0], 0
                    )[act]
                )
                query = net.queries(h, gaps_, kind)[0]
                if act // KINDS == NEW:
                    total -= float(
                        torch.log_softmax(net.item.every() @ query + net.bias.weight[1:, 0], 0)[
                            item - 1
                        ]
                    )
                if act // KINDS == EARLIER:
                    scores = _others(net, batch, u, p, net.again(query), net.age, act % KINDS)
                    total -= scores[item] - math.log(sum(math.exp(s) for s in scores.values()))
    assert told == pytest.approx(total / number, rel=1e-4)


def test_what_the_log_never_has_is_never_likely() -> None:
    follow = np.zeros((KINDS + 1, 3 * KINDS))
    follow[0, NEW * KINDS + 2] = 3
    prior = priors(np.full(COUNTS, 0.5), np.array([3.0, 1.0]), follow)
    assert (prior.action[0] > NEVER / 2).sum() == 1
    assert prior.gap[0] - prior.gap[1] == pytest.approx(math.log(3.5 / 1.5), rel=1e-5)
