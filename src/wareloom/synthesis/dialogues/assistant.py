"""An assistant's check without a model that judges: simulated customers talk to it, and orders tell how it ended.

After τ-bench (Yao et al. 2024): a task is a world and what a customer wants; it is done where the order is at the end
as it has to be. pass^k is the share of tasks that are done in all of k trials.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.language.acts import OTHER, REQUEST, act_of_words, goal_of
from wareloom.language.runs import tokens
from wareloom.metrics.likeness.measure import wilson
from wareloom.synthesis.dialogues.agent import ASKS_FIRST, Agent, Move
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.flow import Flow
from wareloom.synthesis.dialogues.phrases import PARTS
from wareloom.synthesis.dialogues.plan import Step
from wareloom.synthesis.dialogues.words import Edits, Writer
from wareloom.synthesis.dialogues.world import Order, World, may

NUMBER = re.compile(r"[A-Za-z]?\d{5,}")
MOST_TURNS = 20
"""Turns of a customer until a trial is over"""
FEWEST = 10
"""Phrases of an intent that an assistant learns from, at least; of rarer ones it cannot know what they mean"""
FAILED = 20
"""Talks that did not end right that a report has, at most"""
HELD = 3
"""One phrase in so many is said by customers, and not learned from by the assistant"""


class Assistant(ABC):
    """What is checked: it reads what customers type, and changes the order by the agent's rules alone."""

    @abstractmethod
    def begin(self, world: World, dice: Dice) -> None:
        """Begin with a new customer; `world` is the shop's own record, which it may change."""

    @abstractmethod
    def reply(self, text: str) -> list[Move]:
        """Answer a customer's message."""


@dataclass(frozen=True)
class Trial:
    """One talk: the goal, whether the order ended as it has to, and what was typed."""

    task: int
    goal: str
    done: bool
    turns: int
    expected: str
    found: str
    idle: bool = False
    """Whether an assistant that changes nothing would have been right, too"""


@dataclass(frozen=True)
class AssistantReport:
    """What a check found. Its rates are of simulated customers, and it says so wherever it is printed."""

    trials: tuple[Trial, ...]
    repeats: int

    @property
    def success(self) -> float:
        """Share of trials that are done."""
        return sum(trial.done for trial in self.trials) / len(self.trials)

    def passes(self, k: int) -> float:
        """Return pass^k: the share of tasks that k trials in a row get done, by all draws of k of a task's trials."""
        if not 1 <= k <= self.repeats:
            raise InputError(f"pass^{k}: there are {self.repeats} trials of a task.")
        tasks: dict[int, list[bool]] = {}
        for trial in self.trials:
            tasks.setdefault(trial.task, []).append(trial.done)
        # Draws without replacement: C(done, k) / C(trials, k).
        shares = [
            float(np.prod([max(0, sum(own) - i) / (len(own) - i) for i in range(k)]))
            for own in tasks.values()
        ]
        return float(np.mean(shares))

    @property
    def floor(self) -> float:
        """Share of trials in which an assistant that changes nothing ends right."""
        return sum(trial.idle for trial in self.trials) / len(self.trials)

    @property
    def changing(self) -> tuple[float, int]:
        """Share of trials that are done among those in which an order has to change, and how many these are."""
        own = [trial.done for trial in self.trials if not trial.idle]
        return (sum(own) / len(own) if own else float("nan")), len(own)

    @property
    def data(self) -> dict[str, Any]:
        """Plain values, for JSON; each says of whom its rates are."""
        low, high = wilson(sum(trial.done for trial in self.trials), len(self.trials))
        share, number = self.changing
        goals: dict[str, list[bool]] = {}
        for trial in self.trials:
            goals.setdefault(trial.goal, []).append(trial.done)
        return {
            "customers": "simulated",
            "tasks": len({trial.task for trial in self.trials}),
            "repeats": self.repeats,
            "talks": len(self.trials),
            "success": self.success,
            "low": low,
            "high": high,
            "passes": [self.passes(k) for k in range(1, self.repeats + 1)],
            "idle": self.floor,
            "changing": {"talks": number, "success": share if number else None},
            "goals": [
                {"goal": name, "talks": len(own), "success": sum(own) / len(own)}
                for name, own in sorted(goals.items())
            ],
            "failed": [asdict(trial) for trial in self.trials if not trial.done][:FAILED],
        }

    def __str__(self) -> str:
        low, high = wilson(sum(trial.done for trial in self.trials), len(self.trials))
        return (
            f"With simulated customers, {self.success:.1%} ({low:.1%} to {high:.1%}) of {len(self.trials):,} talks end "
            f"in the planned order state; pass^{self.repeats} is {self.passes(self.repeats):.1%}. An assistant that "
            f"changes nothing would end right in {self.floor:.1%}."
        )


