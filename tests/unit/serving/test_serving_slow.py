"""Rankers that are asked themselves: in time or named, explained by what is left out, exact all the same."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bundles import fitted, written
from stores import Client, branded, items, made_store, run
from wareloom.core.family import RERANKERS
from wareloom.serving.forms.base import Asked
from wareloom.serving.forms.itself import Itself
from wareloom.serving.versions.publish import publish
from wareloom.shop import Requests


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("slow"), "ease")


def slow(client: Client, seconds: float) -> None:
    """Let the ranker take its time."""
    form = client.app.slots.live("home").served.form
    assert isinstance(form, Itself)
    real = form.scores

    def scores(asked: Asked) -> np.ndarray:
        time.sleep(seconds)
        return real(asked)

    form.scores = scores  # type: ignore[method-assign]


def test_a_process_that_serves_has_one_thread_for_linear_algebra() -> None:
    # A test among others may have been given one processor: this one takes all there are.
    script = (
        "import os; os.sched_setaffinity(0, range(os.cpu_count()))\n"
        "import numpy, threadpoolctl; from wareloom.serving.web import worker\n"
        "def most(): return max(i['num_threads'] for i in threadpoolctl.threadpool_info())\n"
        "before = most(); worker.prepare(); print(len(os.sched_getaffinity(0)), before, most())"
    )
    free = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env=free, capture_output=True, text=True, check=True).stdout
    processors, before, after = map(int, said.split())
    assert (before > 1) == (processors > 1)
    assert after == 1


def test_it_answers_as_the_ranker_ranks(store: Path) -> None:
    wanted = fitted("ease", branded()).rank(Requests.sessions([["i3", "i4"]]), 10)["item_id"]
    told = run(Client(store).post("/recommend", history=["i3", "i4"]))
    assert items(told) == wanted.to_list()
    assert "degraded" not in told


def test_what_is_not_done_in_time_is_named_and_the_popular_answer(store: Path) -> None:
    async def work() -> None:
        client = Client(store)
        slow(client, 0.4)
        popular = fitted("popularity", branded()).rank(Requests.sessions([[]]), 30)["item_id"]
        begun = time.monotonic()
        late = asyncio.create_task(client.post("/recommend", history=["i3"], timeout_ms=50))
        others = await client.post("/search", query="Item 3", k=3)
        assert items(others)[0] == "i3"
        assert "degraded" not in others
        told = await late
        assert time.monotonic() - begun < 0.35
        assert told["degraded"] == ["ease"]
        assert items(told) == [i for i in popular.to_list() if i != "i3"][:10]
        assert client.app.counters.total("fallback_total") >= 1
        patient = await client.post("/recommend", history=["i3"], timeout_ms=30_000)
        assert "degraded" not in patient

    run(work())


def test_without_the_first_named_cause_a_score_falls_more_than_without_another(store: Path) -> None:
    async def work() -> None:
        client, fell, more = Client(store), 0, 0
        asked = [[f"i{n}", f"i{n + 7}", f"i{n + 14}"] for n in range(15)]
        form = client.app.slots.live("home").served.form
        for history in asked:
            told = await client.post("/recommend", history=history, explain=True, k=1)
            hit = told["hits"][0]
            first = hit["why"][0]["cause"]
            codes = [int(item[1:]) for item in history]
            code, whole = int(hit["item_id"][1:]), hit["score"]

            def without(item: str, codes: list[int] = codes, code: int = code) -> float:
                left = np.array([c for c in codes if c != int(item[1:])], dtype=np.int32)
                return float(form.scores(Asked(left))[code])

            others = [without(item) for item in history if item != first]
            fell += without(first) < whole
            more += without(first) < np.mean(others)
        assert fell >= 0.8 * len(asked)
        assert more >= 0.8 * len(asked)

    run(work())


def test_a_reranker_orders_as_the_bundle_does(tmp_path: Path) -> None:
    shop = branded()
    mmr = RERANKERS.make("mmr", relevance=0.5)
    bundle = written(tmp_path / "b", fitted("transitions", shop), shop, reranker=mmr)
    publish(tmp_path / "b", tmp_path / "store", "home")

    async def work() -> None:
        client = Client(tmp_path / "store")
        for history in ([], ["i3"], ["i3", "i9", "i4"]):
            wanted = bundle.rank(Requests.sessions([history]), 8)["item_id"].to_list()
            told = await client.post("/recommend", history=history, k=8)
            assert items(told) == wanted
        plain = fitted("transitions", shop).rank(Requests.sessions([["i3"]]), 8)["item_id"]
        assert items(await client.post("/recommend", history=["i3"], k=8)) != plain.to_list()
        reorder = client.app.slots.live("home").reorder
        assert reorder is not None
        real = reorder.apply
        reorder.apply = lambda *given: (time.sleep(0.3), real(*given))[1]  # type: ignore[method-assign]
        told = await client.post("/recommend", history=["i3"], k=8, timeout_ms=20)
        assert (items(told), told["degraded"]) == (plain.to_list(), ["mmr"])

    run(work())


def test_a_page_that_showed_a_new_product_leaves_no_other_out(tmp_path: Path) -> None:
    store = made_store(tmp_path)

    async def work() -> None:
        client = Client(store)
        new = {"item_id": "new", "title": "Item 3"}
        await client.ask("PUT", "/items", {"items": [new]})
        one = await client.post("/recommend", history=["i3"], k=6)
        two = await client.post("/recommend", history=["i3"], k=6, page=one["page"])
        wanted = fitted("transitions", branded()).rank(Requests.sessions([["i3"]]), 11)["item_id"]
        assert "new" in items(one)
        assert [i for i in items(one) + items(two) if i != "new"] == wanted.to_list()

    run(work())


def test_more_than_a_slow_ranker_can_take_is_answered_without_it(store: Path) -> None:
    async def work() -> None:
        client = Client(store)
        slow(client, 0.01)
        asked = [client.post("/recommend", history=["i3"], k=5) for _ in range(200)]
        told = await asyncio.gather(*asked)
        without = sum("degraded" in one for one in told)
        assert 100 <= without <= 136
        assert all(len(one["hits"]) == 5 for one in told)
        assert client.app.answers.waiting == 0
        assert "degraded" not in await client.post("/recommend", history=["i3"])

    run(work())


def test_an_item_that_is_deleted_while_it_is_ranked_is_not_shown(tmp_path: Path) -> None:
    store = made_store(tmp_path, "ease")

    async def work() -> None:
        client = Client(store)
        first = items(await client.post("/recommend", history=["i3"]))[0]
        slow(client, 0.2)
        asked = asyncio.create_task(client.post("/recommend", history=["i3"]))
        await asyncio.sleep(0.05)
        assert (await client.ask("DELETE", f"/items/{first}"))[0] == 200
        assert first not in items(await asked)

    run(work())
