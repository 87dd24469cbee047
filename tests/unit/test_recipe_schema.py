"""The JSON schema of a recipe: what it takes `Recipe.of` takes, what it refuses is refused."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from wareloom.errors import WareloomError
from wareloom.recipe.load import Recipe
from wareloom.recipe.schema import outline, recipe_schema

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = recipe_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_schema_in_the_docs_is_the_present_one() -> None:
    text = json.dumps(recipe_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert (ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_our_recipes_keep_to_it_and_are_read_without_a_warning(
    path: Path, validator: Draft202012Validator
) -> None:
    validator.validate(tomllib.loads(path.read_text()))
    validator.validate(json.loads(json.dumps(Recipe.load(path).plain(), default=str)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"stages": ["reed"]},
        {"prove": {"seeds": 0}},
        {"prove": {"guard": 7}},
        {"prove": {"of": "clicks", "effect": -1}},
        {"prove": {"of": "search", "relevant": 4}},
        {"prove": {"of": "weather"}},
        {"prove": {"of": "clicks", "labelled": 0}},
        {"split": {"by": "moon"}},
        {"make": {"mix": "never"}},
        {"reed": {}},
        {"train": {"set": 3}},
    ],
    ids=str,
)
def test_what_the_schema_refuses_is_refused(
    wrong: dict[str, Any], validator: Draft202012Validator
) -> None:
    assert not validator.is_valid(wrong)
    with pytest.raises(WareloomError):
        Recipe.of({"read": {"source": "x"}} | wrong)


def test_people_see_every_table() -> None:
    text = "\n".join(outline())
    for table in ("read", "clean", "split", "synthesize", "mix", "train", "prove", "make"):
        assert f"[{table}]" in text
    assert "single_grade" in text
