"""What a proof says of its freeze, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def frozen(data: Mapping[str, Any]) -> list[str]:
    """Whether the recipe was frozen before the test part was read, or why not, and what was declared as seen.

    Empty where the recipe was not frozen: then nothing is claimed.
    """
    if "frozen" not in data:
        return []
    note = data["frozen"]
    seen = f"Declared as seen before: {' / '.join(note['seen'])}" if note["seen"] else ""
    return [note["why"], *filter(None, [seen])]
