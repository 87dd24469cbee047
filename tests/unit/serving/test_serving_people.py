"""What others did is said from five people on, of what came from their histories alone, and no file holds the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bundles import fitted, written
from stores import Client, run
from wareloom.errors import InputError
from wareloom.serving.files.arrays import Arrays
from wareloom.serving.versions.people import DID, pairs_of
from wareloom.serving.versions.publish import How, publish
from wareloom.serving.versions.store import Store
from wareloom.shop import Shop

TITLES = {"a": "红茶", "b": "茶壶", "c": "茶杯", "d": "茶盘", "e": "绿茶", "f": "茶叶罐"}
BUY, VIEW = "purchase", "view_item"


def rows_of(user: str | None, *did: tuple[str, str], **more: str) -> list[dict[str, Any]]:
    common = {"user_id": user, "session_id": more.get("session"), "origin": "real"} | {
        k: v for k, v in more.items() if k == "origin"
    }
    return [{**common, "item_id": item, "event": event} for item, event in did]


def planted(without: str = "") -> Shop:
    """Pairs of a: b five bought; c four bought, and one a second time, a made-up user and visits of nobody; d five
    looked at; e four bought and one more looked at."""
    rows = [row for n in range(5) for row in rows_of(f"ab{n}", ("a", BUY), ("b", BUY))]
    rows += [row for n in range(4) for row in rows_of(f"ac{n}", ("a", BUY), ("c", BUY))]
    rows += rows_of("ac0", ("a", BUY), ("c", BUY), ("c", VIEW))
    rows += rows_of("made", ("a", BUY), ("c", BUY), origin="markov@1")
    for n in range(3):
        rows += rows_of(None, ("a", BUY), ("c", BUY), session=f"v{n}")
    rows += [row for n in range(5) for row in rows_of(f"ad{n}", ("a", VIEW), ("d", VIEW))]
    rows += [row for n in range(4) for row in rows_of(f"ae{n}", ("a", BUY), ("e", BUY))]
    rows += rows_of("ae4", ("a", BUY), ("e", VIEW))
    rows += [row for n in range(3) for row in rows_of(f"f{n}", ("f", BUY))]
    events = pl.DataFrame([row for row in rows if row["user_id"] != without])
    items = pl.DataFrame({"item_id": [*TITLES], "title": [*TITLES.values()]})
    alike = pl.col("item_id").is_in(["a", "b"])
    words = pl.when(alike).then(pl.lit("Porcelain")).otherwise(pl.lit("Tin"))
    items = items.with_columns(brand=words)
    time = pl.from_epoch(pl.int_range(pl.len()) * 60).cast(pl.Datetime("us"))
    return Shop({"items": items, "events": events.with_columns(time=time)})


def published(folder: Path, ranker: str, shop: Shop, people: Shop | None, **settings: Any) -> Path:
    if not (folder / ranker).exists():
        written(folder / ranker, fitted(ranker, shop, **settings), shop)
    publish(folder / ranker, folder / "store", "home", how=How(people=people))
    return folder / "store"


def reasons(store: Path, language: str = "en", cause: str = "a") -> dict[str, dict[str, Any]]:
    """What an answer after one item says of each hit."""

    async def work() -> Any:
        client = Client(store)
        return await client.post("/similar", item=cause, explain=True, language=language)

    return {hit["item_id"]: hit["why"][0] for hit in run(work())["hits"]}


def test_others_are_named_from_five_people_on(tmp_path: Path) -> None:
    store = published(tmp_path, "item_knn", planted(), planted())
    told = reasons(store)
    assert {name: told[name].get("others") for name in "bcde"} == {
        "b": "bought",
        "c": None,
        "d": "viewed",
        "e": "viewed",
    }
    assert all((told[n]["kind"], told[n]["cause"]) == ("item", "a") for n in "bcde")
    assert told["b"]["sentence"] == "Others who bought “红茶” bought this, too."
    assert told["e"]["sentence"] == "Others who looked at “红茶” looked at this, too."
    assert told["c"]["sentence"] == "Goes with “红茶”, which you looked at."
    assert told["f"]["kind"] == "popularity"
    chinese = reasons(store, "zh")
    assert chinese["b"]["sentence"] == "购买了“红茶”的其他顾客也购买了这件商品。"
    assert chinese["d"]["sentence"] == "看过“红茶”的其他顾客也看过这件商品。"
    assert "其他顾客" not in chinese["c"]["sentence"]
    assert reasons(store, cause="b")["a"]["others"] == "bought", "a pair has no direction"


def test_no_file_of_a_version_holds_a_pair_of_four(tmp_path: Path) -> None:
    shop = planted()
    store = Store.open(published(tmp_path, "item_knn", shop, shop))
    live = store.live("home")
    assert live is not None
    folder = store.folder(live.live)
    names = "abcdef"
    pairs = {did: Arrays(folder / "people").get(did) for did in DID}
    said = {did: [names[k // 6] + names[k % 6] for k in keys] for did, keys in pairs.items()}
    assert said == {"bought": ["ab"], "viewed": ["ab", "ad", "ae"]}
    assert sorted(p.name for p in (folder / "people").iterdir()) == ["bought.npy", "viewed.npy"]
    manifest = store.manifest(live.live)
    assert manifest["people"] == {"at_least": 5, "bought": 1, "viewed": 3}
    assert manifest["keeps"] in ("counts", "people")


def test_a_person_who_was_deleted_no_longer_counts(tmp_path: Path) -> None:
    store = published(tmp_path, "item_knn", planted(), planted())
    assert reasons(store)["b"]["others"] == "bought"
    published(tmp_path, "item_knn", planted(), planted(without="ab2"))
    told = reasons(store)
    assert "others" not in told["b"], "four are left"
    assert told["d"]["others"] == "viewed"


def test_nothing_is_said_of_others_where_nobody_counted(tmp_path: Path) -> None:
    told = reasons(published(tmp_path, "transitions", planted(), None))
    assert not any("others" in one or "Others" in one["sentence"] for one in told.values())


@pytest.mark.parametrize(
    ("ranker", "settings", "says"),
    [("ease", {}, True), ("transitions", {}, True), ("text_knn", {}, False)],
)
def test_others_are_named_where_the_part_is_of_their_histories(
    tmp_path: Path, ranker: str, settings: dict[str, Any], says: bool
) -> None:
    told = reasons(published(tmp_path, ranker, planted(), planted(), **settings))
    assert (told["b"]["kind"], told["b"]["cause"]) == ("item", "a")
    assert told["b"]["amount"] > 0
    assert (told["b"].get("others") == "bought") is says, told["b"]
    if ranker == "ease":
        # What lowers a score is no reason to name anybody.
        assert all("others" not in one for one in told.values() if one["amount"] <= 0)


def test_pairs_are_those_that_a_plain_count_finds() -> None:
    rng = np.random.default_rng(3)
    users, items = rng.integers(0, 40, 600), rng.integers(0, 25, 600)
    frame = pl.DataFrame({"user_id": [f"u{u}" for u in users], "item_id": [f"i{i}" for i in items]})
    frame = frame.with_columns(event=pl.lit(BUY))
    names = [f"i{i}" for i in range(25)]
    shop = Shop({"items": pl.DataFrame({"item_id": names}), "events": frame})
    had: dict[int, set[int]] = {}
    for user, item in zip(users, items, strict=True):
        had.setdefault(user, set()).add(int(item))
    wanted = [
        a * 25 + b
        for a in range(25)
        for b in range(a + 1, 25)
        if sum({a, b} <= own for own in had.values()) >= 5
    ]
    assert 0 < len(wanted) < 300
    assert pairs_of(shop, pl.Series(names), (BUY,)).tolist() == wanted


def test_what_shall_hold_nothing_of_people_is_refused_with_them(tmp_path: Path) -> None:
    written(tmp_path / "m", fitted("item_knn", planted()), planted())
    with pytest.raises(InputError, match="counts of them"):
        publish(tmp_path / "m", tmp_path / "s", "home", how=How(people=planted(), most="private"))
    assert not (tmp_path / "s").exists()
