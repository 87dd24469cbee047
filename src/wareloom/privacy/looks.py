"""Looks at real users that no ledger knows of: refused where what comes of them is to be private."""

from __future__ import annotations

from typing import Literal

from wareloom.errors import RefusedError
from wareloom.shop.keeps import Keeps

Look = Literal["screens", "weights", "ratios", "stopping", "tuning", "histories", "size"]
REMEDIES: dict[str, str] = {
    "screens": "which rows a screen leaves says what it saw of real users. Leave the screens out, or screen the sample "
    "beside another private sample",
    "weights": "weights, slices and shares that were learned on real rows are numbers of the log. Sample its members "
    "one by one, and mix the samples by ratios that you give",
    "ratios": "a ratio that was chosen on held-back users is a number of the log. Give it as a setting",
    "stopping": "when to stop was told by held-back users. Give the number of steps as a setting",
    "tuning": "settings that were searched for on real users are numbers of the log. Take them from a public or "
    "synthetic shop",
    "histories": "whoever goes on from real histories copies them. Sample without --continue and --like",
    "size": "the exact number of users is a number of the log. Give --users, or let the generator pay for it",
}
"""Why each is refused, and what to do instead"""


def refuse_unpaid(keeps: Keeps, look: Look, of: str) -> None:
    """Raise `RefusedError` where `of` keeps nothing but what was paid for, and `look` was not."""
    if keeps == "private":
        raise RefusedError(
            f"{of} is private, and this look at real users is not paid for: {REMEDIES[look]}."
        )
