"""Signing in to the console: who may, how long, what a forged or ended cookie does, and what rolling back needs."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from stores import Client, made_store, run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.serving.versions.store import Store
from wareloom.serving.web import people as people_
from wareloom.serving.web.people import People

WORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id with little memory: what it costs is not what is tested."""
    from argon2 import PasswordHasher

    monkeypatch.setattr(
        people_, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    )


@pytest.fixture
def client(tmp_path: Path) -> Client:
    place = made_store(tmp_path, "popularity")
    made_store(tmp_path, "transitions")
    People(place / "people.json").add("ann", WORD)
    return Client(place)


async def sign_in(client: Client, name: str = "ann", password: str = WORD, **more: str) -> Any:
    return await client.ask(
        "POST", "/console/sign-in", {"name": name, "password": password}, more or None
    )


async def signed(client: Client) -> dict[str, str]:
    """Headers of somebody who is signed in, without the token."""
    _, _, told = await sign_in(client)
    return {"cookie": told["set-cookie"].partition(";")[0]}


async def state(client: Client, headers: dict[str, str]) -> Any:
    return await client.ask("GET", "/console/state", None, headers)


def test_passwords_are_kept_as_argon2id_in_a_file_of_the_owner(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    people.add("ann", WORD)
    text = (tmp_path / "people.json").read_text()
    assert WORD not in text
    assert json.loads(text)[0]["argon2id"].startswith("$argon2id$v=19$")
    assert stat.S_IMODE(os.stat(tmp_path / "people.json").st_mode) == 0o600
    assert people.check("ann", WORD)
    assert not people.check("ann", WORD + " ")
    assert not people.check("bob", WORD)
    assert not people.check("bob", "nobody's password")
    os.chmod(tmp_path / "people.json", 0o644)
    with pytest.raises(SourceError, match="can be read by others"):
        len(People(tmp_path / "people.json"))


def test_the_profile_is_the_one_that_rfc_9106_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    hasher = people_._hasher()
    assert hasher.type.name == "ID"
    assert hasher.memory_cost == 65536
    assert hasher.time_cost == 3


@pytest.mark.parametrize(
    "text", ["[]x", "{}", '[{"name": "a", "argon2id": "plain"}]', '[{"a": 1}]']
)
def test_a_file_that_is_none_of_people_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people.json"
    path.write_text(text)
    path.chmod(0o600)
    if text == "{}":
        assert People(path).names() == []
        return
    with pytest.raises(SourceError):
        People(path).names()


def test_names_and_passwords_have_limits(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    with pytest.raises(InputError, match="5 characters"):
        people.add("ann", "short")
    with pytest.raises(SettingError, match="person"):
        people.add("ann\n", WORD)
    with pytest.raises(InputError, match="Nobody is called"):
        people.forget("ann")


def test_the_cookie_is_for_this_page_alone(client: Client) -> None:
    async def work() -> None:
        status, _, told = await sign_in(client)
        assert status == 200
        flags = told["set-cookie"].split("; ")[1:]
        assert {"HttpOnly", "SameSite=Strict", "Path=/console", "Max-Age=28800"} == set(flags)
        assert WORD not in told["set-cookie"]

    run(work())


def test_off_this_machine_the_cookie_goes_over_tls_alone(tmp_path: Path) -> None:
    place = made_store(tmp_path, "popularity")
    People(place / "people.json").add("ann", WORD)
    client = Client(place, hosts=("shop.example",))
    _, _, told = run(sign_in(client, host="shop.example"))
    assert told["set-cookie"].endswith("; Secure")
    status, _, _ = run(sign_in(client, host="evil.example"))
    assert status == 421


def test_what_is_shown_and_rolled_back(client: Client) -> None:
    async def work() -> None:
        headers = await signed(client)
        status, told, _ = await state(client, headers)
        assert status == 200
        (home,) = told["slots"]
        store = Store(client.app.store.root)
        versions = [change.live for change in store.history("home")]
        assert home["live"] == versions[-1]
        assert [change["live"] for change in home["history"]] == versions[::-1]
        assert told["counts"]["failures"] == 0
        asked = {"slot": "home", "live": home["live"]}
        headers["x-csrf-token"] = told["token"]
        status, answer, _ = await client.ask("POST", "/console/roll-back", asked, headers)
        assert status == 200
        assert answer["live"] == versions[0]
        assert store.history("home")[-1].by == "roll back"
        # Pressed twice, or by two people: what is meant is the version that was shown.
        status, _, _ = await client.ask("POST", "/console/roll-back", asked, headers)
        assert status == 409
        _, told, _ = await state(client, headers)
        assert told["slots"][0]["live"] == versions[0]
        asked = {"slot": "none", "live": "x"}
        status, _, _ = await client.ask("POST", "/console/roll-back", asked, headers)
        assert status == 404

    run(work())


def test_a_slot_of_a_bucket_is_rolled_back_there(client: Client) -> None:
    async def work() -> None:
        headers = await signed(client)
        _, told, _ = await state(client, headers)
        client.app.console.bucket = "s3://shop/wareloom"
        asked = {"slot": "home", "live": told["slots"][0]["live"]}
        right = headers | {"x-csrf-token": told["token"]}
        status, said, _ = await client.ask("POST", "/console/roll-back", asked, right)
        assert status == 409
        assert "bucket" in said["error"]
        assert len(client.app.store.history("home")) == 2

    run(work())


def test_nothing_changes_without_the_token_or_from_another_site(client: Client) -> None:
    async def work() -> None:
        headers = await signed(client)
        _, told, _ = await state(client, headers)
        asked = {"slot": "home", "live": told["slots"][0]["live"]}
        for more in ({}, {"x-csrf-token": "x"}, {"x-csrf-token": told["token"][:-1] + "g"}):
            status, _, _ = await client.ask("POST", "/console/roll-back", asked, headers | more)
            assert status == 403
        right = headers | {"x-csrf-token": told["token"]}
        for more, wanted in (
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"content-type": "text/plain"}, 415),
            ({"host": "evil.example"}, 421),
        ):
            status, _, _ = await client.ask("POST", "/console/roll-back", asked, right | more)
            assert status == wanted
        assert len(client.app.store.history("home")) == 2

    run(work())


