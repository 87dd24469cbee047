"""Each leak is found by its attack, and by none that ought not; honest shops by none."""

from __future__ import annotations

from functools import cache

import pytest

from attacked import copied, memorised, renamed, undated, wide
from wareloom.attacks import AttackReport, run_attacks
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.testing.lively import lively

RUN = Run(seed=3, threads=1)
USERS = 400


@cache
def sides() -> tuple[Shop, Shop, Shop]:
    """Members, a holdout, and others still."""
    return wide(USERS, 1, "m"), wide(USERS, 2, "h"), wide(USERS, 4, "o")


def made(name: str, members: Shop, **settings: object) -> Shop:
    return SYNTHESIZERS.make(name, **settings).fit(members, RUN).sample(USERS, RUN)  # type: ignore[no-any-return]


@cache
def report(leak: str) -> AttackReport:
    """What all attacks find in a shop with a leak."""
    members, holdout, others = sides()
    shops = {
        "nobody": lambda: renamed(others),
        "copies": lambda: renamed(members),
        "few copies": lambda: copied(members, others, 0.05),
        "copies at other times": lambda: undated(renamed(members), 1),
        "outlines": lambda: made("markov", members),
        "chain": lambda: made("markov", members, structure="chain"),
        "memoriser": lambda: memorised(members, 5 * USERS, 1),
        "counts": lambda: made("independent", members),
    }
    return run_attacks(members, shops[leak](), holdout, RUN)


FOUND = [
    ("copies", "sets", 0.99),
    ("copies", "runs", 0.99),
    ("copies", "rhythm", 0.99),
    ("copies at other times", "sets", 0.99),
    ("copies at other times", "runs", 0.99),
    ("copies at other times", "pairs", 0.99),
    ("outlines", "rhythm", 0.98),
    ("outlines", "pattern", 0.98),
    ("chain", "pairs", 0.9),
    ("memoriser", "density", 0.95),
    ("counts", "items", 0.8),
]


@pytest.mark.parametrize(("leak", "attack", "least"), FOUND)
def test_a_leak_is_found_by_its_attack(leak: str, attack: str, least: float) -> None:
    found = report(leak).outcome(attack)
    assert found.area.low > least - 0.03
    assert found.area.value > least
    assert found.caught


@pytest.mark.parametrize("attack", ["sets", "runs", "pattern"])
def test_a_few_copied_users_are_told_at_few_false_alarms(attack: str) -> None:
    """An area of .51 says nothing of them: twenty of four hundred members are known for sure."""
    found = report("few copies").outcome(attack)
    assert found.tpr(0.01).value > 0.04
    assert found.caught


NOT_FOUND = [
    ("copies at other times", "rhythm"),
    ("memoriser", "rhythm"),
    ("chain", "rhythm"),
    ("chain", "pattern"),
    ("counts", "pairs"),
    ("counts", "rhythm"),
    ("counts", "pattern"),
]


@pytest.mark.parametrize(("leak", "attack"), NOT_FOUND)
def test_a_leak_is_not_found_by_an_attack_that_looks_at_something_else(
    leak: str, attack: str
) -> None:
    found = report(leak).outcome(attack)
    assert found.p > 0.005
    assert found.area.low < 0.5


def test_a_shop_of_other_people_is_found_by_none() -> None:
    assert report("nobody").caught == ()
    assert report("nobody").high < 0.65


def test_independent_draws_from_a_small_catalogue_are_found_by_none() -> None:
    """Each of 120 items has dozens of buyers: counts say nothing of one of them."""
    members, holdout = lively(USERS, 1, "m"), lively(USERS, 2, "h")
    found = run_attacks(members, made("independent", members), holdout, RUN)
    assert found.caught == ()


def test_the_worst_attack_is_named_and_not_the_mean() -> None:
    found = report("outlines")
    assert found.worst.name in ("rhythm", "pattern", "attribute")
    assert found.worst.area.value == max(one.area.value for one in found.evidence)
    assert f"The worst of {len(found.evidence)} attacks, " in str(found)
    assert found.high >= found.worst.area.value


def test_distances_are_told_and_are_no_evidence() -> None:
    """Outlines pass the distance to the closest record, which is why it decides nothing here."""
    found = report("outlines")
    assert found.outcome("dcr").area.value < 0.7
    assert not found.outcome("dcr").evidence
    assert not found.outcome("nndr").caught
    assert {"dcr", "nndr"}.isdisjoint(one.name for one in found.evidence)
    assert report("copies").outcome("dcr").about["repeated members"] == 1.0
    assert report("copies").outcome("dcr").about["repeated others"] == 0.0
    row = found.table().filter(attack="dcr")
    assert row["caught"][0] == "not evidence of privacy"


def test_long_histories_stand_by_themselves() -> None:
    found = report("chain").outcome("pairs")
    assert sum(span.members for span in found.by_length) == USERS
    assert found.by_length[0].first == 5
    assert all(span.low <= span.area <= span.high for span in found.by_length)
    assert found.by_length[-1].area > found.by_length[0].area
