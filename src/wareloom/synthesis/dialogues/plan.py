"""The second stage: a plan. Acts turn by turn; customers follow the log's own grammar, agents the shop's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from wareloom.language.acts import CUSTOMER_ACTS, REQUEST
from wareloom.synthesis.dialogues.agent import Agent, Move
from wareloom.synthesis.dialogues.dice import Dice, Weighed
from wareloom.synthesis.dialogues.world import World

START, END = "<start>", "<end>"
ORDER = (START, *CUSTOMER_ACTS, END)
CODE = {act: code for code, act in enumerate(ORDER)}
LONGEST = 24
"""Turns of a customer at most"""
OPEN = {"greet", REQUEST, "offtopic", "provide"}
"""How customers begin; some send the number of their order first"""
ALLOWED: Mapping[str, frozenset[str]] = {
    act: frozenset(may)
    for act, may in {
        START: OPEN,
        "greet": OPEN,
        "ask_goal": OPEN | {"complain"},
        "redirect": {REQUEST, "offtopic", "provide", "confirm", "complain", END},
        "ask_order": {"provide", "offtopic", "complain", REQUEST, "reject", END},
        "ask_detail": {"provide", "offtopic", "complain", REQUEST, "reject", END},
        "not_found": {"provide", "complain", "reject", END},
        "offer": {"confirm", "reject", REQUEST, "offtopic", "thank", END},
        "ask_more": {"reject", "thank", "bye", REQUEST, "complain", "confirm", "offtopic", END},
        "apologise": {"confirm", "thank", REQUEST, "complain", "reject", "bye", "offtopic", END},
        "close": {"bye", "thank", "confirm", "reject", END},
    }.items()
}
"""What a customer may do after an agent's act"""
USUAL = {
    (START, "greet"): 6, (START, REQUEST): 4, ("greet", REQUEST): 9, ("greet", "greet"): 0.3,
    (REQUEST, "provide"): 6, (REQUEST, "confirm"): 2, (REQUEST, "thank"): 1, (REQUEST, "reject"): 0.6,
    (REQUEST, REQUEST): 0.8, (REQUEST, END): 0.5, ("provide", "confirm"): 5, ("provide", "provide"): 3,
    ("provide", "thank"): 1, ("provide", "reject"): 1, ("provide", REQUEST): 0.5, ("provide", END): 0.3,
    ("confirm", "thank"): 3, ("confirm", "reject"): 3, ("confirm", "confirm"): 1, ("confirm", REQUEST): 0.6,
    ("confirm", "bye"): 0.6, ("confirm", "provide"): 0.5, ("confirm", END): 1, ("reject", "bye"): 2,
    ("reject", "thank"): 2, ("reject", "confirm"): 0.6, ("reject", REQUEST): 0.5, ("reject", END): 4,
    ("thank", "reject"): 2, ("thank", "bye"): 2, ("thank", END): 4, ("thank", REQUEST): 0.3, ("bye", END): 9,
    ("bye", "thank"): 0.5, ("offtopic", REQUEST): 2, ("offtopic", "provide"): 2, ("offtopic", "confirm"): 1,
    ("offtopic", END): 0.5, ("complain", REQUEST): 2, ("complain", "confirm"): 1, ("complain", END): 1,
    (REQUEST, "offtopic"): 0.3, (REQUEST, "complain"): 0.3, ("provide", "offtopic"): 0.3, ("provide", "complain"): 0.3,
}  # fmt: skip
"""How customers go on where no log shows it"""
FEWEST = 50
"""Dialogues of two turns or more below which a log's grammar is not taken"""
ROUNDS, TRIED = 8, 800
"""Rounds of calibration, and plans of each"""
CONTENT = frozenset({REQUEST, "provide", "confirm", "reject"})


@dataclass(frozen=True)
class Step:
    """One turn of a plan."""

    role: str
    act: str
    intent: str = ""
    wants: tuple[str, ...] = ()
    """Slots that a customer's words have to hold"""
    moves: tuple[Move, ...] = ()
    """What an agent says, one sentence each"""
    facts: Mapping[str, str] = field(default_factory=dict)
    """All that was true when an agent spoke"""
    wrong: str = ""
    """A wrong order number that the customer gives"""


