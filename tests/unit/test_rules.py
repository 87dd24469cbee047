"""The screen rules: each kind of rule broken once, wrong files, and what is learned."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.core.family import SCREENS
from wareloom.errors import SettingError, SourceError
from wareloom.screening import Screened
from wareloom.screening._rule_files import as_toml, read_rules
from wareloom.screening._rule_kinds import KINDS, Rule, moment
from wareloom.shop import Shop

MONDAY = datetime(2024, 5, 6, 12)
CATALOGUE = pl.DataFrame(
    {
        "item_id": ["wine", "milk", "bread", "gone"],
        "category": [["Drinks", "Wine"], ["Drinks"], ["Food"], ["Food"]],
        "brand": ["Red", "White", "White", None],
        "price": [10.0, 1.0, 2.0, 0.0],
        "attributes": [[{"name": "stock", "value": v}] for v in ("9", "9", "9", "0")],
    }
)


def shop_of(rows: list[tuple[Any, ...]], **columns: Any) -> Shop:
    """Events (user, item, kind, hours after Monday noon), and others by name of a column."""
    schema = {"user_id": pl.String, "item_id": pl.String, "event": pl.String, "hours": pl.Float64}
    events = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        time=pl.lit(MONDAY) + pl.duration(microseconds=(pl.col("hours") * 3.6e9).cast(pl.Int64)),
        origin=pl.lit("made@1"),
        **{name: pl.Series(values) for name, values in columns.items()},
    )
    users = pl.DataFrame(
        {"user_id": events["user_id"].unique(maintain_order=True), "origin": "made@1"}
    )
    age = (
        pl.when(pl.col("user_id").str.starts_with("child"))
        .then(pl.lit("child"))
        .otherwise(pl.lit("adult"))
    )
    users = users.with_columns(attributes=pl.concat_list(pl.struct(name=pl.lit("age"), value=age)))
    return Shop({"items": CATALOGUE, "users": users, "events": events.drop("hours")})


def screened(tmp_path: Path, text: str, pool: Shop, **settings: Any) -> Screened:
    (tmp_path / "rules.toml").write_text(text)
    return SCREENS.make("rules", file=str(tmp_path / "rules.toml"), **settings).screen(pool, pool)


def gone(found: Screened) -> list[str]:
    return found.rejected["events"]["user_id"].unique(maintain_order=True).to_list()


BOUGHT = "purchase"
BREAKS: list[tuple[str, list[tuple[Any, ...]], dict[str, Any], str]] = [
    (
        '[[funnel]]\nevent = "purchase"\nneeds = "add_to_cart"',
        [("good", "milk", "add_to_cart", 0), ("good", "milk", BOUGHT, 1), ("bad", "milk", BOUGHT, 0),
         ("bad", "milk", "add_to_cart", 1)],
        {}, "purchase without add_to_cart of the same item before it",
    ),
    (
        '[[funnel]]\nevent = "purchase"\nneeds = ["view_item", "select_item"]',
        [("good", "milk", "select_item", 0), ("good", "milk", BOUGHT, 0), ("bad", "bread", "view_item", 0),
         ("bad", "milk", BOUGHT, 1)],
        {}, "purchase without view_item or select_item of the same item before it",
    ),
    (
        '[[funnel]]\nevent = "purchase"\nneeds = "view_item"\nof = "any"\nwithin = "session"',
        [("good", "milk", "view_item", 0), ("good", "bread", BOUGHT, 0.1), ("bad", "milk", "view_item", 0),
         ("bad", "milk", BOUGHT, 2)],
        {}, "purchase without view_item before it in the session",
    ),
    (
        '[[never]]\nevent = "add_to_cart"\nafter = "purchase"',
        [("good", "milk", BOUGHT, 0), ("good", "milk", "view_item", 0.1), ("good", "milk", "add_to_cart", 0.2),
         ("bad", "milk", BOUGHT, 0), ("bad", "bread", "add_to_cart", 0.1)],
        {}, "add_to_cart right after purchase in the session",
    ),
    (
        '[[stock]]\nwhere = { stock = "0" }',
        [("good", "milk", BOUGHT, 0), ("good", "gone", "view_item", 0), ("bad", "gone", BOUGHT, 0)],
        {}, "purchase of stock 0 that is out of stock",
    ),
    (
        '[[stock]]\nitems = ["wine"]\nfirst = 2024-05-06\nlast = 2024-05-07',
        [("good", "wine", BOUGHT, -12), ("good", "wine", BOUGHT, 35.9), ("bad", "wine", BOUGHT, 36)],
        {}, "purchase of wine before 2024-05-06, after 2024-05-07",
    ),
    (
        '[[stock]]\nitems = ["wine"]\nfirst = 2024-05-06T12:00:00Z',
        [("good", "wine", BOUGHT, 0), ("bad", "wine", BOUGHT, -0.01)],
        {}, "purchase of wine before 2024-05-06 12:00:00+00:00",
    ),
    (
        '[[stock]]\ncategory = "Wine"\nper_day = 3',
        [("good", "wine", BOUGHT, 1), ("bad", "wine", BOUGHT, 2), ("early", "wine", BOUGHT, 0),
         ("good", "wine", BOUGHT, 30), ("good", "milk", BOUGHT, 3)],
        {"quantity": [1.0, 1.0, 2.0, 3.0, 9.0]}, "purchase of category Wine more than 3 a day",
    ),
    (
        '[[range]]\ncolumn = "quantity"\nminimum = 1\nmaximum = 5',
        [("good", "milk", BOUGHT, 0), ("bad", "milk", BOUGHT, 0)],
        {"quantity": [5.0, 5.5]}, "quantity below 1 or above 5",
    ),
    (
        '[[range]]\ncolumn = "price"\nminimum = 0.5\nmaximum = 1.0\nrelative = true',
        [("good", "wine", BOUGHT, 0), ("bad", "milk", BOUGHT, 0), ("good", "gone", BOUGHT, 0)],
        {"quantity": [2.0, 2.0, 1.0], "value": [20.0, 20.0, 99.0]},
        "price below 0.5 or above 1 times the item's price",
    ),
    (
        '[[hours]]\nevent = "purchase"\nopen = 08:00:00\nclose = 20:00:00\ndays = ["mon", "tue"]',
        [("good", "milk", BOUGHT, 7.99), ("good", "milk", "view_item", 9), ("late", "milk", BOUGHT, 8),
         ("bad", "milk", BOUGHT, 48)],
        {}, "purchase outside 08:00 to 20:00 on mon, tue",
    ),
    (
        '[[hours]]\nopen = 22:00:00\nclose = 04:00:00\ndays = ["mon"]\nutc_offset = 2.0',
        [("good", "milk", BOUGHT, 8), ("good", "milk", BOUGHT, 13.9), ("bad", "milk", BOUGHT, 14),
         ("early", "milk", BOUGHT, -12)],
        {}, "event outside 22:00 to 04:00 on mon",
    ),
    (
        "[[most]]\nevents = 2",
        [("good", "milk", BOUGHT, 0), ("good", "milk", BOUGHT, 0.1), ("good", "milk", BOUGHT, 2),
         ("bad", "milk", BOUGHT, 0), ("bad", "milk", BOUGHT, 0.1), ("bad", "milk", BOUGHT, 0.2)],
        {}, "more than 2 events a session",
    ),
    (
        '[[most]]\nevents = 1\nper = "day"\nevent = "purchase"',
        [("good", "milk", BOUGHT, 11.9), ("good", "milk", BOUGHT, 12), ("good", "milk", "view_item", 12),
         ("bad", "milk", BOUGHT, 0), ("bad", "milk", BOUGHT, 11.9)],
        {}, "more than 1 purchases a day",
    ),
    (
        '[[forbidden]]\nuser = { age = "child" }\ncategory = "Wine"',
        [("adult", "wine", BOUGHT, 0), ("child 1", "milk", BOUGHT, 0), ("child 2", "wine", BOUGHT, 0)],
        {}, "event of category Wine by a user with age child",
    ),
    (
        '[[forbidden]]\nuser = { age = ["child", "baby"] }\nwhere = { brand = "Red" }\nname = "no red for children"',
        [("adult", "wine", BOUGHT, 0), ("child 1", "milk", BOUGHT, 0), ("child 2", "wine", BOUGHT, 0)],
        {}, "no red for children",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "rows", "columns", "reason"), BREAKS, ids=[case[3] for case in BREAKS]
)
def test_each_rule_finds_who_breaks_it(
    text: str, rows: list[tuple[Any, ...]], columns: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    pool = shop_of(rows, **columns)
    found = screened(tmp_path, text, pool)
    good = [
        user
        for user in dict.fromkeys(row[0] for row in rows)
        if user in ("good", "adult", "child 1")
    ]
    spared = {"early"} if "per_day" in text else set()
    assert set(found.kept.table("events")["user_id"]) == {*good, *spared}
    assert set(found.rejected["events"]["reason"]) == {reason}
    assert found.report["reasons"] == {reason: len(found.rejected["events"])}
    assert set(found.rejected["users"]["user_id"]) == set(gone(found)), (
        "they leave the table of users, too"
    )
    assert not set(found.kept.table("users")["user_id"]) & set(gone(found))
    assert found.report["users"] == len(gone(found))


def test_what_goes_with_an_event_is_said_by_takes(tmp_path: Path) -> None:
    rows = [
        ("a", "milk", BOUGHT, 0),
        ("a", "milk", "view_item", 0.1),
        ("a", "milk", "view_item", 5),
    ]
    left = {
        takes: screened(
            tmp_path, f'[[stock]]\nitems = ["milk"]\ntakes = "{takes}"', shop_of(rows)
        ).kept.rows("events")
        for takes in ("event", "session", "user")
    }
    assert left == {"event": 2, "session": 1, "user": 0}


def test_rules_are_asked_again_until_none_is_broken(tmp_path: Path) -> None:
    """The view is out of hours; without it the cart has no view, and without the cart the purchase has no cart."""
    text = """
        [[funnel]]
        event = "purchase"
        needs = "add_to_cart"
        takes = "event"
        [[funnel]]
        event = "add_to_cart"
        needs = "view_item"
        takes = "event"
        [[hours]]
        close = 13:00:00
        takes = "event"
    """
    late = [
        ("a", "milk", "view_item", 1),
        ("a", "milk", "add_to_cart", 0.5),
        ("a", "milk", BOUGHT, 0.6),
    ]
    fine = [
        ("b", "milk", "view_item", 0),
        ("b", "milk", "add_to_cart", 0.5),
        ("b", "milk", BOUGHT, 0.6),
    ]
    found = screened(tmp_path, text, shop_of([*late, *fine]))
    assert gone(found) == ["a"]
    assert len(found.report["reasons"]) == 3
    assert set(found.rejected["users"]["user_id"]) == {"a"}


def test_what_the_shop_lacks_is_said_and_takes_nothing(tmp_path: Path) -> None:
    pool = shop_of([("child", "wine", BOUGHT, 0), ("child", "wine", BOUGHT, 1)])
    pool = pool.with_tables(
        users=None, events=pool.table("events").drop("time"), items=CATALOGUE.select("item_id")
    )
    text = """
        [[hours]]
        open = 08:00:00
        [[range]]
        column = "rating"
        maximum = 5
        [[forbidden]]
        user = { age = "child" }
        items = ["wine"]
        [[stock]]
        category = "Wine"
        [[stock]]
        where = { stock = "0" }
        [[most]]
        events = 1
        per = "day"
        [[most]]
        events = 5
    """
    found = screened(tmp_path, text, pool)
    assert found.report["rejected"] == 0
    assert list(found.report["not judged"].values()) == [
        "the events have no times",
        "the events have no rating",
        "the synthetic shop has no attributes of users",
        "the items have no category",
        "the items have no attributes",
        "the events have no times",
    ]


def test_without_times_the_order_of_rows_is_the_order_of_events(tmp_path: Path) -> None:
    rows = [
        ("good", "milk", "view_item", 0),
        ("good", "milk", BOUGHT, 0),
        ("bad", "milk", BOUGHT, 0),
    ]
    pool = shop_of([*rows, ("bad", "milk", "view_item", 0)])
    text = '[[funnel]]\nevent = "purchase"\nneeds = "view_item"'
    assert gone(screened(tmp_path, text, pool)) == [], "of one time either may have come first"
    untimed = pool.with_tables(events=pool.table("events").drop("time"))
    assert gone(screened(tmp_path, text, untimed)) == ["bad"]


FUNNEL = '[[funnel]]\nevent = "purchase"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[funel]]", r"rules.toml: there is no rule \[\[funel\]\]. Did you mean 'funnel'"),
        ('funnel = "purchase"', r"rules.toml: funnel is 'purchase'; write a table, \[\[funnel\]\]"),
        (FUNNEL + 'need = "view_item"', r"\[\[funnel\]\] number 1: there is no key 'need'. Did you mean 'needs'"),
        (FUNNEL, r"\[\[funnel\]\] number 1: needs is missing: give the kind of event that must come before"),
        (FUNNEL + 'needs = "view"', r"needs is 'view', which is no kind of event. Did you mean .*'view_item'"),
        (FUNNEL + 'needs = "purchase"', "needs and event both have 'purchase': the first one could never happen"),
        (FUNNEL + 'needs = "view_item"\ntakes = "shop"', r"takes is 'shop'; give '"),
        ("[[most]]\nevents = 3\n[[most]]\nevents = 0", r"\[\[most\]\] number 2: events is 0; give 1 or more"),
        ("[[most]]", "events is missing: give the most there may be"),
        ('[[most]]\nevents = "many"', r"events='many' does not fit"),
        ('[[range]]\ncolumn = "price"', "minimum and maximum are missing"),
        ("[[range]]\nminimum = 1", "column is missing: give quantity, value, rating or price"),
        ('[[range]]\ncolumn = "value"\nminimum = 2\nmaximum = 1', "minimum is 2.0, above maximum, 1.0: turn them"),
        ('[[range]]\ncolumn = "value"\nminimum = 2\nrelative = true', "relative goes with column = \"price\""),
        ("[[stock]]", "items is missing: say which items are out of stock, or when"),
        ("[[stock]]\nper_day = -1", "per_day is -1.0; give 0 or more"),
        ("[[stock]]\nfirst = 2024-05-02\nlast = 2024-05-01", "last is 2024-05-01, before first"),
        ('[[stock]]\nitems = ["beer"]', "items has 'beer', which is not in the catalogue"),
        ('[[stock]]\ncategory = "Wines"', "category is 'Wines', which no item has. Did you mean 'Wine'"),
        ("[[hours]]", "the shop is always open: give open and close, or days"),
        ("[[hours]]\ndays = []", "days is empty"),
        ('[[hours]]\ndays = ["monday"]', r"days\[0\] is 'monday'; give 'mon'"),
        ('[[forbidden]]\ncategory = "Wine"', "user is missing: give an attribute"),
        ('[[forbidden]]\nuser = { age = "child" }', "category is missing: say which items are forbidden"),
        ("", "rules.toml has no rule: write one"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_the_key_the_place_and_the_remedy(
    text: str, message: str, tmp_path: Path
) -> None:
    pool = shop_of([("a", "milk", BOUGHT, 0)])
    with pytest.raises(SettingError, match=message):
        screened(tmp_path, text, pool)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    pool = shop_of([("a", "milk", BOUGHT, 0)])
    with pytest.raises(
        SourceError, match=r"There is no file of rules .*no\.toml: give the screen rules its file"
    ):
        SCREENS.make("rules", file=str(tmp_path / "no.toml")).screen(pool, pool)
    with pytest.raises(SourceError, match="is a folder: give the file of rules"):
        SCREENS.make("rules", file=str(tmp_path)).screen(pool, pool)
    with pytest.raises(SourceError, match="is not valid TOML"):
        screened(tmp_path, "[[funnel]", pool)
    with pytest.raises(SettingError, match="rules: support is 3; give 20 or more"):
        SCREENS.make("rules", support=3)
    assert (
        SCREENS.make("rules")
        .screen(pool, pool)
        .report["note"]
        .startswith("There are no rules: set file")
    )


@pytest.mark.parametrize("text", dict.fromkeys(case[0] for case in BREAKS))
def test_rules_are_written_as_they_are_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(text)
    rules = read_rules(tmp_path / "one.toml")
    (tmp_path / "two.toml").write_text(as_toml(rules))
    assert read_rules(tmp_path / "two.toml") == rules
    assert isinstance(rules[0], Rule)


def shopping(users: int, seed: int) -> Shop:
    """Users that view, put some of it into the cart and buy some of that, between 8 and 18 o'clock."""
    rng = np.random.default_rng(seed)
    rows, quantity = [], []
    for user in range(users):
        for _ in range(int(rng.integers(1, 4))):
            at, item = (
                24 * int(rng.integers(20)) + rng.uniform(-4, 5),
                ("milk", "bread", "wine")[rng.integers(3)],
            )
            kinds = ("view_item", "add_to_cart", "purchase")[: int(rng.integers(1, 4))]
            rows += [(f"u{user}", item, kind, at + 0.1 * n) for n, kind in enumerate(kinds)]
            quantity += [float(rng.integers(1, 4)) for _ in kinds]
    return shop_of(rows, quantity=quantity)


