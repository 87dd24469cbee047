"""The command check counts what lies beside the log: photos and dialogues."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from tiny_export import wareloom

from wareloom.shop import Shop
from wareloom.testing.pictures import encoded


def test_photos_and_dialogues_are_counted(tmp_path: Path) -> None:
    plain = encoded(np.zeros((8, 8, 3), dtype=np.uint8))
    tables = {
        "items": pl.DataFrame(
            {"item_id": ["a", "b", "c"], "category": [["bags"], ["hats"], ["hats"]]}
        ),
        "images": pl.DataFrame({"item_id": ["a", "b", "b"], "image": [plain] * 3}),
        "dialogues": pl.DataFrame(
            {
                "dialogue_id": ["d", "d", "e"],
                "turn": [0, 1, 0],
                "role": ["customer", "agent", "customer"],
                "text": ["where is my hat", "it was sent", "我想退货"],
                "intent": ["delivery", None, "return"],
            }
        ),
    }
    Shop(tables).save(tmp_path / "shop")
    told = wareloom("check", tmp_path / "shop")
    assert told.code == 0
    assert (
        "3 items, no events, 3 photos of 2 items in 2 classes, 2 dialogues (en: 1, zh: 1) of 3 turns, 2 intents."
        in told.out
    )
    found = json.loads(wareloom("check", tmp_path / "shop", "--json").out)
    assert found["photos"]["items_shown"] == 2
    assert found["dialogues"]["turns"] == 3


def test_a_shop_without_them_says_nothing_of_them(tmp_path: Path) -> None:
    Shop({"items": pl.DataFrame({"item_id": ["a"]})}).save(tmp_path / "shop")
    found = json.loads(wareloom("check", tmp_path / "shop", "--json").out)
    assert "photos" not in found
    assert "dialogues" not in found
