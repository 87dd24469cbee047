"""What is proved of photos beside the log: whether they lift new items, and the recipe of what they could teach."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wareloom.advising._data import Worked, parted
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, MissingExtraError
from wareloom.preparing.splits import SplitSettings
from wareloom.preparing.statistics_beside import FEW_PHRASES
from wareloom.proof.cold_pictures import lift_of_neighbours
from wareloom.recipe.load import Recipe

NOT_NEW = "no item was new to those who chose it before the test part"
SHOWN_DIALOGUES = 100
"""Dialogues from which on a proof of slots or of replies has some to learn from and some to ask"""
RECIPE_PICTURES, RECIPE_DIALOGUES = "recipe-pictures.toml", "recipe-dialogues.toml"
PICTURES: dict[str, Any] = {
    "name": "pictures",
    "stages": ["read", "prove"],
    "synthesize": {"name": "image_augment", "screens": []},
    "train": {"name": "lite0"},
    "prove": {"of": "pictures", "seeds": 5, "ratios": [4.0], "metrics": ["macro_f1", "accuracy"]},
}
"""What is proved of photos: altered copies beside repeats and the frozen encoder"""


def lift_of_pictures(worked: Worked, run: Run) -> dict[str, Any]:
    """Find out before the test part whether pictures lift new items, by colours and edges; {"why": …} where it cannot.

    `image_knn` stands beside itself with its pictures dealt to other items.
    """
    found = parted(worked.before, SplitSettings(by="time"), worked.ties, run)
    if found is None:
        return {"why": NOT_NEW}
    try:
        ranker = RANKERS.make("image_knn").fit(found[0].train, run)
        return dict(lift_of_neighbours(ranker, found[1], run).data)
    except MissingExtraError as error:
        return {"why": str(error)}
    except InputError:
        return {"why": NOT_NEW}


def recipes(look: Mapping[str, Any], source: Path) -> dict[str, str]:
    """The recipes, by the file's name, of what can be proved of a shop beside its log."""
    found = {}
    if (look.get("photos") or {}).get("classes_enough", 0) >= 2:
        raw = {**PICTURES, "read": {"source": str(source)}}
        found[RECIPE_PICTURES] = Recipe.of(raw).toml()
    asks = provable(look.get("talks") or {}, titled=bool(look["has"].get("texts")))
    if asks:
        made = "flow" if asks[0] == "replies" else "utterances"
        raw = {
            "name": "dialogues",
            "stages": ["read", "prove"],
            "read": {"source": str(source)},
            "synthesize": {"name": made, "screens": []},
            "prove": {"of": "dialogues", "asks": asks[0]},
        }
        found[RECIPE_DIALOGUES] = Recipe.of(raw).toml()
    return found


def provable(found: Mapping[str, Any], *, titled: bool) -> tuple[str, ...]:
    """Return what a proof of dialogues may ask of what `dialogues` counted: intents, slots, replies.

    `titled`: whether items have titles, which `flow` talks about where replies are made.
    """
    if not found:
        return ()
    enough = found["dialogues"] >= SHOWN_DIALOGUES
    asks = {
        "intents": found["intents_enough"] >= 2,
        "slots": enough and found["slots"] > 0,
        "replies": enough
        and found["agents"] >= SHOWN_DIALOGUES
        and titled
        and found["phrases"] >= FEW_PHRASES,
    }
    return tuple(name for name, there in asks.items() if there)
