"""The contract of text models: settings, budgets, and what is asked of them.

A text model that cannot write without a server, a download or a folder is held to these laws alone. One that can, with
the settings in `quick`, names in `laws` those that begin with "writes"; one that gives probabilities, "scores texts".
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from wareloom.core import state
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import BudgetError, InputError, SettingError
from wareloom.language.models import Sampling, TextModel, estimate
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, law, make, refused

PROMPTS = ("A red mug.", "Ein roter Becher.", "红色杯子", "A red mug.")
LAWS: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
"""What every text model keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


@law(LAWS, "saved and restored has the same settings")
def saved_and_restored_has_the_same_settings(cls: type[TextModel]) -> None:
    """Text models learn nothing: what is kept is what they were given."""
    made = configure(cls, {**kit.quick(cls), "system": "Be brief.", "token_budget": "100"})
    with tempfile.TemporaryDirectory() as folder:
        made.fit().save(Path(folder) / "saved")
        head = state.read_json(Path(folder) / "saved" / "algorithm.json")
    assert cls.restore(head["settings"], {}).settings() == made.settings()


@law(LAWS, "a budget is not negative")
def a_budget_is_not_negative(cls: type[TextModel]) -> None:
    """Neither that of tokens nor that of cost."""
    for name in ("token_budget", "cost_budget"):
        with refused(SettingError, f"{name} is -1; give 0 or more"):
            configure(cls, {**kit.quick(cls), name: -1})


@law(LAWS, "what is no list of texts is refused")
def what_is_no_list_of_texts_is_refused(cls: type[TextModel]) -> None:
    """One string, what is no text, half a character, and lists of different lengths are named."""
    model = make(cls)
    for prompts, words in (
        ("sink", "the text 'sink'; give a list of texts"),
        (["sink", 7], "Text 1 is 7, a int: give strings"),
        (["a\ud83d"], "Text 0 holds half a character at 1"),
    ):
        with refused(InputError, words):
            model.generate(prompts, Run())
    with refused(InputError, "was given 2 prompts and 1 continuations"):
        model.score(["a", "b"], ["c"], Run())


@law(FURTHER, "writes the same under one seed")
def writes_the_same_under_one_seed(cls: type[TextModel]) -> None:
    """An answer for each prompt, the same again; the other prompts do not change it."""
    sampling = Sampling(max_tokens=8)
    first, again = (_written(cls, PROMPTS, sampling, seed=3) for _ in range(2))
    assert len(first) == len(PROMPTS)
    assert first == again
    assert _written(cls, PROMPTS[1:3], sampling, seed=3) == first[1:3]


@law(FURTHER, "writes no more than it was asked for")
def writes_no_more_than_it_was_asked_for(cls: type[TextModel]) -> None:
    """Answers have `max_tokens` at most, and say whether they were cut."""
    for answer in make(cls).generate(PROMPTS, Run(), settings=Sampling(max_tokens=2)):
        assert 0 <= answer.tokens <= 2
        assert answer.prompt_tokens > 0
        assert answer.finish in ("stop", "length", "invalid")


@law(FURTHER, "writes within its budget")
def writes_within_its_budget(cls: type[TextModel]) -> None:
    """It stops before the call that would pass the budget of tokens."""
    model = configure(cls, {**kit.quick(cls), "token_budget": 1})
    with refused(BudgetError, "budget"):
        model.generate(PROMPTS, Run())
    assert model.spent[0] <= 1


@law(FURTHER, "writes what it wrote before from its cache")
def writes_what_it_wrote_before_from_its_cache(cls: type[TextModel]) -> None:
    """The second time nothing is spent, and the estimate says so."""
    with tempfile.TemporaryDirectory() as folder:
        run, sampling = Run(seed=1, cache=Path(folder)), Sampling(max_tokens=4)
        first = make(cls).generate(PROMPTS, run, settings=sampling)
        model = make(cls)
        assert estimate(model, PROMPTS, sampling, run).calls == 0
        assert model.generate(PROMPTS, run, settings=sampling) == first
        assert model.spent == (0, 0)


@law(FURTHER, "scores texts")
def scores_texts(cls: type[TextModel]) -> None:
    """Logarithms of probabilities: none above 0, an empty text 0, each as alone."""
    model = make(cls)
    found = model.score(PROMPTS[:3], [" a", "", " a b"], Run())
    assert max(found) <= 0
    assert found[1] == 0
    alone = model.score(PROMPTS[:1], [" a"], Run())[0]
    assert abs(alone - found[0]) < 1e-3


def _written(
    cls: type[TextModel], prompts: tuple[str, ...], sampling: Sampling, seed: int
) -> list[str]:
    answers = make(cls).generate(prompts, Run(seed=seed), settings=sampling)
    return [answer.text for answer in answers]
