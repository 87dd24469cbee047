"""Pages of one answer: which version gave the first, where the next begins, and what all of them share."""

from __future__ import annotations

import base64
import hmac
import random
import secrets
import struct
from typing import NamedTuple

from wareloom.errors import InputError
from wareloom.serving.versions.version import Version
from wareloom.serving.wire import PAGES, Ask

TOKEN = struct.Struct("<8sHHI")
"""Version, first, size and drawn of a page token"""
CHANCES = 1 << 32
"""Numbers of which one decides, for all pages of an answer, who is tried"""


class Gone(InputError):
    """A page token names a version that is no longer there."""


class Paging(NamedTuple):
    """What pages of one answer have in common, and where one of them begins."""

    first: int
    """Items that stand on the pages before"""
    size: int
    """Items that the first page asked for"""
    drawn: int = 0
    """Of `CHANCES`, who is tried"""


class Pages:
    """Gives out page tokens, and reads them."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.random = random.Random(secrets.randbits(64))

    def begun(self, ask: Ask, version: Version) -> Paging:
        """Where a page begins, and what it shares with those before; the first page draws who is tried.

        Raises `InputError` for a token that was not given out here, and for one of a page too far down.
        """
        if not ask.page:
            explores = version.rules.rules.explore is not None
            return Paging(0, ask.k, self.random.getrandbits(32) if explores else 0)
        paging = self._read(ask.page)[1]
        if paging.first > PAGES:
            raise InputError(f"There are no pages beyond {PAGES:,} items: narrow what is asked.")
        return paging

    def token(self, version: Version, paging: Paging) -> str:
        """A page token: the version, where the page begins, what its pages share, and a signature over all."""
        first = min(paging.first, 65535)
        told = TOKEN.pack(bytes.fromhex(version.id), first, paging.size, paging.drawn)
        return base64.urlsafe_b64encode(told + self._signed(told)).decode()

    def version(self, token: str) -> str:
        """The version that a token names; raises `InputError` for one that was not given out here."""
        return self._read(token)[0]

    def _read(self, token: str) -> tuple[str, Paging]:
        try:
            content = base64.b64decode(token.encode("ascii"), b"-_", validate=True)
        except ValueError:
            content = b""
        told, signature = content[: TOKEN.size], content[TOKEN.size :]
        if len(told) < TOKEN.size or not hmac.compare_digest(signature, self._signed(told)):
            raise InputError("The page token is not one that was given out here: ask without it.")
        version, *paging = TOKEN.unpack(told)
        return version.hex(), Paging(*paging)

    def _signed(self, told: bytes) -> bytes:
        return hmac.digest(self.secret, told, "sha256")[:16]
