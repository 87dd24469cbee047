"""How much memory this machine has, and whether what is asked for can fit at all: said before the work begins."""

from __future__ import annotations

import os
from pathlib import Path

from wareloom.errors import MemoryLimitError

GIB = 2**30
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux keeps the most that a container may take"""


def memory() -> int | None:
    """Bytes of memory that this process may take at most; None where the system does not say."""
    if not hasattr(os, "sysconf"):
        return None
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    for place in LIMITS:
        try:
            text = Path(place).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if text.isdigit():
            found = min(found, int(text))
    return found


def must_fit(need: float, what: str) -> None:
    """Raise `MemoryLimitError` where `need` bytes, a lower bound of what `what` takes, are more than there are."""
    there = memory()
    if there is not None and need > there:
        raise MemoryLimitError(
            f"{what} take at least {need / GIB:,.0f} GiB of memory, and this machine has {there / GIB:,.0f}: "
            "ask for fewer."
        )
