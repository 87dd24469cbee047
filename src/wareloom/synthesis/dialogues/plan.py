"""The second stage: a plan. Acts turn by turn; customers follow the log's own grammar, agents the shop's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from wareloom.language.acts import CUSTOMER_ACTS, REQUEST
from wareloom.synthesis.dialogues.agent import Agent, Move
from wareloom.synthesis.dialogues.chain import (
    CODE,
    END,
    LONGEST,
    ORDER,
    START,
    Chain,
    Failures,
    followed,
    pairs_of,
)
from wareloom.synthesis.dialogues.dice import Dice, Weighed
from wareloom.synthesis.dialogues.rates import CLOSED, rates
from wareloom.synthesis.dialogues.world import World

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
ROUNDS, TRIED, LAST = 8, 800, 2
"""Rounds of calibration, plans of each, and last rounds of twice as many in which rates alone are calibrated"""
RATED = 0.1
"""What a rate that is twice as high as the log's counts beside the distance of all pairs"""


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

        `tried`: plans of each round; a small log needs few. What is kept are the weights of the round whose plans were
        nearest to the log.
        """
        chain = self.chain
        best, nearest = (chain.weight, chain.again), float("inf")
        for _ in range(ROUNDS if chain.learned else 0):
            talks, turns = self._tried(worlds, dice, tried)
            made = pairs_of(talks)
            if len(chain.lengths):
                made[:, CODE[END]] = 0
            made /= made.sum()
            told = rates(talks, turns)
            # Rates are small beside all pairs, and matter as much.
            off = {name: told[name] / max(goal, 1e-9) for name, goal in chain.rates.items() if goal}
            apart = float(np.abs(made - chain.goal).sum())
            apart += RATED * sum(abs(ratio - 1) for ratio in off.values())
            if apart < nearest:
                best, nearest = (chain.weight, chain.again), apart
            follow, seen = followed(talks, turns)
            chain.again = chain.again * np.clip(
                (chain.follow + 0.01) / (follow / np.maximum(seen, 1) + 0.01), 0.5, 2.0
            )
            chain.again = np.minimum(chain.again, 0.9)
            ratio = (chain.goal + 1e-4) / (made + 1e-4)
            chain.weight = chain.weight * np.clip(ratio**0.6, 0.2, 5.0)
            self._rows.clear()
        chain.weight, chain.again = best
        for _ in range(LAST if chain.learned else 0):
            self._rows.clear()
            told = rates(*self._tried(worlds, dice, 2 * tried))
            off = {name: goal / max(told[name], 1e-9) for name, goal in chain.rates.items() if goal}
            chain.weight = chain.weight.copy()
            chain.weight[:, CODE["reject"]] *= np.clip(off.get("refusal", 1.0), 0.4, 2.5)
            left = [CODE[act] for act in CUSTOMER_ACTS if act not in CLOSED]
            chain.weight[left, CODE[END]] *= np.clip(off.get("abandon", 1.0), 0.4, 2.5)
        self._rows.clear()

    def _tried(
        self, worlds: Sequence[World], dice: Dice, tried: int
    ) -> tuple[list[list[str]], list[list[int]]]:
        """Acts of customers and the numbers of their turns in some plans, cut where the log's dialogues are."""
        lengths = self.chain.lengths
        cut = Weighed(range(len(lengths)), lengths.tolist()) if len(lengths) else None
        talks, turns = [], []
        for n in range(tried):
            steps = self.plan(_again(worlds[n % len(worlds)]), dice).steps
            own = [at for at, step in enumerate(steps) if step.role == "customer"]
            turns.append(own[: dice.weighed(cut)] if cut else own)
            talks.append([steps[at].act for at in turns[-1]])
        return talks, turns

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
