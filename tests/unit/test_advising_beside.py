"""What advice says of photos and dialogues: what was planted is counted and said, and nothing of what is not there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from advice_shops import few
from wareloom.advising import AdviceSettings, planned
from wareloom.advising._beside_proves import (
    NOT_NEW,
    RECIPE_DIALOGUES,
    RECIPE_PICTURES,
    lift_of_pictures,
    provable,
    recipes,
)
from wareloom.advising._beside_says import of_dialogues, of_photos
from wareloom.advising._data import Worked
from wareloom.advising._look import look
from wareloom.core.run import Run
from wareloom.core.sentences import Say
from wareloom.errors import InputError
from wareloom.preparing.splits import SplitSettings
from wareloom.preparing.statistics_beside import dialogues, photos
from wareloom.recipe.load import Recipe
from wareloom.report.advice import ENGLISH
from wareloom.shop import Shop
from wareloom.testing.pictures import encoded, taste_shop
from wareloom.testing.talks import talks

RUN = Run(seed=3, threads=1, quiet=True)
PLAIN = encoded(np.zeros((8, 8, 3), dtype=np.uint8))
CLASSES = {"bag": 12, "hat": 10, "shoe": 3}


def pictured(behaviour: bool = True, made: int = 5) -> Shop:
    """Photos of three classes, two items without, pictures that were made; of each third item somebody bought it."""
    kinds = [kind for kind, number in CLASSES.items() for _ in range(number)] + ["bag", "hat"]
    names = [f"i{n}" for n in range(len(kinds))]
    shown = names[:-2]
    images = pl.DataFrame(
        {
            "item_id": shown + shown[:made],
            "image": [PLAIN] * (len(shown) + made),
            "origin": ["real"] * len(shown) + ["image_vae@1"] * made,
            "purpose": [None] * len(shown) + ["training"] * made,
        },
        schema_overrides={"purpose": pl.String},
    )
    tables: dict[str, Any] = {
        "items": pl.DataFrame({"item_id": names, "category": [["Shop", kind] for kind in kinds]}),
        "images": images,
    }
    if behaviour:
        bought = names[::3]
        tables["events"] = pl.DataFrame(
            {"user_id": bought, "item_id": bought, "event": ["purchase"] * len(bought)}
        )
    return Shop(tables, {"name": "photos"})


def test_photos_are_counted_by_class_and_by_who_chose_what() -> None:
    assert photos(pictured()) == {
        "photos": 25, "made": 5, "made_for_training": 5, "items": 27, "items_shown": 25, "items_shown_and_had": 9,
        "items_shown_and_new": 16, "classes": 3, "classes_enough": 2, "smallest": ["shoe", 3], "largest": ["bag", 12],
    }  # fmt: skip
    assert photos(few()) == {}
    assert dialogues(few()) == {}


@pytest.mark.parametrize(
    ("shop", "said", "unsaid"),
    [
        (
            pictured(),
            [
                *("25 photos show 25 of 27 items (93%)", "5 pictures more", "3 classes; the smallest, shoe, has 3"),
                *("1 classes have fewer than 10", "9 items have a photo and somebody", "--lift"),
            ],
            ["cannot be proved here"],
        ),
        (
            pictured(behaviour=False, made=0),
            ["cannot be proved here", "recipe-pictures.toml"],
            ["--lift", "made for training"],
        ),
        (
            Shop(
                {
                    "items": pl.DataFrame({"item_id": ["a"]}),
                    "images": pl.DataFrame({"item_id": ["a"], "image": [PLAIN]}),
                }
            ),
            ["no class to make photos of", "cannot be proved here"],
            ["recipe-pictures.toml", "wareloom photos"],
        ),
        (few(), [], ["photo"]),
    ],
    ids=["photos and behaviour", "photos alone", "no category", "no photos"],
)  # fmt: skip
def test_what_is_said_of_photos_is_true_of_the_shop(
    shop: Shop, said: list[str], unsaid: list[str]
) -> None:
    told = of_photos({"photos": photos(shop)})
    assert bool(told) == bool(said)
    whole = " ".join(told)
    assert [each for each in said if each not in whole] == []
    assert [each for each in unsaid if each in whole] == []
    in_chinese(told)


def in_chinese(told: list[str]) -> None:
    """Each sentence has its Chinese, and no English in it."""
    for each in told:
        retold = Say("zh").retold("advised", each)
        assert retold != each, each
        assert not ENGLISH.search(retold), retold


def worked(shop: Shop) -> Worked:
    return Worked(shop, shop, SplitSettings(by="time"), "file", shop.rows("events"), 1.0)


def test_the_lift_of_pictures_is_found_where_it_is_and_not_where_they_were_dealt_to_others() -> (
    None
):
    shop = taste_shop()
    found = lift_of_pictures(worked(shop), RUN)
    assert found["verdict"] == "helps"
    told = of_photos({"photos": photos(shop)}, found)
    assert told[-1].startswith("Pictures lift new items here: ndcg@10 ")
    in_chinese(told)
    images = shop.table("images")
    order = np.random.default_rng(5).permutation(len(images))
    dealt = shop.with_tables(images=images.with_columns(item_id=images["item_id"].gather(order)))
    found = lift_of_pictures(worked(dealt), RUN)
    assert found["verdict"] == "no evidence"
    in_chinese(of_photos({"photos": photos(dealt)}, found))


def test_where_nothing_was_new_that_is_said() -> None:
    found = lift_of_pictures(worked(pictured()), RUN)
    assert found == {"why": NOT_NEW}
    told = of_photos({"photos": photos(pictured())}, found)
    assert "Before the test part that could not be told" in told[-2]
    in_chinese(told)


def test_the_recipe_proves_photos_and_is_written_where_classes_are_there(tmp_path: Path) -> None:
    made = recipes(asdict(look(pictured())), tmp_path)
    (tmp_path / RECIPE_PICTURES).write_text(made[RECIPE_PICTURES], encoding="utf-8")
    assert Recipe.load(tmp_path / RECIPE_PICTURES).prove.of == "pictures"
    assert recipes(asdict(look(few())), tmp_path) == {}


def test_dialogues_are_counted_by_role_intent_slot_and_language() -> None:
    both = [talks(30, 1), talks(10, 2, "zh")]
    rows = [one.table("dialogues") for one in both]
    rows[1] = rows[1].with_columns(dialogue_id=pl.format("z{}", "dialogue_id"))
    agent = (
        rows[0]
        .head(3)
        .with_columns(
            role=pl.lit("agent"),
            turn=pl.col("turn") + 50,
            text=pl.Series(["Hi.", None, None]),
            intent=None,
            slots=None,
        )
    )
    shop = Shop({"items": both[0].table("items"), "dialogues": pl.concat([*rows, agent])})
    found = dialogues(shop)
    assert found["dialogues"] == 40
    assert found["languages"] == {"en": 30, "zh": 10}
    assert (found["agents"], found["agents_unseen"]) == (1, 2)
    assert found["customers"] == found["turns"] - 1 == len(rows[0]) + len(rows[1])
    named = pl.concat(rows)["intent"]
    assert found["intents"] == named.n_unique()
    assert found["slots"] == 1
    told = of_dialogues({"talks": found, "has": {"texts": True}})
    whole = " ".join(told)
    assert "40 dialogues with" in whole
    assert "by language: en 30, zh 10." in whole
    assert "Agents say 1 of these turns." in whole
    assert "lend it others" in whole, "so small a log has few phrases"
    in_chinese(told)


def test_a_log_without_intents_slots_or_agents_is_told_so() -> None:
    shop = talks(30, 1)
    rows = shop.table("dialogues").select("dialogue_id", "turn", "role", "text")
    told = of_dialogues(
        {"talks": dialogues(shop.with_tables(dialogues=rows)), "has": {"texts": True}}
    )
    whole = " ".join(told)
    for each in ("No agent's words", "No intents are named", "No slots are marked"):
        assert each in whole
    assert "has nothing to ask here" in whole
    in_chinese(told)


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({}, ("intents", "slots", "replies")),
        ({"intents_enough": 1}, ("slots", "replies")),
        ({"intents_enough": 0, "slots": 0}, ("replies",)),
        ({"intents_enough": 0, "slots": 0, "agents": 0}, ()),
        ({"intents_enough": 0, "phrases": 99}, ("slots",)),
        ({"dialogues": 40}, ("intents",)),
    ],
)
def test_what_can_be_proved_of_dialogues_gets_its_sentence_and_its_recipe(
    changes: dict[str, int], asks: tuple[str, ...], tmp_path: Path
) -> None:
    found = {
        "dialogues": 500, "turns": 2_000, "customers": 1_200, "agents": 800, "agents_unseen": 0, "intents": 4,
        "intents_enough": 3, "slots": 2, "languages": {"en": 500}, "phrases": 900,
    } | changes  # fmt: skip
    assert provable(found, titled=True) == asks
    seen = {"talks": found, "has": {"texts": True}}
    told = of_dialogues(seen)
    in_chinese(told)
    made = recipes(seen, tmp_path)
    if not asks:
        assert made == {}
        assert "has nothing to ask here" in told[-1]
        return
    assert f"`wareloom run recipe-dialogues.toml` for {asks[0]}." in told[-1]
    (tmp_path / RECIPE_DIALOGUES).write_text(made[RECIPE_DIALOGUES], encoding="utf-8")
    recipe = Recipe.load(tmp_path / RECIPE_DIALOGUES)
    assert recipe.prove.of == "dialogues"
    assert f'asks = "{asks[0]}"' in made[RECIPE_DIALOGUES]
    assert recipe.synthesize.name == ("flow" if asks[0] == "replies" else "utterances")


def test_replies_are_not_proved_where_no_item_has_a_title() -> None:
    found = {"dialogues": 500, "intents_enough": 0, "slots": 0, "agents": 800, "phrases": 900}
    assert provable(found, titled=False) == ()


def test_a_shop_of_photos_and_dialogues_alone_is_told_what_it_can_ask() -> None:
    shop = pictured(behaviour=False).with_tables(dialogues=talks(3).table("dialogues"))
    with pytest.raises(InputError, match=r"no behaviour .* --of pictures`\..* --of dialogues`\."):
        planned(shop, AdviceSettings(), RUN)
