"""Asking a server many times at once: bounded, paced, retried; one that fails does not lose the others."""

from __future__ import annotations

import asyncio
import email.utils
import json
import random
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from wareloom.core.secrets import scrubbed, secrets_in
from wareloom.errors import ServiceError

AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Answers after which asking again may help; all above 500 are taken so"""
FOR_ALL = frozenset({401, 403, 404})
"""Answers that every other prompt would get as well: a wrong key, a wrong address, a model that is not there"""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds: the bound of the first random wait, doubled each time, and the bound of all"""
MOST_BYTES = 16 << 20
"""Bytes that an answer may have, as it comes and unpacked"""
REDIRECTS = 3
LONGEST_ASKED = 600.0
"""Seconds that a server may ask to wait"""

T = TypeVar("T")


class Passing(Exception):
    """An answer that may be another when asked again; `after` is how many seconds the server asked to wait."""

    def __init__(self, said: str, after: float | None = None) -> None:
        super().__init__(said)
        self.after = after


class Final(Exception):
    """An answer that stays as it is; `for_all` where every other prompt would get it as well."""

    def __init__(self, said: str, *, for_all: bool = False) -> None:
        super().__init__(said)
        self.for_all = for_all


@dataclass
class Pace:
    """Spreads calls evenly so that no minute holds more requests or tokens than allowed; 0 sets no bound."""

    requests_per_minute: float = 0
    tokens_per_minute: float = 0
    free_at: float = 0.0

    async def wait(self, tokens: float) -> None:
        """Wait for this call's turn."""
        now = time.monotonic()
        turn = max(now, self.free_at)
        gaps = [60 / self.requests_per_minute] if self.requests_per_minute else []
        gaps += [60 * tokens / self.tokens_per_minute] if self.tokens_per_minute else []
        self.free_at = turn + max(gaps) if gaps else self.free_at
        if turn > now:
            await asyncio.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let no call begin for so long: the server asked for it."""
        self.free_at = max(self.free_at, time.monotonic() + seconds)


@dataclass
class Failures:
    """What went wrong, and whether it is worth going on."""

    patience: int
    """Failures in a row, with no answer between, after which the rest is not asked."""
    said: list[str] = field(default_factory=list)
    """What was said, in order."""
    in_a_row: int = 0
    """Failures since the last answer."""
    for_all: bool = False
    """Whether one was such that all would fail."""

    @property
    def hopeless(self) -> bool:
        """Whether asking on would only fail on."""
        return self.for_all or self.in_a_row >= self.patience

    def note(self, error: Exception) -> None:
        """Note one."""
        self.said.append(str(error))
        self.in_a_row += 1
        self.for_all = self.for_all or (isinstance(error, Final) and error.for_all)

    def report(self, who: str, asked: int, cached: bool) -> ServiceError:
        """Build the one error that says how many prompts failed and why."""
        kinds = len(set(self.said))
        unasked = (
            " The rest was not asked, since it would have failed too." if self.hopeless else ""
        )
        kept = "The others are in the cache: run it again to ask only for what is missing."
        lost = "The run has no cache folder, so that the others are lost: give it one."
        return ServiceError(
            f"{who}: {len(self.said)} of {asked} prompts failed"
            f"{f', in {kinds} ways' if kinds > 1 else ''}. The first: {self.said[0]}.{unasked} "
            f"{kept if cached else lost}"
        )


@dataclass
class Client:
    """One server: where it is, and how patiently it is asked."""

    base_url: str
    key: str | None
    timeout: float
    retries: int
    concurrency: int
    pace: Pace
    hidden: tuple[str, ...] = ()
    """Values in the address that are shown nowhere"""
    chance: random.Random = field(default_factory=random.Random)
    """For the waits alone; they change no answer, and servers are better off where they differ each time."""

    def open(self) -> httpx.AsyncClient:
        """Open connections that are kept and used again."""
        headers = {"Accept-Encoding": "gzip, deflate"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        limits = httpx.Limits(
            max_connections=self.concurrency, max_keepalive_connections=self.concurrency
        )
        # A call may wait for a free connection as long as it must: it has its own bound on the answer.
        timeout = httpx.Timeout(self.timeout, pool=None)
        return httpx.AsyncClient(
            headers=headers, limits=limits, timeout=timeout, follow_redirects=False
        )

    async def ask(
        self,
        http: httpx.AsyncClient,
        path: str,
        body: dict[str, Any],
        tokens: float,
        parse: Callable[[Any], T],
    ) -> T:
        """Post `body`, again where it may help, and return what `parse` makes of the JSON that comes back.

        `parse` raises `Passing` or `Final` for what it cannot use. Raises `Final` when all tries are over.
        """
        for tried in range(self.retries + 1):
            await self.pace.wait(tokens)
            try:
                return parse(await self._once(http, path, body))
            except Passing as error:
                if tried == self.retries:
                    # A server may echo what it was sent.
                    said = self._shown(str(error))
                    raise Final(f"{said}, after {tried + 1} tries" if tried else said) from None
                await asyncio.sleep(self._wait(tried, error.after))
            except Final as error:
                raise Final(self._shown(str(error)), for_all=error.for_all) from None
        raise AssertionError("not reached")

    async def _once(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
        url = address(self.base_url, path)
        said = self._shown(url)
        try:
            # httpx bounds the wait for each piece; a server that drips would hold a place for ever.
            status, after, held = await asyncio.wait_for(
                self._posted(http, url, body), self.timeout
            )
        except (httpx.TimeoutException, TimeoutError) as error:
            raise Passing(f"{said} did not answer within {self.timeout:g} s") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            why = self._shown(str(error))
            raise Final(f"{said!r} is no address: {why}", for_all=True) from None
        except httpx.HTTPError as error:
            why = self._shown(str(error)) or type(error).__name__
            raise Passing(f"{said} cannot be reached: {why}") from None
        if status != 200:
            told = f"{said} answered {status}: {self._shown(message_in(held))}"
            if status in AGAIN or status > 500:
                wait = waits(after)
                if wait:
                    self.pace.pause(wait)
                raise Passing(told, wait)
            raise Final(told, for_all=status in FOR_ALL)
        try:
            return json.loads(held)
        except (ValueError, RecursionError):
            text = self._shown(held[:80].decode("utf-8", "replace"))
            raise Passing(f"{said} answered what is no JSON: {text!r}") from None

    async def _posted(
        self, http: httpx.AsyncClient, url: str, body: dict[str, Any]
    ) -> tuple[int, str | None, bytes]:
        """Post and return status, Retry-After and body; a redirect is followed within the same server alone."""
        for _ in range(REDIRECTS + 1):
            async with http.stream("POST", url, json=body) as got:
                if not got.is_redirect:
                    return got.status_code, got.headers.get("retry-after"), await self._body(got)
                target = str(got.url.join(got.headers.get("location", "")))
            if _server_of(target) != _server_of(url):
                raise Final(
                    f"{self._shown(url)} sends on to {self._shown(target)}, another server, which was not asked: give "
                    "its address as base_url if you trust it",
                    for_all=True,
                )
            url = target
        raise Final(f"{self._shown(url)} sends on again and again", for_all=True)

    async def _body(self, got: httpx.Response) -> bytes:
        """The body of an answer, unpacked; raises `Final` for one that is larger than any answer."""
        held = bytearray()
        async for piece in got.aiter_raw():
            held += piece
            if len(held) > MOST_BYTES:
                raise self._too_large(got, "")
        packed = got.headers.get("content-encoding", "").strip().lower()
        if packed in ("", "identity"):
            return bytes(held)
        if packed not in ("gzip", "x-gzip", "deflate"):
            raise Final(
                f"{self._shown(str(got.url))} answered packed by {packed!r}, which was not asked for"
            )
        try:
            return self._unpacked(got, bytes(held), packed)
        except zlib.error as error:
            raise Passing(
                f"{self._shown(str(got.url))} answered what cannot be unpacked: {error}"
            ) from None

    def _unpacked(self, got: httpx.Response, held: bytes, packed: str) -> bytes:
        raw = packed == "deflate" and held[:1] != b"\x78"
        unpack = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)
        body = unpack.decompress(held, MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise self._too_large(got, " unpacked")
        return body

    def _too_large(self, got: httpx.Response, how: str) -> Final:
        return Final(
            f"{self._shown(str(got.url))} answered more than {MOST_BYTES >> 20} MiB{how}, which no answer takes: the "
            "rest was not read"
        )

    def _shown(self, text: str) -> str:
        """Text for a message, without the key, and without what is secret in the server's address."""
        return scrubbed(text, [self.key, *self.hidden, *secrets_in(self.base_url)])

    def _wait(self, tried: int, asked: float | None) -> float:
        """Back off at random below a bound that doubles (full jitter), never shorter than the server asked."""
        jitter = self.chance.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**tried))
        return jitter if asked is None else asked + min(jitter, 1.0)


async def each(
    items: Sequence[T],
    concurrency: int,
    work: Callable[[T], Awaitable[None]],
    over: Callable[[], bool],
) -> None:
    """Do `work` for each item, so many at once, until `over`; what is under way is finished."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            if over():
                return
            await work(item)

    workers = [asyncio.create_task(worker()) for _ in range(min(concurrency, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def finish(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, in a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work).result()


def waits(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or as a date; None for none."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), LONGEST_ASKED) if seconds == seconds else None


def address(base_url: str, path: str) -> str:
    """The address of a call: the path after that of the server, and before its query."""
    base, mark, query = base_url.partition("?")
    return base.rstrip("/") + path + mark + query


def message_in(held: bytes) -> str:
    """Return what the body of an answer that is an error says."""
    try:
        said = json.loads(held)
    except (ValueError, RecursionError):
        return repr(held[:200].decode("utf-8", "replace"))
    error = said.get("error", said) if isinstance(said, dict) else said
    return str(error.get("message", error) if isinstance(error, dict) else error)[:200]


def _server_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address."""
    parsed = httpx.URL(url)
    usual = {"http": 80, "https": 443}.get(parsed.scheme)
    return parsed.scheme, parsed.host, parsed.port or usual
