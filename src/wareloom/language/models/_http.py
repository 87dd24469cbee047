"""Asking a server many times at once: bounded, paced, retried; one that fails does not lose the others."""

from __future__ import annotations

import asyncio
import email.utils
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from wareloom.errors import ServiceError

AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Answers after which asking again may help; all above 500 are taken so"""
FOR_ALL = frozenset({401, 403, 404})
"""Answers that every other prompt would get as well: a wrong key, a wrong address, a model that is not there"""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds: the bound of the first random wait, doubled each time, and the bound of all"""
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
    chance: random.Random = field(default_factory=random.Random)
    """For the waits alone; they change no answer, and servers are better off where they differ each time."""

    def open(self) -> httpx.AsyncClient:
        """Open connections that are kept and used again."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        limits = httpx.Limits(
            max_connections=self.concurrency, max_keepalive_connections=self.concurrency
        )
        # A call may wait for a free connection as long as it must: it has its own bound on the answer.
        timeout = httpx.Timeout(self.timeout, pool=None)
        return httpx.AsyncClient(
            headers=headers, limits=limits, timeout=timeout, follow_redirects=True
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
                    raise Final(
                        f"{error}, after {tried + 1} tries" if tried else str(error)
                    ) from error
                await asyncio.sleep(self._wait(tried, error.after))
        raise AssertionError("not reached")

    async def _once(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
        url = self.base_url.rstrip("/") + path
        try:
            # httpx bounds the wait for each piece; a server that drips would hold a place for ever.
            got = await asyncio.wait_for(http.post(url, json=body), self.timeout)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise Passing(f"{url} did not answer within {self.timeout:g} s") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Final(f"{url!r} is no address: {error}", for_all=True) from error
        except httpx.HTTPError as error:
            raise Passing(f"{url} cannot be reached: {error or type(error).__name__}") from error
        if got.status_code != 200:
            said = f"{url} answered {got.status_code}: {message_in(got)}"
            if got.status_code in AGAIN or got.status_code > 500:
                after = waits(got.headers.get("retry-after"))
                if after:
                    self.pace.pause(after)
                raise Passing(said, after)
            raise Final(said, for_all=got.status_code in FOR_ALL)
        try:
            return got.json()
        except ValueError as error:
            raise Passing(f"{url} answered what is no JSON: {got.text[:80]!r}") from error

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


def message_in(got: httpx.Response) -> str:
    """Return what an answer that is an error says."""
    try:
        said = got.json()
    except ValueError:
        return repr(got.text[:200])
    error = said.get("error", said) if isinstance(said, dict) else said
    return str(error.get("message", error) if isinstance(error, dict) else error)[:200]
