"""Keys of clients: 256 random bits, shown once, kept as a digest; with roles, an end, and an end at once.

The file holds no key. It is looked at again when it changes, so that a key that was taken back is refused at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from pathlib import Path

from wareloom.core.files import beside
from wareloom.errors import InputError, SourceError, require

ROLES = ("read", "write", "admin")
"""What a key may do; each may do what stands before it"""
MARK = "wl_"


class Keys:
    """The keys of a store."""

    def __init__(self, path: Path) -> None:
        self.path, self._place = path, os.fspath(path)
        self._stamp: tuple[int, int] | None = None
        self._keys: list[dict[str, object]] = []

    def __len__(self) -> int:
        return len(self._read())

    def wanted(self) -> bool:
        """Whether keys are asked for: from the first one that was made on, also when the last one was taken back."""
        self._read()
        return self._stamp is not None

    def add(self, name: str, role: str, days: float) -> str:
        """Make a key, and return it: it is not shown again."""
        require("keys", "role", role, role in ROLES, f"one of {', '.join(ROLES)}")
        require("keys", "days", days, 0 < days <= 3660, "days above 0, at most 3,660")
        if any(one["name"] == name for one in self._read()):
            raise InputError(f"There is a key called {name!r} already: revoke it, or name another.")
        key = MARK + secrets.token_urlsafe(32)
        told = {
            "name": name,
            "role": role,
            "sha256": _digest(key),
            "until": int(time.time() + days * 86400),
        }
        self._write([*self._read(), told])
        return key

    def revoke(self, name: str) -> None:
        """End a key."""
        left = [one for one in self._read() if one["name"] != name]
        if len(left) == len(self._read()):
            raise InputError(f"No key is called {name!r}; there are {len(left)}.")
        self._write(left)

    def names(self) -> list[tuple[str, str, int]]:
        """Name, role and end (seconds since 1970) of each key."""
        return [(str(k["name"]), str(k["role"]), int(str(k["until"]))) for k in self._read()]

    def role(self, key: str) -> str | None:
        """The role of a key, None for one that is unknown or over; takes as long for each."""
        digest, found = _digest(key), None
        for one in self._read():
            if hmac.compare_digest(str(one["sha256"]), digest):
                found = str(one["role"]) if int(str(one["until"])) > time.time() else None
        return found

    def _read(self) -> list[dict[str, object]]:
        """The keys; raises `SourceError` for a file that others can read, or that is none of keys."""
        try:
            state = os.lstat(self._place)
        except FileNotFoundError:
            self._stamp, self._keys = None, []
            return self._keys
        stamp = (state.st_mtime_ns, state.st_ino)
        if stamp != self._stamp:
            if state.st_mode & 0o077 or self.path.is_symlink():
                raise SourceError(
                    f"{self.path} can be read by others, or is a link: chmod 600 {self.path}."
                )
            try:
                told = json.loads(self.path.read_text(encoding="utf-8"))
                self._keys = [
                    {n: one[n] for n in ("name", "role", "sha256", "until")} for one in told
                ]
            except (ValueError, KeyError, TypeError) as error:
                raise SourceError(f"{self.path} is no file of keys: {error}.") from error
            self._stamp = stamp
        return self._keys

    def _write(self, keys: list[dict[str, object]]) -> None:
        with beside(self.path) as partial:
            file = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with open(file, "w", encoding="utf-8") as out:
                json.dump(keys, out, indent=2)
        self._stamp = None


def may(role: str | None, needed: str) -> bool:
    """Whether a role may do what needs another."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
