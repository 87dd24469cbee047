"""Rules: where items are put, who is left out, and how likely what was shown was."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conftest import small_shop
from stores import Client, items, made_store, run
from wareloom.serving.events.compact import compact
from wareloom.serving.versions.catalogue import Catalogue
from wareloom.serving.versions.rules import Applied, Placed, rules_of
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import Version


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    store = Store.open(made_store(tmp_path_factory.mktemp("rules")))
    live = store.live("home")
    assert live is not None
    return Version.open(store.folder(live.live)).catalogue


def placed(
    catalogue: Catalogue, told: dict[str, Any], k: int = 10, query: str = ""
) -> list[Placed]:
    """The ring in its order, under rules."""
    applied = Applied(rules_of(told), catalogue)
    return applied.place(list(range(30)), k, query, lambda code: True, random.Random(0).random)


def codes(found: list[Placed]) -> list[int]:
    return [place.code for place in found]


def test_pins_stand_where_they_are_put(catalogue: Catalogue) -> None:
    told = {
        "pin": [
            {"item": "i20", "place": 1},
            {"item": "i5", "place": 3},
            {"item": "gone", "place": 2},
        ]
    }
    found = placed(catalogue, told)
    assert codes(found) == [20, 0, 5, 1, 2, 3, 4, 6, 7, 8]
    assert found[0].rules == ("pin i20",)
    assert found[1].rules == ()
    only = {"pin": [{"item": "i20", "place": 1, "query": "Red  Shoes", "name": "campaign"}]}
    assert codes(placed(catalogue, only)) == list(range(10))
    assert placed(catalogue, only, query=" red  shoes ")[0].rules == ("campaign",)


def test_boosts_move_up_and_buried_ones_go_down(catalogue: Catalogue) -> None:
    assert codes(placed(catalogue, {"boost": [{"item": "i5", "places": 3}]}))[:6] == [
        0,
        1,
        5,
        2,
        3,
        4,
    ]
    assert codes(placed(catalogue, {"boost": [{"item": "i5", "places": 99}]}))[0] == 5
    buried = codes(placed(catalogue, {"bury": [{"category": "Ring > Arc 0"}]}, k=30))
    assert buried == [*range(10, 30), *range(10)]
    assert codes(placed(catalogue, {"bury": [{"category": "Ring"}]})) == list(range(10))


def test_at_most_so_many_of_a_brand(catalogue: Catalogue) -> None:
    found = codes(placed(catalogue, {"at_most": {"brand": 2}}))
    assert found == [0, 1, 2, 3, 4, 5]
    found = placed(catalogue, {"at_most": {"category": 3}})
    assert codes(found) == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert found[3].rules == ("at most 3 of a category",)


def test_items_without_a_brand_are_not_of_one(tmp_path: Path) -> None:
    store = Store.open(made_store(tmp_path, shop=small_shop()))
    version = Version.open(store.folder(store.history("home")[-1].live))
    assert codes(placed(version.catalogue, {"at_most": {"brand": 1}})) == list(range(10))


def test_propensities_are_those_of_what_was_drawn(catalogue: Catalogue) -> None:
    told = {"explore": {"share": 0.3, "place": 2, "among": 8}}
    applied, rng = Applied(rules_of(told), catalogue), random.Random(7)
    counts, chance, n = np.zeros(30), np.zeros(30), 100_000
    codes = [*range(30)]
    for turn in range(n):
        found = applied.place(codes, 5, "", lambda code: True, rng.random)
        counts[found[1].code] += 1
        chance[found[1].code] = found[1].propensity
        if turn % 100 == 0:
            assert [p.code for i, p in enumerate(found) if i != 1] == [0, 2, 3, 4]
    assert chance.sum() == pytest.approx(1)
    shown = chance > 0
    assert counts[~shown].sum() == 0
    assert stats.chisquare(counts[shown], n * chance[shown]).pvalue > 0.001


NAMES = st.sampled_from([f"i{n}" for n in range(30)])
WHOSE = st.one_of(
    st.fixed_dictionaries({"item": NAMES, "places": st.integers(1, 50)}),
    st.fixed_dictionaries({"brand": st.sampled_from(["Brand 0", "Brand 1", "no such"])}),
    st.fixed_dictionaries({"category": st.sampled_from(["Ring", "Ring > Arc 1"])}),
)
RULES = st.fixed_dictionaries(
    {
        "pin": st.lists(
            st.fixed_dictionaries({"item": NAMES, "place": st.integers(1, 12)}), max_size=4
        ),
        "boost": st.lists(WHOSE, max_size=3),
        "bury": st.lists(WHOSE, max_size=3),
        "at_most": st.dictionaries(st.sampled_from(["brand", "category"]), st.integers(1, 4)),
    },
    optional={
        "explore": st.fixed_dictionaries({"share": st.just(0.9), "place": st.integers(1, 5)})
    },
)


@settings(max_examples=150, deadline=None)
@given(RULES, st.sets(st.integers(0, 29)), st.integers(1, 12), st.integers(0, 999))
def test_no_rule_brings_back_what_may_not_be_shown(
    catalogue: Catalogue, told: dict[str, Any], never: set[int], k: int, seed: int
) -> None:
    applied = Applied(rules_of(told), catalogue)
    left = [code for code in range(30) if code not in never]
    found = applied.place(left, k, "", lambda code: code not in never, random.Random(seed).random)
    shown = [place.code for place in found]
    assert not never & set(shown)
    assert len(shown) == len(set(shown)) <= k
    assert set(shown) <= set(left)
    if not told["at_most"]:
        assert len(shown) == min(k, len(left))


def test_exposures_say_from_which_place_on(tmp_path: Path) -> None:
    rules = {"explore": {"share": 0.5, "place": 2, "among": 5}}
    store = made_store(tmp_path, rules=rules)

    async def work() -> list[dict[str, Any]]:
        client = Client(store)
        told = [await client.post("/recommend", session="s", k=4)]
        told.append(await client.post("/recommend", session="s", k=4, page=told[0]["page"]))
        await client.app.close()
        return told

    told = run(work())
    done = compact(Store.open(store))
    assert done.partition is not None
    rows = pl.read_parquet(done.partition / "exposures.parquet").sort("time").to_dicts()
    assert [row["first"] for row in rows] == [1, 5]
    for row, answer in zip(rows, told, strict=True):
        assert row["exposure"] == answer["request"]
        assert row["version"] == answer["version"]
        assert row["items"] == items(answer)
        assert row["propensities"] == [hit.get("propensity", 1.0) for hit in answer["hits"]]


def test_rules_of_a_version_are_told_with_its_hits(tmp_path: Path) -> None:
    rules = {
        "pin": [{"item": "i20", "place": 1}],
        "explore": {"share": 1.0, "place": 3, "among": 5},
    }
    store = made_store(tmp_path, rules=rules)

    async def work() -> None:
        client = Client(store)
        told = await client.post("/recommend", session="a", k=5)
        first, third = told["hits"][0], told["hits"][2]
        assert first["item_id"] == "i20"
        assert [part["sentence"] for part in first["why"]] == [
            "Placed here by the shop’s rule “pin i20”."
        ]
        assert (third["propensity"], third["why"][0]["kind"]) == (0.2, "exploration")
        await client.did("i20", "purchase", session_id="a")
        assert "i20" not in items(await client.post("/recommend", session="a", k=30))
        await client.app.close()

    run(work())
    from wareloom.serving.events.compact import compact
    from wareloom.serving.events.parts import partitions

    compact(Store.open(store))
    import polars as pl

    shown = pl.read_parquet(partitions(Store.open(store))[0] / "exposures.parquet")
    assert shown["propensities"][0].to_list()[:4] == [1.0, 1.0, 0.2, 1.0]
    assert shown["items"][0][0] == "i20"
