"""What a proof says of its freeze, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.core.sentences import Say

ENGLISH = Say()


def frozen(data: Mapping[str, Any], say: Say = ENGLISH) -> list[str]:
    """Whether the recipe was frozen before the test part was read, or why not, and what was declared as seen.

    Empty where the recipe was not frozen: then nothing is claimed.
    """
    if "frozen" not in data:
        return []
    note = data["frozen"]
    seen = [say("proof.seen", what=" / ".join(note["seen"]))] if note["seen"] else []
    if say.language == "en":
        return [note["why"], *seen]
    key = "proof.frozen" if note["frozen"] else "proof.not_frozen"
    return [say(key, at=note["at"], why=note["why"]), *seen]