def test_forged_ended_and_old_cookies_are_nobodys(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        headers = await signed(client)
        value = headers["cookie"]
        for odd in ("", "x", value[:-1] + ("0" if value[-1] != "0" else "1"), value + "0"):
            assert (await state(client, {"cookie": odd}))[0] == 401
        name, _, rest = value.partition("=")
        content, _, code = rest.partition(".")
        other = content[:-2] + ("AA" if content[-2:] != "AA" else "BB")
        assert (await state(client, {"cookie": f"{name}={other}.{code}"}))[0] == 401
        assert (await state(client, headers))[0] == 200
        now = time.time()
        with monkeypatch.context() as later:
            later.setattr("wareloom.serving.web.console.time.time", lambda: now + 9 * 3600)
            assert (await state(client, headers))[0] == 401
        # Signed out here, it is over in every process.
        _, told, _ = await state(client, headers)
        right = headers | {"x-csrf-token": told["token"]}
        status, _, _ = await client.ask("POST", "/console/sign-out", {}, right)
        assert status == 200
        assert (await state(client, headers))[0] == 401
        assert (await state(Client(client.app.store.root), headers))[0] == 401

    run(work())


def test_another_password_or_none_ends_what_is_signed_in(client: Client) -> None:
    async def work() -> None:
        headers = await signed(client)
        people = People(client.app.store.root / "people.json")
        people.add("ann", "another password")
        assert (await state(client, headers))[0] == 401
        assert (await sign_in(client))[0] == 401
        assert (await sign_in(client, password="another password"))[0] == 200
        people.forget("ann")
        status, told, _ = await sign_in(client)
        assert status == 403
        assert "--person" in told["error"]

    run(work())


def test_guessing_is_slowed_down_and_says_nothing_of_names(client: Client) -> None:
    async def work() -> None:
        said = set()
        for name in ("ann", "nobody"):
            for _ in range(5):
                status, told, _ = await sign_in(client, name, "wrong password")
                said.add((status, told["error"]))
        assert said == {(401, "The name or the password is wrong.")}
        status, _, told = await sign_in(client)
        assert status == 429
        assert told["retry-after"] == "60"

    run(work())


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", 400),
        (b"[]", 422),
        (b'{"name": 3}', 422),
        (b'{"name": "ann", "password": "\\u0000"}', 401),
        (b'{"name": "ann", "password": "\\ud800"}', 400),
        (b'{"more": 1}', 422),
        (b'{"name": "' + b"a" * 100_000 + b'", "password": "x"}', 401),
        (b'{"name": "ann", "password": "' + b"a" * 100_000 + b'"}', 401),
    ],
)
def test_odd_bodies_are_refused(client: Client, body: bytes, wanted: int) -> None:
    status, _, _ = run(client.ask("POST", "/console/sign-in", body))
    assert status == wanted


def test_pages_run_no_script_of_others_and_none_of_their_own_inline(client: Client) -> None:
    for path in ("/console", "/console/page.css", "/console/page.js"):
        status, text, told = run(client.ask("GET", path))
        assert status == 200
        policy = told["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        if path == "/console":
            assert not re.search(r"\son\w+\s*=|<style|\sstyle=|javascript:|<script>", text)


def test_keys_of_clients_open_no_console_and_cookies_open_nothing_else(client: Client) -> None:
    from wareloom.serving.web.keys import Keys

    async def work() -> None:
        key = Keys(client.app.store.root / "keys.json").add("k", "admin", 1)
        bearer = {"authorization": f"Bearer {key}"}
        assert (await state(client, bearer))[0] == 401
        headers = await signed(client)
        assert (await client.ask("GET", "/slots", None, headers))[0] == 401
        assert (await state(client, headers))[0] == 200

    run(work())
