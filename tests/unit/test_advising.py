"""The pieces of advice: what a look sees, how much is tried, what is answered."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from advice_shops import DAY, catalogue, copied, leaking, log, ring, sorted_within_days, taught
from search_shop import search_shop
from wareloom.advising import AdviceSettings
from wareloom.advising._candidates import DENSE, generators, rankers
from wareloom.advising._data import sampled, undone, work_on
from wareloom.advising._halving import ladder
from wareloom.advising._look import Look, look
from wareloom.advising._plan import LONGER, SHARES, plan_of
from wareloom.advising._power import power_of
from wareloom.advising._says import DISTIL, HELPS, NOTHING, OUT, UNPROVED, answer
from wareloom.advising._search import SearchAdvice
from wareloom.core.run import Run
from wareloom.report.advice import advice_page
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key

RUN = Run(seed=1, threads=1)


def test_the_order_of_a_file_is_told_from_how_shoppers_go_on() -> None:
    assert look(sorted_within_days()).sorted_by_item == "ties"
    assert look(ring()).sorted_by_item == "", "a walk that rises is behaviour"
    rng = np.random.default_rng(0)
    rows = []
    for user in range(200):
        for day in range(3):
            items = np.sort(rng.choice(60, size=4, replace=False))
            rows += [(f"u{user}", int(i), day * DAY + place) for place, i in enumerate(items)]
    clocked = Shop({"items": catalogue(60), "events": log(rows)})
    assert look(clocked).sorted_by_item == "days", "times within a day that follow the ids"
    whole = undone(clocked, look(clocked), RUN)
    assert set(whole.table("events")["time"].dt.hour()) == {0}
    dealt = [(user, int(rng.integers(60)), time) for user, _, time in rows]
    assert look(Shop({"items": catalogue(60), "events": log(dealt)})).sorted_by_item == ""


def test_a_log_without_times_in_the_order_of_ids_has_no_order() -> None:
    rng = np.random.default_rng(1)
    rows = [
        (f"u{user}", int(item), 0)
        for user in range(100)
        for item in np.sort(rng.choice(60, size=6, replace=False))
    ]
    shop = Shop({"items": catalogue(60), "events": log(rows).drop("time")})
    seen = look(shop)
    assert seen.sorted_by_item == "file"
    mixed = undone(shop, seen, RUN)
    assert mixed.rows("events") == shop.rows("events")
    assert look(mixed).sorted_by_item == ""


def test_copies_of_users_are_seen_and_one_of_each_is_kept() -> None:
    shop = copied()
    seen = look(shop)
    assert seen.copied == 1.0
    once = undone(shop, seen, RUN)
    assert once.rows("events") == shop.rows("events") / 2
    assert look(once).copied == 0.0


def test_another_shop_that_holds_this_ones_events_is_not_used(tmp_path: Path) -> None:
    shop, other = leaking(tmp_path / "a")
    seen = look(shop, (other,))
    assert "leak" in seen.others[other]
    assert not any("other" in one.label for one in generators(seen))
    shop, other = taught(tmp_path / "b")
    assert look(shop, (other,)).others == {other: ""}
    shop.save(tmp_path / "c")
    own = look(Shop.open(tmp_path / "c"), (str(tmp_path / "c"),))
    assert "this shop" in own.others[str(tmp_path / "c")]


def test_only_what_a_shop_has_is_tried() -> None:
    bare = Look(rows={"items": 60, "events": 100}, has={"texts": False})
    assert {c.label for c in rankers(bare)} == {
        *("popularity", "transitions", "item_knn", "ease", "lightgcn", "sasrec")
    }
    assert [g.label for g in generators(bare)] == ["markov"]
    full = Look(rows={"items": DENSE + 1}, has={"texts": True, "brands": True}, repeat_rate=0.2)
    labels = {c.label: c for c in rankers(full)}
    assert {"text_knn", "attributes", "personal", "tifu_knn"} <= labels.keys()
    assert labels["ease"].settings["max_items"] < DENSE
    assert "teacher" in [g.label for g in generators(full)]


def test_titles_that_differ_by_a_number_alone_are_no_texts() -> None:
    frame = pl.DataFrame({"item_id": [f"i{i}" for i in range(60)]})
    numbered = frame.with_columns(title=pl.format("Item {}", pl.int_range(60)))
    shop = ring()
    assert not look(shop.with_tables(items=numbered)).has["texts"]
    assert look(shop).has["texts"]


def test_rungs_rise_to_all_users() -> None:
    assert ladder(1_000) == (1.0,)
    shares = ladder(1_000_000)
    assert list(shares) == sorted(shares)
    assert shares[-1] == 1.0
    assert shares[0] * 1_000_000 == 6_000


def test_a_large_log_is_worked_on_by_a_sample_of_its_users() -> None:
    shop = ring()
    some, share = sampled(shop, 1_000, RUN)
    assert 700 < some.rows("events") < 1_300
    users = some.table("events").select(u=user_key(some.scan("events")))["u"]
    whole = shop.table("events").filter(pl.col("user_id").is_in(users.unique().implode()))
    assert len(whole) == some.rows("events"), "users come whole"
    assert share == pytest.approx(users.n_unique() / 600)
    assert sampled(shop, 10**6, RUN) == (shop, 1.0)


def test_the_plan_holds_the_minutes_and_power_falls_with_users() -> None:
    shop = ring()
    seen = look(shop)
    worked = work_on(shop, seen, AdviceSettings(), RUN)
    plan = plan_of(worked, seen, 600.0)
    assert sum(stage["seconds"] for stage in plan["stages"]) == pytest.approx(600, rel=1e-3)
    assert sum(SHARES.values()) == pytest.approx(1)
    assert sum(LONGER.values()) == pytest.approx(1)
    said = plan["stages"][0]["does"]
    assert "sasrec" in said
    assert "sasrec" not in plan_of(worked, seen, 500.0)["stages"][0]["does"], "no time for networks"
    least = [power_of(worked, seen, RUN)["detectable_lift"]]
    few, _ = sampled(shop, 1_500, RUN)
    least.append(power_of(work_on(few, seen, AdviceSettings(), RUN), seen, RUN)["detectable_lift"])
    assert least[0] < least[1]


def proved(verdict: str, *, rows: str = "", least: float = 0.1) -> dict[str, Any]:
    return {
        "power": {"too_few": False},
        "generators": {"light": {}, "world": False},
        "rankers": {"label": "ease", "trials": [], "share": 1.0},
        "proof": {
            "verdict": verdict,
            "rows": {"verdict": rows} if rows else None,
            "against": {},
            "power": {"detectable_lift": least},
        },
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (proved("helps"), HELPS),
        (proved("helps", rows="rows help"), HELPS),
        (proved("helps", rows="distil"), DISTIL),
        (proved("helps, but", rows="no evidence"), DISTIL),
        (proved("hurts"), OUT),
        (proved("no evidence"), NOTHING),
        (proved("no evidence", least=0.8), UNPROVED),
    ],
)
def test_the_answer_follows_from_the_proof(data: dict[str, Any], said: str) -> None:
    assert answer(data) == said


def test_knowledge_that_the_system_has_anyway_is_to_be_distilled() -> None:
    data = proved("no evidence")
    data["generators"]["light"] = {"real": 0.1, "mixed": 0.2}
    data["rankers"]["trials"] = [{"label": "ease", "share": 1.0, "value": 0.3}]
    assert answer(data) == DISTIL
    data["rankers"]["trials"][0]["value"] = 0.15
    assert answer(data) == NOTHING, "the light ranker with its shoppers is ahead of the system"


def test_the_page_escapes_what_a_shop_says_and_speaks_chinese() -> None:
    evil = "<script>alert(1)</script>"
    data = {
        "answer": "no evidence",
        "shop": {"meta": {"name": evil}, "fingerprint": "0" * 64},
        "settings": {"job": "recommendation", "minutes": 30},
        "took": {"minutes": 3.0},
        "headline": evil,
        "next": [evil],
        "sections": [{"about": "has", "sentences": [evil]}],
        "rankers": {"trials": [{"label": "ease", "events": 9, "value": 0.1, "fit": 1, "rank": 1}]},
        "generators": None,
        "plan": {"stages": [{"stage": "proof", "seconds": 60, "does": evil}]},
        "look": {"warnings": [evil]},
        "seed": 1,
    }
    page = advice_page(data)
    assert evil not in page
    assert "&lt;script&gt;" in page
    assert "商店有什么" in advice_page(data, "zh")


def test_what_an_encoder_would_take_is_said_in_parts_of_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ "About 0 min" was no reason to leave it out; and it is said while it is measured."""
    shop = search_shop(20)
    lines: list[str] = []
    left_out: dict[str, str] = {}
    desk: Any = SimpleNamespace(
        say=lines.append, left_out=left_out, clock=SimpleNamespace(left=5.0, spent=0.0)
    )
    asked = SearchAdvice(shop, desk, 5.0)
    monkeypatch.setattr(SearchAdvice, "_reading", lambda self: 1.0)
    assert not asked._encodes({})
    assert left_out == {
        "the text encoder": f"reading {shop.rows('items')} titles would take about {shop.rows('items') / 60:.1f} min"
    }
    assert lines == ["search: how fast the text encoder reads titles"]
