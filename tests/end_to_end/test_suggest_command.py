"""The command suggest, from a shop on disk."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from tiny_export import wareloom

from wareloom.shop import Shop


def test_the_command(tmp_path: Path) -> None:
    parts = ("spout", "valve", "hose", "handle", "mount")
    items = pl.DataFrame(
        {
            "item_id": ["a", "z"],
            "title": ["Delta Chrome Faucet", "Best!"],
            "attributes": [[{"name": name, "value": f"{name} of brass"} for name in parts], []],
        }
    )
    Shop({"items": items}).save(tmp_path / "shop")
    told = wareloom("suggest", tmp_path / "shop", "a", "--kind", "title", "--json")
    assert told.code == 0
    assert json.loads(told.out)["claims"][0]["field"] == "title"
    shown = wareloom("suggest", tmp_path / "shop", "a").out
    assert "extractive" in shown
    whole = json.loads(wareloom("suggest", tmp_path / "shop", "a", "--json").out)["claims"]
    assert len(whole) > 4
    assert f"{len(whole) - 4} more" in shown
    none = wareloom("suggest", tmp_path / "shop", "z")
    assert none.code == 1
    assert "Nothing can be said of z" in none.out
    plan = wareloom("suggest", tmp_path / "shop", "a", "--dry-run", "--json")
    assert (plan.code, json.loads(plan.out)["calls"]) == (0, 0)
    wrong = wareloom("suggest", tmp_path / "shop", "aa", "--set", "model=m")
    assert wrong.code == 2
    assert "--model" in wrong.err
    assert wareloom("suggest", tmp_path / "shop", "nowhere").code == 2
