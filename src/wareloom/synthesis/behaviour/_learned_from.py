"""The log that is learned from."""

from __future__ import annotations

import numpy as np

from wareloom.errors import InputError
from wareloom.shop import Log, Shop


def learnable(name: str, shop: Shop) -> Log:
    """The log of a shop, for the synthesizer `name`; raises `InputError` where it has no events on known items."""
    log = Log.of(shop)
    if not log.weight.any():
        raise InputError(
            f"The synthesizer {name!r} has nothing to learn from: the shop has no events on known items."
        )
    return log


def active(log: Log) -> Log:
    """The users of a log who have events."""
    return log.select(np.flatnonzero(log.lengths() > 0))
