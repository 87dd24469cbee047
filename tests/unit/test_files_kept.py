"""Places that commands write to: nothing is written over unasked, notes survive, links are followed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from conftest import small_shop
from wareloom.core import files
from wareloom.core.files import free_file, free_folder, landing, one_spelling, replacing
from wareloom.errors import OutputError
from wareloom.shop import Shop


def test_a_file_is_not_written_over_unasked(tmp_path: Path) -> None:
    place = tmp_path / "a.json"
    assert free_file(place) == place
    place.write_text("mine")
    with pytest.raises(OutputError, match=r"a\.json exists already.*--force"):
        free_file(place)
    assert free_file(place, force=True) == place
    with pytest.raises(OutputError, match="is a folder"):
        free_file(tmp_path, force=True)


def test_a_folder_is_not_replaced_unasked(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "a"
    free_folder(place)
    small_shop().save(place)
    with pytest.raises(OutputError, match=r"a holds a result already.*--force"):
        free_folder(place)
    free_folder(place, force=True)
    with pytest.raises(OutputError, match="is not one of Wareloom's folders"):
        free_folder(place, "split.json", force=True)
    with pytest.raises(OutputError, match=r"shop\.json is a file; choose a folder for b"):
        free_folder(place / "shop.json" / "deep" / "b", force=True)
    (tmp_path / "link").symlink_to(place)
    with pytest.raises(OutputError, match=r"link holds a result already"):
        free_folder(tmp_path / "link")


def test_a_link_leads_to_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert free_file(tmp_path / "link") == tmp_path / "real"
    shop = small_shop().save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert Shop.open(tmp_path / "real").fingerprint == shop.fingerprint
    again = small_shop(seed=5).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert Shop.open(tmp_path / "real").fingerprint == again.fingerprint
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(OutputError, match="round cannot be written"):
        landing(tmp_path / "round")


@pytest.mark.parametrize("exchange", [True, False])
def test_notes_beside_a_shop_survive(
    exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:
        monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    shop = small_shop().save(tmp_path / "shop")
    notes = {"NOTES.txt": "a", ".hidden": "b", "my.parquet": "c", "more/deep/x.md": "d"}
    for name, text in notes.items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text)
    (tmp_path / "shop" / "to").symlink_to("NOTES.txt")
    items = Shop({"items": shop.table("items")}).save(tmp_path / "shop")
    assert items.names == ["items"]
    assert not (tmp_path / "shop" / "events.parquet").exists()
    for name, text in notes.items():
        assert (tmp_path / "shop" / name).read_text() == text
    assert os.readlink(tmp_path / "shop" / "to") == "NOTES.txt"
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_a_bundle_with_a_note_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bundle.json").write_text("{}")
    (tmp_path / "b" / "why.txt").write_text("mine")
    with (
        pytest.raises(OutputError, match=r"why\.txt, which Wareloom did not write"),
        replacing(tmp_path / "b", marker="bundle.json"),
    ):
        pass
    assert (tmp_path / "b" / "why.txt").read_text() == "mine"


@pytest.mark.parametrize("place", [".", "..", "/", "./", "a/.."])
def test_the_folder_one_stands_in_is_none_to_write(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="the folder that you stand in"), replacing(Path(place)):
        pass


def test_what_dead_processes_left_is_cleared_and_put_back(tmp_path: Path) -> None:
    whole = small_shop().save(tmp_path / "shop").fingerprint
    dead = 2**22 - 7
    (tmp_path / f".shop.partial-{dead}").mkdir()
    (tmp_path / "shop").rename(tmp_path / f".shop.old-{dead}")
    (tmp_path / ".shop.partial-1").mkdir()
    with pytest.raises(RuntimeError), replacing(tmp_path / "shop"):
        raise RuntimeError
    assert Shop.open(tmp_path / "shop").fingerprint == whole
    # The first process of all runs.
    assert sorted(p.name for p in tmp_path.iterdir()) == [".shop.partial-1", "shop"]


def test_paths_have_one_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "ease").mkdir()
    (tmp_path / "link").symlink_to("x")
    spellings = ["./x", "x/", "x/../x", str(tmp_path / "x"), "./link", "link/"]
    told = {json.dumps(one_spelling({"read": [{"set": {"f": word}}]})) for word in spellings}
    assert len(told) == 1
    assert one_spelling({"source": "x"}) == one_spelling({"source": "link"})
    # A word is no path because a folder is called like it.
    assert one_spelling({"name": "ease", "n": 1.5, "none": None}) == {
        "name": "ease",
        "n": 1.5,
        "none": None,
    }
    assert one_spelling("no/such") == "no/such"
    assert one_spelling("sqlite:///x") == "sqlite:///x"
