"""Shop: typed tables, saved whole or not at all, known by a fingerprint."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import small_shop
from wareloom.core.files import replacing
from wareloom.errors import OutputError, SchemaError, SourceError, UnknownNameError
from wareloom.shop import Shop


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_saved_and_opened_is_the_same_shop(shop: Shop, tmp_path: Path) -> None:
    saved = shop.save(tmp_path / "shop")
    opened = Shop.open(tmp_path / "shop")
    assert saved.path == opened.path == tmp_path / "shop"
    assert opened.names == shop.names == ["items", "events"]
    assert opened.meta == {"name": "ring"}
    for table in shop.names:
        assert opened.table(table).equals(shop.table(table))
        assert opened.table(table).schema == shop.table(table).schema
    assert opened.fingerprint == shop.fingerprint == saved.fingerprint


def test_every_row_says_where_it_came_from(shop: Shop) -> None:
    events = shop.table("events")
    assert set(events["origin"]) == {"real"}
    assert set(events["weight"]) == {1.0}
    marked = shop.with_tables(events=events.with_columns(origin=pl.lit("x@1"), weight=pl.lit(0.5)))
    assert marked.table("events").select("origin", "weight").unique().rows() == [("x@1", 0.5)]
    assert shop.table("events").equals(events)


@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(0, 400), max_size=6), lazy=st.booleans(), memory=st.booleans())
def test_equal_rows_have_equal_fingerprints(cuts: list[int], lazy: bool, memory: bool) -> None:
    """However the rows are chunked, the columns ordered, the tables held."""
    shop = small_shop()
    events = shop.table("events")
    bounds = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    parts = pl.concat([events[a:b] for a, b in pairwise(bounds)], rechunk=False)
    parts = parts.select(sorted(parts.columns))
    other = Shop(
        {"events": parts.lazy() if lazy else parts, "items": shop.scan("items")},
        {"name": "another"},
    )
    assert (other.in_memory() if memory else other).fingerprint == shop.fingerprint


def test_any_change_of_rows_is_another_fingerprint(shop: Shop) -> None:
    events = shop.table("events")
    changed = [
        events.reverse(),
        events.head(len(events) - 1),
        events.with_columns(
            value=pl.when(pl.int_range(pl.len()) == 7).then(0.0).otherwise("value")
        ),
        events.with_columns(origin=pl.lit("x@1")),
        events.drop("value"),
    ]
    prints = {shop.with_tables(events=one).fingerprint for one in changed} | {shop.fingerprint}
    assert len(prints) == len(changed) + 1


def test_a_write_that_fails_leaves_the_old_shop_whole(shop: Shop, tmp_path: Path) -> None:
    old = small_shop(seed=9).save(tmp_path / "shop").fingerprint

    def fail(frame: pl.DataFrame) -> pl.DataFrame:
        raise RuntimeError("the source went away")

    broken = shop.with_tables(
        events=shop.scan("events").map_batches(fail, schema=shop.scan("events").collect_schema())
    )
    with pytest.raises(Exception, match="the source went away"):
        broken.save(tmp_path / "shop")
    with pytest.raises(Exception, match="the source went away"):
        broken.save(tmp_path / "new")
    assert names(tmp_path) == ["shop"]
    again = Shop.open(tmp_path / "shop")
    assert again.fingerprint == old
    assert again.in_memory().fingerprint == old


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_or_a_failed_rename_leaves_the_old_shop_whole(
    failing: int, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = small_shop(seed=9).save(tmp_path / "shop").fingerprint
    rename, calls = Path.rename, [0]

    def full(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == failing:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    # As where the system cannot exchange two names in one step.
    monkeypatch.setattr("wareloom.core.files._exchanged", lambda *_: False)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(
        OutputError,
        match=r"Cannot write .*shop: No space left on device\. Nothing was left half-written",
    ):
        shop.save(tmp_path / "shop")
    assert names(tmp_path) == ["shop"]
    assert Shop.open(tmp_path / "shop").in_memory().fingerprint == old


def test_an_older_shop_is_replaced_whole(shop: Shop, tmp_path: Path) -> None:
    users = pl.DataFrame({"user_id": ["u1"]})
    shop.with_tables(users=users).save(tmp_path / "shop")
    shop.save(tmp_path / "shop")
    assert names(tmp_path) == ["shop"]
    assert names(tmp_path / "shop") == ["events.parquet", "items.parquet", "shop.json"]


def test_a_shop_can_be_saved_over_itself(shop: Shop, tmp_path: Path) -> None:
    opened = shop.save(tmp_path / "shop")
    half = opened.with_tables(events=opened.scan("events").head(10))
    assert half.save(tmp_path / "shop").rows("events") == 10


@pytest.mark.parametrize("place", ["a file", "foreign"])
def test_what_is_not_a_shop_is_never_overwritten(place: str, shop: Shop, tmp_path: Path) -> None:
    target = tmp_path / place
    if place == "a file":
        target.write_text("precious")
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("precious")
    with pytest.raises(
        OutputError,
        match="is a file" if place == "a file" else r"has no shop\.json.*choose another",
    ):
        shop.save(target)
    assert (target if place == "a file" else target / "thesis.txt").read_text() == "precious"
    assert names(tmp_path) == [place]


def test_an_empty_folder_and_missing_parents_are_fine(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert shop.save(tmp_path / "empty").rows("items") == 30
    assert shop.save(tmp_path / "a" / "b" / "shop").rows("items") == 30


def test_replacing_shows_nothing_before_its_end(tmp_path: Path) -> None:
    with replacing(tmp_path / "x", marker="m") as partial:
        (partial / "m").write_text("1")
        assert not (tmp_path / "x").exists()
    assert names(tmp_path / "x") == ["m"]
    with (
        pytest.raises(OutputError, match="has no other"),
        replacing(tmp_path / "x", marker="other"),
    ):
        pass


def test_opening_says_what_is_wrong(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"There is no shop at .*nowhere.*`wareloom read SOURCE --to"
    ):
        Shop.open(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"is not a shop: it has no shop\.json"):
        Shop.open(tmp_path)
    shop.save(tmp_path / "shop")
    head = json.loads((tmp_path / "shop" / "shop.json").read_text())
    assert head["rows"] == {"items": 30, "events": shop.rows("events")}
    (tmp_path / "shop" / "shop.json").write_text(json.dumps(head | {"version": 99}))
    with pytest.raises(
        SourceError, match=r"written by a newer Wareloom \(schema 99\): upgrade to read it"
    ):
        Shop.open(tmp_path / "shop")
    (tmp_path / "shop" / "shop.json").write_text(json.dumps(head))
    (tmp_path / "shop" / "events.parquet").unlink()
    with pytest.raises(
        SourceError, match=r"lacks events\.parquet, which its shop\.json lists: was it copied whole"
    ):
        Shop.open(tmp_path / "shop")


def test_tables_are_those_of_the_schema(shop: Shop) -> None:
    with pytest.raises(SchemaError, match="needs the table 'items'"):
        Shop({"events": shop.table("events")})
    with pytest.raises(
        UnknownNameError, match=r"No table is called 'event'\. Did you mean 'events'"
    ):
        Shop({"items": shop.table("items"), "event": shop.table("events")})
    with pytest.raises(SchemaError, match="has no table 'users'; it has items, events"):
        shop.table("users")
    assert shop.rows("users") == 0
    assert not shop.has("users")
    assert shop.has("events", "time")
    assert not shop.has("events", "rating")
    assert shop.with_tables(events=None).names == ["items"]
