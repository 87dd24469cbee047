"""Logs without names: pseudonyms, coarser times and places, texts, and users who stand out."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.core.settings import configure
from wareloom.errors import InputError, RefusedError, SettingError, SourceError
from wareloom.release.anonymise import AnonymiseSettings, anonymise, pseudonym
from wareloom.release.attributes import coarser, offenders
from wareloom.release.places import inside_of
from wareloom.shop import Log, Shop
from wareloom.shop.schema import MAP
from wareloom.testing.shops import small_shop

KEY = bytes(range(32))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    return path


def people(*rows: dict[str, str]) -> pl.DataFrame:
    """Users u0, u1, … with such attributes."""
    maps = [[{"name": n, "value": v} for n, v in row.items()] for row in rows]
    return pl.DataFrame(
        {"user_id": [f"u{i}" for i in range(len(rows))], "attributes": maps},
        schema={"user_id": pl.String, "attributes": MAP},
    )


def shop_with(tmp_path: Path, **tables: pl.DataFrame) -> Shop:
    return small_shop(20).with_tables(**tables).save(tmp_path / "shop")


def done(shop: Shop, tmp_path: Path, key: Path, **settings: Any) -> tuple[Shop, dict[str, Any]]:
    said = anonymise(shop, tmp_path / "out", key, configure(AnonymiseSettings, settings))
    return Shop.open(tmp_path / "out"), said


def test_pseudonyms_are_hmac_of_the_standard() -> None:
    """RFC 2104 written out, and OpenSSL where it is at hand."""
    key, told = KEY.ljust(64, b"\0"), b"user_id\x1fanna"
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + told).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest()
    assert pseudonym(KEY, "user_id", "anna") == f"u{outer[:32]}"
    try:
        made = subprocess.run(
            ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{KEY.hex()}"],
            input=told, capture_output=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return
    assert made.stdout.split()[-1].decode() == outer


def test_an_id_has_one_pseudonym_in_all_tables_and_others_under_another_key(
    tmp_path: Path, key: Path
) -> None:
    searches = pl.DataFrame(
        {"search_id": ["s1"], "user_id": ["u3"], "session_id": ["u3"], "query": ["lamp"]}
    )
    shop = shop_with(tmp_path, searches=searches)
    made, _ = done(shop, tmp_path, key)
    name = pseudonym(KEY, "user_id", "u3")
    assert made.table("searches")["user_id"].to_list() == [name]
    assert name in made.table("events")["user_id"]
    assert made.table("searches")["session_id"][0] != name, (
        "a session called as a user is not told to be one"
    )
    text = b"".join(p.read_bytes() for p in (tmp_path / "out").iterdir())
    assert KEY not in text
    assert shop.fingerprint.encode() not in text
    old, new = shop.table("events")["user_id"], made.table("events")["user_id"]
    assert set(old) & set(new) == set()
    assert old.n_unique() == new.n_unique()
    key.write_bytes(b"another key of many bytes")
    anonymise(shop, tmp_path / "other", key)
    assert set(Shop.open(tmp_path / "other").table("events")["user_id"]) & set(new) == set()


def test_the_same_key_gives_the_same_bytes(tmp_path: Path, key: Path) -> None:
    shop = shop_with(tmp_path)
    anonymise(shop, tmp_path / "one", key)
    anonymise(shop, tmp_path / "two", key)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(("unit", "step"), [("hour", "1h"), ("day", "1d"), ("week", "1w")])
def test_times_are_cut_and_the_order_of_a_user_stays(
    tmp_path: Path, key: Path, unit: str, step: str
) -> None:
    shop = shop_with(tmp_path)
    made, _ = done(shop, tmp_path, key, time=unit)
    times = made.table("events")["time"]
    assert times.equals(times.dt.truncate(step))
    assert not shop.table("events")["time"].equals(shop.table("events")["time"].dt.truncate(step))

    def lives(of: Shop) -> dict[str, list[str]]:
        log = Log.of(of)
        names = [log.items.ids[int(i)] for i in log.item]
        return {
            u: names[a:b]
            for u, a, b in zip(log.users.ids, log.offsets[:-1], log.offsets[1:], strict=True)
        }

    was = {pseudonym(KEY, "user_id", user): items for user, items in lives(shop).items()}
    assert lives(made) == was


def test_rows_come_in_the_order_of_pseudonyms(tmp_path: Path, key: Path) -> None:
    """The order of a log says who came first, however they are called now."""
    made, _ = done(shop_with(tmp_path), tmp_path, key)
    users = made.table("events")["user_id"]
    assert users.is_sorted()
    naive = small_shop(20).table("events")["user_id"].unique(maintain_order=True)
    assert users.unique(maintain_order=True).to_list() != [
        pseudonym(KEY, "user_id", u) for u in naive
    ]


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("email", "a@b.cn", None),
        ("firstName", "Anna", None),
        ("birth_date", "1990-01-01", None),
        ("ip", "10.0.0.1", None),
        ("手机", "13812345678", None),
        ("City", "Springfield", None),
        ("zip", "62704", "627…"),
        ("postal_code", "100020", "10…"),
        ("latitude", "52.5163", "53"),
        ("country", "DE", "DE"),
        ("state", "IL", "IL"),
        ("signup_date", "2024-05-17T10:11:12", "2024-05-13"),
        ("segment", "gold", "gold"),
        ("username_length", "7", "7"),
        ("shipping", "express", "express"),
    ],
)
def test_attributes_are_coarser(name: str, value: str, left: str | None) -> None:
    assert coarser(name, value, region=True, unit="week") == left


def test_places_may_be_dropped(tmp_path: Path, key: Path) -> None:
    users = people(*[{"country": "DE", "zip": "10115", "tier": "gold"}] * 6)
    shop = shop_with(tmp_path, users=users)
    made, said = done(shop, tmp_path, key, place="dropped")
    assert made.table("users")["attributes"].to_list() == [[{"name": "tier", "value": "gold"}]] * 6
    assert said["coarser"]["users.attributes"] == {"country": 6, "zip": 6}


def test_texts_lose_personal_data_or_go(tmp_path: Path, key: Path) -> None:
    searches = pl.DataFrame(
        {
            "search_id": ["a", "b"],
            "user_id": ["u1", "u2"],
            "query": ["lamp", "mail a@b.com or 415-555-0132"],
        }
    )
    dialogues = pl.DataFrame(
        {"dialogue_id": ["d"], "turn": [0], "role": ["user"], "text": ["我叫李雷，电话13812345678"]}
    )
    events = small_shop(20).table("events").with_columns(search_id=pl.lit("b"))
    shop = shop_with(tmp_path, searches=searches, dialogues=dialogues, events=events)
    made, said = done(shop, tmp_path, key)
    assert sorted(made.table("searches")["query"]) == ["lamp", "mail [email] or [phone]"]
    assert made.table("dialogues")["text"].to_list() == ["我叫[name]，电话[phone]"]
    assert said["texts"]["replaced"]["searches.query"] == {"email": 1, "phone": 1}
    left, said = done(shop, tmp_path, key, text="rejected")
    assert left.table("searches")["query"].to_list() == ["lamp"]
    assert left.rows("dialogues") == 0
    assert left.table("events")["search_id"].null_count() == left.rows("events")
    assert said["texts"]["rejected"] == {"searches": 1, "dialogues": 1}


def oracle(
    rows: list[dict[str, str]], k: int, diversity: int, sensitive: tuple[str, ...]
) -> set[tuple[str, str]]:
    """k-anonymity and distinct l-diversity, as their definitions say: check and group."""
    found = set()
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(
            str(sorted((n, v) for n, v in row.items() if n not in sensitive)), []
        ).append(row)
    for group, own in groups.items():
        if len(own) < k:
            found.add(("k", group))
        found |= {("l", group) for s in sensitive if len({r[s] for r in own if s in r}) < diversity}
    return found


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("diversity", [1, 2])
def test_who_stands_out_is_who_the_definitions_say(k: int, diversity: int) -> None:
    rows: list[dict[str, str]] = [
        {
            "age": str(20 + i % 4 * 10),
            "job": "clerk" if i % 3 else "baker",
            "income": str(i % 2 if i % 4 else 9),
        }
        for i in range(30)
    ]
    rows += [{"age": "99", "income": "1"}, {"income": "1"}, {}]
    found = offenders(people(*rows), k, diversity, ("income",))
    assert {(one.check, str(sorted(one.attributes.items()))) for one in found} == oracle(
        rows, k, diversity, ("income",)
    )
    for one in found:
        own = [
            i
            for i, r in enumerate(rows)
            if {n: v for n, v in r.items() if n != "income"} == one.attributes
        ]
        assert one.users == len(own)
        assert set(one.who) <= {f"u{i}" for i in own}


def test_users_who_stand_out_are_named_and_nothing_is_written(tmp_path: Path, key: Path) -> None:
    rows = [{"tier": "gold", "job": "clerk"}] * 6 + [{"tier": "gold", "job": "astronaut"}]
    shop = shop_with(tmp_path, users=people(*rows))
    with pytest.raises(RefusedError) as error:
        done(shop, tmp_path, key)
    said = str(error.value)
    assert "1 of 7 users stand out" in said
    assert "1 of 5 users: job = astronaut, tier = gold" in said
    assert pseudonym(KEY, "user_id", "u6") in said
    assert "u6" not in said.replace(pseudonym(KEY, "user_id", "u6"), "")
    assert "--set drop=job leaves 0 who stand out" in said
    assert not (tmp_path / "out").exists()
    assert not inside_of(tmp_path / "out").exists()
    made, told = done(shop, tmp_path, key, drop=["job"])
    assert told["checks"]["offenders"] == []
    assert made.table("users")["attributes"].list.len().to_list() == [1] * 7


def test_users_who_stand_out_lose_their_attributes(tmp_path: Path, key: Path) -> None:
    rows = [{"job": "clerk"}] * 6 + [
        {"job": j} for j in ("astronaut", "diver", "smith", "judge", "poet")
    ]
    made, said = done(shop_with(tmp_path, users=people(*rows)), tmp_path, key, offenders="blanked")
    assert said["checks"]["blanked"] == 5
    assert sorted(made.table("users")["attributes"].list.len().to_list()) == [0] * 5 + [1] * 6
    assert offenders(made.table("users"), 5, 1, ()) == []
    few = shop_with(tmp_path, users=people(*rows[:7]))
    with pytest.raises(RefusedError, match="too few themselves"):
        done(few, tmp_path, key, offenders="blanked")


def test_what_was_done_lies_beside(tmp_path: Path, key: Path) -> None:
    made, said = done(shop_with(tmp_path), tmp_path, key)
    assert json.loads(inside_of(tmp_path / "out").read_text()) == json.loads(json.dumps(said))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "events.parquet",
        "items.parquet",
        "shop.json",
    ]
    assert made.keeps == "people", "a log without names is a log of people"
    assert made.meta.keys() == {"anonymised"}


@pytest.mark.parametrize("folder", ["shop", "out"])
def test_a_key_within_a_folder_is_refused(tmp_path: Path, key: Path, folder: str) -> None:
    shop = shop_with(tmp_path)
    (tmp_path / folder).mkdir(exist_ok=True)
    inside = tmp_path / folder / "key"
    inside.write_bytes(KEY)
    with pytest.raises(InputError, match="keep it in another place"):
        anonymise(shop, tmp_path / "out", inside)
    link = tmp_path / "link"
    link.symlink_to(inside)
    with pytest.raises(InputError, match="keep it in another place"):
        anonymise(shop, tmp_path / "out", link)


def test_a_key_that_is_none_is_refused(tmp_path: Path, key: Path) -> None:
    shop = shop_with(tmp_path)
    key.write_bytes(b"short")
    with pytest.raises(InputError, match="has 5 bytes; 16 at least"):
        anonymise(shop, tmp_path / "out", key)
    with pytest.raises(SourceError, match=r"head -c 32 /dev/urandom"):
        anonymise(shop, tmp_path / "out", tmp_path / "none")
    with pytest.raises(SettingError, match="'hour', 'day' or 'week'"):
        configure(AnonymiseSettings, {"time": "month"})


def test_a_day_begins_at_midnight(tmp_path: Path, key: Path) -> None:
    made, _ = done(shop_with(tmp_path), tmp_path, key)
    assert {t.time() for t in made.table("events")["time"]} == {datetime.time()}