@dataclass(frozen=True)
class Failures:
    """How often dialogues go wrong where the log does not say it."""

    asks_twice: float = 0.05
    changes_mind: float = 0.05
    wrong_number: float = 0.08
    leaves: float = 0.04
    angry: float = 0.05
    off_topic: float = 0.04


@dataclass
class Chain:
    """How customers go on: what is drawn after what."""

    weight: np.ndarray
    """float64 [acts, acts], over `ORDER`"""
    goal: np.ndarray
    """float64 [acts, acts], shares of pairs in the log, which sum to 1"""
    again: np.ndarray
    """float64 [acts], chance that another message follows before the agent answers"""
    follow: np.ndarray
    """float64 [acts], the log's shares of that"""
    learned: bool
    """Whether the log's own grammar was taken"""

    @property
    def offers(self) -> float:
        """Share of requests that an agent asks leave for before it passes them on: of what follows details, consent."""
        after = self.goal[CODE["provide"]]
        asked = after[CODE["confirm"]]
        return float(asked / max(asked + after[CODE["reject"]] + after[CODE["thank"]], 1e-9))

    def state(self) -> dict[str, object]:
        """Return the chain as plain values."""
        return {
            "weight": self.weight.tolist(),
            "goal": self.goal.tolist(),
            "again": self.again.tolist(),
            "follow": self.follow.tolist(),
            "learned": self.learned,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, object]) -> Chain:
        """Return the chain of plain values."""
        weight, goal, again, follow = (
            np.array(state[name], dtype=np.float64)
            for name in ("weight", "goal", "again", "follow")
        )
        return cls(weight, goal, again, follow, bool(state["learned"]))


def pairs_of(talks: Iterable[Sequence[str]]) -> np.ndarray:
    """Return how often an act follows an act, with start and end: float64 [acts, acts]."""
    counts = np.zeros((len(ORDER), len(ORDER)))
    for acts in talks:
        codes = [CODE[START], *(CODE[act] for act in acts), CODE[END]]
        np.add.at(counts, (codes[:-1], codes[1:]), 1.0)
    return counts


def learned_chain(
    talks: Sequence[Sequence[str]], turns: Sequence[Sequence[int]], failures: Failures, ends: bool
) -> Chain:
    """Learn how customers go on from acts, and from the numbers of their turns which follow each other at once.

    `ends`: whether the log shows how dialogues end.
    """
    usual = np.zeros((len(ORDER), len(ORDER)))
    for (first, second), weight in USUAL.items():
        usual[CODE[first], CODE[second]] = weight
    usual[CODE[REQUEST], CODE["complain"]] *= failures.angry / 0.05
    usual[CODE[REQUEST], CODE["offtopic"]] *= failures.off_topic / 0.04
    usual[:, CODE[END]][[CODE[REQUEST], CODE["provide"]]] *= failures.leaves / 0.04
    long = [talk for talk in talks if len(talk) > 1]
    if len(long) < FEWEST:
        return Chain(usual, usual / usual.sum(), np.zeros(len(ORDER)), np.zeros(len(ORDER)), False)
    counts = pairs_of(long)
    if not ends:
        share = usual[:, CODE[END]] / np.maximum(usual.sum(1), 1e-9)
        share[[CODE[act] for act in (REQUEST, "provide", "offtopic", "greet", "complain")]] = (
            failures.leaves / 4
        )
        counts[:, CODE[END]] = counts[:, : CODE[END]].sum(1) * share / np.maximum(1 - share, 0.1)
    again, seen = followed(talks, turns)
    follow = again / np.maximum(seen, 1)
    # A pair that the log has not may still be needed where an agent's rules leave nothing else.
    return Chain(counts + 0.02 * usual, counts / counts.sum(), follow.copy(), follow, True)


