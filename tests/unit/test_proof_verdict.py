"""The guard, the verdict's sentence, the story in plain words and the page's first card."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from conftest import small_shop
from wareloom.core.run import Run
from wareloom.experiment.plan import CONTROLS, MIXED, NAIVE, REAL, REPEATED
from wareloom.experiment.result import Proof
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.decide import BUT, Question, decide, guarded, listed
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings
from wareloom.proof.story import lines, meaning, story
from wareloom.report.page import render
from wareloom.sampling.generator import Generator


def row(
    low: float, high: float, part: str = "all", requests: int = 1000, against: str = REAL
) -> dict[str, Any]:
    """A comparison of the lift between `low` and `high`, its estimate in the middle."""
    lift = (low + high) / 2
    said = "helps" if low > 0 else "hurts" if high < 0 else "no evidence"
    found = {
        "ties": "file",
        "metric": "ndcg@10",
        "slice": part,
        "arm": MIXED,
        "against": against,
        "verdict": said,
    }
    found |= {
        "difference": lift / 10,
        "low": low / 10,
        "high": high / 10,
        "p": 0.01,
        "requests": requests,
    }
    return found | {"lift": lift, "lift_low": low, "lift_high": high}


ASKED = Question(ties="file", metric="ndcg@10")
GOOD = [row(0.02, 0.06, against=control) for control in CONTROLS]


@pytest.mark.parametrize(
    ("part", "falls", "warned"),
    [
        (row(-0.12, -0.02, "head"), True, False),
        (row(-0.12, -0.02, "head", requests=20), True, False),
        (row(-0.09, -0.005, "head"), False, True),
        (row(-0.16, 0.02, "head"), False, True),
        (row(-0.16, 0.02, "head", requests=20), False, False),
        (row(-0.049, 0.09, "head"), False, False),
        (row(0.02, 0.09, "head"), False, False),
    ],
)
def test_a_fall_beyond_the_guard_takes_helps_back(
    part: dict[str, Any], falls: bool, warned: bool
) -> None:
    """It falls where the estimate is beyond the guard and the interval below zero, however small the slice."""
    found = decide([*GOOD, part], replace(ASKED, guard=0.05))
    assert found["verdict"] == (BUT if falls else "helps")
    assert [fall["slice"] for fall in found["guard"]["falls"]] == ["head"] * falls
    assert [fall["slice"] for fall in found["guard"]["not_excluded"]] == ["head"] * warned
    assert found["sentence"].startswith(
        "Synthetic data helps, but the head falls: " if falls else "Synthetic data helps:"
    )
    assert ("not excluded for the head" in found["sentence"]) is warned
    assert decide([*GOOD, part], replace(ASKED, guard=1.0))["verdict"] == "helps"


def test_the_guard_looks_at_real_data_alone_and_at_the_deciding_metric_and_ties() -> None:
    elsewhere = [
        row(-0.3, -0.2, "head", against=NAIVE),
        row(-0.3, -0.2, "head") | {"metric": "mrr"},
        row(-0.3, -0.2, "head") | {"ties": "shuffled"},
        row(-0.3, -0.2, "head") | {"arm": "synthetic only"},
        row(-0.3, -0.2, "head") | {"lift": None, "lift_low": None, "lift_high": None},
    ]
    assert decide(GOOD + elsewhere, ASKED)["guard"]["falls"] == []


def test_the_worst_fall_is_named_first() -> None:
    found = guarded([row(-0.2, -0.1, "tail"), row(-0.4, -0.2, "known users")], GOOD[0], 0.05)
    assert found["warnings"][0].startswith(
        "Lost: known users −30.0% (−40.0% to −20.0%); the tail −15.0%"
    )


def test_a_guard_says_nothing_of_what_does_not_help() -> None:
    found = decide(
        [row(-0.01, 0.02, against=c) for c in CONTROLS] + [row(-0.3, -0.2, "head")],
        ASKED,
    )
    assert found["verdict"] == "no evidence"
    assert "head" not in found["sentence"]
    assert found["guard"]["falls"]


def test_every_control_named_decides() -> None:
    placebo = row(-0.01, 0.03, against="real + placebo")
    found = decide([*GOOD, placebo], replace(ASKED, controls=(*CONTROLS, "real + placebo")))
    assert (found["verdict"], found["decisive"]["against"]) == ("no evidence", "real + placebo")
    assert decide([*GOOD, placebo], ASKED)["verdict"] == "helps"


@pytest.fixture(scope="module")
def proved() -> Proof:
    asked = ProofSettings(
        seeds=2,
        metrics=("ndcg@10",),
        baselines={"popularity": {}},
        split=SplitSettings(by="leave-last-out"),
        generator=Generator(screens=("schema", "impossible")),
    )
    return prove(small_shop(users=80), asked, Run(seed=1))


def asked_of(data: dict[str, Any]) -> Question:
    """The question that a proof answered."""
    decisive = data["decisive"]
    return Question(ties=decisive["ties"], metric="ndcg@10", controls=decisive["controls"])


def told(proved: Proof, lifts: dict[str, tuple[float, float]], **power: Any) -> dict[str, Any]:
    """The proof's data as if its comparisons had come out with these lifts by control or slice."""
    data = copy.deepcopy(proved.data)
    for each in data["comparisons"]:
        key = each["against"] if each["slice"] == "all" else each["slice"]
        if each["arm"] == MIXED and key in lifts:
            each |= {
                k: v
                for k, v in row(*lifts[key]).items()
                if k.startswith("lift") or k in ("difference", "verdict")
            }
            each |= {"low": lifts[key][0] / 10, "high": lifts[key][1] / 10}
    data["power"] = [each | power for each in data["power"]]
    data |= decide(data["comparisons"], asked_of(data))
    data["story"] = story(data)
    return data