class RuleAssistant(Assistant):
    """The rule agent behind a reader of text: words tell the act, a naive Bayes over words and pairs the intent."""

    def __init__(self, bank: pl.DataFrame, language: str) -> None:
        """`bank`: the phrases that it learns from."""
        self.language = language
        rows = bank.filter((pl.col("language") == language) & (pl.col("act") == REQUEST))
        if not len(rows):
            raise InputError("An assistant needs requests to learn from; the phrases hold none.")
        self.intents = sorted(rows["intent"].unique().to_list())
        place = {name: i for i, name in enumerate(self.intents)}
        self.codes: dict[str, int] = {}
        entries: list[tuple[int, int]] = []
        for intent, template in rows.select("intent", "template").iter_rows():
            for sign in _signs(PARTS.sub(" ", template), language):
                entries.append((place[intent], self.codes.setdefault(sign, len(self.codes))))
        table = np.ones((len(self.intents), len(self.codes) or 1)) * 0.3
        np.add.at(table, tuple(np.array(entries).T), 1.0)
        self.chance = np.log(table / table.sum(1, keepdims=True))

    def begin(self, world: World, dice: Dice) -> None:
        """Begin with a new customer."""
        self.agent, self.dice, self.world = Agent(world, dice), dice, world
        self.wrong: set[str] = set()
        """Goals that were declined, or served without the customer being content"""

    def intent(self, text: str) -> str:
        """Return the request that a text most likely is, of those that were not wrong before."""
        own = [
            self.codes[s] for s in _signs(NUMBER.sub(" ", text), self.language) if s in self.codes
        ]
        chance = self.chance[:, own].sum(1)
        out = np.array([goal_of(name) in self.wrong for name in self.intents])
        if not out.all():
            chance[out] = -np.inf
        return self.intents[int(np.argmax(chance))]

    def reply(self, text: str) -> list[Move]:
        """Answer a customer's message."""
        agent, number = self.agent, NUMBER.search(text)
        act = act_of_words(text, self.language)
        waits = agent.asked or agent.pending
        if agent.asked and number and "order_id" in agent.asked:
            agent.hear_detail(agent.asked, number[0].upper() != self.world.order.order_id)
        elif (waits and act in ("confirm", "reject", "thank") and not number) or (
            act in ("greet", "thank", "bye", "confirm", "reject") and len(text) < 30
        ):
            if act == "reject" and agent.pending:
                self.wrong.add(agent.pending[1])
            agent.hear(str(act))
        else:
            if agent.said == "ask_more" and agent.last_goal[1]:
                self.wrong.add(agent.last_goal[1])
            name = self.intent(text)
            if number:
                agent.known = number[0].upper() == self.world.order.order_id
            agent.hear_request(name, goal_of(name))
        return agent.answer(self.dice)


def _signs(text: str, language: str) -> list[str]:
    words = tokens(text, language)
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