def followed(
    talks: Iterable[Sequence[str]], turns: Iterable[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how often a customer's message follows one at once, and how often any does: float64 [acts] each."""
    again, seen = np.zeros(len(ORDER)), np.zeros(len(ORDER))
    for acts, numbers in zip(talks, turns, strict=True):
        for act, (here, after) in zip(acts, pairwise(numbers), strict=False):
            seen[CODE[act]] += 1
            again[CODE[act]] += after == here + 1
    return again, seen


@dataclass
class Planner:
    """Draws plans."""

    chain: Chain
    failures: Failures
    intents: Weighed[tuple[str, str]]
    """Pairs (intent, goal) of requests"""
    details: Mapping[str, Weighed[tuple[tuple[str, ...], ...]]]
    """By intent, what customers tell after it: slots a turn, turn by turn, as tuples of tuples of names"""
    orders: Mapping[str, float] = field(default_factory=dict)
    """By intent, the share of requests that say the order's number"""
    offtopic: bool = True
    complains: bool = True
    _rows: dict[tuple[int, frozenset[str]], Weighed[str]] = field(default_factory=dict)

    def calibrate(self, worlds: Sequence[World], dice: Dice, tried: int = TRIED) -> None:
        """Weigh pairs so that plans have the log's shares of them, as far as agents' rules let them.

        `tried`: plans of each round; a small log needs few.
        """
        for _ in range(ROUNDS if self.chain.learned else 0):
            talks, turns = [], []
            for n in range(tried):
                steps = self.plan(_again(worlds[n % len(worlds)]), dice).steps
                turns.append([at for at, step in enumerate(steps) if step.role == "customer"])
                talks.append([steps[at].act for at in turns[-1]])
            made = pairs_of(talks)
            made /= made.sum()
            follow, seen = followed(talks, turns)
            self.chain.again *= np.clip(
                (self.chain.follow + 0.01) / (follow / np.maximum(seen, 1) + 0.01), 0.5, 2.0
            )
            self.chain.again = np.minimum(self.chain.again, 0.9)
            ratio = (self.chain.goal + 1e-4) / (made + 1e-4)
            self.chain.weight *= np.clip(ratio**0.6, 0.2, 5.0)
            self._rows.clear()

    def plan(self, world: World, dice: Dice) -> Plan:
        """Draw a plan; what the agent does changes the world's order."""
        plan = Plan(world, Agent(world, dice, self.chain.offers))
        plan.changes = dice.chance(2 * self.failures.changes_mind)
        act, context, after = START, START, 0
        while after < LONGEST:
            forced = plan.forced(self, act, dice)
            following = forced or self._next(act, context, plan, dice)
            if following == END:
                break
            plan.customer(self, following, dice)
            act, after = following, after + 1
            if dice.chance(self.chain.again[CODE[act]]) and not forced and act not in ("bye",):
                # Another message before the agent answers: only what adds to this one.
                more = self._next(act, f"{act}+", plan, dice)
                if more != END:
                    plan.customer(self, more, dice)
                    act, after = more, after + 1
            context = plan.answer(dice)
            if context == END:
                break
        plan.finish()
        return plan

    def _next(self, act: str, context: str, plan: Plan, dice: Dice) -> str:
        allowed = MORE.get(context) or ALLOWED.get(context, ALLOWED["ask_more"])
        allowed = frozenset(plan.possible(allowed, self))
        key = (CODE[act], allowed)
        row = self._rows.get(key)
        if row is None:
            weights = [self.chain.weight[key[0], CODE[other]] for other in ORDER]
            pairs = [(a, w) for a, w in zip(ORDER, weights, strict=True) if a in allowed and w > 0]
            if not pairs:
                pairs = [(END, 1.0)]
            row = self._rows[key] = Weighed([a for a, _ in pairs], [w for _, w in pairs])
        return dice.weighed(row)


MORE = {
    "greet+": frozenset({REQUEST, "greet"}),
    f"{REQUEST}+": frozenset({REQUEST, "provide", "complain", "offtopic"}),
    "provide+": frozenset({"provide", "confirm", REQUEST, "thank"}),
    "confirm+": frozenset({"thank", "confirm", "provide", REQUEST}),
    "reject+": frozenset({"thank", "bye", "confirm", REQUEST}),
    "thank+": frozenset({"bye", "reject", "confirm", "thank"}),
    "offtopic+": frozenset({"offtopic", REQUEST, "confirm"}),
    "complain+": frozenset({"offtopic", REQUEST, "complain"}),
}
"""What may follow a customer's message at once"""


def _again(world: World) -> World:
    return replace(world, said={})


class Plan:
    """One plan on its way: its steps, and what is open."""

    def __init__(self, world: World, agent: Agent) -> None:
        self.world, self.agent = world, agent
        self.steps: list[Step] = []
        self.start = world.order.state
        self.outcome = ""
        self.repeats = 0
        self.wrong_given = False
        self.changes = False
        """Whether the customer may decline an offer"""

    def possible(self, allowed: Iterable[str], planner: Planner) -> list[str]:
        """Return what of the allowed acts makes sense now."""
        agent = self.agent
        found = []
        for act in allowed:
            if act == "offtopic" and not planner.offtopic:
                continue
            if act == "complain" and (not planner.complains or agent.apologies > 1):
                continue
            again = bool(self.steps) and self.steps[-1].role == "customer"
            if act == REQUEST and agent.goals >= 3 and not (again and agent.goal):
                continue
            if act == "provide" and not agent.asked and (agent.known or agent.goal):
                continue
            if act == "reject" and agent.said == "offer" and not self.changes:
                continue
            if act == "greet" and sum(s.act == "greet" for s in self.steps) > 2:
                continue
            found.append(act)
        return found

    def forced(self, planner: Planner, act: str, dice: Dice) -> str | None:
        """Return what a failure makes the customer do next; None for nothing."""
        agent, failures = self.agent, planner.failures
        waits = agent.said == "ask_more" and agent.last_goal[0] and not self.repeats
        if waits and dice.chance(failures.asks_twice):
            self.repeats = 1
            return REQUEST
        return None

    def customer(self, planner: Planner, act: str, dice: Dice) -> None:
        """Add a customer's turn, and let the agent hear it."""
        agent, intent, wants, wrong = self.agent, "", tuple[str, ...](), ""
        if act == REQUEST:
            last = self.steps[-1] if self.steps else None
            if last and last.role == "customer" and last.act == REQUEST and agent.goal:
                # Another message on the same matter.
                intent, goal = agent.goal
                agent.goals -= 1
            elif self.repeats == 1:
                intent, goal = agent.last_goal
                self.repeats = 2
            elif agent.goal and agent.said in ("ask_order", "ask_detail", "redirect"):
                intent, goal = agent.goal
            else:
                intent, goal = dice.weighed(planner.intents)
            if dice.chance(planner.orders.get(intent, 0.0)):
                wants, agent.known = ("order_id",), True
            agent.hear_request(intent, goal)
        elif act == "provide":
            wants = agent.asked or ("order_id",)
            if (
                "order_id" in wants
                and not self.wrong_given
                and dice.chance(planner.failures.wrong_number)
            ):
                self.wrong_given = True
                wrong = wrong_number(self.world.order.order_id, dice)
            agent.hear_detail(wants, bool(wrong))
        else:
            agent.hear(act)
        if act == REQUEST and not agent.asked and self.repeats != 2:
            told = planner.details.get(intent)
            agent.details = [*dice.weighed(told)] if told else []
        self.steps.append(Step("customer", act, intent, wants, wrong=wrong))

    def answer(self, dice: Dice) -> str:
        """Add the agent's answer, and return the act that the customer answers to."""
        moves = self.agent.answer(dice)
        if not moves:
            return END
        facts = self.world.facts()
        self.steps.append(Step("agent", moves[-1].act, moves=tuple(moves), facts=facts))
        if moves[-1].act == "close" and self.agent.closed > 1:
            return END
        return moves[-1].act

    def finish(self) -> None:
        """Say how it ended."""
        agent = self.agent
        self.outcome = agent.outcome or (
            "abandoned" if agent.goal or not agent.goals else "informed"
        )


def wrong_number(order_id: str, dice: Dice) -> str:
    """Return an order number with two of its figures exchanged, or one changed."""
    figures = list(order_id)
    place = dice.whole(2, len(figures) - 1)
    figures[place] = str((int(figures[place]) + dice.whole(1, 8)) % 10)
    return "".join(figures)


def rates(talks: Sequence[Sequence[str]], turns: Sequence[Sequence[int]]) -> dict[str, float]:
    """Return refusals and interruptions a turn, and the share of dialogues that are left open.

    Dialogues of one turn show none of it. Left open is one whose last act is no thanks, farewell, refusal or consent.
    """
    pairs = [pair for pair in zip(talks, turns, strict=True) if len(pair[0]) > 1]
    talks, turns = [talk for talk, _ in pairs], [own for _, own in pairs]
    acts = [act for talk in talks for act in talk]
    follow = [b == a + 1 for own in turns for a, b in pairwise(own)]
    closed = {"thank", "bye", "reject", "confirm"}
    return {
        "refusal": acts.count("reject") / max(1, len(acts)),
        "interruption": sum(follow) / max(1, len(follow)),
        "abandon": sum(talk[-1] not in closed for talk in talks if talk) / max(1, len(talks)),
    }
