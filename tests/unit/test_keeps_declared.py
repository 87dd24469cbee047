"""Who says what it keeps is held to it: planted users, liars, structures and what a ranker was taught by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.mixing.ratio import Ratio
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps
from wareloom.synthesis.behaviour.markov import Markov
from wareloom.synthesis.behaviour.shuffled import Shuffled
from wareloom.testing import held_people
from wareloom.testing.behaviour import keeps_what_it_says
from wareloom.testing.shops import small_shop

PLANTED, KNOWN = held_people.planted()


@dataclass(kw_only=True, eq=False)
class Liar(Shuffled):
    """Real users' times as they were, said to be counts."""

    keeps: ClassVar[Keeps] = "counts"


@dataclass(kw_only=True, eq=False)
class OutlinedLiar(Markov):
    """Outlines, said to be counts: their state has every time."""

    quick: ClassVar[Mapping[str, Any]] = {}

    def holds(self) -> Keeps:
        """A lie."""
        return "counts"


@pytest.mark.parametrize("liar", [Liar, OutlinedLiar])
def test_a_lie_is_found(liar: type[Any]) -> None:
    with pytest.raises(AssertionError, match="in a row of a planted user's times"):
        keeps_what_it_says(liar)


@pytest.mark.parametrize("structure", ["learned", "chain"])
@pytest.mark.parametrize("min_users", [1, 3])
def test_structure_that_is_nobodys_holds_no_planted_user(structure: str, min_users: int) -> None:
    made = Markov(structure=structure, min_users=min_users).fit(PLANTED, Run(seed=1))  # type: ignore[arg-type]
    sample = made.sample(300, Run(seed=2))
    assert made.kept() == "counts" == sample.keeps
    assert held_people.holds_people(made, sample, KNOWN) == ""


def test_the_planted_users_are_found_where_they_are() -> None:
    for what in KNOWN:
        made = Markov().fit(PLANTED, Run(seed=1))
        only = {what: KNOWN[what]}
        itself = PLANTED.with_tables(events=PLANTED.scan("events"))
        assert held_people.holds_people(made, itself, only) != "", what


@pytest.mark.parametrize(
    ("settings", "keeps"),
    [({}, "people"), ({"structure": "chain"}, "counts"), ({"structure": "learned"}, "counts")],
)
def test_a_saved_model_says_in_words_that_it_holds_real_users(
    settings: dict[str, Any], keeps: Keeps, tmp_path: Path
) -> None:
    made = Markov(**settings).fit(small_shop(), Run(seed=1))
    made.save(tmp_path / "model")
    head = json.loads((tmp_path / "model" / "algorithm.json").read_text())
    assert head["keeps"] == keeps
    assert (head.get("note") == "holds real users") == (keeps == "people")
    again = SYNTHESIZERS.restore(tmp_path / "model")
    assert again.kept() == keeps == again.sample(5, Run(seed=2)).keeps


def test_a_sample_that_goes_on_with_real_users_keeps_people() -> None:
    from wareloom.synthesis import Given

    made = Markov(structure="learned").fit(small_shop(), Run(seed=1))
    assert made.sample(5, Run(seed=2), Given(histories=small_shop(users=5))).keeps == "people"


def test_a_ranker_holds_no_more_of_people_than_the_sample_that_taught_it(tmp_path: Path) -> None:
    real = small_shop()
    sample = Markov(structure="learned").fit(real, Run(seed=1)).sample(40, Run(seed=2))
    knn = RANKERS.make("user_knn").fit(sample, Run(seed=1))
    assert knn.kept() == "counts"
    knn.save(tmp_path / "knn")
    assert RANKERS.restore(tmp_path / "knn").kept() == "counts"
    assert knn.fit(real, Run(seed=1)).kept() == "people"
    stack = RANKERS.make("stack", members=("popularity", "user_knn"), weights={"user_knn": 1.0})
    assert stack.fit(real, Run(seed=1)).kept() == "people"
    assert RANKERS.make("popularity").fit(real, Run(seed=1)).kept() == "counts"


@pytest.mark.parametrize(
    ("real", "synthetic", "mixed"),
    [
        (None, "counts", None),
        ("private", "counts", "counts"),
        ("counts", "people", "people"),
        ("private", None, None),
    ],
)
def test_a_mixture_says_the_worst_of_its_parts(
    real: Keeps | None, synthetic: Keeps | None, mixed: Keeps | None
) -> None:
    made: Shop = Markov(structure="chain").fit(small_shop(), Run(seed=1)).sample(30, Run(seed=2))
    both = Ratio(ratio=0.5).mix(small_shop().keeping(real), made.keeping(synthetic), Run(seed=3))
    assert both.keeps == mixed


def test_what_fewer_users_did_is_never_drawn() -> None:
    """One user's step of items, its number of events and its exact dates are left out; naive counts have them."""
    shop = small_shop(users=80, items=12)
    naive = Markov(structure="chain").fit(shop, Run(seed=1))
    shared = Markov(structure="chain", min_users=4).fit(shop, Run(seed=1))
    log_users = np.diff(naive.follow_indptr_).sum(), np.diff(shared.follow_indptr_).sum()  # type: ignore[attr-defined]
    assert log_users[1] < log_users[0]
