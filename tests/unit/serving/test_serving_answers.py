"""What is answered: as the ranker ranks, after what the shopper just did, without what may not be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundles import fitted
from stores import Client, branded, items, made_store, run
from wareloom.shop import Requests


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("answers"))


@pytest.fixture
def client(store: Path) -> Client:
    for left in (store / "state" / "sessions", store / "state" / "items.log"):
        left.unlink(missing_ok=True)
    return Client(store, sessions=800)


def ranked(history: list[str], k: int = 10) -> list[str]:
    found = fitted("transitions", branded()).rank(Requests.sessions([history]), k)
    return found["item_id"].to_list()


def test_a_click_changes_the_next_answer(client: Client) -> None:
    async def work() -> None:
        before = await client.post("/recommend", session="a")
        assert items(before) == ranked([])
        for step, item in enumerate(["i3", "i4", "i9"], 1):
            await client.did(item, session_id="a")
            after = await client.post("/recommend", session="a")
            assert items(after) == ranked(["i3", "i4", "i9"][:step])
        assert items(await client.post("/recommend", session="b")) == ranked([])

    run(work())


def test_an_event_sent_twice_counts_once(client: Client) -> None:
    async def work() -> None:
        event = {"id": "same", "event": "view_item", "item_id": "i3", "session_id": "a"}
        assert await client.post("/events", events=[event]) == {"accepted": 1, "repeated": 0}
        assert await client.post("/events", events=[event]) == {"accepted": 1, "repeated": 1}
        assert items(await client.post("/recommend", session="a")) == ranked(["i3"])

    run(work())


def test_user_and_session_are_one_shopper(client: Client) -> None:
    async def work() -> None:
        await client.did("i3", session_id="a")
        await client.did("i4", user_id="u", session_id="a")
        both = await client.post("/recommend", session="a", user="u")
        assert items(both) == ranked(["i3", "i4"])
        assert items(await client.post("/recommend", user="u")) == ranked(["i4"])

    run(work())


@pytest.mark.parametrize("event", ["purchase", "hide"])
def test_what_was_bought_or_hidden_never_comes_back(client: Client, event: str) -> None:
    async def work() -> None:
        first = items(await client.post("/recommend", session="a"))[0]
        await client.did(first, event, session_id="a")
        for asked in (
            {},
            {"repeats": True},
            {"query": "item"},
            {"history": [first, "i4"], "repeats": True},
        ):
            path = "/search" if "query" in asked else "/recommend"
            assert first not in items(await client.post(path, session="a", k=30, **asked))

    run(work())


def test_items_looked_at_come_back_where_that_is_asked(client: Client) -> None:
    async def work() -> None:
        await client.did("i3", session_id="a")
        await client.did("i4", session_id="a")
        assert not {"i3", "i4"} & set(items(await client.post("/recommend", session="a", k=30)))
        again = items(await client.post("/recommend", session="a", k=30, repeats=True))
        assert {"i3", "i4"} <= set(again)

    run(work())


def test_unknown_people_and_items_are_answered(client: Client) -> None:
    async def work() -> None:
        assert items(await client.post("/recommend", user="nobody", session="none")) == ranked([])
        await client.did("never heard of", session_id="a")
        await client.did("i3", session_id="a")
        assert items(await client.post("/recommend", session="a")) == ranked(["i3"])
        assert items(await client.post("/recommend", history=["what", "i3"])) == ranked(["i3"])

    run(work())


def test_search_finds_words_and_nothing_else(client: Client) -> None:
    async def work() -> None:
        title = branded().table("items").filter(item_id="i3")["title"][0]
        found = await client.post("/search", query=title, k=5)
        assert items(found)[0] == "i3"
        assert items(await client.post("/search", query="zzzz qqqq")) == []
        status, told, _ = await client.ask("POST", "/search", {"query": " "})
        assert status == 422
        assert "/recommend" in told["error"]

    run(work())


def test_a_new_product_is_found_and_recommended_by_its_words(client: Client) -> None:
    async def work() -> None:
        title = branded().table("items").filter(item_id="i3")["title"][0]
        new = {"item_id": "new-1", "title": f"{title} zyx", "price": 3.5}
        status, told, _ = await client.ask("PUT", "/items", {"items": [new]})
        assert (status, told) == (200, {"accepted": 1})
        assert "new-1" in items(await client.post("/search", query="zyx"))
        assert items(await client.post("/search", query=f"{title} zyx"))[0] == "new-1"
        told = await client.post("/recommend", history=["i3"], explain=True)
        hit = next(h for h in told["hits"] if h["item_id"] == "new-1")
        assert (hit["rank"], hit["title"], hit["why"][0]["kind"]) == (4, new["title"], "new")
        assert hit["why"][0]["cause"].split() == ["item", "3", "zyx"], "no word twice"
        await client.did("new-1", session_id="a")
        assert "new-1" not in items(await client.post("/recommend", session="a", history=["i3"]))
        gone = {"item_id": "new-1", "available": False}
        await client.ask("PUT", "/items", {"items": [gone]})
        assert items(await client.post("/search", query="zyx")) == []

    run(work())


def test_what_is_out_of_stock_expired_or_deleted_is_not_shown(client: Client) -> None:
    async def work() -> None:
        one, two, three, four = items(await client.post("/recommend", k=4))
        changed = [{"item_id": one, "available": False}, {"item_id": two, "expires": 1_000}]
        await client.ask("PUT", "/items", {"items": changed})
        await client.ask("DELETE", f"/items/{three}")
        left = items(await client.post("/recommend", k=30))
        assert not {one, two, three} & set(left)
        assert left[0] == four
        assert len(left) == 27
        await client.ask("PUT", "/items", {"items": [{"item_id": one, "available": True}]})
        assert items(await client.post("/recommend"))[0] == one

    run(work())


def test_filters_let_through_all_that_pass_and_nothing_else(client: Client) -> None:
    async def work() -> None:
        frame = branded().table("items")
        for brand in frame["brand"].drop_nulls().unique().sort():
            pass_ = set(frame.filter(brand=brand)["item_id"])
            found = items(
                await client.post(
                    "/recommend", k=30, filter={"brand": [brand]}, history=["i3"], repeats=True
                )
            )
            assert set(found) == pass_
            assert found == [i for i in ranked_again(["i3"]) if i in pass_]
        low = set(frame.filter(frame["price"] <= 10.0)["item_id"])
        assert set(items(await client.post("/recommend", k=30, filter={"price_to": 10.0}))) == low
        none = await client.post("/recommend", filter={"brand": ["no such"]})
        assert items(none) == []

    run(work())


def ranked_again(history: list[str]) -> list[str]:
    ranker = fitted("transitions", branded())
    found = ranker.rank(Requests.sessions([history]), 30, exclude_seen=False)
    return found["item_id"].to_list()


def test_pages_go_on_where_the_one_before_ended(client: Client) -> None:
    async def work() -> None:
        first = await client.post("/recommend", history=["i3"], k=7)
        second = await client.post("/recommend", history=["i3"], k=7, page=first["page"])
        assert items(first) + items(second) == ranked(["i3"], 14)
        token = first["page"]
        for forged in (token[:-2], "A" + token[1:], token[:-4] + "AAA=", "%%%", "é"):
            status, told, _ = await client.ask("POST", "/recommend", {"page": forged})
            assert status == 422, forged
            assert "page token" in told["error"]

    run(work())


def test_parts_of_a_score_sum_to_it(client: Client) -> None:
    async def work() -> None:
        told = await client.post("/recommend", history=["i3", "i4", "i9", "i4"], explain=True)
        for hit in told["hits"]:
            assert sum(part["amount"] for part in hit["why"]) == pytest.approx(
                hit["score"], abs=1e-4
            )
        assert told["hits"][0]["why"][0]["kind"] == "item"
        zh = await client.post("/recommend", history=["i3"], explain=True, language="zh", k=1)
        assert "您看过" in zh["hits"][0]["why"][0]["sentence"]
        found = await client.post("/search", query="item", explain=True, k=3)
        assert {p["kind"] for h in found["hits"] for p in h["why"]} == {"word"}

    run(work())


def test_without_the_first_named_cause_a_score_falls(client: Client) -> None:
    async def work() -> None:
        fell = 0
        asked = [[f"i{n}", f"i{n + 3}", f"i{n + 6}"] for n in range(20)]
        for history in asked:
            told = await client.post("/recommend", history=history, explain=True, k=1)
            hit = told["hits"][0]
            less = [i for i in history if i != hit["why"][0]["cause"]]
            after = await client.post("/recommend", history=less, k=30)
            score = {h["item_id"]: h["score"] for h in after["hits"]}.get(hit["item_id"], -1.0)
            fell += score < hit["score"]
        assert fell >= 0.95 * len(asked)

    run(work())


def test_similar_and_explain(client: Client) -> None:
    async def work() -> None:
        assert items(await client.post("/similar", item="i3")) == ranked(["i3"])
        told = await client.post("/explain", item=ranked(["i3"])[1], history=["i3"])
        assert told["rank"] == 2
        assert told["why"][0]["cause"] == "i3"
        status, told, _ = await client.ask("POST", "/explain", {"item": "nope"})
        assert (status, "does not know" in told["error"]) == (422, True)
        new = {"item_id": "new", "title": "zyx lamp"}
        await client.ask("PUT", "/items", {"items": [new]})
        told = await client.post("/explain", item="new", query="zyx", language="zh")
        assert (told["rank"], told["why"][0]["kind"]) == (1, "new")
        assert "新品" in told["why"][0]["sentence"]
        # One that is not among what is shown has no place, and no reason.
        assert (await client.ask("POST", "/explain", {"item": "new"}))[0] == 422

    run(work())
