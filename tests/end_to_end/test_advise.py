"""`wareloom advise` from the command line and from Python: the plan, a kill and `--resume`, and what is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tiny_export import wareloom

import wareloom as wl
from advice_shops import few, items_only, reads_alike, ring
from interrupted import SRC
from wareloom.advising import AdviceSettings, _proving, _recipe, advise, planned
from wareloom.advising._clock import Clock, OutOfTime
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.recipe import Recipe, run_recipe
from wareloom.report.advice import advice_page
from wareloom.testing.pictures import encoded
from wareloom.testing.search_shops import catalogue, search_shop
from wareloom.testing.talks import talks

RUN = Run(seed=1, threads=1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shops") / "ring"
    ring().save(place)
    return place


@pytest.fixture(scope="module")
def given(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Advice on the shop, from the command line."""
    place = tmp_path_factory.mktemp("advice") / "advice"
    said = wareloom(
        "advise", shop, "--to", place, "--minutes", "9.9", "--json", "-q", "--seed", "1"
    )
    assert said.code in (0, 1), said
    return place, json.loads((place / "advice.json").read_text())


def test_the_dry_run_shows_the_plan_and_writes_nothing(shop: Path, tmp_path: Path) -> None:
    said = wareloom("advise", shop, "--minutes", "10", "--dry-run", "--json")
    plan = json.loads(said.out)
    assert [stage["stage"] for stage in plan["stages"]] == [
        "rankers",
        "generators",
        "proof",
        "bundle",
        "attacks",
    ]
    assert sum(stage["seconds"] for stage in plan["stages"]) <= 600
    assert plan["memory_gib"] > 0
    assert list(tmp_path.iterdir()) == []


def test_advice_holds_page_recipe_proof_and_model(given: tuple[Path, Any], shop: Path) -> None:
    place, data = given
    page = (place / "advice.html").read_text()
    assert data["headline"] in page
    assert len(page) < 1_000_000
    assert wl.Proof.open(place / "proof").verdict == data["proof"]["verdict"]
    assert {s["about"] for s in data["sections"]} >= {
        *("has", "without", "adds", "worse", "untold", "wanted", "cost", "leaves"),
    }
    said = wareloom("rank", place / "bundle", "--shop", shop, "--user", "u1")
    assert said.code == 0, said
    again = wareloom("advise", shop, "--to", place)
    assert again.code == 2
    assert "--force" in again.err


def test_the_recipe_runs(given: tuple[Path, Any], tmp_path: Path) -> None:
    place, data = given
    recipe = Recipe.load(place / "recipe.toml")
    done = run_recipe(recipe, tmp_path / "job", RUN)
    assert done.proof is not None
    assert done.proof.data["settings"]["ranker"] == data["rankers"]["ranker"]
    assert done.proof.data["settings"]["seeds"] == 3


def test_advice_goes_on_after_a_kill(shop: Path, tmp_path: Path) -> None:
    place = tmp_path / "advice"
    words = [
        "advise",
        str(shop),
        "--to",
        str(place),
        "--minutes",
        "9.9",
        "--seed",
        "1",
        "--threads",
        "1",
    ]
    command = [sys.executable, "-m", "wareloom", *words]
    work = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env={"PYTHONPATH": str(SRC), "PATH": ""}
    )
    while not list(place.glob(".advice/rankers.json")):
        assert work.poll() is None, "it ended before it was killed"
        time.sleep(0.05)
    work.send_signal(signal.SIGKILL)
    work.wait()
    kept = (place / ".advice" / "rankers.json").read_bytes()
    refused = wareloom(*words)
    assert refused.code == 2
    assert "--resume" in refused.err
    found = advise(wl.Shop.open(shop), AdviceSettings(minutes=9.9), place, RUN, resume=True)
    assert found.data["rankers"]["trials"] == json.loads(kept)["trials"]
    assert found.answer in ("no evidence", "leave it out")
    assert not (place / ".advice").exists()


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_no_minutes_are_refused(minutes: float, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="minutes"):
        wl.advise(few(), tmp_path / "advice", minutes=minutes)


