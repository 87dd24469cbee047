"""Statistics against slow obvious versions, and the warnings that follow from them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wareloom.preparing.cleaning import clean
from wareloom.preparing.statistics import statistics
from wareloom.preparing.statistics_warnings import warnings_of
from wareloom.shop import Shop, buckets

START = datetime(2024, 1, 1)


def shop_of(count: int = 400, seed: int = 0, *, span: int = 400_000) -> Shop:
    rng = np.random.default_rng(seed)
    events = pl.DataFrame(
        {
            "user_id": [f"u{k}" for k in rng.integers(20, size=count)],
            "item_id": [f"i{int(k)}" for k in 30 * rng.random(count) ** 3],
            "event": [
                ["view_item_list", "view_item", "purchase"][k] for k in rng.integers(3, size=count)
            ],
            "time": [START + timedelta(seconds=int(s)) for s in rng.integers(span, size=count)],
        }
    )
    items = pl.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(40)],
            "price": [float(k) if k else None for k in range(40)],
        }
    )
    return Shop({"items": items, "events": events})


def slow(shop: Shop) -> dict[str, float]:
    rows = shop.table("events").filter(pl.col("event") != "view_item_list").with_row_index("n")
    rows = rows.sort("user_id", "time", "n")
    events = rows.to_dicts()
    pairs = {(e["user_id"], e["item_id"]) for e in events}
    ties = last = sessions = followed = 0
    for k, event in enumerate(events):
        before = events[k - 1] if k and events[k - 1]["user_id"] == event["user_id"] else None
        final = k + 1 == len(events) or events[k + 1]["user_id"] != event["user_id"]
        tie = before is not None and before["time"] == event["time"]
        ties += tie
        followed += final and before is not None
        last += final and tie
        sessions += before is None or event["time"] - before["time"] > timedelta(minutes=30)
    counts = sorted(
        rows["item_id"].value_counts()["count"].to_list() + [0] * (40 - rows["item_id"].n_unique())
    )
    n = len(counts)
    gini = sum(abs(a - b) for a in counts for b in counts) / (2 * n * sum(counts))
    return {
        "interactions": len(events),
        "density": len(pairs) / (len({u for u, _ in pairs}) * 40),
        "repeat_rate": 1 - len(pairs) / len(events),
        "ties": ties / len(events),
        "last_ties": last / followed,
        "sessions": sessions,
        "gini": gini,
        "top_20": sum(counts[-8:]) / sum(counts),
        "items_with_few": sum(count < 5 for count in counts) / n,
    }


@pytest.mark.parametrize("span", [400_000, 300])
@pytest.mark.parametrize("size", [4_000_000, 50])
def test_events_against_a_slow_version(
    span: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets.bucketed.__wrapped__, "__kwdefaults__", {"size": size})  # type: ignore[attr-defined]
    shop = shop_of(span=span)
    found = statistics(shop)["events"]
    flat = {**found, **found["tail"], "sessions": found["sessions"]["count"]}
    expected = slow(shop)
    assert {name: flat[name] for name in expected} == pytest.approx(expected)
    assert sum(found["kinds"].values()) == 400
    rates = [step["rate"] for step in found["funnel"]]
    assert rates == [
        found["kinds"]["view_item"] / found["kinds"]["view_item_list"],
        found["kinds"]["purchase"] / found["kinds"]["view_item"],
    ]


def test_statistics_are_json_and_cover_the_tables() -> None:
    shop = shop_of().with_tables(
        judgments=pl.DataFrame(
            {"query": ["a", "a", "b"], "item_id": ["i1"] * 3, "grade": [3.0, 0.0, 3.0]}
        ),
        searches=pl.DataFrame({"search_id": ["1", "2"], "query": ["a", "a"]}),
    )
    found = json.loads(json.dumps(statistics(shop), allow_nan=False))
    assert found["tables"]["items"] == {"rows": 40, "synthetic": 0, "missing": {"price": 0.025}}
    assert found["items"]["price"]["0.5"] == 20.0
    assert found["judgments"]["queries"] == 2
    assert found["judgments"]["grades"] == {"0": 1, "3": 2}
    assert found["searches"] == {"queries": 1, "most_asked": 2}
    assert found["events"]["time"]["resolution"] == "second"


def test_warnings_say_what_is_doubtful() -> None:
    shop = shop_of()
    days = shop.with_tables(
        events=shop.table("events").with_columns(pl.col("time").dt.truncate("1d"))
    )
    said = " ".join(statistics(days)["warnings"])
    assert "whole days" in said
    assert (
        "of last events share their predecessor's time: their order is an artefact of the file"
        in said
    )
    said = " ".join(
        statistics(shop.with_tables(events=shop.table("events").drop("time")))["warnings"]
    )
    assert "have no times" in said
    assert "artefact" not in said
    fake = shop.with_tables(events=shop.table("events").with_columns(origin=pl.lit("markov@1")))
    assert any(
        "100% of the rows of events are synthetic" in line for line in statistics(fake)["warnings"]
    )
    assert any(
        "no events" in line for line in statistics(shop.with_tables(events=None))["warnings"]
    )


def test_an_empty_shop_has_statistics() -> None:
    empty = Shop({"items": pl.DataFrame({"item_id": []}, schema={"item_id": pl.String})})
    found = statistics(empty)
    assert "There are no items: the catalogue is empty." in found["warnings"]
    shown = shop_of().table("events").filter(event="view_item_list")
    assert statistics(empty.with_tables(events=shown))["warnings"][0].startswith("No event says")


def odd_shop() -> Shop:
    """A shop with returns, a repeated line, a guest, postage and an event of next century."""
    rows = [(f"u{k % 150}", f"i{k % 40}", "purchase", k * 1000, 5.0) for k in range(600)]
    rows += [("0", f"i{k % 40}", "purchase", k * 999 + 7, 5.0) for k in range(120)]
    rows += [(f"u{k}", "POST", "purchase", k * 1000 + 1, 3.0) for k in range(150)]
    rows += [("u1", "i1", "purchase", 5, -5.0), ("u3", "i3", "purchase", 3000, 5.0)]
    rows += [("u4", "i4", "purchase", 60_000_000, 5.0)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "event", "s", "value"], orient="row")
    events = frame.select(
        "user_id",
        "item_id",
        "event",
        "value",
        time=pl.lit(START) + pl.duration(seconds=pl.col("s")),
    )
    items = pl.DataFrame(
        {
            "item_id": [*(f"i{k}" for k in range(40)), "POST"],
            "title": [*(f"Post card {k}" for k in range(40)), "Postage"],
        }
    )
    return Shop({"items": items, "events": events})


def test_what_is_no_purchase_is_named() -> None:
    found = statistics(odd_shop(), now=START + timedelta(days=100))
    odd = found["events"]["odd"]
    assert (odd["returns"], odd["repeated"], odd["later"]) == (1, 1, 1)
    assert list(odd["owners"]["user"]) == ["0"]
    assert odd["no_products"] == {"POST": 150}
    said = " ".join(found["warnings"])
    for words in ("'0' (14%)", "'POST' (150 events)", "are returns", "repeat another exactly",
                  "later than the present time (2024-04-10)"):  # fmt: skip
        assert words in said
    assert "later" not in statistics(odd_shop())["events"]["odd"]


def test_the_robots_of_check_are_those_of_clean(tmp_path: Path) -> None:
    shop = shop_of(4000, span=40_000_000)
    robot = pl.DataFrame(
        {
            "user_id": ["robot"] * 3000,
            "item_id": [f"i{k % 30}" for k in range(3000)],
            "event": ["view_item"] * 3000,
            "time": [START + timedelta(seconds=6 * k) for k in range(3000)],
        }
    )
    events = pl.concat([shop.table("events").select(robot.columns), robot])
    shop = shop.with_tables(events=events)
    assert statistics(shop)["events"]["odd"]["robots"] == {"users": 1, "events": 3000}
    cleaned = clean(shop, to=tmp_path / "clean")
    assert "robot" not in cleaned.table("events")["user_id"]
    assert statistics(cleaned)["events"]["odd"]["robots"]["users"] == 0


def test_a_log_that_was_filtered_over_all_time_is_named() -> None:
    """Every item with five events: by time, one without an event yet is sure to sell."""
    rng = np.random.default_rng(0)
    items = np.repeat(np.arange(600), 5)
    rng.shuffle(items)
    events = pl.DataFrame(
        {
            "user_id": [f"u{n % 300}" for n in range(len(items))],
            "item_id": [f"i{item}" for item in items],
            "event": "purchase",
            "time": pl.datetime_range(
                datetime(2024, 1, 1), datetime(2025, 1, 1), "2h", eager=True
            ).head(len(items)),
        }
    )
    catalogue = pl.DataFrame({"item_id": [f"i{item}" for item in range(600)]})
    filtered = warnings_of(statistics(Shop({"items": catalogue, "events": events})))
    assert any("No item that is chosen at all has fewer than 5" in said for said in filtered)
    whole = events.filter(pl.col("item_id") != "i7")
    one = pl.concat([whole, events.filter(item_id="i7").head(1)])
    plain = warnings_of(statistics(Shop({"items": catalogue, "events": one})))
    assert not any("filtered" in said for said in plain)
