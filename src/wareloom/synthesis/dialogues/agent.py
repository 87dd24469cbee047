"""A rule agent: what it hears, what the shop's policies let it do, and what it says, act by act."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wareloom.language.acts import NEEDS_ORDER, OTHER
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.world import CITIES, World, may


@dataclass(frozen=True)
class Move:
    """One sentence of an agent: its act, and which sentence of that act."""

    act: str
    kind: str = ""
    """Which of the act's sentences: "cancel", "return.late", …"""
    names: tuple[str, ...] = ()
    """Slots that are asked for"""


ASKS_FIRST = ("cancel", "return", "address", "change")
"""Goals whose agent asks before it does something to the order"""


class Agent:
    """Serves one customer by rules; it alone changes the world's order."""

    def __init__(self, world: World, dice: Dice, offers: float = 1.0) -> None:
        """`offers`: share of requests without a rule that it asks leave for before it passes them on."""
        self.world, self.offers = world, offers
        self.goal: tuple[str, str] | None = None
        """Intent and goal that are open"""
        self.last_goal: tuple[str, str] = ("", "")
        self.goals = 0
        self.known = False
        """Whether the order's number was given"""
        self.asked: tuple[str, ...] = ()
        """Slots that it waits for"""
        self.details: list[tuple[str, ...]] = []
        """Slots that it is going to ask for, a turn each"""
        self.offered = False
        self.pending: tuple[str, str] | None = None
        """What was offered when it spoke last"""
        self.said = ""
        self.heard: list[tuple[str, str]] = []
        self.outcome = ""
        self.apologies = 0
        self.closed = 0
        self.answered: list[str] = []
        self.dice = dice

    def hear_request(self, intent: str, goal: str) -> None:
        """The customer wants something."""
        self.goal, self.offered = (intent, goal), False
        self.goals += 1
        self.heard.append(("request", goal))

    def hear_detail(self, names: tuple[str, ...], wrong: bool) -> None:
        """The customer gives what was asked for."""
        if "order_id" in names:
            self.known = not wrong
        self.asked = ()
        self.heard.append(("provide", "wrong" if wrong else ""))

    def hear(self, act: str) -> None:
        """The customer says anything else."""
        self.heard.append((act, ""))

    def answer(self, dice: Dice) -> list[Move]:
        """Return what it says to all that it heard since it spoke last; nothing where nothing is to be said."""
        heard, self.heard = self.heard, []
        moves: list[Move] = []
        for act, more in heard:
            moves += self._to(act, more, dice, last=(act, more) == heard[-1])
        if not self.goal:
            # A wish that was settled since is not asked about.
            moves = [m for m in moves if m.act not in ("ask_order", "ask_detail", "offer")]
        kept: list[Move] = []
        for move in moves:
            if move not in kept:
                kept.append(move)
        # Of several questions the last one stands; what was said is said.
        asks = [m for m in kept if m.act in ("ask_order", "ask_detail", "offer", "ask_goal")]
        moves = [m for m in kept if m not in asks or m is asks[-1]]
        # "Anything else?" stands before no other question.
        if asks:
            moves = [m for m in moves if m.act != "ask_more"]
        first = ("thank", "apologise", "redirect")
        last = ("ask_more", "close")
        moves = sorted(
            (m for m in moves if m not in asks), key=lambda m: (m.act not in first, m.act in last)
        )
        moves += asks[-1:]
        if moves:
            self.said = moves[-1].act
            self.pending = self.goal if self.said == "offer" else None
            self.closed += self.said == "close"
        return moves

    def _to(self, act: str, more: str, dice: Dice, *, last: bool) -> list[Move]:
        if act == "greet":
            return (
                [Move("greet" if not self.said else "ask_goal")]
                if not self.goal
                else self._go_on(dice)
            )
        if act == "request":
            return self._go_on(dice)
        if act == "provide":
            if more == "wrong":
                self.asked = ("order_id",)
                return [Move("not_found")]
            return self._go_on(dice)
        if act == "confirm":
            if self.pending and self.pending == self.goal:
                return self._do(dice)
            if self.asked:
                return self._go_on(dice)
            return [Move("close")] if self.said == "close" else self._ask_more()
        if act == "reject":
            if self.pending and self.pending == self.goal:
                return self._keep()
            if self.asked:
                return self._give_up()
            return [Move("close")]
        if act == "thank":
            if self.asked or self.offered:
                return self._go_on(dice)
            return [
                Move("thank"),
                Move("close" if self.said in ("ask_more", "close") else "ask_more"),
            ]
        if act == "bye":
            return [Move("close")]
        if act == "complain":
            self.apologies += 1
            return [Move("apologise"), *(self._go_on(dice) if self.goal else self._ask_more())]
        return [Move("redirect"), *(self._go_on(dice) if self.goal else [Move("ask_goal")])]

    def _ends(self, outcome: str, *before: str) -> None:
        """How the dialogue ends so far, unless more than some things happened before."""
        if self.outcome in before:
            self.outcome = outcome

    def _ask_more(self) -> list[Move]:
        return [Move("ask_more")]

    def _go_on(self, dice: Dice) -> list[Move]:
        """Ask for what lacks, offer, or answer."""
        if not self.goal:
            return self._ask_more() if self.goals else [Move("ask_goal")]
        goal = self.goal[1]
        if goal in NEEDS_ORDER and not self.known:
            self.asked = ("order_id",)
            return [Move("ask_order")]
        if self.details:
            self.asked = self.details.pop(0)
            return [Move("ask_detail", names=self.asked)]
        self.asked = ()
        if goal in ASKS_FIRST or goal == OTHER:
            if goal in ASKS_FIRST and not may(self.world, goal):
                return self._refuse(goal)
            if goal == OTHER and not self.offered and not dice.chance(self.offers):
                return self._do(dice)
            if not self.offered:
                self.offered = True
                self._prepare(goal, dice)
            return [Move("offer", goal)]
        return self._tell(goal, dice)

    def _prepare(self, goal: str, dice: Dice) -> None:
        """Settle what an offer says, before it is said; one that was not taken up yet stands."""
        world = self.world
        if goal == "address" and world.said.get("new_city") in (None, world.order.city):
            others = [c for c in CITIES[world.customer.language] if c != world.order.city]
            world.said["new_city"] = dice.one(others)
        now = str(world.order.quantity)
        if goal == "change" and world.said.get("new_quantity") in (None, now):
            world.said["new_quantity"] = str(world.order.quantity + dice.whole(1, 2))

    def _do(self, dice: Dice) -> list[Move]:
        """Do what was offered; raises `ValueError` where the order does not allow it."""
        world, goal = self.world, self.goal[1] if self.goal else OTHER
        if goal in ("cancel", "return"):
            world.order = world.order.moved(goal)
            self.outcome = world.order.state
        elif goal == "address":
            world.order = replace(world.order, city=world.said["new_city"])
            self.outcome = "address changed"
        elif goal == "change":
            world.order = replace(world.order, quantity=int(world.said["new_quantity"]))
            self.outcome = "quantity changed"
        else:
            self._register(dice, "registered")
        return [Move("done", goal), *self._settled()]

    def _register(self, dice: Dice, outcome: str) -> None:
        self.world.ticket = f"T{dice.digits(5)}"
        self.outcome = outcome

    def _settled(self) -> list[Move]:
        if self.goal:
            self.last_goal = self.goal
            self.answered.append(self.goal[1])
        self.goal, self.pending, self.offered, self.asked = None, None, False, ()
        return self._ask_more()

    def _keep(self) -> list[Move]:
        """The customer does not want it after all."""
        self._ends("kept", "", "gave up", "informed")
        moves = [Move("kept"), *self._settled()]
        self.last_goal = ("", "")
        return moves

    def _give_up(self) -> list[Move]:
        """The customer does not give what is needed."""
        self._ends("gave up", "")
        moves = [Move("refuse", "nothing"), *self._settled()]
        self.last_goal = ("", "")
        return moves

    def _refuse(self, goal: str) -> list[Move]:
        order, policies = self.world.order, self.world.policies
        kind = goal
        if order.state in ("cancelled", "returned"):
            kind = "over"
        elif goal == "return":
            late = order.state == "delivered"
            kind = (
                "return.never"
                if not policies.return_days
                else "return.late"
                if late
                else "return.early"
            )
        elif order.state in ("placed", "paid"):
            kind = f"{goal}.never"
        self._ends(f"refused: {goal}", "", "gave up", "kept", "informed")
        return [Move("refuse", kind), *self._settled()]

    def _tell(self, goal: str, dice: Dice) -> list[Move]:
        """Answer a question by facts."""
        order, policies = self.world.order, self.world.policies
        kind = goal
        if goal == "track":
            kind = f"track.{order.state}"
        elif goal == "refund":
            kind = f"refund.{'due' if order.state in ('cancelled', 'returned') else 'none'}"
        elif goal == "policy.refund" and not policies.return_days:
            kind = "policy.refund.never"
        elif goal == "policy.shipping":
            kind += (
                ".free"
                if not policies.shipping_fee
                else ("" if policies.free_shipping_from else ".flat")
            )
        elif goal == "policy.cancellation_fee":
            if policies.cancel_until == "never":
                kind = "policy.cancel.never"
            elif not policies.cancellation_fee:
                kind += ".free"
        elif goal == "policy.warranty" and not policies.warranty_months:
            kind += ".none"
        elif goal == "price" and order.price is None:
            kind = "price.unknown"
        elif goal in ("human", "complain"):
            self._register(dice, "handed over" if goal == "human" else "registered")
        self._ends("informed", "", "gave up", "kept")
        return [Move("answer", kind), *self._settled()]
