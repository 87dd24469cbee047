"""The first stage: a world. One item, one order as a state machine, one customer, and what is true of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache

from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.policies import RANK, Policies

STATES = ("placed", "paid", "shipped", "delivered", "returned", "cancelled")
MOVES = {
    "pay": (("placed",), "paid"),
    "ship": (("paid",), "shipped"),
    "deliver": (("shipped",), "delivered"),
    "return": (("delivered",), "returned"),
    "cancel": (("placed", "paid"), "cancelled"),
}
"""What can happen to an order: the states it can be in before, and the state after"""
FIRST_DAY = date(2024, 1, 1)
DAYS = 730
CITIES = {
    "en": ("Austin", "Boston", "Denver", "Portland", "Seattle", "Chicago", "Dallas", "Phoenix", "Atlanta", "Tampa"),
    "zh": ("北京", "上海", "广州", "深圳", "杭州", "成都", "武汉", "南京", "西安", "苏州"),
}  # fmt: skip
SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "AUD": "$", "CAD": "$"}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
STATE_WORDS = {
    "en": dict(zip(STATES, STATES, strict=True)),
    "zh": dict(
        zip(STATES, ("已下单", "已付款", "已发货", "已签收", "已退货", "已取消"), strict=True)
    ),
}
LONGEST_TITLE = {"en": 48, "zh": 24}
"""Characters of a product's title that people say"""


@dataclass(frozen=True)
class Order:
    """One order of one item."""

    order_id: str
    item_id: str
    title: str
    price: float | None
    """Of one piece; None where the catalogue does not say"""
    quantity: int
    state: str
    placed: date
    due: date
    """When it should be there"""
    delivered: date | None
    city: str
    postcode: str

    def moved(self, move: str) -> Order:
        """Return the order after something happened; raises `ValueError` where that cannot happen to it."""
        before, after = MOVES[move]
        if self.state not in before:
            raise ValueError(f"{move}: an order that is {self.state} cannot become {after}")
        return replace(self, state=after)


@dataclass(frozen=True)
class Customer:
    """One customer, as far as a dialogue shows."""

    language: str
    patience: int
    """Times that an answer may disappoint before the customer leaves"""
    honest: bool
    """Whether the first order number given is the right one"""
    casual: bool
    """Whether the customer types carelessly"""


@dataclass
class World:
    """What is true in one dialogue; what agents do changes `order`."""

    order: Order
    customer: Customer
    policies: Policies
    currency: str
    today: date
    said: dict[str, str] = field(default_factory=dict)
    """What the customer told beside, by slot"""
    ticket: str = ""
    """Number of what was passed on"""

    promises: Mapping[str, str] = field(default_factory=dict)
    """Facts of the policies by key, in words"""

    def facts(self) -> dict[str, str]:
        """Return all that is true now: words by key, in the customer's language."""
        language, order = self.customer.language, self.order

        def money(value: float) -> str:
            return shown_money(value, self.currency, language)

        def day(value: date | None) -> str:
            return shown_day(value, language) if value else ""

        found = {
            "order.id": order.order_id,
            "order.state": STATE_WORDS[language][order.state],
            "order.quantity": str(order.quantity),
            "order.placed": day(order.placed),
            "order.due": day(order.due),
            "order.delivered": day(order.delivered),
            "order.city": order.city,
            "order.postcode": order.postcode,
            "item.title": order.title,
            "item.price": money(order.price) if order.price is not None else "",
            "order.total": money(order.price * order.quantity) if order.price is not None else "",
            "ticket.id": self.ticket,
        }
        found |= self.promises
        found |= {f"said.{name}": value for name, value in self.said.items()}
        return {key: value for key, value in found.items() if value}


