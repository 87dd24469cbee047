"""Versions in a bucket: put under a condition, fetched by replicas, held to their digests; gone, it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundles import fitted, written
from services import Buckets, buckets
from stores import Client, branded, run
from wareloom.errors import InputError, ServiceError, SourceError, UnknownNameError
from wareloom.serving.config import Settings
from wareloom.serving.versions.bucket import Bucket, Crossed, publish_to
from wareloom.serving.versions.mirror import Mirror, mirrored
from wareloom.serving.versions.publish import publish
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import id_of


@pytest.fixture(scope="module")
def server() -> Iterator[Buckets]:
    with buckets("shop") as one:
        yield one


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, shop = tmp_path_factory.mktemp("bundles"), branded()
    for name in ("popularity", "transitions"):
        written(folder / name, fitted(name, shop), shop)
    return [folder / "popularity", folder / "transitions"]


@pytest.fixture
def address(server: Buckets, tmp_path: Path) -> str:
    return f"s3://shop/of/{tmp_path.name}"


def replica(address: str, folder: Path) -> tuple[Store, Mirror]:
    store = mirrored(Settings(store=folder, versions=address))
    return store, Mirror(Bucket(address), store)


def test_what_is_published_is_live_on_all_replicas_and_rolled_back_there(
    address: str, bundles: list[Path], tmp_path: Path
) -> None:
    first, _ = publish_to(address, bundles[0], "home")
    one, two = (replica(address, tmp_path / name) for name in ("one", "two"))
    assert one[0].secret == two[0].secret != b""
    second, _ = publish_to(address, bundles[1], "home")
    bucket = Bucket(address)
    assert [m.look() for _, m in (one, two)] == [["home"], ["home"]]
    assert [m.look() for _, m in (one, two)] == [[], []]
    for store, _ in (one, two):
        assert store.history("home") == bucket.history("home")
        assert store.checked(second) == second
    assert bucket.roll_back("home").live == first
    bucket.set_arms("home", {second: 0.5})
    for store, mirror in (one, two):
        mirror.look()
        assert store.live("home") == bucket.live("home")
        assert (store.live("home") or bucket).arms == {second: 0.5}  # type: ignore[union-attr]

    async def asked() -> None:
        clients = [Client(store.root) for store, _ in (one, two)]
        told = [await c.post("/recommend", user="u", k=3) for c in clients]
        assert told[0]["version"] == told[1]["version"]
        # A page token of one holds on the other.
        pages = [await c.post("/recommend", user="u", k=3, page=told[0]["page"]) for c in clients]
        assert pages[0]["hits"] == pages[1]["hits"] != told[0]["hits"]
        shares = [
            [(await c.post("/recommend", user=f"u{n}", k=1))["version"] for n in range(60)]
            for c in clients
        ]
        assert shares[0] == shares[1]
        assert set(shares[0]) == {first, second}

    run(asked())


def test_a_glance_sees_changes_of_known_slots_and_asks_for_no_content_else(
    address: str, bundles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_to(address, bundles[0], "home")
    store, mirror = replica(address, tmp_path / "one")
    mirror.look()
    second, _ = publish_to(address, bundles[1], "home")
    publish_to(address, bundles[1], "basket")
    assert mirror.glance() == ["home"]
    assert (store.live("home") or [""])[1] == second
    assert store.checked(second) == second
    # Nothing changed: no lines come, no list is asked for, nothing is written.
    monkeypatch.setattr(mirror.bucket, "tags", None)
    monkeypatch.setattr(mirror, "_take_lines", None)
    assert mirror.glance() == []
    monkeypatch.undo()
    # A new slot is found by the list; one that is gone changes nothing.
    assert mirror.look() == ["basket"]
    bucket = Bucket(address)
    bucket._client.delete_object(Bucket=bucket.bucket, Key=f"{bucket.prefix}slots/home.jsonl")
    assert mirror.glance() == []
    assert (store.live("home") or [""])[1] == second


def test_a_process_opens_what_became_live_before_anybody_asks(
    bundles: list[Path], tmp_path: Path
) -> None:
    publish(bundles[0], tmp_path / "store", "home")
    client = Client(tmp_path / "store")
    second, _ = publish(bundles[1], tmp_path / "store", "home")

    async def waited() -> str:
        client.app.slots.look()
        opening = client.app.slots._slots["home"].opening
        assert opening is not None
        await opening
        # No stat, no request: what answers next is there.
        return client.app.slots._slots["home"].live.id

    assert run(waited()) == second
    (tmp_path / "store" / "slots" / "home.jsonl").unlink()
    client.app.slots.look()


def test_of_two_who_change_a_slot_at_once_one_is_told_so(
    address: str, bundles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = publish_to(address, bundles[0], "home")
    second, _ = publish_to(address, bundles[1], "home")
    one, two = Bucket(address), Bucket(address)
    real = one._append

    def crossed(slot: str, line: bytes) -> None:
        two.set_shadow("home", first)
        real(slot, line)

    monkeypatch.setattr(one, "_append", crossed)
    with pytest.raises(Crossed, match="changed by somebody else"):
        one.roll_back("home")
    live = Bucket(address).live("home")
    assert live is not None
    assert (live.live, live.shadow) == (second, first)


def test_a_publication_that_is_crossed_is_told_anew(
    address: str, bundles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_to(address, bundles[0], "home")
    real, crossings = Bucket._append, []

    def crossed(self: Bucket, slot: str, line: bytes) -> None:
        if not crossings:
            crossings.append(1)
            Bucket(address).set_shadow("home", Bucket(address).every_version()[0])
        real(self, slot, line)

    monkeypatch.setattr(Bucket, "_append", crossed)
    second, _ = publish_to(address, bundles[1], "home")
    assert [c.by for c in Bucket(address).history("home")] == ["publish", "shadow", "publish"]
    live = Bucket(address).live("home")
    assert live is not None
    assert live.live == second
    assert live.shadow is not None


def test_a_bucket_that_is_gone_changes_nothing(
    server: Buckets, address: str, bundles: list[Path], tmp_path: Path
) -> None:
    first, _ = publish_to(address, bundles[0], "home")
    store, mirror = replica(address, tmp_path / "one")
    server.stop()
    try:
        with pytest.raises(ServiceError, match="cannot be listed"):
            mirror.look()
        with pytest.raises(ServiceError):
            mirrored(Settings(store=tmp_path / "new", versions=address))
        again = mirrored(Settings(store=tmp_path / "one", versions=address))
        assert (again.live("home") or [""])[1] == first

        async def asked() -> None:
            assert (await Client(store.root).post("/recommend"))["version"] == first

        run(asked())
    finally:
        server.start()


@pytest.mark.parametrize("damage", ["file", "manifest", "missing", "outside"])
def test_a_damaged_version_does_not_become_live(
    address: str, bundles: list[Path], tmp_path: Path, damage: str
) -> None:
    first, _ = publish_to(address, bundles[0], "home")
    store, mirror = replica(address, tmp_path / "one")
    second, _ = publish_to(address, bundles[1], "home")
    bucket = Bucket(address)
    told = bucket.manifest(second)
    name = next(file for file, note in told["files"].items() if note["bytes"] > 20)
    place = bucket.prefix + f"versions/{second}/"

    def put(file: str, content: bytes) -> None:
        bucket._client.put_object(Bucket="shop", Key=place + file, Body=content)

    if damage == "file":
        put(name, bytes(told["files"][name]["bytes"]))
    elif damage == "manifest":
        put("version.json", json.dumps(told | {"rules": {"pin": []}}).encode())
    elif damage == "missing":
        bucket._client.delete_object(Bucket="shop", Key=place + name)
    else:
        evil: dict[str, Any] = told | {"files": told["files"] | {"../../evil": {"bytes": 4}}}
        put("version.json", json.dumps(evil | {"id": id_of(evil)}).encode())
    with pytest.raises((SourceError, ServiceError)):
        mirror.look()
    assert (store.live("home") or [""])[1] == first
    assert sorted(p.name for p in store.versions.iterdir()) == [first]
    assert not list(tmp_path.rglob("evil"))


def test_what_is_not_there_is_said(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no bucket"):
        Bucket("s3://NO")
    with pytest.raises(UnknownNameError):
        Bucket(address).history("home")
    with pytest.raises(UnknownNameError):
        Bucket(address).set_live("home", "abcd")
    with pytest.raises(ServiceError, match="NoSuchBucket"):
        Bucket("s3://nowhere/x").names()
