"""The application: bodies in, prepared bytes out, over plain ASGI. One is made for each process.

app = Application(Settings(store="store"))
uvicorn.run(app)
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from wareloom.core import logging
from wareloom.errors import InputError, OutputError, SourceError
from wareloom.serving.answer import CHOSEN, Answers, Shown, exposure, now_us
from wareloom.serving.config import Settings
from wareloom.serving.events.erase import forgotten
from wareloom.serving.events.log import Busy, Full
from wareloom.serving.events.outbox import log_of
from wareloom.serving.events.ubi import events_from, ubi_of
from wareloom.serving.files.lookup import hash_of
from wareloom.serving.logs import HEADER, REQUEST, Failure, requests
from wareloom.serving.paging import Gone
from wareloom.serving.shoppers.memory import ABSENT, Forgotten, memory_of, whose
from wareloom.serving.shoppers.sessions import entries_of
from wareloom.serving.versions.slots import Slots
from wareloom.serving.versions.stock import Stock
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import Version
from wareloom.serving.web import door
from wareloom.serving.web.console import Console
from wareloom.serving.web.counters import Counters
from wareloom.serving.web.door import Door, Refused
from wareloom.serving.web.keys import Keys
from wareloom.serving.web.load import Load
from wareloom.serving.web.status import JSON, TEXT, Handler, Reply, Status
from wareloom.serving.wire import (
    KINDS,
    Ask,
    Erased,
    Event,
    Kept,
    Taken,
    ask_of,
    events_of,
    items_of,
    meant,
    written,
)

TICK = 0.2
"""Seconds after which a process looks whether its part of the log shall be finished"""
AHEAD = 86_400_000_000
"""Microseconds that an event's time may lie ahead of ours"""
log = logging.get(__name__)


