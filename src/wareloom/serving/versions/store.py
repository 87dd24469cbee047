"""A store: versions that never change, and slots that say which one is live, was live, and answers in its shadow."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from wareloom.core.state import read_json, write_json
from wareloom.errors import InputError, OutputError, SourceError, absent, require
from wareloom.serving.versions.version import MANIFEST, check_version

MARKER = "store.json"
FORMAT = 1
SLOT = re.compile("[a-z0-9][a-z0-9_-]{0,63}")


class Change(NamedTuple):
    """A line of a slot's history."""

    at: str
    """UTC, ISO 8601"""
    live: str
    """Version that answers from then on"""
    shadow: str | None
    """Version that is asked beside it and not shown"""
    by: str
    """publish, live, shadow, split or roll back"""
    arms: dict[str, float] | None = None
    """Shares of the shoppers that other versions answer, the live one all others"""


class Store:
    """A folder of versions, slots, events and keys."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions, self.slots = root / "versions", root / "slots"
        self.events, self.state = root / "events", root / "state"

    @classmethod
    def open(cls, root: Path) -> Store:
        """Open a store; raises `SourceError` where there is none."""
        if not (root / MARKER).is_file():
            raise SourceError(
                f"{root} is no store: wareloom publish MODEL --slot home --to {root} makes one."
            )
        told = read_json(root / MARKER)
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise SourceError(
                f"{root} is a store of another format than {FORMAT}: upgrade to open it."
            )
        return cls(root)

    @classmethod
    def made(cls, root: Path) -> Store:
        """Open a store, or make one in a folder that is not there or empty."""
        if (root / MARKER).is_file():
            return cls.open(root)
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise OutputError(
                f"{root} is there already and is no store: choose another folder for --to."
            )
        store = cls(root)
        for folder in (store.versions, store.slots, store.events, store.state):
            folder.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        secret = os.open(store.state / "secret", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(secret, secrets.token_bytes(32))
        os.close(secret)
        write_json(root / MARKER, {"format": FORMAT})
        return store

    @property
    def packed(self) -> Path:
        """Where processes have what is packed of encoders together: made anew where it is gone."""
        return self.state / "encoders"

    @property
    def secret(self) -> bytes:
        """What page tokens are signed with."""
        return (self.state / "secret").read_bytes()

    def names(self) -> list[str]:
        """Slots, sorted."""
        return sorted(path.stem for path in self.slots.glob("*.jsonl"))

    def history(self, slot: str) -> list[Change]:
        """All changes of a slot, oldest first; raises `UnknownNameError` for one that there is not."""
        path = self.slots / f"{check_slot(slot)}.jsonl"
        if not path.is_file():
            raise absent("slot", slot, self.names())
        return changes_in(path.read_bytes(), str(path))

    def live(self, slot: str, at: str | None = None) -> Change | None:
        """What is live, or was `at` a time (ISO 8601, UTC where it says no zone); None before the first version."""
        changes = self.history(slot)
        if at is None:
            return changes[-1]
        moment = parsed(at)
        return next((c for c in reversed(changes) if parsed(c.at) <= moment), None)

    def set_live(self, slot: str, version: str, *, by: str = "live") -> Change:
        """Make a version live; its files are compared with their digests before."""
        version = self.checked(version)
        shadow = self.live(slot).shadow if slot in self.names() else None  # type: ignore[union-attr]
        return self._add(slot, version, shadow, by)

    def set_shadow(self, slot: str, version: str | None) -> Change:
        """Ask a version beside the live one, or no longer."""
        if version is not None:
            version = self.checked(version)
        now = self.live(slot)
        assert now is not None
        return self._add(slot, now.live, version, "shadow", now.arms)

    def set_arms(self, slot: str, arms: dict[str, float] | None) -> Change:
        """Let other versions answer shares of the shoppers, each always the same ones; None ends that."""
        for version, share in (arms or {}).items():
            require("split", version, share, 0 < share < 1, "a share above 0, below 1")
            self.checked(version)
        total = sum((arms or {}).values())
        require("split", "the sum of shares", total, total <= 1, "at most 1")
        now = self.live(slot)
        assert now is not None
        named = {self.named(version): share for version, share in (arms or {}).items()}
        return self._add(slot, now.live, now.shadow, "split", named or None)

    def roll_back(self, slot: str) -> Change:
        """Make the version live that was so before; twice in a row goes one further."""
        past, stack = self.history(slot), list[str]()
        for change in past:
            if change.by == "roll back" and stack:
                stack.pop()
            if change.by not in ("shadow", "split") and stack[-1:] != [change.live]:
                stack.append(change.live)
        if len(stack) > 1:
            return self.set_live(slot, stack[-2], by="roll back")
        raise InputError(
            f"There is nothing to roll back to: {slot!r} had no other version before {past[-1].live}."
        )

    def folder(self, version: str) -> Path:
        """Where a version lies, by its id or the beginning of one; raises `UnknownNameError`."""
        return self.versions / self.named(version)

    def named(self, version: str) -> str:
        """The id of a version, by the beginning of it; raises `UnknownNameError`."""
        every = self.every_version()
        found = [name for name in every if version and name.startswith(version)]
        if len(found) != 1:
            raise absent("version", version, every)
        return found[0]

    def every_version(self) -> list[str]:
        """Ids, sorted."""
        return [path.name for path in sorted(self.versions.iterdir()) if (path / MANIFEST).exists()]

    def manifest(self, version: str) -> dict[str, Any]:
        """What a version says of itself, by its whole id."""
        told: dict[str, Any] = read_json(self.versions / version / MANIFEST)
        return told

    def checked(self, version: str) -> str:
        """The id of a version all of whose files are as they were published; raises `SourceError`."""
        name = self.named(version)
        check_version(self.versions / name, whole=True)
        return name

    def _add(
        self,
        slot: str,
        live: str,
        shadow: str | None,
        by: str,
        arms: dict[str, float] | None = None,
    ) -> Change:
        live = self.named(live)
        shadow = None if shadow is None else self.named(shadow)
        change = Change(dt.datetime.now(dt.UTC).isoformat(), live, shadow, by, arms)
        self._append(check_slot(slot), json.dumps(change._asdict()).encode() + b"\n")
        return change

    def _append(self, slot: str, line: bytes) -> None:
        path = self.slots / f"{slot}.jsonl"
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file).st_size
            begun = b"\n" if size and os.pread(file, 1, size - 1) != b"\n" else b""
            os.write(file, begun + line)
            os.fsync(file)
        finally:
            os.close(file)


def changes_in(content: bytes, place: str) -> list[Change]:
    """The lines of a slot's history; raises `SourceError` where there is none."""
    found = []
    for line in content.decode("utf-8", "replace").splitlines():
        try:
            found.append(Change(**json.loads(line)))
        except (ValueError, TypeError):
            # Only the last line can be one that a process was killed at.
            continue
    if not found:
        raise SourceError(f"{place} says nothing: publish to the slot again.")
    return found


def check_slot(name: str) -> str:
    """Return a slot's name; raises `InputError` for one that is none."""
    if not SLOT.fullmatch(name):
        raise InputError(f"{name!r} is no name of a slot: give small letters, figures, - and _.")
    return name


def parsed(text: str) -> dt.datetime:
    """A time with its zone, UTC where it says none; raises `InputError`."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no time: write it as 2026-11-03T10:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def told_of(change: Change) -> dict[str, Any]:
    """A change as commands print it."""
    return {k: v for k, v in change._asdict().items() if v is not None}