def test_what_real_data_never_breaks_is_learned_and_shown(tmp_path: Path) -> None:
    train, more = shopping(800, 1), shopping(300, 2)
    screen = SCREENS.make("rules", learn=True, support=100)
    honest = screen.screen(more, train)
    assert honest.report["rejected"] <= 0.02 * more.rows("events")
    shown = "\n".join(honest.report["learned"])
    (tmp_path / "learned.toml").write_text(shown)
    told = [rule.told() for rule in read_rules(tmp_path / "learned.toml")]
    assert told == honest.report["rules"]
    assert "purchase without add_to_cart of the same item before it" in told
    assert "event outside 08:00 to 18:00" in told
    assert "quantity below 1 or above 3" in told
    assert not any("view_item without" in words for words in told)
    again = SCREENS.make("rules", file=str(tmp_path / "learned.toml")).screen(more, train)
    assert again.kept.fingerprint == honest.kept.fingerprint
    flaws = shop_of(
        [("x", "milk", BOUGHT, 0), ("y", "milk", "view_item", 8), ("z", "milk", "view_item", 0)],
        quantity=[1.0, 1.0, 8.0],
    )
    assert gone(screen.screen(flaws, train)) == ["x", "y", "z"]


def test_little_data_teaches_no_rule() -> None:
    few = shopping(5, 1)
    report = SCREENS.make("rules", learn=True).screen(few, few).report
    assert report["rules"] == []
    assert report["note"].startswith(
        "There are no rules: no file is set, and the training part has too few"
    )


def test_every_kind_of_rule_and_every_key_is_in_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    for kind, rule in KINDS.items():
        assert f"[[{kind}]]" in page
        for key in (each.name for each in fields(rule)):
            assert f"`{key}" in page, key


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    block = page.split("```toml\n")[1].split("```")[0]
    (tmp_path / "rules.toml").write_text(block)
    assert {rule.kind for rule in read_rules(tmp_path / "rules.toml")} == set(KINDS)


def test_a_day_is_whole() -> None:
    """`last` is a day that still counts, to its last moment."""
    assert moment(date(2024, 5, 1), end=True) - moment(date(2024, 5, 1)) == timedelta(
        days=1
    ) - timedelta(microseconds=1)
