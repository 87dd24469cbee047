"""The lively shop of the contract kit, under the name that tests know."""

from wareloom.testing.lively import HOUR, lively, lively_events, lively_items

__all__ = ["HOUR", "lively", "lively_events", "lively_items"]
