"""`wl.open` opens what lies in a folder, and says of anything else what it is; `wl.list` names what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import wareloom as wl
from conftest import small_shop
from wareloom.core.family import FAMILIES
from wareloom.errors import SourceError, UnknownNameError
from wareloom.evaluation.compare import Comparison
from wareloom.preparing.splits import Split
from wareloom.proof.leaderboard import Leaderboard
from wareloom.rankers.baseline.popularity import Popularity
from wareloom.synthesis.behaviour.shuffled import Shuffled


def test_a_folder_is_opened_by_what_lies_there(tmp_path: Path) -> None:
    shop = small_shop().save(tmp_path / "shop")
    assert isinstance(wl.open(tmp_path / "shop"), wl.Shop)
    assert wl.open(str(tmp_path / "shop")).fingerprint == shop.fingerprint
    assert isinstance(wl.open(tmp_path / "shop" / "shop.json"), wl.Shop)
    wl.split(shop, to=tmp_path / "parts", by="user", parts=(0.6, 0.2, 0.2))
    assert isinstance(wl.open(tmp_path / "parts"), Split)
    assert wl.open(tmp_path / "parts").test.rows("events") > 0
    wl.ranker("popularity").fit(shop).save(tmp_path / "model")
    assert isinstance(wl.open(tmp_path / "model"), Popularity)
    wl.synthesizer("shuffled").fit(shop).save(tmp_path / "generator")
    assert isinstance(wl.open(tmp_path / "generator"), Shuffled)


def test_results_are_opened_by_what_lies_there(tmp_path: Path) -> None:
    board, comparison = tmp_path / "board", tmp_path / "compared"
    board.mkdir()
    comparison.mkdir()
    (board / "leaderboard.json").write_text('{"rows": [], "sentence": "s", "settings": {}}')
    (comparison / "compare.json").write_text('{"figures": [], "sentence": "t", "left_out": {}}')
    assert isinstance(wl.open(board), Leaderboard)
    assert isinstance(wl.open(comparison), Comparison)
    assert str(wl.open(comparison)) == "t"
    advice = tmp_path / "advice"
    advice.mkdir()
    (advice / "advice.json").write_text('{"headline": "Leave it out."}')
    assert repr(wl.open(advice)) == "Advice(Leave it out.)"


def test_a_recipe_is_opened(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text('name = "mine"\n[read]\nsource = "export"\n')
    assert wl.open(tmp_path / "job.toml").name == "mine"


def test_a_bundle_and_a_proof_are_asked_for_by_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which opener is taken; what the openers do is tested where they are."""
    asked: list[Any] = []
    monkeypatch.setattr(wl.Bundle, "open", lambda folder, **how: asked.append(("bundle", how)))
    monkeypatch.setattr(wl.Proof, "open", lambda folder: asked.append("proof"))
    for name in ("bundle.json", "proof.json"):
        folder = tmp_path / name.removesuffix(".json")
        folder.mkdir()
        (folder / name).write_text("{}")
        wl.open(folder, allow_code=("mine",))
    assert asked == [("bundle", {"allow_code": ("mine",)}), "proof"]


def test_what_is_not_there_is_said_with_near_names(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    with pytest.raises(SourceError, match=r"nothing at .*shoop. Did you mean 'shop'\?"):
        wl.open(tmp_path / "shoop")
    with pytest.raises(SourceError, match="nothing at"):
        wl.open(tmp_path / "no" / "such")


def test_a_folder_of_something_else_says_what_lies_there_and_what_reads_it(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("user_id,item_id\n")
    with pytest.raises(
        SourceError, match=r"none of advice.json, bundle.json.* orders.csv. wl.read\('"
    ):
        wl.open(tmp_path)
    with pytest.raises(SourceError, match=r"is a file.* wl.read\('.*orders.csv', to='shop'\)"):
        wl.open(tmp_path / "orders.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="but nothing"):
        wl.open(tmp_path / "empty")


def test_a_jobs_folder_names_the_parts_that_can_be_opened(tmp_path: Path) -> None:
    small_shop().save(tmp_path / "shop")
    (tmp_path / "recipe.toml").write_text("")
    with pytest.raises(SourceError, match=r"holds a job: open one of its parts, wl.open\('.*/shop'\)"):  # fmt: skip
        wl.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("shop.json", "{}", "is damaged"),
        ("algorithm.json", '{"family": "sorcerer"}', "names no family"),
        ("algorithm.json", "[]", "names no family"),
        ("algorithm.json", "{", "algorithm.json"),
        ("leaderboard.json", "[1]", "is no leaderboard"),
        ("compare.json", "3", "is no comparison"),
        ("proof.json", "{}", "another version"),
        ("split.json", "{}", "no such folder"),
    ],
)
def test_what_is_damaged_is_said(tmp_path: Path, name: str, text: str, match: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=match):
        wl.open(tmp_path)


def test_code_from_outside_is_asked_about_before_it_is_run(tmp_path: Path) -> None:
    head = {"family": "ranker", "name": "evil:Ranker", "settings": {}, "files": {}}
    (tmp_path / "algorithm.json").write_text(json.dumps(head))
    with pytest.raises(SourceError, match="allow_code"):
        wl.open(tmp_path)


def test_the_names_of_all_algorithms_are_listed() -> None:
    every = wl.list()
    assert set(every) == set(FAMILIES)
    assert "ease" in every["ranker"]
    assert wl.list("ranker") == every["ranker"] == sorted(every["ranker"])
    assert wl.list("rankers") == wl.list("ranker")
    with pytest.raises(UnknownNameError, match=r"'rankr'.*Did you mean 'ranker'"):
        wl.list("rankr")


def test_a_star_import_leaves_pythons_own_names_alone() -> None:
    own: dict[str, Any] = {}
    exec("from wareloom import *", own)
    assert own.get("open", open) is open
    assert "list" not in own
    assert own["Shop"] is wl.Shop
