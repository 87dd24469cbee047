"""Language models behind agents' words, and assistants that simulated customers talk to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.cli.assistant import _named
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.language.models import Done, Generated, Sampling, TextModel
from wareloom.language.models._calls import Ask
from wareloom.shop.spans import fits
from wareloom.synthesis.dialogues.agent import Agent, Move
from wareloom.synthesis.dialogues.assistant import (
    Assistant,
    AssistantReport,
    RuleAssistant,
    Trial,
    check_assistant,
)
from wareloom.synthesis.dialogues.check import unresolved
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.flow import Flow
from wareloom.synthesis.dialogues.phrases import talks_of
from wareloom.synthesis.dialogues.words import Turn
from wareloom.synthesis.dialogues.world import World
from wareloom.testing.talks import talks


@pytest.fixture(scope="module")
def flow() -> Flow:
    return Flow(min_phrases=0).fit(talks(300), Run(seed=1))


class Deaf(RuleAssistant):
    """An assistant that takes every request for another one."""

    def intent(self, text: str) -> str:
        return next(name for name in self.intents if name != super(Deaf, self).intent(text))


class Careless(RuleAssistant):
    """An assistant that cancels whatever it is asked for."""

    def reply(self, text: str) -> list[Move]:
        moves = super().reply(text)
        if self.world.order.state in ("placed", "paid"):
            self.world.order = self.world.order.moved("cancel")
        return moves


def test_an_assistant_is_checked_by_where_orders_end(flow: Flow) -> None:
    found = check_assistant(flow, 40, 4, Run(seed=1), fewest=1)
    assert found.success >= 0.99
    assert found.passes(4) <= found.passes(1) == pytest.approx(found.success)
    assert str(found).startswith("With simulated customers, ")
    theirs = flow.bank_
    for wrong in (Careless(theirs, "en"), Deaf(theirs, "en")):
        assert check_assistant(flow, 40, 4, Run(seed=1), wrong, fewest=1).success < 0.9


def told(agent: Agent, *heard: str) -> list[str]:
    for act in heard:
        agent.hear(act)
    return [move.act for move in agent.answer(Dice(np.random.default_rng(0)))]


def test_an_agent_asks_nothing_of_a_wish_that_is_settled_and_says_last_things_last(
    flow: Flow,
) -> None:
    dice = Dice(np.random.default_rng(0))
    world = next(
        one for one in (flow._world("en", dice) for _ in range(99)) if one.order.state == "paid"
    )
    agent = Agent(world, dice)
    agent.known = True
    agent.hear_request("cancel_order", "cancel")
    assert told(agent) == ["offer"]
    # Thanks alone leave the offer open; with a yes behind them it is done, and not offered again.
    assert told(agent, "thank", "confirm") == ["done", "ask_more"]
    assert agent.world.order.state == "cancelled"
    agent = Agent(world, dice)
    agent.hear("confirm")
    agent.hear_request("check_cancellation_fee", "policy.cancellation_fee")
    assert told(agent)[-1] == "ask_more", "an answer stands before what else is asked"


def test_what_agents_alone_say_is_no_customers_phrase() -> None:
    rows = talks(40, language="zh").table("dialogues")
    wrong = rows.with_columns(
        text=pl.when(pl.col("turn") == 0).then(pl.lit("请问有什么可以帮您?")).otherwise("text"),
        intent=pl.lit(None, pl.String),
    )
    said = {
        template
        for talk in talks_of([talks(3).with_tables(dialogues=wrong)])
        for template in talk.templates
    }
    assert said
    assert not [template for template in said if "请问有什么" in template]


class Idle(RuleAssistant):
    """An assistant that says all and does nothing."""

    def begin(self, world: World, dice: Dice) -> None:
        super().begin(world, dice)
        self.was = world.order

    def reply(self, text: str) -> list[Move]:
        moves = super().reply(text)
        self.world.order = self.was
        return moves


def test_who_does_nothing_is_right_as_often_as_the_floor_says(flow: Flow) -> None:
    found = check_assistant(flow, 40, 2, Run(seed=1), fewest=1)
    idle = check_assistant(flow, 40, 2, Run(seed=1), Idle(flow.bank_, "en"), fewest=1)
    assert 0 < found.floor == idle.success < 0.99
    assert idle.changing[0] == 0
    assert idle.changing[1] == round(80 * (1 - found.floor))
    data = idle.data
    assert data["customers"] == "simulated"
    assert data["passes"] == [idle.passes(1), idle.passes(2)]
    assert {row["goal"] for row in data["goals"]} == {trial.goal for trial in idle.trials}
    assert sum(row["talks"] for row in data["goals"]) == 80
    assert all(trial["found"] for trial in data["failed"])


def test_a_check_that_cannot_be_made_is_refused(flow: Flow) -> None:
    with pytest.raises(InputError, match="Asked for 0 tasks of 4 talks"):
        check_assistant(flow, 0, 4)
    with pytest.raises(InputError, match="No phrases of the language 'zh'"):
        check_assistant(flow, 4, 1, language="zh")
    for name, match in (("rules", "names no assistant"), ("wareloom.shop:Shop", "is no assistant")):
        with pytest.raises(SettingError, match=match):
            _named(name)
    assert isinstance(_named(f"{__name__}:Parrot"), Parrot)


class Parrot(Assistant):
    """An assistant of one's own."""

    def begin(self, world: World, dice: Dice) -> None:
        self.world = world

    def reply(self, text: str) -> list[Move]:
        return []