def test_a_second_says_what_did_not_fit_and_more_minutes_go_on(tmp_path: Path) -> None:
    """The shop has photos and dialogues as well: they are in the plan, the answer, the page and a recipe."""
    shop = ring()
    names = shop.table("items")["item_id"].to_list()
    kinds = [["Shop", "bag" if n % 2 else "hat"] for n in range(len(names))]
    plain = encoded(np.zeros((8, 8, 3), dtype=np.uint8))
    shop = shop.with_tables(
        items=shop.table("items").with_columns(category=pl.Series(kinds)),
        images=pl.DataFrame({"item_id": names[:24], "image": [plain] * 24}),
        dialogues=talks(30, 1).table("dialogues"),
    )
    assert planned(shop, AdviceSettings(minutes=1), RUN)["look"]["photos"]["photos"] == 24
    found = wl.advise(shop, tmp_path / "advice", minutes=1 / 60, run=RUN)
    assert found.answer == "not proved"
    sections = {s["about"]: s["sentences"] for s in found.data["sections"]}
    assert "24 photos show 24 of 30 items" in sections["photos"][0]
    assert "30 dialogues with" in sections["dialogues"][0]
    assert found.data["look"]["talks"]["languages"] == {"en": 30}
    assert Recipe.load(tmp_path / "advice" / "recipe-pictures.toml").train.name == "lite0"
    assert "24 张照片展示了 30 件商品中的 24 件" in advice_page(found.data, "zh")
    assert "the proof" in found.data["left_out"] or found.data["generators"] is None
    more = wl.advise(shop, tmp_path / "advice", minutes=9.9, run=RUN, resume=True)
    assert more.data["look"] == found.data["look"]
    assert more.answer in ("no evidence", "leave it out")
    assert more.bundle is not None


def test_a_lighter_system_is_proved_and_the_best_is_kept_as_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_proving, "CELLS", 1e9)
    monkeypatch.setattr(_recipe, "AGAIN", 1e9)
    found = advise(reads_alike(), AdviceSettings(minutes=9.9), tmp_path / "advice", RUN)
    best, proves = found.data["rankers"], found.data["proves"]
    assert proves["label"] != best["label"]
    assert proves["seconds"] == min(one["seconds"] for one in best["systems"])
    assert (
        wl.Proof.open(tmp_path / "advice" / "proof").data["settings"]["ranker"] == proves["ranker"]
    )
    assert 0 < found.data["reached"] <= 1
    assert f"The proof is of {proves['label']}" in str(found.data["sections"])
    manifest = json.loads((tmp_path / "advice" / "bundle" / "bundle.json").read_text())
    if not proves.get("takes over"):
        assert manifest["choice"]["ranker"] == best["ranker"]
        assert manifest["choice"]["data"] == "train"


def test_search_without_judgments_says_that_nothing_can_be_told(tmp_path: Path) -> None:
    found = wl.advise(catalogue(), tmp_path / "advice", minutes=3, for_="search", run=RUN)
    assert found.answer == "not judged"
    assert found.bundle is not None
    assert "judge" in found.data["sections"][0]["sentences"][0]


def test_the_dry_run_of_search_names_what_is_tried(tmp_path: Path) -> None:
    search_shop(150).save(tmp_path / "shop")
    said = wareloom("advise", tmp_path / "shop", "--for", "search", "--dry-run", "--json")
    plan = json.loads(said.out)
    names = ["rankers of search", "queries", "proof of search"]
    assert [stage["stage"] for stage in plan["stages"]] == names
    assert "bm25" in plan["stages"][0]["does"]
    assert "spans" in plan["stages"][1]["does"]
    assert sum(stage["seconds"] for stage in plan["stages"]) <= 1_800


def test_search_is_chosen_by_judgments(tmp_path: Path) -> None:
    shop = search_shop(150)
    found = wl.advise(shop, tmp_path / "advice", minutes=1.5, for_="search", run=RUN)
    labels = {trial["label"] for trial in found.data["search"]["trials"]}
    best = max(found.data["search"]["trials"], key=lambda trial: trial["value"])
    assert {"bm25"} <= labels
    assert found.data["search"]["label"] == best["label"]
    assert 0 < found.data["search"]["test"] <= 1


def test_search_of_items_without_words_is_refused(tmp_path: Path) -> None:
    bare = items_only().with_tables(items=items_only().table("items").select("item_id"))
    with pytest.raises(InputError, match="no texts"):
        wl.advise(bare, tmp_path / "advice", for_="search")


def test_a_shop_of_dialogues_alone_is_told_what_is_proved_of_them(tmp_path: Path) -> None:
    items = pl.DataFrame({"item_id": ["i0"]})
    said = pl.DataFrame({"dialogue_id": ["d"], "turn": [0], "role": ["customer"], "text": ["hi"]})
    with pytest.raises(InputError, match=r"no items.*prove SHOP --of dialogues"):
        wl.advise(wl.Shop({"items": items.clear(), "dialogues": said}), tmp_path / "advice")


def test_the_clock_stops_what_takes_longer() -> None:
    clock = Clock(60)

    def endless() -> None:
        with clock.within(0.5):
            while True:
                sum(range(1000))

    with pytest.raises(OutOfTime):
        endless()
    with clock.within(30):
        pass
    assert Clock(10, spent=4).left <= 6
