"""The page of a checked shop, the curves it draws, and the page of learning curves."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.core.run import Run
from wareloom.core.sentences import Say, sentences
from wareloom.errors import SourceError
from wareloom.neural.listeners import CURVES, listen
from wareloom.preparing.statistics import statistics
from wareloom.preparing.statistics_curves import MOST_POINTS, Calendar, at_least, by_rank
from wareloom.report.curves import LOG, save_curves, trainings_of
from wareloom.report.shop_page import check_page, save_check, view_of
from wareloom.shop import Shop

DAY = 86_400 * 1_000_000


def mixed_shop() -> Shop:
    """Two customers (3 and 1 interactions) and three anonymous visits (2, 1, 1), over 4 of 5 items and 9 days."""
    rows = [
        ("u1", "s1", "a", "view_item", 0),
        ("u1", "s1", "a", "add_to_cart", 0),
        ("u1", "s2", "b", "purchase", 8),
        ("u2", "s3", "a", "view_item", 1),
        (None, "v1", "a", "view_item", 1),
        (None, "v1", "c", "view_item", 1),
        (None, "v2", "d", "view_item", 2),
        (None, "v3", "a", "view_item", 8),
    ]
    start = datetime(2024, 3, 1, 12)
    events = pl.DataFrame(
        [(*row[:4], start + timedelta(days=row[4], minutes=i)) for i, row in enumerate(rows)],
        schema=["user_id", "session_id", "item_id", "event", "time"],
        orient="row",
    )
    items = pl.DataFrame({"item_id": list("abcde"), "title": ["<b>", *"bcde"]})
    return Shop({"items": items, "events": events})


def test_customers_and_anonymous_visits_are_told_apart() -> None:
    events = statistics(mixed_shop())["events"]
    assert (events["customers"]["count"], events["customers"]["interactions"]) == (2, 4)
    assert (events["visits"]["count"], events["visits"]["interactions"]) == (3, 4)
    assert events["visits"]["events_per"]["1"] == 2.0
    assert events["users"] == 5
    assert events["curves"]["customers"] == {"events": [1.0, 3.0], "share": [1.0, 0.5]}
    assert events["curves"]["items"] == {
        "rank": [1.0, 2.0, 3.0, 4.0],
        "interactions": [5.0, 1.0, 1.0, 1.0],
    }
    time = events["curves"]["time"]
    assert (time["days"], time["first"][0], sum(time["events"])) == (1, "2024-03-01", 8)
    assert time["events"] == [2, 3, 1, 0, 0, 0, 0, 0, 2]


def test_a_log_without_users_has_visits_alone() -> None:
    events = mixed_shop().table("events").drop("user_id")
    found = statistics(mixed_shop().with_tables(events=events))["events"]
    assert (found["customers"]["count"], found["visits"]["count"]) == (0, 6)
    assert found["curves"]["customers"] == {}


@pytest.mark.parametrize(
    ("days", "width"), [(1, 1), (59, 1), (60, 7), (419, 7), (420, 30), (2000, 91), (9000, 365)]
)
def test_events_over_time_have_few_points_and_lose_none(days: int, width: int) -> None:
    calendar = Calendar()
    for part in np.array_split(np.arange(days + 1) * DAY, 3):
        calendar.add(part)
    curve = calendar.curve()
    assert curve["days"] == width
    assert len(curve["events"]) <= MOST_POINTS
    assert sum(curve["events"]) == days + 1
    assert Calendar().curve() == {}


def test_curves_keep_their_ends_however_long() -> None:
    """Beside the slow, obvious figures."""
    counts = np.random.default_rng(3).zipf(1.5, 5000).clip(max=10**6)
    tail = by_rank(counts)
    assert len(tail["rank"]) <= MOST_POINTS
    ordered = sorted(counts.tolist(), reverse=True)
    assert tail["interactions"] == [ordered[int(rank) - 1] for rank in tail["rank"]]
    assert (tail["rank"][0], tail["rank"][-1]) == (1, 5000)
    doing = at_least(counts)
    slow = [float((counts >= least).mean()) for least in doing["events"]]
    assert doing["share"] == pytest.approx(slow)
    assert at_least(np.zeros(0)) == by_rank(np.zeros(3)) == {}


def test_the_page_has_four_plots_and_says_what_there_is(tmp_path: Path) -> None:
    found = statistics(mixed_shop())
    save_check(found, "Mugs & more", tmp_path / "check")
    assert json.loads((tmp_path / "check" / "check.json").read_text()) == found
    page = (tmp_path / "check" / "check.html").read_text("utf-8")
    assert len(re.findall("<figure>", page)) == 4
    assert "Mugs &amp; more" in page
    assert "2 customers and 3 anonymous visits chose an item." in page
    assert "src=" not in page
    assert "<script" not in page
    assert len(page) < 200_000
    titles = [chart.title for chart in view_of(found, "x", Say()).charts]
    assert titles == [
        "Events over time",
        "How much customers and visits do",
        "How interactions fall on items",
        "The funnel",
    ]


def test_the_page_speaks_chinese() -> None:
    page = check_page(statistics(mixed_shop()), "茶杯", "zh")
    assert 'lang="zh-Hans"' in page
    assert "2 位顾客与 3 次匿名访问选择过商品。" in page


@pytest.mark.parametrize("tables", [{}, {"judgments": [("mug", "a", 3.0), ("mug", "b", 0.0)]}])
def test_a_shop_without_events_has_a_page(tables: dict[str, Any]) -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["mug", "cup"]})
    made = {
        name: pl.DataFrame(rows, schema=["query", "item_id", "grade"], orient="row")
        for name, rows in tables.items()
    }
    page = check_page(statistics(Shop({"items": items} | made)), "x")
    assert "2 items, no events." in page
    assert "<figure>" not in page


def test_sentences_say_the_same_placeholders_in_every_language() -> None:
    for key, texts in sentences().items():
        if key.startswith("shop."):
            found = {tuple(sorted(re.findall(r"{(\w+)", text))) for text in texts.values()}
            assert len(found) == 1, key


def test_learning_curves_are_kept_and_drawn(tmp_path: Path) -> None:
    """Two trainings within named stages: one line each, under the stage's name, and one page."""
    assert LOG == CURVES
    assert save_curves(tmp_path) is None
    run = Run(seed=4, track=f"page:{tmp_path}")
    for seed, loss in ((4, 3.0), (5, 2.0)):
        own = run.with_(seed=seed)
        with own.task("seed: gru <on real>"), own.task("train"), listen(own) as tell:
            tell(10, {"loss": loss, "value": 0.1})
            tell(20, {"loss": loss / 2, "value": 0.2})
    first, second = trainings_of(tmp_path)
    assert (first.name, first.seed) == ("seed: gru <on real>", 4)
    assert second.told == {"loss": [(10.0, 2.0), (20.0, 1.0)], "value": [(10.0, 0.1), (20.0, 0.2)]}
    page = save_curves(tmp_path)
    assert page is not None
    text = page.read_text("utf-8")
    assert "2 networks were trained" in text
    assert len(re.findall("<figure>", text)) == 2
    assert "gru &lt;on real&gt;, seed 4" in text


def test_a_damaged_log_of_curves_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"training": "1", "name": "a", "seed": 0, "step": 1}\n{"tr')
    with pytest.raises(SourceError, match=r"curves\.jsonl, line 2 is no line of a learning curve"):
        save_curves(tmp_path)
