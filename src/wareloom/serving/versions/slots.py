"""What is live in each slot, in one process: looked at before each answer, opened beside, exchanged at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from wareloom.core import logging
from wareloom.errors import InputError, WareloomError
from wareloom.serving.files.lookup import hash_of
from wareloom.serving.versions.store import Change, Store
from wareloom.serving.versions.version import Version

KEPT = 4
"""Versions that stay mapped: the live ones, and those that were so last"""
log = logging.get(__name__)


@dataclass
class _Slot:
    stamp: tuple[int, int]
    live: Version
    shadow: Version | None
    arms: tuple[tuple[float, Version], ...] = ()
    """Versions that answer shares of the shoppers, with the ends of their shares"""
    opening: asyncio.Task[None] | None = None


class Slots:
    """The slots of a store."""

    def __init__(self, store: Store, allow_code: Sequence[str] = ()) -> None:
        self.store, self.allowed = store, tuple(allow_code)
        self._open: OrderedDict[str, Version] = OrderedDict()
        self._slots: dict[str, _Slot] = {}
        self._places: dict[str, str] = {}
        self.refused = 0
        """Versions that were made live and could not be opened"""
        for name in store.names():
            self._take(name)

    def __len__(self) -> int:
        return len(self._slots)

    def live(self, name: str) -> Version:
        """The version that answers in a slot; raises `InputError` for a slot that there is not."""
        slot = self._slots.get(name)
        if slot is None:
            if not (self.store.slots / f"{name}.jsonl").is_file():
                raise InputError(
                    f"There is no slot {name!r}; there are {', '.join(self._slots) or 'none'}."
                )
            return self._take(name).live
        if self._stamp(name) != slot.stamp and (slot.opening is None or slot.opening.done()):
            slot.opening = asyncio.ensure_future(self._renew(name))
        return slot.live

    def look(self) -> None:
        """Begin to open what became live, so that this waits for no request."""
        for name in self._slots:
            with contextlib.suppress(OSError):
                self.live(name)

    def arm(self, name: str, who: str | None) -> Version:
        """The version that answers a shopper; raises as `live`.

        By the slot, the versions and the shopper alone: every process on every machine says the same at any time.
        """
        live = self.live(name)
        arms = self._slots[name].arms
        if not arms or who is None:
            return live
        names = ",".join(sorted(version.id for _, version in arms))
        place = hash_of(f"{name}/{names}/{who}") / 2**64
        return next((version for end, version in arms if place < end), live)

    def divided(self, name: str) -> bool:
        """Whether several versions answer."""
        return bool(self._slots[name].arms)

    def shadow(self, name: str) -> Version | None:
        """The version that is asked beside the live one."""
        slot = self._slots.get(name)
        return slot.shadow if slot else None

    def version(self, name: str) -> Version | None:
        """A version by its id, None where it is no longer there."""
        if name not in self._open:
            if not (self.store.versions / name).is_dir():
                return None
            self._keep(self._opened(name))
        elif not (self.store.versions / name).is_dir():
            return None
        return self._open[name]

    async def renewed(self, name: str) -> Version:
        """The version that is live by now: waits until it is open."""
        live = self.live(name)
        opening = self._slots[name].opening
        if opening is not None and not opening.done():
            await opening
            live = self._slots[name].live
        return live

    def kept(self) -> dict[str, tuple[int, int]]:
        """Hits and misses of the caches of all open versions since they were looked at last, by kind."""
        every = {id(one): one for one in self._open.values()}
        for slot in self._slots.values():
            beside = [version for _, version in slot.arms]
            every |= {id(one): one for one in (slot.live, slot.shadow, *beside) if one is not None}
        found: dict[str, tuple[int, int]] = {}
        for version in every.values():
            for name, tally in version.tallies():
                (hits, misses), (more, fewer) = found.get(name, (0, 0)), tally.take()
                found[name] = hits + more, misses + fewer
        return found

    def told(self) -> dict[str, dict[str, object]]:
        """What is live in each slot, in a few words."""
        live = {name: self.live(name) for name in self.store.names()}
        return {
            name: {
                "version": version.id,
                "ranker": version.served.ranker,
                "unproved": version.unproved,
                "items": len(version.served),
            }
            for name, version in live.items()
        }

    def _stamp(self, name: str) -> tuple[int, int]:
        # Before each answer: a path that is put together anew costs more than the look itself.
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = os.fspath(self.store.slots / f"{name}.jsonl")
        try:
            state = os.stat(place)
        except FileNotFoundError:
            # A slot that somebody deleted answers on with what it has.
            if name not in self._slots:
                raise
            return self._slots[name].stamp
        return state.st_mtime_ns, state.st_size

    def _take(self, name: str) -> _Slot:
        stamp, change = self._stamp(name), self.store.history(name)[-1]
        live = self._opened(change.live)
        shadow = None if change.shadow is None else self._opened(change.shadow)
        self._keep(live)
        self._slots[name] = made = _Slot(stamp, live, shadow, self._arms(change))
        return made

    def _arms(self, change: Change) -> tuple[tuple[float, Version], ...]:
        """Versions in the order of their ids, with the ends of their shares."""
        made, end = [], 0.0
        for version, share in sorted((change.arms or {}).items()):
            end += share
            made.append((end, self._opened(version)))
        return tuple(made)

    async def _renew(self, name: str) -> None:
        """Open what is live now, beside what answers; then exchange them."""
        stamp, change = self._stamp(name), self.store.history(name)[-1]
        loop = asyncio.get_running_loop()
        try:
            live = await loop.run_in_executor(None, self._opened, change.live)
            shadow = None
            if change.shadow is not None:
                shadow = await loop.run_in_executor(None, self._opened, change.shadow)
            arms = await loop.run_in_executor(None, self._arms, change)
        except WareloomError as error:
            self.refused += 1
            log.error(
                "The version %s cannot be opened, %s stays live: %s", change.live, name, error
            )
            self._slots[name].stamp = stamp
            return
        self._keep(live)
        self._slots[name] = _Slot(stamp, live, shadow, arms)

    def _opened(self, version: str) -> Version:
        return self._open.get(version) or Version.open(
            self.store.versions / version, allow_code=self.allowed, packed=self.store.packed
        )

    def _keep(self, version: Version) -> None:
        self._open[version.id] = version
        self._open.move_to_end(version.id)
        while len(self._open) > max(KEPT, 2 * len(self._slots)):
            self._open.popitem(last=False)