@cache
def promises_of(policies: Policies, language: str, currency: str) -> Mapping[str, str]:
    """Return the facts of policies by key, "" for what the shop does not have."""

    def money(value: float) -> str:
        return shown_money(value, currency, language)

    ways = policies.payment_methods_zh if language == "zh" else policies.payment_methods
    joint = "、" if language == "zh" else ", "
    return {
        "policy.return_days": str(policies.return_days or ""),
        "policy.refund_days": str(policies.refund_days),
        "policy.shipping_fee": money(policies.shipping_fee) if policies.shipping_fee else "",
        "policy.free_shipping_from": money(policies.free_shipping_from)
        if policies.free_shipping_from
        else "",
        "policy.dispatch_days": str(policies.dispatch_days),
        "policy.delivery_days_min": str(policies.delivery_days_min),
        "policy.delivery_days_max": str(policies.delivery_days_max),
        "policy.cancellation_fee": money(policies.cancellation_fee)
        if policies.cancellation_fee
        else "",
        "policy.warranty_months": str(policies.warranty_months or ""),
        "policy.payment_methods": joint.join(ways),
        "policy.service_hours": policies.service_hours,
    }


def shown_money(value: float, currency: str, language: str) -> str:
    """Return an amount as people write it: "$12.50", "12.50元"."""
    number = f"{value:.2f}".removesuffix(".00")
    if language == "zh":
        return f"{number}元" if currency in ("CNY", "") else f"{number} {currency}"
    sign = SIGNS.get(currency)
    return f"{sign}{number}" if sign else f"{number} {currency or 'USD'}"


def shown_day(day: date, language: str) -> str:
    """Return a day as people write it: "March 5", "3月5日"."""
    return f"{day.month}月{day.day}日" if language == "zh" else f"{MONTHS[day.month - 1]} {day.day}"


def spoken_title(title: str, language: str) -> str:
    """Return the beginning of a title, as people say it: whole words, of a sentence's length."""
    title = " ".join(title.split())
    longest = LONGEST_TITLE[language]
    if len(title) <= longest:
        return title
    cut = title[: longest + 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[12:] else cut[:longest]).rstrip(" ,;-(/|，、")


def make_world(
    item: tuple[str, str, float | None],
    state: str,
    policies: Policies,
    currency: str,
    language: str,
    dice: Dice,
) -> World:
    """Draw a world around an item (id, title, price) whose order is in a state."""
    today = FIRST_DAY + timedelta(days=dice.whole(60, DAYS))
    lead = policies.dispatch_days + dice.whole(
        policies.delivery_days_min, policies.delivery_days_max
    )
    age = {"placed": 0, "paid": 1, "shipped": policies.dispatch_days + 1}.get(state)
    if age is None:
        # Some orders are too old to be sent back, so that agents have to refuse.
        age = lead + dice.whole(1, max(2, int(policies.return_days * 1.4)))
    placed = today - timedelta(days=age)
    due = placed + timedelta(days=max(lead, age + 1 if state == "shipped" else lead))
    there = state in ("delivered", "returned")
    order = Order(
        order_id=f"{dice.one('ABCDEFGHKLMNPRSTUVWXYZ')}{dice.digits(6)}",
        item_id=item[0],
        title=spoken_title(item[1], language),
        price=item[2],
        quantity=1 if dice.chance(0.75) else dice.whole(2, 4),
        state=state,
        placed=placed,
        due=due,
        delivered=placed + timedelta(days=lead) if there else None,
        city=dice.one(CITIES[language]),
        postcode=dice.digits(6 if language == "zh" else 5),
    )
    customer = Customer(language, dice.whole(1, 3), True, dice.chance(0.5))
    promises = promises_of(policies, language, currency)
    return World(order, customer, policies, currency, today, promises=promises)


def may(world: World, kind: str) -> bool:
    """Return whether the policies let an agent do this to the order as it is."""
    order, policies = world.order, world.policies
    rank = STATES.index(order.state)
    if kind == "cancel":
        return rank <= RANK[policies.cancel_until]
    if kind in ("address", "change"):
        return rank <= RANK[policies.change_until]
    if kind == "return":
        return (
            order.state == "delivered"
            and order.delivered is not None
            and (world.today - order.delivered).days <= policies.return_days
        )
    return True
