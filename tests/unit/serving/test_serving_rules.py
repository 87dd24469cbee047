"""Rules: where items are put, who is left out, and how likely what was shown was."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conftest import small_shop
from stores import Client, items, made_store, run
from wareloom.errors import SettingError
from wareloom.serving.events.compact import compact
from wareloom.serving.versions import rules as rules_module
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
    return applied.place(list(range(30)), k, query, lambda code: True, 0.0)


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
    ring, n = [*range(13)], 100_000
    # Two pages of five, as one token leads from the first to the second.
    drawn = Counter(
        tuple(applied.place(ring, 10, "", lambda code: True, rng.random(), 5)) for _ in range(n)
    )
    moved = set()
    for at in range(10):
        counts: Counter[int] = Counter()
        chance: dict[int, float] = {}
        for found, times in drawn.items():
            counts[found[at].code] += times
            assert chance.setdefault(found[at].code, found[at].propensity) == found[at].propensity
        assert sum(chance.values()) == pytest.approx(1), at
        if len(counts) > 1:
            moved.add(at)
            wanted = [n * chance[code] for code in counts]
            assert stats.chisquare([*counts.values()], wanted).pvalue > 0.001, at
    assert moved == {1, 5, 6, 7, 8, 9}


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
    found = applied.place(left, k, "", lambda code: code not in never, seed / 1000)
    shown = [place.code for place in found]
    assert not never & set(shown)
    assert len(shown) == len(set(shown)) <= k
    assert set(shown) <= set(left)
    if not told["at_most"]:
        assert len(shown) == min(k, len(left))


@settings(max_examples=80, deadline=None)
@given(
    RULES,
    st.lists(st.integers(1, 6), min_size=2, max_size=8),
    st.floats(0, 0.999),
    st.integers(1, 8),
)
def test_pages_of_one_answer_are_slices_of_one_list(
    catalogue: Catalogue, told: dict[str, Any], sizes: list[int], chance: float, among: int
) -> None:
    if "explore" in told:
        told["explore"]["among"] = among
    with mock.patch.object(rules_module, "DEPTH", 3):
        applied = Applied(rules_of(told), catalogue)

        def page(first: int, k: int) -> list[Placed]:
            wanted = applied.wanted(sizes[0], first, k) if applied.any else 30
            given = list(range(min(wanted, 30)))
            return applied.place(given, first + k, "", lambda c: True, chance, sizes[0])[first:]

        shown = list[Placed]()
        for k in sizes:
            found = page(len(shown), k)
            shown += found
            if len(found) < k:
                break
        whole = applied.place(list(range(30)), 30, "", lambda c: True, chance, sizes[0])
    assert shown == whole[: len(shown)]
    assert len({place.code for place in shown}) == len(shown), "none stands twice"
    if not told["at_most"]:
        assert sorted(place.code for place in whole) == [*range(30)], "none is left out"


def test_what_is_tried_and_what_gave_way_stand_once_over_pages(tmp_path: Path) -> None:
    store = made_store(
        tmp_path, rules={"explore": {"share": 1.0, "place": 3, "among": 6}, "in_stock": True}
    )

    async def work() -> None:
        client = Client(store)
        for turn in range(12):
            # Another size on further pages, and another language, change nothing.
            pages = [await client.post("/recommend", session=f"s{turn}", k=5)]
            for k in (3, 5, 5):
                token = pages[-1]["page"]
                pages.append(await client.post("/recommend", session=f"s{turn}", k=k, page=token))
            hits = [hit for page in pages for hit in page["hits"]]
            shown = [hit["item_id"] for hit in hits]
            assert len(set(shown)) == len(shown) == 18
            tried = [hit["item_id"] for hit in hits if hit.get("propensity", 1.0) < 0.5]
            assert tried == [shown[2], next(i for i in shown[5:11] if i in tried)]
            again = await client.post("/recommend", session=f"s{turn}", k=3, page=pages[0]["page"])
            assert items(again) == shown[5:8], "the same token, the same page"
        gave_way = next(hit for hit in hits if hit["item_id"] == tried[1])
        assert "in its place" in gave_way["why"][0]["sentence"]
        await client.app.close()

    run(work())


def test_in_stock_is_said_of_what_stands_higher_for_it(tmp_path: Path) -> None:
    store = made_store(tmp_path, rules={"in_stock": True})
    plain = made_store(tmp_path / "plain")

    async def said(client: Client, **asked: Any) -> dict[str, list[str]]:
        told = await client.post("/recommend", history=["i3"], k=6, **asked)
        return {h["item_id"]: [w["cause"] for w in h.get("why", ())] for h in told["hits"]}

    async def work() -> None:
        client, other = Client(store), Client(plain)
        before = await said(client)
        assert not any(before.values()), "all is there, so nothing moved"
        first, second, third, *_ = before
        assert list(before) == list(await said(other))
        await client.ask("PUT", "/items", {"items": [{"item_id": second, "available": False}]})
        await other.ask("PUT", "/items", {"items": [{"item_id": second, "available": False}]})
        after = await said(client)
        assert list(after)[:2] == [first, third]
        assert [*after.values()] == [[]] + [["in stock"]] * 5
        chinese = await client.post("/recommend", history=["i3"], k=2, language="zh")
        assert "缺货" in chinese["hits"][1]["why"][0]["sentence"]
        without = await said(other)
        assert list(without) == list(after), "what is gone is not shown, named or not"
        assert not any(without.values())
        # What would not have been shown anyway moved nobody: hidden from this answer, or not of the brand.
        assert not any((await said(client, exclude=[second])).values())
        brand = f"Brand {(int(second[1:]) + 1) % 3}"
        assert not any((await said(client, filter={"brand": [brand]})).values())
        await client.app.close()
        await other.app.close()

    run(work())


@pytest.mark.parametrize(
    ("told", "said"),
    [({"in_stock": False}, "never shown"), ({"in_stock": "yes, please"}, "wrong at in_stock")],
)
def test_out_of_stock_cannot_be_asked_for(tmp_path: Path, told: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        made_store(tmp_path, rules=told)
    assert not (tmp_path / "store").exists()


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
