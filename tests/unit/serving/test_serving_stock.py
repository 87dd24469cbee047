"""Products that change while they are served: against a slow oracle, and at once for whoever asks."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores import Client, branded, items, made_store, run
from wareloom.language.tokenise import tokenise
from wareloom.serving.files.arrays import Arrays
from wareloom.serving.files.lookup import Lookup
from wareloom.serving.versions.stock import DELTA, K1, PAIRS, B, Stock, best_first
from wareloom.serving.versions.stocked import Stocked


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(made_store(tmp_path))


async def put(client: Client, *told: dict[str, Any]) -> None:
    status, answer, _ = await client.ask("PUT", "/items", {"items": list(told)})
    assert status == 200, answer


CHANGE = st.fixed_dictionaries(
    {"item_id": st.sampled_from(["i0", "i1", "i2", "n0", "n1", "n2"])},
    optional={
        "title": st.sampled_from(["red shoe", "blue shoe", "red red hat", ""]),
        "available": st.booleans(),
        "expires": st.integers(0, 60),
        "deleted": st.booleans(),
    },
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(CHANGE, st.integers(0, 60)), max_size=25), st.sampled_from([0, 3]))
def test_what_is_gone_and_what_is_new_against_looking_at_all(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Any], spare: int
) -> None:
    folder = tmp_path_factory.mktemp("stock")
    Lookup.write(Arrays(folder), "ids", ["i0", "i1", "i2"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wareloom.serving.versions.stock.SPARE", spare)
        stock = Stock(folder / "items.log")
        stocked = Stocked(ids := Lookup.read(Arrays(folder), "ids"))
        late = Stocked(ids)
        for change, now in changes:
            stock.put([change])
            stock.refresh()
            stocked.look(stock, now)
            gone = {n for n, i in stock.items.items() if is_gone(i, now)}
            assert stocked.gone.tolist() == [c for c in range(3) if f"i{c}" in gone]
            assert set(stocked.new) == {n for n in stock.items if n[0] == "n"} - gone
            wanted = scored(stock, "red shoe", [*stocked.new])
            found = stock.found("red shoe", lambda word: len(word), 2.0, stocked.new)
            assert found == pytest.approx(wanted)
        late.look(stock, changes[-1][1] if changes else 0)
        assert late.gone.tolist() == stocked.gone.tolist()
        assert set(late.new) == set(stocked.new)


def is_gone(item: dict[str, Any], now: int) -> bool:
    over = "expires" in item and item["expires"] <= now
    return bool(item.get("deleted")) or item.get("available") is False or over


def scored(stock: Stock, query: str, among: list[str]) -> dict[str, float]:
    """BM25, one product after the other."""
    found = {}
    for name in among:
        words = tokenise(stock.items[name].get("title") or "", stem=True)
        norm = K1 * (1 - B + B * len(words) / 2.0)
        asked = tokenise(query, stem=True)
        held = [*words, *map(" ".join, pairwise(words))]
        tf = {term: held.count(term) for term in (*asked, *map(" ".join, pairwise(asked)))}
        weight = {term: PAIRS if " " in term else 1.0 for term in tf}
        score = sum(
            weight[w] * len(w) * (n * (K1 + 1) / (n + norm) + DELTA) for w, n in tf.items() if n
        )
        if score:
            found[name] = score
    return found


def test_a_product_expires_at_its_moment_and_comes_back_with_the_clock(tmp_path: Path) -> None:
    Lookup.write(Arrays(tmp_path), "ids", ["i0"])
    stock, stocked = Stock(tmp_path / "l"), Stocked(Lookup.read(Arrays(tmp_path), "ids"))
    stock.put([{"item_id": "i0", "expires": 1000}, {"item_id": "n", "expires": 2000}])
    stock.refresh()
    for now, gone, new in (
        (999, [], ["n"]),
        (1000, [0], ["n"]),
        (2000, [0], []),
        (1500, [0], ["n"]),
        (10, [], ["n"]),
    ):
        stocked.look(stock, now)
        assert (stocked.gone.tolist(), [*stocked.new]) == (gone, new), now


def test_changes_are_bounded_by_the_products(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wareloom.serving.versions.stock.SPARE", 10)
    stock = Stock(tmp_path / "l")
    for n in range(200):
        stock.put([{"item_id": f"n{n % 5}", "price": float(n)}])
    stock.refresh()
    assert len(stock.changes) <= 2 * 5 + 10 + 1
    assert stock.epoch > 0


def test_a_filter_goes_by_the_price_and_the_brand_that_were_said_last(client: Client) -> None:
    async def work() -> None:
        wanted = {"price_to": 5.0}
        cheap = items(await client.post("/recommend", k=30, filter=wanted))
        assert "i20" not in cheap
        await put(client, {"item_id": "i20", "price": 1.0}, {"item_id": cheap[0], "price": 99.0})
        after = items(await client.post("/recommend", k=30, filter=wanted))
        assert set(after) == {*cheap, "i20"} - {cheap[0]}
        # The same filter again, and another one that was never asked before.
        await put(client, {"item_id": "i20", "brand": "Odd"})
        assert items(await client.post("/recommend", k=30, filter={"brand": ["Odd"]})) == ["i20"]
        assert "i20" in items(await client.post("/recommend", k=30, filter=wanted))
        own = branded().table("items").filter(item_id="i20")["brand"][0]
        assert "i20" not in items(await client.post("/recommend", k=30, filter={"brand": [own]}))
        await client.ask("DELETE", "/items/i20")
        assert items(await client.post("/recommend", k=30, filter={"brand": ["Odd"]})) == []
        await put(client, {"item_id": "i20", "price": 3.0})
        assert "i20" in items(await client.post("/recommend", k=30, filter=wanted))

    run(work())


def test_filters_take_over_what_changed_however_they_are_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wareloom.serving.versions.stock.SPARE", 4)
    monkeypatch.setattr("wareloom.serving.versions.catalogue.FILTERS", 3)
    rng, frame = np.random.default_rng(3), branded().table("items")
    price = dict(zip(frame["item_id"].to_list(), frame["price"].to_list(), strict=True))

    async def work() -> None:
        for _ in range(60):
            name = f"i{rng.integers(30)}"
            price[name] = float(rng.integers(0, 30))
            await put(client, {"item_id": name, "price": price[name]})
            low = float(rng.choice([5, 10, 15, 20, 25]))
            found = items(await client.post("/recommend", k=30, filter={"price_from": low}))
            assert set(found) == {n for n, p in price.items() if p is not None and p >= low}

    run(work())


def test_a_new_product_that_was_looked_at_is_found_and_not_recommended(client: Client) -> None:
    async def work() -> None:
        title = branded().table("items").filter(item_id="i3")["title"][0]
        await put(client, {"item_id": "n", "title": f"{title} zyx"})
        await client.did("n", session_id="s")
        assert items(await client.post("/search", query="zyx", session="s")) == ["n"]
        assert "n" not in items(await client.post("/recommend", session="s", history=["i3"], k=30))
        again = await client.post("/recommend", session="s", history=["i3"], k=30, repeats=True)
        assert "n" in items(again)
        await client.did("n", "purchase", session_id="s")
        assert items(await client.post("/search", query="zyx", session="s")) == []

    run(work())


def test_of_many_new_products_the_best_come_first_alike_in_every_process(client: Client) -> None:
    async def work() -> None:
        many = [{"item_id": f"n{n:03}", "title": "zyx " + "pad " * (n % 7)} for n in range(300)]
        await put(client, *many)
        found = items(await client.post("/search", query="zyx", k=50))
        assert (
            found
            == sorted(m["item_id"] for m in many if m["title"] == "zyx ")[:43]
            + sorted(m["item_id"] for m in many if m["title"] == "zyx pad ")[:7]
        )

    run(work())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 6), max_size=600), st.integers(1, 20))
def test_the_order_is_that_of_sorting_all(values: list[int], most: int) -> None:
    scores = {f"n{n}": float(value) for n, value in enumerate(values)}
    assert [*best_first(scores, most)] == sorted(scores, key=lambda n: (-scores[n], n))


def test_products_are_on_the_disk_when_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock, synced = Stock(tmp_path / "l"), list[bytes]()

    def noted(file: int) -> None:
        synced.append((tmp_path / "l").read_bytes())

    monkeypatch.setattr("wareloom.serving.versions.stock.datasync", noted)
    for n in range(3):
        stock.put([{"item_id": f"n{n}"}])
        assert len(synced) == n + 1
        assert f'"n{n}"'.encode() in synced[-1]
