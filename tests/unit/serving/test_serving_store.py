"""Versions and slots: what may be published, what is live, was live, and is again."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from scipy import stats

from bundles import CHOICE, NOTE, fitted, written
from stores import Client, branded, items, run
from wareloom.errors import InputError, OutputError, SettingError, SourceError, UnknownNameError
from wareloom.serving.events.compact import compact
from wareloom.serving.versions.publish import publish, read_smoke
from wareloom.serving.versions.rules import read_rules
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import Version, check_version


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    shop = branded()
    for name, note in (("good", NOTE), ("none", None), ("bad", replace(NOTE, verdict="hurts"))):
        written(folder / name, fitted("transitions", shop), shop, proof=note)
    written(folder / "popular", fitted("popularity", shop), shop)
    return folder


def test_a_proof_that_hurts_is_refused_and_none_only_taken_by_name(
    bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="says that it hurts"):
        publish(bundle / "bad", tmp_path / "s", "home", unproved=True)
    with pytest.raises(InputError, match="--unproved"):
        publish(bundle / "none", tmp_path / "s", "home")
    assert not (tmp_path / "s").exists()
    publish(bundle / "none", tmp_path / "s", "home", unproved=True)

    async def work() -> None:
        assert (await Client(tmp_path / "s").post("/recommend"))["unproved"] is True

    run(work())


def test_what_was_made_of_real_data_alone_is_published_though_synthetic_data_hurts(
    tmp_path: Path,
) -> None:
    shop, harm = branded(), replace(NOTE, verdict="hurts")
    for mixed in (True, False):
        name = tmp_path / f"mixed-{mixed}"
        choice = CHOICE | {"mixed": mixed}
        written(name, fitted("popularity", shop), shop, proof=harm, choice=choice)
    publish(tmp_path / "mixed-False", tmp_path / "s", "home")
    with pytest.raises(InputError, match="says that it hurts"):
        publish(tmp_path / "mixed-True", tmp_path / "s", "home")


def test_a_bundle_that_was_edited_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle / "good", tmp_path / "edited")
    path = tmp_path / "edited" / "recipe.json"
    path.write_text(path.read_text().replace("mine", "yours"))
    with pytest.raises(SourceError, match=r"recipe\.json"):
        publish(tmp_path / "edited", tmp_path / "s", "home")
    assert not (tmp_path / "s").exists()


def test_the_same_bundle_is_the_same_version(bundle: Path, tmp_path: Path) -> None:
    one, _ = publish(bundle / "good", tmp_path / "a", "home")
    two, _ = publish(bundle / "good", tmp_path / "b", "home")
    again, _ = publish(bundle / "good", tmp_path / "a", "other")
    ruled, _ = publish(bundle / "good", tmp_path / "a", "home", rules={"at_most": {"brand": 2}})
    assert one == two == again != ruled
    told = json.loads((tmp_path / "a" / "versions" / one / "version.json").read_text())
    assert (told["ranker"]["name"], told["proof"]["verdict"]) == ("transitions", "helps")
    assert told["created_from"]["fingerprint"] == branded().fingerprint


def test_live_roll_back_and_what_was_live_then(bundle: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    one, first = publish(bundle / "good", tmp_path / "s", "home")
    two, second = publish(bundle / "popular", tmp_path / "s", "home")
    three, _ = publish(bundle / "good", tmp_path / "s", "home", rules={"at_most": {"brand": 1}})
    assert store.live("home").live == three
    assert store.roll_back("home").live == two
    assert store.roll_back("home").live == one
    with pytest.raises(InputError, match="nothing to roll back to"):
        store.roll_back("home")
    store.set_live("home", three[:8])
    assert store.roll_back("home").live == one
    assert store.live("home", first.at).live == one
    assert store.live("home", second.at).live == two
    assert store.live("home", "2001-01-01T00:00") is None
    assert [c.by for c in store.history("home")] == ["publish"] * 3 + ["roll back"] * 2 + [
        "live",
        "roll back",
    ]
    with pytest.raises(InputError, match="'soon' is no time"):
        store.live("home", "soon")
    with pytest.raises(UnknownNameError, match="No version is called 'ffffffff'"):
        store.set_live("home", "ffffffff")
    with pytest.raises(UnknownNameError, match="No slot is called 'hoem'"):
        store.live("hoem")


def test_a_half_written_line_of_a_history_is_passed_over(bundle: Path, tmp_path: Path) -> None:
    one, _ = publish(bundle / "good", tmp_path / "s", "home")
    store = Store.open(tmp_path / "s")
    with (store.slots / "home.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    assert store.live("home").live == one
    two, _ = publish(bundle / "popular", tmp_path / "s", "home")
    assert store.live("home").live == two


def test_a_swap_is_seen_at_the_next_answers_and_a_page_keeps_its_version(
    bundle: Path, tmp_path: Path
) -> None:
    one, _ = publish(bundle / "good", tmp_path / "s", "home")

    async def work() -> None:
        import asyncio

        client = Client(tmp_path / "s")
        first = await client.post("/recommend", history=["i3"], k=5)
        two, _ = publish(bundle / "popular", tmp_path / "s", "home")
        until = time.monotonic() + 20
        while (told := await client.post("/recommend"))[
            "version"
        ] == one and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert told["version"] == two
        second = await client.post("/recommend", history=["i3"], k=5, page=first["page"])
        assert (first["version"], second["version"]) == (one, one)
        assert not set(items(first)) & set(items(second))
        shutil.rmtree(tmp_path / "s" / "versions" / one)
        status, told, _ = await client.ask("POST", "/recommend", {"page": first["page"]})
        assert (status, "gone" in told["error"]) == (410, True)

    run(work())


def test_a_shadow_is_asked_and_not_shown(bundle: Path, tmp_path: Path) -> None:
    one, _ = publish(bundle / "good", tmp_path / "s", "home")
    two, _ = publish(bundle / "popular", tmp_path / "s", "other")
    store = Store.open(tmp_path / "s")
    store.set_shadow("home", two)

    async def work() -> None:
        client = Client(tmp_path / "s")
        assert (await client.post("/recommend", history=["i3"]))["version"] == one
        shadow = client.app.slots.shadow("home")
        assert shadow is not None
        assert shadow.id == two

    run(work())
    assert store.set_shadow("home", None).shadow is None


def test_what_is_edited_lost_or_linked_is_refused(bundle: Path, tmp_path: Path) -> None:
    for number, (harm, said) in enumerate(HARM.items()):
        one, _ = publish(bundle / "good", tmp_path / f"s{number}", "home")
        folder = tmp_path / f"s{number}" / "versions" / one
        HARMS[harm](folder)
        with pytest.raises(SourceError, match=said):
            check_version(folder, whole=True)


HARM = {
    "manifest": "was edited or damaged",
    "byte": "SHA-256 is another",
    "lost": "is not what was published",
    "more": "is not what was published",
    "link": "is not what was published|is no version",
    "format": "of a format that this Wareloom does not read",
}


def _flip(folder: Path) -> None:
    path = folder / "served" / "arrays" / "table.value.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _linked(folder: Path) -> None:
    path = folder / "served" / "arrays" / "table.value.npy"
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")


def _edit(old: str, new: str, folder: Path) -> None:
    path = folder / "version.json"
    path.write_text(path.read_text().replace(old, new))


HARMS = {
    "manifest": lambda folder: _edit('"transitions"', '"popularity"', folder),
    "byte": _flip,
    "lost": lambda folder: (folder / "served" / "arrays" / "ids.order.npy").unlink(),
    "more": lambda folder: (folder / "note.txt").write_text("mine"),
    "link": _linked,
    "format": lambda folder: _edit('"format": 1', '"format": 2', folder),
}


def test_an_index_without_its_file_says_so(bundle: Path, tmp_path: Path) -> None:
    one, _ = publish(bundle / "good", tmp_path / "s", "home")
    folder = tmp_path / "s" / "versions" / one
    (folder / "served" / "arrays" / "table.value.npy").unlink()
    with pytest.raises(SourceError, match=r"table\.value"):
        Version.open(folder)


def test_smoke_queries_are_held_to(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "smoke.toml"
    file.write_text(
        '[[smoke]]\nquery = "Item 3"\nk = 3\nhas = ["i3"]\n[[smoke]]\nhistory = ["i3"]\nlacks = ["i3"]\n'
    )
    one, _ = publish(bundle / "good", tmp_path / "s", "home", smoke=read_smoke(file))
    file.write_text('[[smoke]]\nhistory = ["i3"]\nk = 1\nhas = ["i29"]\n')
    with pytest.raises(InputError, match="lacks 'i29'"):
        publish(bundle / "popular", tmp_path / "s", "home", smoke=read_smoke(file))
    assert Store.open(tmp_path / "s").live("home").live == one
    assert [p.name for p in (tmp_path / "s" / "versions").iterdir()] == [one]
    file.write_text("[[smoke]]\nqueri = 'x'\nhas = ['i3']\n")
    with pytest.raises(SettingError, match="queri"):
        read_smoke(file)


def test_other_folders_and_names_are_left_alone(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note").write_text("x")
    with pytest.raises(OutputError, match="is no store"):
        publish(bundle / "good", tmp_path / "mine", "home")
    with pytest.raises(InputError, match="no name of a slot"):
        publish(bundle / "good", tmp_path / "s", "../up")
    with pytest.raises(SourceError, match="wareloom publish"):
        Store.open(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[pin]]\nitem = 'i3'\nplace = 0\n", "pin.0.place"),
        ("[[boost]]\nbrand = 'a'\nitem = 'i3'\n", "name one of item, brand and category"),
        ("at_most = { brand = 0 }\n", "give 1 or more"),
        ("explore = { share = 2 }\n", "explore.share"),
        ("unknown = 3\n", "unknown"),
        ("not toml", "cannot be read"),
    ],
)
def test_wrong_rules_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(SettingError, match=said):
        read_rules(tmp_path / "rules.toml")


def test_a_slot_that_is_divided_gives_each_shopper_one_version(
    bundle: Path, tmp_path: Path
) -> None:
    one, _ = publish(bundle / "good", tmp_path / "s", "home")
    two, _ = publish(bundle / "popular", tmp_path / "s", "other")
    store = Store.open(tmp_path / "s")
    store.set_arms("home", {two: 0.25})

    async def work() -> None:
        client, again = Client(tmp_path / "s"), Client(tmp_path / "s")
        seen = []
        for n in range(600):
            told = await client.post("/recommend", user=f"u{n}", k=2)
            seen.append(told["version"])
            if n < 40:
                assert (await again.post("/recommend", user=f"u{n}", k=2))["version"] == seen[n]
        assert stats.binomtest(seen.count(two), 600, 0.25).pvalue > 0.001
        assert (await client.post("/recommend"))["version"] == one
        await client.app.close()
        await again.app.close()

    run(work())
    done = compact(store)
    assert done.partition is not None
    shown = pl.read_parquet(done.partition / "exposures.parquet")
    assert len(shown) == 641
    assert set(shown["version"]) == {one, two}
    assert store.set_shadow("home", None).arms == {two: 0.25}
    assert store.set_arms("home", None).arms is None
    assert store.set_live("home", two).arms is None
    assert store.roll_back("home").live == one
    for arms in ({two: 0.0}, {two: 1.5}, {two: 0.6, one: 0.6}):
        with pytest.raises(SettingError, match="split"):
            store.set_arms("home", arms)
