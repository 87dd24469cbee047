"""People who may sign in to the console: names and argon2id hashes of passwords, in a file that its owner reads."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from wareloom.core.files import beside
from wareloom.errors import InputError, SourceError, needed, require

FILE = "people.json"
SHORTEST, LONGEST = 12, 256
"""Characters of a password"""
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
PREFIX = "$argon2id$"


class People:
    """The people of a store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._people: dict[str, str] = {}
        self._nobody = ""

    def __len__(self) -> int:
        return len(self._read())

    def names(self) -> list[str]:
        """Who may sign in, sorted."""
        return sorted(self._read())

    def add(self, name: str, password: str) -> None:
        """Let a person sign in, or give one another password, which ends what was signed in with the old one."""
        require("keys", "person", name, bool(NAME.fullmatch(name)), "letters, figures, . _ @ -")
        if not SHORTEST <= len(password) <= LONGEST:
            raise InputError(
                f"The password has {len(password)} characters; give {SHORTEST} to {LONGEST}."
            )
        self._write({**self._read(), name: _hasher().hash(password)})

    def forget(self, name: str) -> None:
        """Let a person sign in no more; what is signed in ends at once."""
        left = {one: word for one, word in self._read().items() if one != name}
        if len(left) == len(self._read()):
            raise InputError(f"Nobody is called {name!r}; there are {len(left)}.")
        self._write(left)

    def check(self, name: str, password: str) -> bool:
        """Whether a password is a person's; takes as long for names that there are not."""
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = _hasher()
        self._nobody = self._nobody or hasher.hash("nobody's password")
        word = self._read().get(name)
        try:
            return bool(hasher.verify(word or self._nobody, password[:LONGEST])) and bool(word)
        except (VerificationError, InvalidHashError):
            return False

    def mark(self, name: str) -> bytes | None:
        """A digest that changes with a person's password; None for nobody."""
        word = self._read().get(name)
        return None if word is None else hashlib.sha256(word.encode()).digest()

    def _read(self) -> dict[str, str]:
        """Hashes by name; raises `SourceError` for a file that others can read, or that is none of people."""
        try:
            state = os.lstat(self.path)
        except FileNotFoundError:
            self._stamp, self._people = None, {}
            return self._people
        stamp = (state.st_mtime_ns, state.st_ino)
        if stamp != self._stamp:
            if state.st_mode & 0o077 or self.path.is_symlink():
                raise SourceError(
                    f"{self.path} can be read by others, or is a link: chmod 600 {self.path}."
                )
            try:
                told = json.loads(self.path.read_text(encoding="utf-8"))
                found = {str(one["name"]): str(one["argon2id"]) for one in told}
            except (ValueError, KeyError, TypeError) as error:
                raise SourceError(f"{self.path} is no file of people: {error}.") from error
            if odd := [name for name, word in found.items() if not word.startswith(PREFIX)]:
                raise SourceError(f"{self.path} has no argon2id hash for {odd[0]!r}.")
            self._people, self._stamp = found, stamp
        return self._people

    def _write(self, people: dict[str, str]) -> None:
        told = [{"name": name, "argon2id": word} for name, word in sorted(people.items())]
        with beside(self.path) as partial:
            file = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with open(file, "w", encoding="utf-8") as out:
                json.dump(told, out, indent=2)
        self._stamp = None


def _hasher() -> Any:
    """argon2id as RFC 9106 proposes it where memory is short: 64 MiB, three passes."""
    needed("argon2", "serve", "Signing in")
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
