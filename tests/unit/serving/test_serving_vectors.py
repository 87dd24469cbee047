"""Vectors as they are served: exact search by bounds, the graph, filters, and what publishing measures and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.core.run import Run
from wareloom.errors import InputError, SourceError
from wareloom.rankers.factor.bpr import BPR
from wareloom.serving.files.arrays import Arrays
from wareloom.serving.forms.base import NO_ONE, NOTHING, Asked
from wareloom.serving.vectors.form import Vectors
from wareloom.serving.vectors.near import FETCHED, GRAPH, Graph, Near, quantised, write_near
from wareloom.serving.versions import measured
from wareloom.serving.versions.measured import by_kind, measure, recalled
from wareloom.serving.versions.published import HEAD, Served, write_served
from wareloom.testing.rankers import ring


def near_of(vectors: np.ndarray, folder: Path, bias: np.ndarray | None = None) -> Near:
    write_near(Arrays(folder), "", vectors, bias)
    return Near.open(Arrays(folder), "", None)


def plain(
    vectors: np.ndarray, query: np.ndarray, k: int, had: np.ndarray, barred: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The slow obvious way: all scores in 64 bits, sorted."""
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    scores[had] = -np.inf
    if len(barred):
        scores[barred != 0] = -np.inf
    order = np.argsort(-scores, kind="stable")[:k]
    order = order[scores[order] > -np.inf]
    return order, scores[order]


def like(rng: np.random.Generator, items: int, size: int, groups: int = 12) -> np.ndarray:
    """Vectors in groups, as those of products are."""
    middle = rng.normal(size=(groups, size))
    drawn = middle[rng.integers(0, groups, items)] + 0.5 * rng.normal(size=(items, size))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def same(found: tuple[np.ndarray, np.ndarray], wanted: tuple[np.ndarray, np.ndarray]) -> None:
    """Codes may change places where rounding alone tells their scores apart."""
    assert len(found[0]) == len(wanted[0])
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-5, atol=1e-5)
    for place in np.flatnonzero(found[0] != wanted[0]):
        gap = np.abs(wanted[1] - wanted[1][place])
        assert found[0][place] in wanted[0][gap < 1e-5] or gap[-1] < 1e-5


@settings(max_examples=60, deadline=None)
@given(
    items=st.integers(1, 90),
    size=st.integers(1, 24),
    k=st.integers(1, 100),
    spread=st.sampled_from([1e-3, 1.0, 1e4]),
    passing=st.floats(0, 1),
    seed=st.integers(0, 2**20),
)
def test_reading_eight_bits_first_gives_what_reading_all_gives(
    tmp_path_factory: pytest.TempPathFactory,
    items: int,
    size: int,
    k: int,
    spread: float,
    passing: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    # Lengths of three orders, zeros and twins are there, too.
    vectors = rng.normal(size=(items, size)) * spread * 10 ** rng.uniform(-2, 1, (items, 1))
    vectors[rng.random(items) < 0.1] = 0
    vectors[items // 2] = vectors[0]
    bias = rng.normal(size=items).astype(np.float32) if seed % 2 else None
    near = near_of(vectors.astype(np.float32), tmp_path_factory.mktemp("near"), bias)
    query = rng.normal(size=size).astype(np.float32)
    query = np.append(query, np.float32(1)) if bias is not None else query
    had = rng.integers(0, items, rng.integers(0, 4)).astype(np.int32)
    barred = (rng.random(items) >= passing).astype(np.uint8) if seed % 3 else NO_ONE
    wanted = plain(near.vectors, query, k, had, barred)
    codes, scores = near.best(query, k, had, barred)
    assert len(codes) == len(wanted[0]), "all that pass, k at most"
    assert not set(codes.tolist()) & set(had.tolist())
    assert not len(barred) or not barred[codes].any()
    room = 1e-5 * (1 + np.abs(wanted[1]).max(initial=0.0)) * max(1.0, spread)
    np.testing.assert_allclose(scores, wanted[1], atol=room, rtol=1e-4)


def test_the_bounds_hold_what_eight_bits_lose() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(200, 32)) * 10 ** rng.uniform(-3, 3, (200, 1))).astype(np.float32)
    small, scale, slack = quantised(vectors)
    query = rng.normal(size=32)
    lost = np.abs(vectors @ query - (small * scale[:, None]) @ query)
    assert (lost <= slack * np.linalg.norm(query)).all()
    assert (lost > slack * np.linalg.norm(query) / 20).any(), "bounds so wide would leave all in"


def graph_over(vectors: np.ndarray, folder: Path, width: int = 4) -> Near:
    near = near_of(vectors, folder)
    near.graph = Graph.build(near.vectors, folder / GRAPH)
    near.graph.width = width
    return near


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Near:
    return graph_over(like(np.random.default_rng(1), 4000, 16), tmp_path_factory.mktemp("graph"))