class Application:
    """Answers HTTP for one store."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store.open(settings.store)
        self.keys = Keys(self.store.root / "keys.json")
        self.slots = Slots(self.store, settings.allow_code)
        self.counters = Counters(self.store.state / "counters", settings.worker)
        self.memory = memory_of(settings, self.store.state)
        stock = Stock(self.store.state / "items.log")
        self.answers = Answers(self.memory, stock, self.store.secret)
        self.log = log_of(settings, self.store, stock.put)
        self.door = Door(settings, self.keys)
        self.load = Load()
        self.status = Status(self.slots, self.counters, self.memory, self.log, self.load)
        self._ticking: asyncio.Task[None] | None = None
        self._shadows: set[asyncio.Task[None]] = set()
        self._routes: dict[tuple[str, str], tuple[str, Handler]] = {
            ("POST", "/recommend"): ("read", self._recommend),
            ("POST", "/search"): ("read", self._search),
            ("POST", "/similar"): ("read", self._similar),
            ("POST", "/explain"): ("read", self._explain),
            ("POST", "/events"): ("write", self._events),
            ("POST", "/ubi"): ("write", self._ubi),
            ("PUT", "/items"): ("write", self._items),
            ("DELETE", "/users/"): ("admin", self._erase),
            ("DELETE", "/items/"): ("write", self._drop),
            **self.status.routes(),
        }
        self.console = Console(self.store, self.slots, self.counters, settings.versions)
        self.console.gauges = self.status.gauges

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take a connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        self.load.begin()
        begun = time.perf_counter()
        request = f"{now_us():x}-{self.answers.pages.random.getrandbits(32):08x}"
        REQUEST.set(request)
        self.status.running += 1
        reply: Reply = ()
        with Failure() as failure:
            try:
                reply = await self._answered(scope, receive)
            except Refused as refused:
                error = written({"error": str(refused)})
                reply = (refused.status, JSON, error, refused.headers)
            finally:
                self.status.running -= 1
        if failure.failed:
            reply = 500, JSON, written({"error": f"This failed; the log says where: {request}."})
        status, kind, body, *more = reply
        seconds = time.perf_counter() - begun
        self.counters.answered(status, seconds)
        if self.settings.log_requests:
            self._logged(scope, status, seconds)
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        headers += [(HEADER, request.encode()), *(more[0] if more else ())]
        headers += door.HEADERS if kind in (JSON, TEXT) else door.PAGE_HEADERS
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answered(self, scope: Any, receive: Any) -> Reply:
        """Let the door look at a request, and answer it."""
        path, rest = scope["path"], ""
        route = self._routes.get((scope["method"], path))
        if route is None and (scope["method"], path) in self.console.routes:
            route = ("", partial(self.console.answer, scope))
        if route is None:
            for start in ("/users/", "/items/"):
                if path.startswith(start) and (scope["method"], start) in self._routes:
                    route, rest = self._routes[scope["method"], start], path[len(start) :]
        if route is None:
            known = {p for _, p in self._routes}
            raise Refused(
                405 if path in known else 404,
                f"There is no {scope['method'][:10]} {path[:80]!r} here.",
            )
        role, handler = route
        self.door.check(scope, role, self.status.running)
        body = await self.door.body(scope, receive)
        try:
            return await handler(body, rest)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeError) as error:
            status = 422 if isinstance(error, msgspec.ValidationError) else 400
            told = f"The body is not what is taken here: {error}.{meant(str(error), path)}"
            raise Refused(status, told) from error
        except RecursionError:
            raise Refused(400, "The body is nested too deeply.") from None
        except Gone as error:
            raise Refused(410, str(error)) from error
        except Full as error:
            raise Refused(507, str(error)) from error
        except Busy as error:
            raise Refused(429, str(error), [(b"retry-after", b"1")]) from error
        except SourceError as error:
            # Of a file of the store, not of what was asked: who asks is told neither place nor name.
            log.error("A request could not be answered: %s", error)
            raise Refused(503, "What is needed for this cannot be read: see the log.") from error
        except InputError as error:
            raise Refused(422, str(error)) from error

    def _logged(self, scope: Any, status: int, seconds: float) -> None:
        """Log an answer by its route: a path may hold an id."""
        method, path = str(scope["method"])[:10], scope["path"]
        route = path if any((m, path) in self._routes for m in (method, "POST")) else ""
        if not route:
            route = next((p for p in ("/users/", "/items/", "/console/") if path.startswith(p)), "")
        told = {"method": method, "route": route, "status": status, "ms": round(seconds * 1e3, 3)}
        requests.info("Answered.", extra={"answer": told})

    # -- answers

    async def _recommend(self, body: bytes, _: str) -> Reply:
        return await self._asked(ask_of(body))

    async def _search(self, body: bytes, _: str) -> Reply:
        ask = ask_of(body)
        if not ask.query.strip():
            raise InputError("Nothing is searched for: give a query, or ask /recommend.")
        return await self._asked(ask)

    async def _similar(self, body: bytes, _: str) -> Reply:
        ask = ask_of(body)
        if ask.item is None:
            raise InputError("Give the item that others shall be like.")
        ask.history, ask.query = [ask.item], ""
        return await self._asked(ask)

    async def _explain(self, body: bytes, _: str) -> Reply:
        """Explain one item, wherever it stands."""
        ask = ask_of(body)
        if ask.item is None:
            raise InputError("Give the item that is to be explained.")
        ask.explain = True
        version = self._version(ask)
        code = version.served.ids.code(ask.item)
        shown = await self.answers.answer(version, ask, now_us())
        if code < 0:
            # A product that is new is known by the code that it has in this answer.
            code = next((c for c, (name, _) in shown.new.items() if name == ask.item), code)
        if code == -1:
            raise InputError(
                f"The version {version.id} does not know the item {ask.item!r}, nor is it shown as a new one."
            )
        place = next((p for p in shown.placed if p.code == code), None)
        why = await self._written(version, lambda: self._why(shown, ask, code))
        rank = shown.placed.index(place) + 1 if place else None
        told = {
            "slot": ask.slot,
            "version": version.id,
            "item_id": ask.item,
            "rank": rank,
            "why": why,
        }
        return 200, JSON, written(told)

    def _why(self, shown: Shown, ask: Ask, code: int) -> Any:
        from wareloom.serving.versions.rules import Placed

        place = next((p for p in shown.placed if p.code == code), Placed(code))
        return self.answers.why(shown, ask, place)

    async def _asked(self, ask: Ask) -> Reply:
        version, now = self._version(ask), now_us()
        shown = await self.answers.answer(version, ask, now)
        request = REQUEST.get()
        if ask.explain:
            body = await self._written(
                version, lambda: self.answers.body(shown, ask, request, ask.slot)
            )
        else:
            body = self.answers.body(shown, ask, request, ask.slot)
        self.counters.add("exposures_total", len(shown.placed))
        self.counters.add_of("version_exposures_total", version.id, len(shown.placed))
        if shown.degraded:
            self.counters.add("fallback_total")
        if version.rules.rules.explore is not None or self.slots.divided(ask.slot):
            self._exposed(shown, ask, request, now)
        if (shadow := self.slots.shadow(ask.slot)) is not None:
            task = asyncio.create_task(self._shadowed(shadow, ask, now))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return 200, JSON, body

    async def _written(self, version: Version, write: Callable[[], Any]) -> Any:
        """Explanations ask a slow ranker many times: that must not hold up the others."""
        if version.slow:
            return await asyncio.get_running_loop().run_in_executor(self.answers.slow, write)
        return write()

    async def _shadowed(self, version: Version, ask: Ask, now: int) -> None:
        """Ask a version whose answers nobody sees."""
        if not ask.page:
            with contextlib.suppress(InputError):
                await self.answers.answer(version, ask, now)

    def _version(self, ask: Ask) -> Version:
        if not ask.page:
            return self.slots.arm(ask.slot, ask.user or ask.session)
        found = self.slots.version(self.answers.pages.version(ask.page))
        if found is None:
            raise Gone(
                "The version that gave the first page is gone: ask for the first page again."
            )
        return found

    def _exposed(self, shown: Shown, ask: Ask, request: str, now: int) -> None:
        """Note what was shown and how likely that was; what does not fit is not waited for."""
        task = asyncio.create_task(self._noted(written(exposure(shown, ask, request, now))))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _noted(self, record: bytes) -> None:
        with contextlib.suppress(Busy, Full):
            await self.log.append([record])

    # -- what changes

    async def _events(self, body: bytes, _: str) -> Reply:
        return await self._took(events_of(body).events)

    async def _ubi(self, body: bytes, _: str) -> Reply:
        return await self._took(events_from(ubi_of(body)))

    async def _took(self, batch: list[Event]) -> Reply:
        """Write a batch of events; when this returns it is on the disk, and the sessions have it."""
        now, begun = now_us(), time.perf_counter()
        rows: dict[str, list[tuple[int, int, int, int]]] = {}
        for event in batch:
            self._row(event, now, rows)
        before = self.log.syncs
        # One record a batch: a batch is there as a whole, or not at all.
        await self.log.append([written(batch)])
        repeated, degraded = 0, list[str]()
        try:
            repeated = await self.memory.take({w: entries_of(own) for w, own in rows.items()}, now)
        except Forgotten:
            # They are on the disk: that is what was promised.
            degraded.append(ABSENT)
        self.counters.add("events_total", len(batch))
        self.counters.add("event_syncs_total", self.log.syncs - before)
        self.counters.add("repeated_events_total", repeated)
        self.counters.add("visible_seconds_total", time.perf_counter() - begun)
        return 202, JSON, written(Taken(len(batch), repeated, degraded))

    def _row(
        self, event: Event, now: int, rows: dict[str, list[tuple[int, int, int, int]]]
    ) -> None:
        """Give an event its time, and note it for the sessions that it is of."""
        if event.user_id is None and event.session_id is None:
            raise InputError(f"The event {event.id!r} is nobody's: give user_id or session_id.")
        if event.time is None or event.time > now + AHEAD:
            event.time = now
        kind = KINDS[event.event]
        if event.item_id is None or not (CHOSEN[kind] or event.event == "hide"):
            return
        row = (hash_of(event.item_id), hash_of(event.id), event.time, kind)
        for who in whose(event.user_id, event.session_id):
            rows.setdefault(who, []).append(row)

    async def _items(self, body: bytes, _: str) -> Reply:
        items = [msgspec.to_builtins(item) for item in items_of(body).items]
        await self._put(items)
        return 200, JSON, written(Kept(len(items)))

    async def _drop(self, _: bytes, name: str) -> Reply:
        await self._put([{"item_id": door.checked_id(name), "deleted": True}])
        return 200, JSON, written(Kept(1))

    async def _put(self, items: list[dict[str, Any]]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.answers.stock.put, items)
        except OSError as error:
            raise Full(f"Products cannot be written: {error.strerror}. Make room.") from error
        # After they are here: what comes back in the order of all replicas comes later, and decides.
        await self.log.share(items)

    async def _erase(self, _: bytes, name: str) -> Reply:
        """Delete a person: from sessions, from the log, and from what was made of it."""
        try:
            events = await forgotten(self.store, self.log, self.memory, door.checked_id(name))
        except Forgotten:
            raise Refused(503, "Redis does not answer: delete again when it does.") from None
        except OutputError as error:
            raise Refused(503, str(error)) from error
        return 200, JSON, written(Erased(events))

    # -- from the first moment to the last

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._ticking = asyncio.create_task(self._tick())
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.status.tally()
            self.slots.look()
            try:
                await self.log.roll()
            except OSError as error:
                log.error("The log of events: %s", error)

    async def close(self) -> None:
        """Write what waits."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._shadows:
            await asyncio.wait(self._shadows, timeout=5)
        await self.log.close()
        await self.memory.close()
