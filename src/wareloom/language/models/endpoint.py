"""A language model behind any server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, DashScope and others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wareloom.core.run import Run
from wareloom.core.secrets import filled, named_in
from wareloom.core.settings import Count, NonNegative, Positive, Size
from wareloom.errors import BudgetError, InputError, SettingError, missing_extra
from wareloom.language.models import Done, TextModel
from wareloom.language.models._calls import (
    Ask,
    Finish,
    Generated,
    Sampling,
    check_schema,
    fits,
    guessed_tokens,
)

if TYPE_CHECKING:
    from wareloom.language.models._http import Client, Failures

MEANT = 10**15
"""Counts and logarithms of a server beyond are meant by nobody"""


@dataclass(kw_only=True, eq=False)
class Endpoint(TextModel):
    """Ask a server, many prompts at once.

    What fails for a moment (408, 409, 429, 500 and above, no answer, half an answer) is asked again after a random wait
    that grows, and never sooner than the server's Retry-After. A prompt that fails for good does not stop the others,
    unless all would fail; one `ServiceError` at the end says how many did and why. Budgets are held by a guess of the
    prompt's tokens, four letters each, and settled by what the server counts.

    `score` needs a server whose /completions echoes the prompt's probabilities, such as vLLM; its prompts are read as
    they stand, without a chat template. With `chat` off, answers come from /completions as well.
    """

    base_url: str = "http://localhost:8000/v1"
    """Address of the server, up to and without /chat/completions. A password or key within it stands as ${NAME}, the
    environment variable that holds it: settings are kept in files, and one that is spelled out is refused."""
    model: str = ""
    """Name of the model on the server."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key, which is kept nowhere; unset where none is needed."""
    concurrency: Size = 64
    """Calls under way at once, at most."""
    timeout: Positive = 120.0
    """Seconds that one answer may take."""
    retries: Count = 5
    """Tries after the first that failed for a moment."""
    requests_per_minute: NonNegative = 0.0
    """Calls that a minute may hold, evenly spread; 0 sets no bound."""
    tokens_per_minute: NonNegative = 0.0
    """Tokens that a minute may hold, the longest answers counted; 0 sets no bound."""
    price_in: NonNegative = 0.0
    """Price of a million tokens read."""
    price_out: NonNegative = 0.0
    """Price of a million tokens written."""
    logprobs: bool = False
    """Whether the server is asked for the log-probabilities of its answers; not all servers take that."""

    def identity(self, run: Run) -> dict[str, Any]:
        """The server's address, the model's name, and what is put around a prompt."""
        if not self.model:
            raise SettingError(
                "endpoint: model is empty; give the name of the model on the server."
            )
        known = {"name": self.name, "base_url": self.base_url.rstrip("/"), "model": self.model}
        return known | {"chat": self.chat, "system": self.system, "logprobs": self.logprobs}

    def _cost(self, prompt_tokens: float, tokens: float) -> float:
        return (prompt_tokens * self.price_in + tokens * self.price_out) / 1e6

    def _generate(self, asks: Sequence[Ask], settings: Sampling, run: Run, done: Done) -> None:
        path = "/chat/completions" if self.chat else "/completions"
        validator = check_schema(settings.schema)

        def call(ask: Ask) -> tuple[dict[str, Any], int, Any]:
            return (
                self._body(ask, settings),
                settings.max_tokens,
                lambda said: self._answer(said, ask, validator),
            )

        self._all(asks, path, call, run, done)

    def _score(self, asks: Sequence[Ask], run: Run, done: Done) -> None:
        def call(ask: Ask) -> tuple[dict[str, Any], int, Any]:
            body = {
                "model": self.model,
                "prompt": ask.prompt + ask.continuation,
                "max_tokens": 1,
                "temperature": 0,
            }
            return (
                body | {"echo": True, "logprobs": 1},
                1 + guessed_tokens(ask.continuation),
                lambda s: _judged(s, ask),
            )

        self._all(asks, "/completions", call, run, done)

    def _all(self, asks: Sequence[Ask], path: str, call: Any, run: Run, done: Done) -> None:
        """Ask all, and raise one error at the end where some failed."""
        try:
            from wareloom.language.models._http import Client, Failures, Pace, finish
        except ModuleNotFoundError as error:
            raise missing_extra(str(error.name), "text", "The text model 'endpoint'") from error
        pace = Pace(self.requests_per_minute, self.tokens_per_minute)
        key = os.environ.get(self.api_key_env) if self.api_key_env else None
        url, hidden = filled(self.base_url), tuple(named_in(self.base_url).values())
        client = Client(url, key, self.timeout, self.retries, self.concurrency, pace, hidden)
        failures = Failures(max(self.concurrency, 3))
        refused: list[BudgetError] = []
        finish(self._work(client, asks, (path, call, run, done), failures, refused))
        if refused:
            raise refused[0]
        if failures.said:
            raise failures.report(
                f"The text model 'endpoint' ({self.model})", len(asks), run.cache is not None
            )

    async def _work(
        self,
        client: Client,
        asks: Sequence[Ask],
        how: tuple[str, Any, Run, Done],
        failures: Failures,
        refused: list[BudgetError],
    ) -> None:
        from wareloom.language.models._http import Final, each

        path, call, run, done = how
        settled = asyncio.Event()
        async with client.open() as http:

            async def one(ask: Ask) -> None:
                body, written, parse = call(ask)
                need = self._need(self._count(ask.prompt, run), written)
                # What is under way may take less than was set aside for it: wait for that before refusing.
                while not self._budget.fits(need) and not self._budget.idle:
                    settled.clear()
                    await settled.wait()
                if refused:
                    return
                if not self._budget.fits(need):
                    refused.append(self._budget.refusal(need))
                    return
                self._budget.hold(need)
                used = (0.0, 0.0)
                try:
                    answer = await client.ask(http, path, body, need[0], parse)
                    used = self._need(answer.prompt_tokens, answer.tokens)
                    failures.in_a_row = 0
                except Final as error:
                    failures.note(error)
                    return
                finally:
                    self._budget.settle(need, used)
                    settled.set()
                done(ask, answer)

            await each(asks, client.concurrency, one, lambda: bool(refused) or failures.hopeless)

    def _body(self, ask: Ask, settings: Sampling) -> dict[str, Any]:
        """Build the request; what is left at its default is left out, since not every server knows it."""
        body: dict[str, Any] = {"model": self.model, "max_tokens": settings.max_tokens}
        # Servers keep seeds in 32 bits with a sign.
        body |= {
            "temperature": settings.temperature,
            "seed": ask.seed & 0x7FFFFFFF,
            "stream": False,
        }
        if settings.top_p < 1:
            body["top_p"] = settings.top_p
        if settings.top_k:
            body["top_k"] = settings.top_k
        if settings.stop:
            body["stop"] = list(settings.stop)
        if settings.schema is not None:
            wanted = {"name": "answer", "schema": settings.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        if not self.chat:
            return body | {"prompt": ask.prompt} | ({"logprobs": 1} if self.logprobs else {})
        system = [{"role": "system", "content": self.system}] if self.system else []
        body["messages"] = [*system, {"role": "user", "content": ask.prompt}]
        return body | ({"logprobs": True} if self.logprobs else {})

    def _answer(self, said: Any, ask: Ask, validator: Any) -> Generated:
        """Read an answer; `Passing` where it holds no text."""
        choice, usage = _choice(said)
        text = _text(choice, self.chat)
        finish: Finish = "length" if choice.get("finish_reason") == "length" else "stop"
        if validator is not None and not fits(text, validator):
            finish = "invalid"
        prompt_tokens = _counted(usage.get("prompt_tokens"), guessed_tokens(ask.prompt))
        return Generated(
            text,
            prompt_tokens,
            _counted(usage.get("completion_tokens"), guessed_tokens(text)),
            _logs(choice),
            finish,
        )


def _choice(said: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first choice and the usage of an answer."""
    from wareloom.language.models._http import Passing

    choices = said.get("choices") if isinstance(said, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Passing(f"the answer holds no choices: {str(said)[:80]!r}")
    usage = said.get("usage")
    return choices[0], usage if isinstance(usage, dict) else {}


def _text(choice: dict[str, Any], chat: bool) -> str:
    from wareloom.language.models._http import Final, Passing

    message = choice.get("message") if chat else {"content": choice.get("text")}
    message = message if isinstance(message, dict) else {}
    text = message.get("content")
    if isinstance(message.get("refusal"), str) and not text:
        raise Final(f"the model refused: {message['refusal'][:80]!r}")
    if not isinstance(text, str) or not text:
        raise Passing("the answer holds no text")
    # JSON can escape half a character, which nothing can store.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _counted(said: Any, guess: int) -> int:
    """Return the server's count, or the guess where it gives none that can be meant."""
    return int(said) if _finite(said) and said >= 0 else guess


def _finite(said: Any) -> bool:
    """Whether a server's number is one that can be meant: whole numbers in JSON may have any length."""
    return isinstance(said, int | float) and not isinstance(said, bool) and -MEANT <= said <= MEANT


def _logs(choice: dict[str, Any]) -> float | None:
    """Return the sum of the log-probabilities of an answer; None where they were not given."""
    given = choice.get("logprobs")
    if not isinstance(given, dict):
        return None
    parts = given.get("content")
    logs = (
        [part.get("logprob") for part in parts]
        if isinstance(parts, list)
        else given.get("token_logprobs")
    )
    if not isinstance(logs, list) or not logs or not all(_finite(log) for log in logs):
        return None
    return float(sum(logs))


def _judged(said: Any, ask: Ask) -> Generated:
    """Sum the log-probabilities of the tokens that end within the continuation."""
    choice, usage = _choice(said)
    given = choice.get("logprobs")
    given = given if isinstance(given, dict) else {}
    logs, starts = given.get("token_logprobs"), given.get("text_offset")
    whole, begin = len(ask.prompt) + len(ask.continuation), len(ask.prompt)
    if (
        not isinstance(logs, list)
        or not isinstance(starts, list)
        or len(logs) != len(starts)
        or not logs
    ):
        raise InputError(
            "The text model 'endpoint': the server gives no probabilities of texts: it cannot score."
        )
    if starts[0] != 0:
        raise InputError(
            "The text model 'endpoint': the server does not echo the prompt: it cannot score."
        )
    ends = [*starts[1:], whole + 1]
    own = [
        log
        for log, start, end in zip(logs, starts, ends, strict=True)
        if end > begin and start < whole
    ]
    if not own or not all(_finite(log) for log in own):
        raise InputError(
            "The text model 'endpoint': the server left out probabilities of a text: it cannot score."
        )
    return Generated("", _counted(usage.get("prompt_tokens"), 0), 0, float(sum(own)), "stop")
