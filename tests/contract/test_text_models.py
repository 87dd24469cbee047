"""What every text model keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from wareloom.core.family import TEXT_MODELS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError
from wareloom.language.models import TextModel

NAMES = TEXT_MODELS.names()


def make(name: str, **settings: object) -> TextModel:
    model = TEXT_MODELS.make(name, **settings)
    assert isinstance(model, TextModel)
    return model


def test_those_that_are_promised_are_there() -> None:
    assert {"embedded", "endpoint", "huggingface", "masked"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name: str) -> None:
    entry = TEXT_MODELS.describe(name)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []
    assert {s.name for s in entry.settings} == set(make(name).settings())


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_round(name: str, tmp_path: Path) -> None:
    model = make(name, system="Be brief.", token_budget="100")
    assert model.name == name
    assert configure(type(model), model.settings()).settings() == model.settings()
    model.fit().save(tmp_path / name)
    assert TEXT_MODELS.restore(tmp_path / name).settings() == model.settings()
    with pytest.raises(SettingError, match="has no setting 'no_such'"):
        make(name, no_such=1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", ["token_budget", "cost_budget"])
def test_a_budget_is_not_negative(name: str, setting: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: {setting} is -1.*; give 0 or more"):
        make(name, **{setting: -1})


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_list_of_texts_is_refused(name: str) -> None:
    model = make(name)
    with pytest.raises(InputError, match="was given the one string 'sink': give a list of texts"):
        model.generate("sink", Run())
    with pytest.raises(InputError, match="Text 1 is 7, a int: give strings"):
        model.generate(["sink", 7], Run())  # type: ignore[list-item]
    with pytest.raises(InputError, match="Text 0 holds half a character at 1"):
        model.generate(["a\ud83d"], Run())
    with pytest.raises(InputError, match="was given 2 prompts and 1 continuations"):
        model.score(["a", "b"], ["c"], Run())