def check_assistant(
    flow: Flow,
    tasks: int = 100,
    repeats: int = 4,
    run: Run | None = None,
    assistant: Assistant | None = None,
    language: str = "",
    fewest: int = FEWEST,
) -> AssistantReport:
    """Let simulated customers talk to an assistant: `tasks` worlds and wishes, `repeats` talks of each.

    Customers say one third of the flow's phrases; the rule assistant, which is checked where none is given, learned
    from the others. Raises `InputError` where the log has no request that changes an order.
    """
    if tasks < 1 or repeats < 1:
        raise InputError(f"Asked for {tasks} tasks of {repeats} talks each; ask for 1 at least.")
    flow.check_fitted()
    if language and language not in flow.languages_:
        raise InputError(
            f"No phrases of the language {language!r}: there are some of {', '.join(flow.languages_)}."
        )
    run = run or Run()
    language = language or next(iter(flow.languages_))
    mine, theirs = _dealt(flow.bank_)
    assistant = assistant or RuleAssistant(theirs, language)
    writer = Writer(mine, flow.replies_, flow.values_, Edits(flow.typos, 0.0))
    known = {key[2] for key in writer.phrases if key[:2] == (language, REQUEST)}
    learned = theirs.filter((pl.col("act") == REQUEST) & (pl.col("language") == language))
    enough = set(learned.group_by("intent").len().filter(pl.col("len") >= fewest)["intent"])
    wishes = [name for name in sorted(known & enough) if goal_of(name) != OTHER]
    if not any(goal_of(name) in ASKS_FIRST for name in wishes):
        raise InputError("The log has no request that changes an order, such as cancel_order.")
    trials = []
    for task in range(tasks):
        dice = Dice(run.rng("assistant", "task", task))
        world, intent = flow._world(language, dice), dice.one(wishes)
        for repeat in range(repeats):
            own = Dice(run.rng("assistant", "trial", task, repeat))
            trials.append(_talk(task, deepcopy(world), intent, writer, assistant, own))
    return AssistantReport(tuple(trials), repeats)


def _dealt(bank: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The phrases of customers, and those that an assistant learns from: no phrase is in both."""
    number = pl.int_range(pl.len()).over("language", "act", "intent")
    held = bank.with_columns(_n=number)
    mine = held.filter((pl.col("_n") % HELD == 0) | (pl.col("act") != REQUEST)).drop("_n")
    return mine, held.filter(pl.col("_n") % HELD != 0).drop("_n")


def _talk(
    task: int, world: World, intent: str, writer: Writer, assistant: Assistant, dice: Dice
) -> Trial:
    """Let one customer talk until the wish is served, refused, or the turns are over."""
    goal, before = goal_of(intent), world.order
    allowed = goal in ASKS_FIRST and may(world, goal)
    assistant.begin(world, dice)
    step = Step("customer", REQUEST, intent)
    turns, served = 0, False
    while turns < MOST_TURNS and not served:
        turns += 1
        turn = writer.turns([step], replace_order(world, before), dice)[0]
        moves = assistant.reply(turn.text)
        step, served = _answer(moves, goal, intent, dice)
    expected = _as(goal, before, world) if allowed else before
    done = _seen(world.order) == _seen(expected)
    idle = _seen(before) == _seen(expected)
    return Trial(task, goal, done, turns, expected.state, world.order.state, idle)


def replace_order(world: World, order: Order) -> World:
    """Return the world as the customer knows it: with the order as it was."""
    return replace(world, order=replace(order, state=world.order.state))


def _answer(moves: Sequence[Move], goal: str, intent: str, dice: Dice) -> tuple[Step, bool]:
    """What the customer says next, and whether there is nothing more to say."""
    acts = {move.act: move for move in moves}
    if "ask_order" in acts or "not_found" in acts:
        return Step("customer", "provide", wants=("order_id",)), False
    if "offer" in acts:
        right = acts["offer"].kind == goal
        return Step("customer", "confirm" if right else "reject"), False
    if "done" in acts or "refuse" in acts:
        move = acts.get("done") or acts["refuse"]
        if move.kind.partition(".")[0] in (goal, "over"):
            return Step("customer", "bye"), True
    if "answer" in acts:
        told = acts["answer"].kind
        if told.startswith(goal):
            return Step("customer", "bye"), True
    return Step("customer", REQUEST, intent), False


def _as(goal: str, before: Order, world: World) -> Order:
    """The order as it has to be where the wish was granted."""
    if goal in ("cancel", "return"):
        return before.moved(goal)
    if goal == "address":
        return replace(before, city=world.said.get("new_city", "?"))
    return replace(before, quantity=int(world.said.get("new_quantity", -1)))


def _seen(order: Order) -> tuple[str, str, int]:
    return order.state, order.city, order.quantity
