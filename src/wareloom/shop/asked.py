"""Kinds of arguments that are shops, with the remedies for what is often given in their place."""

from __future__ import annotations

import os

from wareloom.shop.shop import Shop


def a_shop(value: object) -> str:
    """A shop."""
    return "" if isinstance(value, Shop) else f"a Shop{_instead(value)}"


def a_shop_or_none(value: object) -> str:
    """A shop, or None."""
    return "" if value is None else a_shop(value)


def _instead(value: object) -> str:
    """What makes a shop of what was given in its place, as words behind "a Shop"."""
    if isinstance(value, str | os.PathLike):
        return f": wl.open({os.fspath(value)!r}) opens one that was written there"
    # By what they have: their classes stand above the rooms that this one may know.
    if hasattr(value, "train") and hasattr(value, "validation"):
        return ": one of the parts of the split, such as its .train"
    if hasattr(value, "kept") and hasattr(value, "rejected"):
        return ": its .kept is what passed the screens"
    if hasattr(value, "columns") or hasattr(value, "__arrow_c_stream__"):
        return ": wl.read(frame) makes one of a frame"
    return ", as wl.open, wl.read or wl.split return"
