"""Rerankers against slow ways: every set, every order, determinants, divergences written out."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from conftest import small_shop
from wareloom.cli import app
from wareloom.core.family import RANKERS, RERANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.reranking import Catalogue, Lists
from wareloom.reranking.catalogue import Similarity
from wareloom.reranking.exposure import exposed, members
from wareloom.shop import Log, Requests, Shop

N = 12


def shop() -> Shop:
    """Twelve items of three branches, two brands and one unknown, prices, margins, and a few events."""
    items = pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(N)],
            "title": [
                f"{('red', 'blue', 'green')[i % 3]} {('shirt', 'hat')[i % 2]} {i}" for i in range(N)
            ],
            "category": [["All", f"B{i % 3}", f"L{i % 6}"] if i != 5 else None for i in range(N)],
            "brand": [None if i == 7 else f"brand{i % 2}" for i in range(N)],
            "price": [None if i == 3 else float(1 + (7 * i) % 10) for i in range(N)],
            "attributes": [[{"name": "margin", "value": str(0.1 * i)}] for i in range(N)],
        }
    )
    events = pl.DataFrame(
        [("u", f"i{i}", "purchase") for i in range(8) for _ in range(10 - i)],
        schema=["user_id", "item_id", "event"],
        orient="row",
    )
    return Shop({"items": items, "events": events}, {"name": "few"})


CATALOGUE = Catalogue(shop(), Run(seed=1, threads=1))


def draw(seed: int, requests: int = 6, width: int = 7) -> Lists:
    rng = np.random.default_rng(seed)
    item = np.stack([rng.permutation(N)[:width] for _ in range(requests)]).astype(np.int32)
    score = -np.sort(-rng.standard_normal((requests, width)), axis=1)
    histories = Requests.sessions(
        [[f"i{i}" for i in rng.integers(N, size=5)] for _ in range(requests)], CATALOGUE.items
    )
    return Lists(item, score, histories.histories)


def matrix(spec: str) -> np.ndarray:
    every = np.arange(N)
    return Similarity("mmr", spec, CATALOGUE, "tfidf")(every, np.tile(every, (N, 1)))


@pytest.mark.parametrize("spec", ["category", "leaf", "brand", "text", "category^2 brand text^0.5"])
def test_similarity_is_a_matrix_of_inner_products(spec: str) -> None:
    s = matrix(spec)
    np.testing.assert_allclose(s, s.T, atol=1e-6)
    np.testing.assert_array_equal(np.diag(s), 1.0)
    assert np.linalg.eigvalsh((s + s.T) / 2).min() > -1e-5
    assert s.max() <= 1 + 1e-6


def test_similarity_says_what_is_shared() -> None:
    paths, brand, leaf = matrix("category"), matrix("brand"), matrix("leaf")
    assert paths[0, 6] == pytest.approx(1.0)
    assert paths[0, 3] == pytest.approx(2 / 3)
    assert paths[0, 1] == pytest.approx(1 / 3)
    assert paths[5, 11] == brand[7, 1] == 0, "what is unknown is like nothing"
    assert leaf[0, 6] == brand[0, 2] == 1
    assert leaf[0, 3] == brand[0, 1] == 0
    np.testing.assert_allclose(matrix("leaf^3 brand"), 0.75 * leaf + 0.25 * brand, atol=1e-12)


@pytest.mark.parametrize("relevance", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("seed", [0, 1])
def test_mmr_by_its_definition(seed: int, relevance: float) -> None:
    lists, s = draw(seed), matrix("category brand")
    found = RERANKERS.make("mmr", relevance=relevance).rerank(lists, CATALOGUE, 5)
    for row, (items, score) in enumerate(zip(lists.item, lists.relevance(), strict=True)):
        chosen: list[int] = [0]
        while len(chosen) < 5:
            rest = [p for p in range(7) if p not in chosen]
            value = [
                relevance * score[p] - (1 - relevance) * max(s[items[p], items[c]] for c in chosen)
                for p in rest
            ]
            chosen.append(rest[int(np.argmax(np.round(value, 12)))])
        assert found[row].tolist() == chosen


@pytest.mark.parametrize("relevance", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("ridge", [0.05, 0.4])
def test_dpp_takes_what_adds_most_to_the_determinant(relevance: float, ridge: float) -> None:
    lists, s = draw(2), matrix("category text")
    s = (1 - ridge) * s + ridge * np.eye(N)
    found = RERANKERS.make(
        "dpp", relevance=relevance, ridge=ridge, similarity="category text"
    ).rerank(lists, CATALOGUE, 7)
    for row, (items, score) in enumerate(zip(lists.item, lists.relevance(), strict=True)):
        chosen: list[int] = []
        while len(chosen) < 7:
            rest = [p for p in range(7) if p not in chosen]

            def worth(places: list[int]) -> float:
                of = items[places]  # noqa: B023
                log = np.linalg.slogdet(s[np.ix_(of, of)])[1]
                return float(relevance * score[places].sum() + (1 - relevance) * log)  # noqa: B023

            chosen.append(rest[int(np.argmax([worth([*chosen, p]) for p in rest]))])
        assert found[row].tolist() == chosen


def test_dpp_puts_items_that_the_chosen_span_last_and_loses_no_place() -> None:
    lists = draw(3, width=12)
    found = RERANKERS.make("dpp", relevance=0.5, ridge=0.0, similarity="leaf").rerank(
        lists, CATALOGUE, 12
    )
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(12), (6, 1)))
    leaf = CATALOGUE.leaf
    assert leaf is not None
    for row, order in enumerate(found):
        assert len({*leaf[lists.item[row, order[:7]]].tolist()}) == 7, (
            "six leaves and the item without"
        )


@pytest.mark.parametrize(("facet", "level"), [("category", 0), ("category", 2), ("brand", 0)])
@pytest.mark.parametrize("relevance", [0.0, 0.4, 0.8])
def test_calibrated_by_its_definition(facet: str, level: int, relevance: float) -> None:
    lists, smoothing = draw(4), 0.05
    assert lists.histories is not None
    group = CATALOGUE.brand if facet == "brand" else CATALOGUE.level(level)
    assert group is not None
    settings: dict[str, Any] = {
        "facet": facet,
        "level": level,
        "decay": 0.8,
        "smoothing": smoothing,
    }
    found = RERANKERS.make("calibrated", relevance=relevance, **settings).rerank(
        lists, CATALOGUE, 6
    )
    for row, (items, score) in enumerate(zip(lists.item, lists.relevance(), strict=True)):
        past = lists.histories.item[5 * row : 5 * row + 5]
        p: dict[int, float] = {}
        for age, item in enumerate(past[::-1]):
            if group[item] >= 0:
                p[group[item]] = p.get(group[item], 0.0) + 0.8**age
        p = {g: mass / sum(p.values()) for g, mass in p.items()}

        def worth(places: list[int]) -> float:
            q = {g: sum(group[items[x]] == g for x in places) / len(places) for g in p}  # noqa: B023
            kl = sum(m * np.log(m / ((1 - smoothing) * q[g] + smoothing * m)) for g, m in p.items())  # noqa: B023
            return float(relevance * score[places].sum() - (1 - relevance) * kl)  # noqa: B023

        chosen: list[int] = []
        while len(chosen) < 6:
            rest = [x for x in range(7) if x not in chosen]
            value = [worth([*chosen, x]) for x in rest]
            pick = rest.index(int(found[row, len(chosen)]))
            assert value[pick] == pytest.approx(max(value), abs=1e-6)
            chosen.append(rest[pick])


def test_calibrated_without_a_history_keeps_the_order() -> None:
    lists = draw(5)
    empty = Lists(lists.item, lists.score, Requests.sessions([[]] * 6, CATALOGUE.items).histories)
    found = RERANKERS.make("calibrated").rerank(empty, CATALOGUE, 7)
    np.testing.assert_array_equal(found, np.tile(np.arange(7), (6, 1)))
    with pytest.raises(InputError, match="compares lists with histories"):
        RERANKERS.make("calibrated").rerank(Lists(lists.item, lists.score), CATALOGUE)


@pytest.mark.parametrize("least", [0.2, 0.5, 0.8])
def test_exposure_is_the_best_of_all_orders_that_give_as_much(least: float) -> None:
    lists, k = draw(6, width=6), 4
    found = RERANKERS.make("exposure", shares={"brand:brand0": least}).rerank(lists, CATALOGUE, k)
    own = members("brand:brand0", CATALOGUE, 0.0)[lists.item]
    looks = 1 / np.log2(2 + np.arange(k))
    for row, score in enumerate(lists.relevance()):
        best = max(
            exposed(own[row, list(o)][None], np.ones((1, k)))[0] for o in permutations(range(6), k)
        )
        share = exposed(own[row, found[row]][None], np.ones((1, k)))[0]
        assert share >= min(least, best) - 1e-9
        others = [
            float((score[list(o)] * looks).sum())
            for o in permutations(range(6), k)
            if exposed(own[row, list(o)][None], np.ones((1, k)))[0] >= share - 1e-9
        ]
        assert (score[found[row]] * looks).sum() == pytest.approx(max(others), abs=1e-6)


def test_exposure_over_all_lists_costs_less_than_in_each() -> None:
    lists, least = draw(7, requests=50, width=10), 0.5
    own, looks = members("brand:brand0", CATALOGUE, 0.0)[lists.item], 1 / np.log2(2 + np.arange(5))

    def reached(over: str) -> tuple[np.ndarray, float]:
        order = RERANKERS.make("exposure", shares={"brand:brand0": least}, over=over).rerank(
            lists, CATALOGUE, 5
        )
        share = exposed(np.take_along_axis(own, order, axis=1), np.ones((50, 5)))
        return share, float((np.take_along_axis(lists.relevance(), order, axis=1) * looks).sum())

    (each, each_worth), (all_, all_worth) = reached("list"), reached("all")
    assert all_.mean() >= least - 1e-9 > all_.min()
    assert each.min() >= least - 1e-9
    assert all_worth > each_worth


def test_exposure_of_several_groups_and_of_new_items() -> None:
    lists = draw(8, requests=30, width=12)
    shares = {"brand:brand0": 0.4, "new": 0.4}
    order = RERANKERS.make("exposure", shares=shares, new=4.0).rerank(lists, CATALOGUE, 8)
    np.testing.assert_array_equal(
        np.flatnonzero(members("new", CATALOGUE, 4.0)), [6, 7, 8, 9, 10, 11]
    )
    for group, least in shares.items():
        own = np.take_along_axis(members(group, CATALOGUE, 4.0)[lists.item], order, axis=1)
        assert exposed(own, np.ones((30, 8))).min() >= least - 1e-9
    np.testing.assert_array_equal(
        np.flatnonzero(members("category:B1", CATALOGUE, 0.0)), [1, 4, 7, 10]
    )


def test_objective_adds_up() -> None:
    lists, s = draw(9), matrix("leaf")
    margins = 0.1 * np.arange(N)
    settings = {
        "relevance": 1.0,
        "margin": 0.7,
        "diversity": 0.4,
        "value": "margin",
        "similarity": "leaf",
    }
    found = RERANKERS.make("objective", **settings).rerank(lists, CATALOGUE, 6)
    for row, (items, score) in enumerate(zip(lists.item, lists.relevance(), strict=True)):
        own = margins[items]
        base = score + 0.7 * (own - own.min()) / (own.max() - own.min())
        chosen: list[int] = []
        while len(chosen) < 6:
            rest = [p for p in range(7) if p not in chosen]
            far = [
                np.mean([1 - s[items[p], items[c]] for c in chosen]) if chosen else 0.0
                for p in rest
            ]
            value = np.array([base[p] + 0.4 * f for p, f in zip(rest, far, strict=True)])
            pick = rest.index(int(found[row, len(chosen)]))
            assert value[pick] == pytest.approx(value.max(), abs=1e-9)
            chosen.append(rest[pick])


def test_more_weight_on_the_margin_brings_more_of_it() -> None:
    lists, price = draw(10, requests=200, width=12), np.nan_to_num(CATALOGUE.number("price"))
    means = []
    for weight in (0.0, 0.3, 1.0, 5.0):
        order = RERANKERS.make("objective", margin=weight, diversity=0.0).rerank(
            lists, CATALOGUE, 5
        )
        means.append(price[np.take_along_axis(lists.item, order, axis=1)].mean())
    assert np.all(np.diff(means) > 0)


@pytest.mark.parametrize("name", ["mmr", "dpp"])
def test_diversity_rises_as_the_weight_of_relevance_falls(name: str) -> None:
    lists, s = draw(11, requests=300, width=12), matrix("category brand")
    means = []
    for relevance in (1.0, 0.9, 0.7, 0.5, 0.2, 0.0):
        order = RERANKERS.make(name, relevance=relevance).rerank(lists, CATALOGUE, 5)
        items = np.take_along_axis(lists.item, order, axis=1)
        means.append(
            1 - np.mean([s[items[:, a], items[:, b]].mean() for a in range(5) for b in range(a)])
        )
    assert np.all(np.diff(means) > -1e-3)
    assert means[-1] > means[0] + 0.05


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("mmr", {"relevance": 1.5}, "relevance is 1.5; give a number from 0 to 1"),
        ("mmr", {"similarity": "categry"}, "by 'categry'. Did you mean 'category'"),
        ("dpp", {"similarity": "brand^0"}, "'0' is no weight"),
        ("dpp", {"ridge": 2.0}, "ridge is 2.0"),
        ("calibrated", {"facet": "colour"}, "facet is 'colour'; give "),
        ("calibrated", {"smoothing": 0.0}, "smoothing is 0.0"),
        ("exposure", {"shares": {}}, "one group or more"),
        (
            "exposure",
            {"shares": {"colour:red": 0.1}},
            "shares is 'colour:red'; give groups such as new",
        ),
        ("exposure", {"shares": {"new": 0.7, "brand:a": 0.4}}, "add up to 1 at most"),
        ("objective", {"relevance": 0, "margin": 0, "diversity": 0}, "one of them above 0"),
        ("objective", {"margin": -1.0}, "margin is -1.0; give 0 or more"),
    ],
)
def test_bad_settings_are_named(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said.replace(".", r"\.").replace("^", r"\^")):
        RERANKERS.make(name, **settings)


def test_what_the_shop_lacks_is_named() -> None:
    lists, bare = (
        draw(12),
        Shop({"items": shop().table("items").select("item_id", "title")}, {"name": "bare"}),
    )
    for name in ("mmr", "dpp"):
        with pytest.raises(
            InputError,
            match=f"'{name}' compares items by category, brand, but the shop's items have",
        ):
            RERANKERS.make(name).rerank(lists, Catalogue(bare))
        assert RERANKERS.make(name, similarity="text").rerank(lists, Catalogue(bare), 3).shape == (
            6,
            3,
        )
    with pytest.raises(InputError, match="No item of the shop has a number 'profit'"):
        RERANKERS.make("objective", value="profit").rerank(lists, CATALOGUE)
    with pytest.raises(InputError, match="needs the category of the items"):
        RERANKERS.make("calibrated").rerank(lists, Catalogue(bare))
    with pytest.raises(
        InputError, match=r"no item of the shop has the brand 'brand9'\. Did you mean 'brand"
    ):
        RERANKERS.make("exposure", shares={"brand:brand9": 0.1}).rerank(lists, CATALOGUE)


def test_the_command_reranks(tmp_path: Path) -> None:
    ring = small_shop()
    ring.save(tmp_path / "shop")
    RANKERS.make("transitions").fit(ring, Run(seed=1, threads=1)).save(tmp_path / "model")
    words = ["rank", str(tmp_path / "model"), "--shop", str(tmp_path / "shop"), "-k", "5", "-q"]
    kept, moved = tmp_path / "kept.parquet", tmp_path / "moved.parquet"
    for extra in (
        [
            "--to",
            str(kept),
            "--rerank",
            "mmr",
            "--rerank-set",
            "relevance=1.0",
            "--candidates",
            "20",
        ],
        [
            "--to",
            str(moved),
            "--rerank",
            "mmr",
            "--rerank-set",
            "relevance=0.2",
            "--candidates",
            "20",
        ],
    ):
        said = CliRunner().invoke(app, [*words, *extra])
        assert said.exit_code == 0, said.output
    plain = RANKERS.restore(tmp_path / "model").rank(Requests.of(Log.of(ring)), 5)
    assert pl.read_parquet(kept).equals(plain)
    other = pl.read_parquet(moved)
    assert other.schema == plain.schema
    assert len(other) == len(plain)
    assert not other.equals(plain)


def test_lists_are_checked() -> None:
    item = np.array([[0, 1]], dtype=np.int32)
    with pytest.raises(InputError, match="not in the order of their scores"):
        Lists(item, np.array([[1.0, 2.0]]))
    with pytest.raises(InputError, match="no finite number"):
        Lists(item, np.array([[np.nan, 2.0]]))
    with pytest.raises(InputError, match="two like tables"):
        Lists(item, np.zeros((1, 3)))
    with pytest.raises(InputError, match="2 histories for 1 requests"):
        Lists(item, np.zeros((1, 2)), Requests.sessions([[], []]).histories)


def test_a_ranking_of_another_shop_is_refused() -> None:
    ring = small_shop()
    ranking = RANKERS.make("popularity").fit(ring).rank(Requests.sessions([["i1"]]), k=5)
    with pytest.raises(InputError, match="names the item 'else'"):
        Lists.of(ranking.with_columns(item_id=pl.lit("else")), Catalogue(ring))
