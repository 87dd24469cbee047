"""The contract of text models: settings, budgets, and what is asked of them.

A text model that cannot write without a server, a download or a folder is held to these laws alone. One that can, with
the settings in `quick`, names the laws that begin with "writes" in `laws`, one that gives probabilities `scores_texts`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from wareloom.core import state
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import BudgetError, InputError, SettingError
from wareloom.language.models import Sampling, TextModel, estimate
from wareloom.testing.laws import (
    Law,
    every_setting_is_documented,
    keep,
    laws_of,
    refused,
    settings_go_round,
)

PROMPTS = ("A red mug.", "Ein roter Becher.", "红色杯子", "A red mug.")


def saved_and_restored_has_the_same_settings(cls: type[TextModel]) -> None:
    """Text models learn nothing: what is kept is what they were given."""
    made = configure(cls, {**cls.quick, "system": "Be brief.", "token_budget": "100"})
    with tempfile.TemporaryDirectory() as folder:
        made.fit().save(Path(folder) / "saved")
        head = state.read_json(Path(folder) / "saved" / "algorithm.json")
    assert cls.restore(head["settings"], {}).settings() == made.settings()


def a_budget_is_not_negative(cls: type[TextModel]) -> None:
    """Neither that of tokens nor that of cost."""
    for name in ("token_budget", "cost_budget"):
        values = {**cls.quick, name: -1}
        refused(lambda values=values: configure(cls, values), SettingError, f"{name} is -1")  # type: ignore[misc]


def what_is_no_list_of_texts_is_refused(cls: type[TextModel]) -> None:
    """One string, what is no text, half a character, and lists of different lengths are named."""
    model = configure(cls, cls.quick)
    for prompts, words in (
        ("sink", "was given the one string 'sink': give a list of texts"),
        (["sink", 7], "Text 1 is 7, a int: give strings"),
        (["a\ud83d"], "Text 0 holds half a character at 1"),
    ):
        refused(lambda prompts=prompts: model.generate(prompts, Run()), InputError, words)  # type: ignore[misc]
    refused(
        lambda: model.score(["a", "b"], ["c"], Run()),
        InputError,
        "was given 2 prompts and 1 continuations",
    )


def writes_the_same_under_one_seed(cls: type[TextModel]) -> None:
    """An answer for each prompt, the same again; the other prompts do not change it."""
    sampling = Sampling(max_tokens=8)
    first, again = (_written(cls, PROMPTS, sampling, seed=3) for _ in range(2))
    assert len(first) == len(PROMPTS)
    assert first == again
    assert _written(cls, PROMPTS[1:3], sampling, seed=3) == first[1:3]


def writes_no_more_than_it_was_asked_for(cls: type[TextModel]) -> None:
    """Answers have `max_tokens` at most, and say whether they were cut."""
    for answer in configure(cls, cls.quick).generate(
        PROMPTS, Run(), settings=Sampling(max_tokens=2)
    ):
        assert 0 <= answer.tokens <= 2
        assert answer.prompt_tokens > 0
        assert answer.finish in ("stop", "length", "invalid")


def writes_within_its_budget(cls: type[TextModel]) -> None:
    """It stops before the call that would pass the budget of tokens."""
    model = configure(cls, {**cls.quick, "token_budget": 1})
    refused(lambda: model.generate(PROMPTS, Run()), BudgetError, "")
    assert model.spent[0] <= 1


def writes_what_it_wrote_before_from_its_cache(cls: type[TextModel]) -> None:
    """The second time nothing is spent, and the estimate says so."""
    with tempfile.TemporaryDirectory() as folder:
        run, sampling = Run(seed=1, cache=Path(folder)), Sampling(max_tokens=4)
        first = configure(cls, cls.quick).generate(PROMPTS, run, settings=sampling)
        model = configure(cls, cls.quick)
        assert estimate(model, PROMPTS, sampling, run).calls == 0
        assert model.generate(PROMPTS, run, settings=sampling) == first
        assert model.spent == (0, 0)


def scores_texts(cls: type[TextModel]) -> None:
    """Logarithms of probabilities: none above 0, an empty text 0, each as alone."""
    model = configure(cls, cls.quick)
    found = model.score(PROMPTS[:3], [" a", "", " a b"], Run())
    assert max(found) <= 0
    assert found[1] == 0
    alone = model.score(PROMPTS[:1], [" a"], Run())[0]
    assert abs(alone - found[0]) < 1e-3


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        every_setting_is_documented,
        settings_go_round,
        saved_and_restored_has_the_same_settings,
        a_budget_is_not_negative,
        what_is_no_list_of_texts_is_refused,
    )
}
"""What every text model keeps to"""
FURTHER: dict[str, Law] = {
    law.__name__: law
    for law in (
        writes_the_same_under_one_seed,
        writes_no_more_than_it_was_asked_for,
        writes_within_its_budget,
        writes_what_it_wrote_before_from_its_cache,
        scores_texts,
    )
}
"""What only some keep to, who name it in `laws`"""


def check(cls: type[TextModel]) -> None:
    """Hold a text model to all its laws; raises `AssertionError` that names the one that is broken."""
    keep(cls, laws_of(cls, LAWS, FURTHER))


def _written(
    cls: type[TextModel], prompts: tuple[str, ...], sampling: Sampling, seed: int
) -> list[str]:
    answers = configure(cls, cls.quick).generate(prompts, Run(seed=seed), settings=sampling)
    return [answer.text for answer in answers]
