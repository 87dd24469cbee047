"""What a shop promises: the facts of its policies, read from a file and held to each other."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from wareloom.core.settings import Count, NonNegative, Settings, configure
from wareloom.errors import SettingError, SourceError

EXAMPLE = Path(__file__).with_name("policies.toml")
Until = Literal["never", "placed", "paid"]
RANK = {"never": -1, "placed": 0, "paid": 1}
HOURS = re.compile(r"\d{1,2}:\d{2}-\d{1,2}:\d{2}")


@dataclass(frozen=True, kw_only=True)
class Policies(Settings):
    """The facts of a shop's policies; days count from what their name says."""

    return_days: Count = 30
    """Days after delivery in which an item may be sent back; 0: never."""
    refund_days: Count = 5
    """Days until the money is back."""
    shipping_fee: NonNegative = 4.99
    """In the shop's currency; 0: shipping is free."""
    free_shipping_from: NonNegative = 49.0
    """Sum from which an order ships free; 0: none does."""
    dispatch_days: Count = 2
    """Days until an order is shipped."""
    delivery_days_min: Count = 3
    """Days from shipping to delivery, at least."""
    delivery_days_max: Count = 6
    """Days from shipping to delivery, at most."""
    cancel_until: Until = "paid"
    """Last state in which an order can be cancelled."""
    cancellation_fee: NonNegative = 0.0
    """In the shop's currency."""
    change_until: Until = "paid"
    """Last state in which address and quantity can be changed."""
    warranty_months: Count = 24
    """0: there is none."""
    payment_methods: tuple[str, ...] = ("credit card", "PayPal", "bank transfer")
    """Ways to pay, in English."""
    payment_methods_zh: tuple[str, ...] = ("微信支付", "支付宝", "银行卡")
    """Ways to pay, in Chinese."""
    service_hours: str = "8:00-20:00"
    """When agents answer."""

    def _check(self) -> None:
        said = None
        if self.delivery_days_min > self.delivery_days_max:
            said = (
                f"delivery_days_min is {self.delivery_days_min} and delivery_days_max "
                f"{self.delivery_days_max}: the shortest time is longer than the longest"
            )
        elif not self.shipping_fee and self.free_shipping_from:
            said = (
                f"shipping_fee is 0 and free_shipping_from {self.free_shipping_from:g}: shipping is free for all "
                "orders or from a sum on"
            )
        elif self.cancellation_fee and self.cancel_until == "never":
            said = (
                f"cancellation_fee is {self.cancellation_fee:g} and cancel_until never: there is no fee for what "
                "cannot be done"
            )
        elif not self.payment_methods or not self.payment_methods_zh:
            said = "payment_methods names no way to pay"
        elif not HOURS.fullmatch(self.service_hours):
            said = f"service_hours is {self.service_hours!r}, not such as 8:00-20:00"
        if said:
            raise SettingError(f"Policies: {said}. Correct the file of policies.")

    def plain(self) -> dict[str, Any]:
        """Return the facts as plain values, as a sample's `shop.json` has them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def read_policies(path: str | Path = "") -> Policies:
    """Read a file of policies, the example where no path is given.

    Raises `SourceError` for a file that is not there or is no TOML, and `SettingError` for unknown keys, values beyond
    their limits, and facts that contradict each other.
    """
    place = Path(path) if path else EXAMPLE
    try:
        data = tomllib.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(
            f"The file of policies {place} is not there; {EXAMPLE} is one."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{place} is no TOML: {error}. {EXAMPLE} is an example.") from error
    try:
        made: Policies = configure(Policies, data)
    except SettingError as error:
        raise SettingError(f"{place}: {error}") from error
    return made


@cache
def policies_of(plain: str) -> Policies:
    """Return the policies of plain values, as JSON."""
    values = json.loads(plain)
    made: Policies = configure(Policies, values)
    return made
