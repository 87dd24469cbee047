"""A key for ledgers, kept outside their folder: who can write the folder alone can then neither edit nor cut one.

Each line has an HMAC-SHA256 (RFC 2104) over its running hash, and so over all bytes before it. An older copy of a
ledger would pass that, so the newest hash of each is kept beside the key as well, and so is which shops share one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from wareloom.core.keys import read_key

NAMED = "WARELOOM_LEDGER_KEY"
"""Environment variable with the file of the key"""
BESIDE = ".heads"
"""End of the name of the folder beside the key"""


@dataclass(frozen=True)
class LedgerKey:
    """The key, and the folder beside it with the newest hash of each ledger."""

    secret: bytes
    heads: Path

    @classmethod
    def named(cls, ledgers: Path) -> LedgerKey | None:
        """The key that the environment names; None where it names none.

        Raises `InputError` where it lies in the folder of `ledgers` or is short, `SourceError` where it is not there.
        """
        said = os.environ.get(NAMED)
        if not said:
            return None
        path = Path(said)
        secret = read_key(path, ledgers, why="the ledgers that it seals are to be read")
        return cls(secret, path.with_name(path.name + BESIDE))

    def seal(self, running: str) -> str:
        """The HMAC of a line by its running hash."""
        return hmac.new(self.secret, f"ledger\x1f{running}".encode(), hashlib.sha256).hexdigest()

    def sealed(self, running: str, seal: object) -> bool:
        """Whether a line has the seal that the key gives it."""
        return isinstance(seal, str) and hmac.compare_digest(
            self.seal(running).encode(), seal.encode()
        )
