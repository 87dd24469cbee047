"""Shops and models that were damaged, edited or half copied are noticed, in one sentence that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import wareloom as wl
from conftest import small_shop
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SchemaError, SourceError
from wareloom.proof.prove import prove
from wareloom.shop import Shop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small_shop(users=30).save(tmp_path / "shop")
    return tmp_path / "shop"


def head(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "shop.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def flipped(path: Path, place: int) -> None:
    """Change one byte, so that the size stays."""
    held = bytearray(path.read_bytes())
    held[place] ^= 0xFF
    path.write_bytes(held)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def fewer(path: Path) -> None:
    pl.read_parquet(path).head(5).write_parquet(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: cut(f / "events.parquet"), r"events.parquet has [\d,]+ bytes and not the"),
        (lambda f: fewer(f / "events.parquet"), r"events.parquet has [\d,]+ bytes and not the"),
        (lambda f: (f / "events.parquet").unlink(), "lacks events.parquet"),
        (lambda f: (f / "events.parquet").write_bytes(b""), "events.parquet has 0 bytes"),
        (lambda f: (f / "shop.json").unlink(), "it has no shop.json"),
        (lambda f: (f / "shop.json").write_text("{"), "is not valid JSON"),
        (lambda f: (f / "shop.json").write_text("[1]"), "shop.json is damaged"),
        (lambda f: (f / "shop.json").write_text("{}"), "shop.json is damaged: 'version'"),
        (lambda f: head(f, lambda h: h.pop("tables")), "shop.json is damaged: 'tables'"),
        (lambda f: head(f, lambda h: h.update(meta=3)), "shop.json is damaged: 'meta'"),
        (lambda f: head(f, lambda h: h["tables"].append("../x")), "it lists the table '../x'"),
        (lambda f: head(f, lambda h: h.update(version=99)), "written by a newer Wareloom"),
        (lambda f: head(f, lambda h: h["rows"].update(events=3)), "rows and not the 3 of its"),
    ],
)  # fmt: skip
def test_what_can_be_seen_at_once_is_said_at_opening(
    folder: Path, change: Callable[[Path], object], words: str
) -> None:
    change(folder)
    with pytest.raises(SourceError, match=words):
        Shop.open(folder)


def old(folder: Path) -> None:
    """As shops were written before their files had sizes and digests."""
    head(folder, lambda h: h.pop("files"))


def test_an_older_shop_opens_and_what_can_be_checked_is(folder: Path) -> None:
    old(folder)
    Shop.open(folder).verify()
    fewer(folder / "events.parquet")
    with pytest.raises(SourceError, match="rows and not the"):
        Shop.open(folder)
    (folder / "events.parquet").write_bytes(b"PAR1 nothing more PAR1")
    with pytest.raises(SourceError, match="cannot be read as the table 'events'"):
        Shop.open(folder)


def test_a_table_of_another_kind_is_no_table_of_the_shop(folder: Path) -> None:
    old(folder)
    pl.DataFrame({"colour": ["red"]}).write_parquet(folder / "items.parquet")
    with pytest.raises(SourceError, match=r"items.parquet cannot be read as the table 'items'"):
        Shop.open(folder)


@pytest.mark.parametrize("older", [False, True])
def test_every_byte_is_checked_before_a_proof(folder: Path, older: bool) -> None:
    if older:
        old(folder)
    path = folder / "events.parquet"
    for place in (200, path.stat().st_size // 2):
        flipped(path, place)
        with pytest.raises(SourceError, match=r"was damaged or edited|One was damaged or edited"):
            Shop.open(folder).verify()
        with pytest.raises(SourceError, match="SHA-256 is another one"):
            wl.prove(Shop.open(folder))
        flipped(path, place)
    Shop.open(folder).verify()


def test_parts_of_a_split_are_checked_too(folder: Path, tmp_path: Path) -> None:
    parts = wl.split(Shop.open(folder), to=tmp_path / "parts")
    test = tmp_path / "parts" / "test" / "events.parquet"
    flipped(test, test.stat().st_size // 2)
    with pytest.raises(SourceError, match="SHA-256 is another one"):
        prove(Shop.open(folder), parts=parts)


def test_the_fingerprint_is_that_of_earlier_versions(folder: Path) -> None:
    import hashlib

    told = json.loads((folder / "shop.json").read_text())
    whole = b"".join(n.encode() + (folder / f"{n}.parquet").read_bytes() for n in told["tables"])
    assert told["fingerprint"] == hashlib.sha256(whole).hexdigest()
    for name in told["tables"]:
        data = (folder / f"{name}.parquet").read_bytes()
        assert told["files"][name] == {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }


@pytest.mark.parametrize("name", ["sh[o]p", "a*b", "what?", "{x,y}", "[ab]"])
def test_a_folder_with_signs_of_patterns_reads_its_own_rows(tmp_path: Path, name: str) -> None:
    """`[ab]` as a pattern is the folder `a`, which holds other rows."""
    for other in ("shop", "ab", "a", "aXb", "whatX", "x"):
        small_shop(users=5, seed=3).save(tmp_path / other)
    mine = small_shop(users=30).save(tmp_path / name)
    assert mine.table("events").equals(small_shop(users=30).table("events"))
    again = Shop.open(tmp_path / name)
    again.verify()
    assert again.rows("events") == small_shop(users=30).rows("events")


@pytest.mark.parametrize("kind", ["ranker", "synthesizer"])
def test_a_model_that_is_not_whole_is_refused(folder: Path, tmp_path: Path, kind: str) -> None:
    family, name = {"ranker": (RANKERS, "transitions"), "synthesizer": (SYNTHESIZERS, "joint")}[
        kind
    ]
    made = family.make(name, **dict(family.load(name).quick)).fit(Shop.open(folder), Run())
    made.save(tmp_path / "model")
    files = [p.relative_to(tmp_path / "model") for p in (tmp_path / "model").rglob("*.*")]
    assert len(files) > 2
    for file in (f for f in files if f.name != "algorithm.json"):
        copy = tmp_path / "copy"
        for damage, words in (
            (lambda p: flipped(p, p.stat().st_size // 2), "is not (what was saved|valid JSON)"),
            (cut, "is not (what was saved|valid JSON)"),
            (Path.unlink, "is not there"),
        ):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(tmp_path / "model", copy)
            damage(copy / file)
            with pytest.raises(SourceError, match=f"{file.name} {words}"):
                family.restore(copy)


def test_a_model_saved_before_digests_is_read(folder: Path, tmp_path: Path) -> None:
    made = RANKERS.make("popularity").fit(Shop.open(folder), Run())
    made.save(tmp_path / "model")
    path = tmp_path / "model" / "algorithm.json"
    told = json.loads(path.read_text())
    del told["files"]
    path.write_text(json.dumps(told))
    assert RANKERS.restore(tmp_path / "model").items_.equals(made.items_)


def test_a_model_that_is_saved_over_another_is_whole(folder: Path, tmp_path: Path) -> None:
    for name in ("transitions", "popularity"):
        RANKERS.make(name).fit(Shop.open(folder), Run()).save(tmp_path / "model")
        assert RANKERS.restore(tmp_path / "model").name == name


ITEMS = pl.DataFrame({"item_id": ["a", "b"], "price": [1.0, 2.0]})
EVENTS = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"], "event": "purchase"})


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (
            {"items": ITEMS.with_columns(item_id=pl.lit("a"))},
            "in 1 of 2 rows item_id is that of another row",
        ),
        (
            {"items": ITEMS.with_columns(item_id=pl.Series([None, "b"]))},
            "in 1 of 2 rows item_id is missing",
        ),
        ({"items": ITEMS.drop("item_id")}, "'items' needs the column 'item_id'"),
        ({"items": ITEMS.with_columns(price=-1.0)}, "in 2 of 2 rows price is below 0"),
        ({"items": ITEMS.with_columns(colour=1)}, "'items' has no column 'colour'"),
        (
            {"items": ITEMS.with_columns(launched_at=pl.lit("soon"))},
            "'items' cannot be brought to the types",
        ),
        ({"items": ITEMS, "events": EVENTS.drop("event")}, "'events' needs the column 'event'"),
        (
            {"items": ITEMS, "events": EVENTS.drop("user_id")},
            "needs the column user_id or session_id",
        ),
        (
            {"items": ITEMS, "events": EVENTS.with_columns(event=pl.lit("buy"))},
            "event is none of view_item_list, ",
        ),
        (
            {"items": ITEMS, "events": EVENTS.with_columns(user_id=pl.Series(["u", None]))},
            "in 1 of 2 rows user_id",
        ),
        (
            {"items": ITEMS, "events": EVENTS.with_columns(item_id=pl.Series(["1.0", "2.0"]))},
            r"in 2 of 2 rows item_id is none of the table 'items' .*'1.0' here and 'a' there",
        ),
    ],
)
def test_frames_are_checked_when_a_shop_is_made_of_them(
    tables: dict[str, pl.DataFrame], words: str
) -> None:
    with pytest.raises(SchemaError, match=words):
        wl.Shop(tables)


def test_rows_on_unknown_items_are_counted(tmp_path: Path) -> None:
    events = EVENTS.with_columns(item_id=pl.Series(["a", "zzz"]))
    with pytest.warns(UserWarning, match="in 1 of 2 rows item_id is none of the table 'items'"):
        shop = wl.Shop({"items": ITEMS, "events": events})
    assert shop.save(tmp_path / "shop").rows("events") == 2


def test_what_wareloom_made_itself_is_not_checked_again() -> None:
    events = EVENTS.with_columns(item_id=pl.Series(["a", "zzz"]))
    assert Shop.trusted({"items": ITEMS, "events": events}).rows("events") == 2


def test_words_that_were_edited_are_noticed(folder: Path, tmp_path: Path) -> None:
    RANKERS.make("transitions").fit(Shop.open(folder), Run()).save(tmp_path / "model")
    path = tmp_path / "model" / "state.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(SourceError, match=r"state\.json is not what was saved"):
        RANKERS.restore(tmp_path / "model")