ALL = dict.fromkeys(CONTROLS, (0.02, 0.06))
CALM = dict.fromkeys(("head", "middle", "tail", "cold", "known users", "new users"), (0.01, 0.05))


def test_what_helps_is_told_with_what_to_do(proved: Proof) -> None:
    data = told(proved, ALL | CALM)
    assert data["verdict"] == "helps"
    said = data["story"]
    assert "+4.0%, with 95 % confidence between +2.0% and +6.0%" in said["finding"]
    assert said["controls"].startswith(
        "It beat every fair control, beyond chance: real data alone, the real data repeated"
    )
    assert "no group of items or shoppers lost more than the 5% allowed" in said["slices"]
    assert "try it on live traffic" in said["next"][0]
    assert "is the edge of those tried" in said["next"][1]
    assert lines(data)[0] == said["finding"]
    assert lines(data)[-1].startswith("Next: ")


def test_what_helps_but_falls_is_not_to_be_shipped(proved: Proof) -> None:
    data = told(proved, ALL | CALM | {"head": (-0.2, -0.1)})
    assert data["verdict"] == BUT
    assert data["story"]["next"][0].startswith(
        "Do not ship it as it is: find out why the head lost"
    )
    page = render(data)
    assert "<h1>Synthetic data helps, but the head falls.</h1>" in page
    assert ">helps, but</span>" in page
    assert "Lost: the head −15.0%" in page


def test_what_is_open_is_told_with_what_would_close_it(proved: Proof) -> None:
    reach = {
        "effect": 0.01,
        "effect_lift": 0.01,
        "detectable": 0.02,
        "detectable_lift": 0.02,
        "named": False,
    }
    lifts = ALL | CALM | {REPEATED: (-0.01, 0.03)}
    data = told(proved, lifts, **reach, requests_needed=4321, seeds_needed=None)
    said = data["story"]
    assert data["verdict"] == "no evidence"
    assert said["controls"].startswith(
        "It beat real data alone (+4.0%) and naive data drawn from popularity (+4.0%) and"
    )
    assert said["power"].endswith("To show the observed +1.0% takes 4,321 shoppers at 2 seeds.")
    assert said["next"][0].startswith("Prove it again with more shoppers")
    none = told(proved, lifts, **reach, requests_needed=None, seeds_needed=None)["story"]
    assert none["power"].endswith("more of both are needed.")
    behind = told(
        proved, lifts, **reach | {"effect": -0.1}, requests_needed=None, seeds_needed=None
    )["story"]
    assert behind["power"].endswith("no number of shoppers would show it.")
    assert behind["next"][0].startswith("Change the generator or its settings: it is not ahead of")


def test_what_hurts_is_to_be_left_out(proved: Proof) -> None:
    data = told(proved, ALL | {REAL: (-0.2, -0.1)})
    assert data["verdict"] == "hurts"
    assert "did worse than real data alone (−15.0%)" in data["story"]["controls"]
    assert data["story"]["next"][0].startswith("Leave this synthetic data out")
    assert "<h1>Synthetic data hurts.</h1>" in render(data)


def test_a_stronger_ranker_on_real_data_is_named(proved: Proof) -> None:
    data = told(proved, ALL | CALM)
    for each in data["baselines"]:
        each |= {"low": 0.9, "mean": 0.95, "high": 0.99}
    assert story(data)["next"][-1].startswith(
        "The ranker popularity on real data alone reaches 0.9500"
    )


def test_lower_may_be_better(proved: Proof) -> None:
    """As in a proof of clicks, whose lifts are gains whichever way a metric runs."""
    data = told(proved, ALL | CALM) | {"better": {"ndcg@10": "lower"}, "kind": "clicks"}
    data["modes"][0]["task"]["impressions"] = 12_345
    for each in data["baselines"]:
        each |= {"low": 0.9, "mean": 0.95, "high": 0.99}
    data["story"] = story(data)
    assert ": a gain of +4.0%, with 95 %" in data["story"]["finding"]
    assert not any("reaches" in step for step in data["story"]["next"])
    for each in data["baselines"]:
        each |= {"low": 0.001, "mean": 0.002, "high": 0.003}
    assert story(data)["next"][-1].startswith(
        "The ranker popularity on real data alone reaches 0.0020, better than"
    )
    assert "judged on 12,345 held-out impressions of 80 shoppers" in render(data)


def test_a_page_needs_no_lift(proved: Proof) -> None:
    data = copy.deepcopy(proved.data)
    for each in data["comparisons"]:
        each |= {"lift": None, "lift_low": None, "lift_high": None}
    for each in data["power"]:
        each |= {"detectable_lift": None, "effect_lift": None}
    data |= decide(data["comparisons"], asked_of(data))
    data["story"] = story(data)
    assert "there is no lift to draw" in render(data)


def test_words() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert meaning("ndcg@5") == "how near the top of a list of 5 the right items stand"
    assert meaning("gini@10") == ""