@settings(max_examples=40, deadline=None)
@given(
    k=st.integers(1, 60),
    share=st.sampled_from([1, 0.5, 0.1, 0.02, 0.001, 0]),
    seed=st.integers(0, 999),
)
def test_k_are_found_wherever_k_pass(grouped: Near, k: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    barred = (rng.random(len(grouped)) >= share).astype(np.uint8)
    had = rng.integers(0, len(grouped), 5).astype(np.int32)
    assert grouped.graph is not None
    # Break-even 0 sends everything through the graph first.
    grouped.graph.break_even = 0
    codes, scores = grouped.best(grouped.vectors[seed] + 0.1, k, had, barred)
    left = barred == 0
    left[had] = False
    assert len(codes) == min(k, int(left.sum()))
    assert left[codes].all()
    assert len(set(codes.tolist())) == len(codes)
    assert (np.diff(scores) <= 0).all()


def test_the_graph_finds_what_exact_search_finds_under_any_filter(grouped: Near) -> None:
    rng = np.random.default_rng(5)
    asked = grouped.vectors[rng.integers(0, len(grouped), 24)] + 0.05 * rng.normal(
        size=(24, 16)
    ).astype(np.float32)
    assert grouped.graph is not None
    for break_even in (0, 512):
        grouped.graph.break_even = break_even
        for name, cases in measured.filters(grouped, asked):
            right = [grouped.exact(q, 10, NOTHING, barred)[0] for q, barred in cases]
            assert recalled(grouped, cases, right) >= 0.98, (name, break_even)


def test_what_is_fetched_before_the_filter_would_lose(grouped: Near) -> None:
    """The control: ten from the graph, then the filter, is what loses; else the test above could not fail."""
    graph, rng = grouped.graph, np.random.default_rng(6)
    assert graph is not None
    barred = (rng.random(len(grouped)) >= 0.02).astype(np.uint8)
    shares = []
    for query in grouped.vectors[:20]:
        right = grouped.exact(query, 10, NOTHING, barred)[0]
        kept = graph.nearest(query, FETCHED)
        assert kept is not None
        shares.append(np.isin(kept[barred[kept] == 0], right).sum() / len(right))
    assert np.mean(shares) < 0.5


def test_vectors_of_any_length_are_found_by_their_products(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    vectors = like(rng, 3000, 12) * rng.lognormal(0, 0.5, (3000, 1)).astype(np.float32)
    near = graph_over(vectors, tmp_path, width=8)
    assert near.graph is not None
    assert near.graph.longest > 0
    asked = rng.normal(size=(20, 12)).astype(np.float32)
    right = [near.exact(query, 10, NOTHING, NO_ONE)[0] for query in asked]
    assert recalled(near, [(query, NO_ONE) for query in asked], right) >= 0.9
    by_angle = [
        np.argsort(-(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ q)[:10]
        for q in asked
    ]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(by_angle, right, strict=True)]) < 0.7


def test_the_same_vectors_give_the_same_graph(tmp_path: Path) -> None:
    vectors = like(np.random.default_rng(3), 500, 8)
    for name in ("a", "b"):
        Graph.build(vectors, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def published(folder: Path, vectors: np.ndarray) -> Path:
    """A ranker with these vectors, as it is served."""
    ranker = BPR(embedding_size=vectors.shape[1], epochs=1).fit(ring(), Run(quiet=True))
    ranker.items_ = pl.Series([f"i{n}" for n in range(len(vectors))])
    ranker.popularity_ = np.arange(len(vectors), dtype=np.float64) % 17
    ranker.source_ = ranker.target_ = vectors
    ranker.bias_ = np.zeros(len(vectors), np.float32)
    write_served(ranker, folder)
    return folder


def test_publishing_measures_writes_and_opens(tmp_path: Path) -> None:
    folder = published(tmp_path / "served", like(np.random.default_rng(4), 1500, 8))
    before = Served.open(folder)
    found = measure(folder, break_even=0)
    assert found is not None
    assert found["search"] == "graph"
    assert min(found["recall"].values()) >= 0.98
    assert set(found["recall"]) == {"all", *measured.SHARES, "the 10 % that fit least"}
    after = Served.open(folder)
    assert isinstance(after.form, Vectors)
    assert after.form.near.graph is not None
    history = np.array([3, 7], dtype=np.int32)
    codes, scores = after.top(history, k=10)
    right = before.top(history, k=10)
    assert len(np.intersect1d(codes, right[0])) >= 9
    np.testing.assert_allclose(scores[0], right[1][0], rtol=1e-6)
    # What is known and nothing is added again is not found again.
    assert not set(codes.tolist()) & {3, 7}


def test_few_items_are_searched_exactly_and_nothing_is_built(tmp_path: Path) -> None:
    folder = published(tmp_path / "served", like(np.random.default_rng(4), 300, 8))
    found = measure(folder)
    assert found is not None
    assert (found["search"], found["break_even"]) == ("exact", None)
    assert not (folder / "arrays" / GRAPH).exists()
    assert json.loads((folder / HEAD).read_text())["graph"] is None


def test_a_graph_that_does_not_pay_is_left_out(tmp_path: Path) -> None:
    folder = published(tmp_path / "served", like(np.random.default_rng(4), 300, 8))
    found = measure(folder, break_even=299)
    assert found is not None
    assert found["search"] == "graph", "one item more than is searched exactly"
    again = published(tmp_path / "again", like(np.random.default_rng(4), 300, 8))
    exact = measure(again, break_even=300)
    assert exact is not None
    assert exact["search"] == "exact"
    assert not (again / "arrays" / GRAPH).exists()


def test_a_graph_that_finds_too_little_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise in many dimensions is what a narrow search of a graph loses on."""
    noise = np.random.default_rng(7).normal(size=(3000, 64)).astype(np.float32)
    folder = published(tmp_path / "served", noise)
    monkeypatch.setattr(measured, "WIDTHS", (1,))
    with pytest.raises(
        InputError, match=r"finds .* where .* pass, 98% is wanted: publish with --break-even 3000"
    ):
        measure(folder, break_even=0)


def test_texts_are_measured_apart_from_histories_whose_vectors_are_found_more_easily(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = published(tmp_path / "served", like(np.random.default_rng(4), 600, 8))
    texts = np.random.default_rng(5).normal(size=(4, 9)).astype(np.float32)
    plain = measured.by_kind
    monkeypatch.setattr(measured, "by_kind", lambda *asked: plain(*asked) | {"queries": texts})
    whole = measured.recalled

    def lossy(near: Near, cases: Any, right: Any) -> float:
        return 0.9 if len(cases) == len(texts) else whole(near, cases, right)

    monkeypatch.setattr(measured, "recalled", lossy)
    with pytest.raises(InputError, match=r"finds 90\.0% .* where texts are asked, 98% is wanted"):
        measure(folder, break_even=0)
    # Where nobody asked for a graph, all items are looked at, and it is said why.
    monkeypatch.setattr(measured, "SMALL", 10)
    monkeypatch.setattr(measured, "_seconds", lambda work, asked: 1e-6)
    again = published(tmp_path / "again", like(np.random.default_rng(4), 600, 8))
    found = measure(again)
    assert found is not None
    assert (found["search"], found["break_even"]) == ("exact", 600)
    assert "a graph finds 90.0% where texts are asked" in measured.said(found)
    assert not (again / "arrays" / GRAPH).exists()
    assert len(Served.open(again).top(np.array([3], dtype=np.int32), k=5)[0]) == 5


def test_sampled_requests_are_the_same_each_time(tmp_path: Path) -> None:
    served = Served.open(published(tmp_path / "served", like(np.random.default_rng(4), 300, 8)))
    assert isinstance(served.form, Vectors)
    first, again = by_kind(served.form), by_kind(served.form)
    assert first.keys() == again.keys()
    for kind, vectors in first.items():
        np.testing.assert_array_equal(vectors, again[kind])


def test_a_query_without_a_direction_is_searched_exactly(grouped: Near) -> None:
    codes, scores = grouped.best(np.zeros(16, np.float32), 5, NOTHING, NO_ONE)
    assert codes.tolist() == [0, 1, 2, 3, 4]
    assert not scores.any()


def test_damaged_graphs_are_named(tmp_path: Path) -> None:
    folder = published(tmp_path / "served", like(np.random.default_rng(4), 600, 8))
    measure(folder, break_even=0)
    graph = folder / "arrays" / GRAPH
    kept = graph.read_bytes()
    graph.write_bytes(b"no graph at all" * 9)
    with pytest.raises(SourceError, match=r"graph.usearch is damaged: .*Publish it again"):
        Served.open(folder)
    graph.unlink()
    with pytest.raises(SourceError, match=r"graph.usearch is not there, or is a link"):
        Served.open(folder)
    (tmp_path / "elsewhere").write_bytes(kept)
    graph.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="is a link"):
        Served.open(folder)
    shutil.rmtree(folder)


def test_without_a_history_the_popular_answer(tmp_path: Path) -> None:
    served = Served.open(published(tmp_path / "served", like(np.random.default_rng(4), 60, 8)))
    codes, scores = served.top(NOTHING, k=5)
    assert (scores < 0).all()
    barred = np.zeros(60, dtype=np.uint8)
    barred[codes[0]] = 1
    assert served.top(NOTHING, k=5, barred=barred)[0][0] == codes[1]


def test_parts_are_what_leaving_out_takes(tmp_path: Path) -> None:
    served = Served.open(published(tmp_path / "served", like(np.random.default_rng(4), 60, 8)))
    history = np.array([3, 9, 20], dtype=np.int32)
    code = int(served.top(history, k=1)[0][0])
    parts = served.parts(served.asked(history), code)
    first = int(parts[0].cause)
    without = served.form.scores(Asked(history[history != first]))[code]
    assert served.form.scores(Asked(history))[code] - without == pytest.approx(
        parts[0].amount, abs=1e-5
    )
