"""What a request says of where and when it is asked: it reaches rankers that look at it, others say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from stores import Client, branded, items, made_store, run
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.serving.asking import request_of
from wareloom.serving.wire import ask_of, written
from wareloom.shop import Requests, Shop

HOUR = 3_600_000_000


def seasonal() -> Shop:
    """Impressions of the ring: items below 15 are clicked in summer, the others in winter; mornings even ones."""
    shop = branded()
    rng = np.random.default_rng(0)
    n = 3000
    item = rng.integers(0, 30, n)
    summer, morning = rng.random(n) < 0.5, rng.random(n) < 0.5
    liked = np.where(summer, item < 15, item >= 15) & np.where(morning, item % 2 == 0, True)
    clicked = rng.random(n) < np.where(liked, 0.9, 0.05)
    hour = np.where(morning, 8, 20)
    time = (np.arange(n) // 20) * 24 * HOUR + hour * HOUR
    shown = pl.DataFrame(
        {
            "user_id": [f"u{i % 200}" for i in range(n)],
            "session_id": [f"s{i}" for i in range(n)],
            "item_id": [f"i{i}" for i in item],
            "event": "view_item_list",
            "time": pl.Series(time).cast(pl.Datetime("us")),
            "position": 1,
            "weight": 1.0,
            "origin": "real",
        }
    )
    shown = shown.with_columns(
        context=pl.Series(
            [[{"name": "season", "value": "summer" if s else "winter"}] for s in summer]
        )
    )
    clicks = shown.filter(pl.Series(clicked)).with_columns(event=pl.lit("select_item"))
    return Shop(
        {
            "items": shop.table("items"),
            "events": pl.concat([shown, clicks]).sort("time", maintain_order=True),
        }
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    place = tmp_path_factory.mktemp("context")
    return Client(
        made_store(place, "boosting", shop=seasonal(), settings={"min_count": 1}, unproved=True)
    )


def shares(answer: dict[str, Any]) -> float:
    """Share of the hits that summer has."""
    return float(np.mean([int(item[1:]) < 15 for item in items(answer)]))


def test_the_season_reaches_a_ranker_that_was_taught_it(client: Client) -> None:
    summer = run(client.post("/recommend", context={"season": "summer"}, k=7))
    winter = run(client.post("/recommend", context={"season": "winter"}, k=7))
    assert shares(summer) >= 0.9
    assert shares(winter) <= 0.1
    assert "ignored" not in summer


def test_the_time_reaches_a_ranker_that_looks_at_the_hour(client: Client) -> None:
    asked = {"context": {"season": "summer"}, "k": 5}
    morning = run(client.post("/recommend", time=500 * 24 * HOUR + 8 * HOUR, **asked))
    assert all(int(item[1:]) % 2 == 0 for item in items(morning))
    assert "ignored" not in morning


def test_what_is_served_is_what_the_ranker_says_of_the_same_request(client: Client) -> None:
    version = client.app.slots.live("home")
    served, time = version.served, 8 * HOUR
    ask = ask_of(written({"context": {"season": "winter", "moon": "full"}, "time": time}))
    codes = served.ids.codes(["i3"])
    mine = served.form.scores(request_of(served, ask, codes))
    ranker = served.form.ranker
    request = Requests.sessions([["i3"]])
    same = Requests(
        histories=request.histories,
        times=np.array([time]),
        context=pl.DataFrame({"season": ["winter"]}),
    )
    wanted = ranker.rank(same, 30)
    got = [served.ids.text(int(code)) for code in np.argsort(-mine, kind="stable")]
    left = [item for item in got if item != "i3"]
    assert wanted["item_id"].to_list()[:10] == left[:10]


def test_names_that_a_ranker_does_not_look_at_are_said(client: Client, tmp_path: Path) -> None:
    told = run(client.post("/recommend", context={"season": "summer", "device": "phone"}))
    assert told["ignored"] == ["device"]
    plain = Client(made_store(tmp_path))
    told = run(plain.post("/recommend", context={"season": "summer"}, time=5))
    assert told["ignored"] == ["season", "time"]
    assert items(told) == items(run(plain.post("/recommend")))
    assert "ignored" not in run(plain.post("/recommend"))


def test_explanations_name_it(client: Client) -> None:
    told = run(client.post("/recommend", context={"season": "winter"}, explain=True, k=3))
    first = told["hits"][0]["why"][0]
    assert (first["kind"], first["cause"]) == ("context", "season")
    assert first["sentence"] == "Fits when and where you ask (season)."


@pytest.mark.parametrize(
    "context",
    [
        [],
        "summer",
        {"season": 3},
        {"season": None},
        {"a b": "x"},
        {"": "x"},
        {"x" * 65: "x"},
        {"season": "x" * 129},
        {"season": "a\x00b"},
        {"season": "a\nb"},
        {f"n{i}": "x" for i in range(21)},
    ],
)
def test_a_context_that_cannot_be_is_refused(client: Client, context: Any) -> None:
    status, told, _ = run(client.ask("POST", "/recommend", {"context": context}))
    assert status == 422
    assert "context" in told["error"]


def test_rankers_say_what_they_look_at() -> None:
    made = RANKERS.make("logistic").fit(seasonal(), Run(seed=1, threads=1))
    assert made.heeds() == {"season", "time"}
    assert RANKERS.make("transitions").fit(branded(), Run()).heeds() == frozenset()