def test_pass_k_is_that_of_all_draws_of_k() -> None:
    trials = [
        Trial(t, "cancel", done, 1, "", "")
        for t, own in enumerate(("1110", "1111"))
        for done in map(int, own)
    ]
    report = AssistantReport(tuple(replace(t, done=bool(t.done)) for t in trials), 4)
    assert report.passes(1) == pytest.approx(7 / 8)
    assert report.passes(2) == pytest.approx((3 / 6 + 1) / 2)
    assert report.passes(4) == pytest.approx(0.5)
    with pytest.raises(InputError, match=r"pass\^5"):
        report.passes(5)


@dataclass(kw_only=True, eq=False)
class Says(TextModel):
    """A model that answers by a rule, and finds short texts likely."""

    rule: str = "good"

    def identity(self, run: Run) -> dict[str, Any]:
        return {"name": "says", "rule": self.rule}

    def _generate(self, asks: Sequence[Ask], settings: Sampling, run: Run, done: Done) -> None:
        assert settings.schema is not None
        pattern = settings.schema["properties"]["reply"]["pattern"]
        facts = re.sub(r"\[\^0-9\\n\]\{0,80\}", "|", pattern.strip("^$")).strip("|")
        values = [re.sub(r"\\(.)", r"\1", value) for value in facts.split("|") if value]
        said = {
            "good": "Well then: " + " and ".join(values),
            "a fact less": "Well then: " + " and ".join(values[1:]),
            "a fact more": "Well then: " + " and ".join(values) + " and it has been refunded",
            "a number": "Well then: " + " and ".join(values) + " in 99 days",
        }
        text = json.dumps({"reply": said[self.rule]}) if self.rule in said else "no JSON"
        for ask in asks:
            done(ask, Generated(text, 1, 1, None, "stop"))

    def _score(self, asks: Sequence[Ask], run: Run, done: Done) -> None:
        for ask in asks:
            done(ask, Generated("", 1, 0, -float(len(ask.continuation) ** 2), "stop"))


def speaking(rule: str, does: str = "writes") -> tuple[list[list[Turn]], dict[str, int]]:
    how = {"model": f"{__name__}:Says", "model_settings": {"rule": rule}, "model_does": does}
    made = Flow(min_phrases=0, **how).fit(talks(80), Run(seed=1))  # type: ignore[arg-type]
    drafts, refused = made.written(20, Run(seed=2))
    return [turns for _, turns, _ in drafts], refused


def test_a_model_writes_round_facts_that_are_all_there() -> None:
    made, _ = speaking("good")
    own = [t for turns in made for t in turns if t.text.startswith("Well then")]
    assert len(own) > 10
    for turn in own:
        assert turn.slots
        assert all(fits(slot, turn.text) for slot in turn.slots)
        assert not unresolved(turn, "en")


@pytest.mark.parametrize("rule", ["a fact less", "a fact more", "a number", "no JSON"])
def test_what_a_model_makes_of_facts_is_checked(rule: str) -> None:
    made, refused = speaking(rule)
    written = [t.text for turns in made for t in turns if t.text.startswith("Well then")]
    assert not written or rule == "a fact less"
    assert refused["the model's words"] > 10


def test_a_model_that_chooses_writes_nothing() -> None:
    plain = Flow(min_phrases=0).fit(talks(80), Run(seed=1)).written(20, Run(seed=2))[0]
    made, _ = speaking("good", "chooses")
    for turns, (_, old, _) in zip(made, plain, strict=True):
        assert [t.act for t in turns] == [t.act for t in old]
    lengths = [
        sum(len(t.text) for turns in one for t in turns) for one in (made, [t for _, t, _ in plain])
    ]
    assert lengths[0] < lengths[1], "the likelier, here the shorter, is taken"


def test_the_embedded_model_writes_no_dialogues_and_cost_is_said_first() -> None:
    with pytest.raises(SettingError, match="writes no dialogues"):
        Flow(model="embedded", model_does="writes")
    how = {"model": f"{__name__}:Says", "model_does": "writes"}
    need = Flow(min_phrases=0, **how).fit(talks(80), Run(seed=1)).plan(10)  # type: ignore[arg-type]
    assert need is not None
    assert need.calls > 5
    assert Flow(min_phrases=0).fit(talks(80), Run(seed=1)).plan(10) is None
