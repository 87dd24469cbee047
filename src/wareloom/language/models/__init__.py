"""Text models: prompts into texts, and texts into their probabilities; embedded, from a folder, behind an endpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from wareloom.core.asked import Kind, a_run, texts
from wareloom.core.family import TEXT_MODELS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative
from wareloom.errors import InputError
from wareloom.language.models._budget import Budget, Need
from wareloom.language.models._cache import Calls, calls_in
from wareloom.language.models._calls import (
    Ask,
    Estimate,
    Generated,
    Sampling,
    check_schema,
    guessed_tokens,
    key_of,
    plain,
)

__all__ = ["Estimate", "Generated", "Sampling", "TextModel", "estimate"]

Done = Callable[[Ask, Generated], None]
"""Called once with each call and its answer, as soon as it is there"""


@dataclass(kw_only=True, eq=False)
class TextModel(Algorithm, ABC):
    """Base of all text models. One implements `_generate`, `identity` and, where it can, `_score`.

    Answers are kept in the run's cache folder by model, prompt, settings and seed, each as soon as it is there: what a
    stopped job had is not asked again. A prompt that stands n times in one call is drawn n times, each with a seed of
    its own; the text of a prompt hangs on the run's seed and not on the other prompts.
    """

    family: ClassVar[Family] = TEXT_MODELS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "generate": {"prompts": texts, "run": a_run},
        "score": {"prompts": texts, "continuations": texts, "run": a_run},
    }

    chat: bool = True
    """Whether a prompt is a user's message, put into the model's chat template; else it is continued as it stands."""
    system: str = ""
    """The system's message before it; empty for the model's own."""
    token_budget: Count = 0
    """Tokens read and written by this object in all, before it stops; 0 sets no bound."""
    cost_budget: NonNegative = 0.0
    """What they may cost, in the currency of the prices; 0 sets no bound."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._budget = Budget(self.token_budget, self.cost_budget)

    @property
    def spent(self) -> Need:
        """Tokens read and written so far, and what they cost; what came from the cache took none."""
        return self._budget.spent_tokens, self._budget.spent_cost

    def fit(self, texts: Sequence[str] = (), run: Run | None = None) -> Self:
        """Do nothing: a text model comes trained."""
        return self

    def check_fitted(self) -> None:
        """Do nothing: a text model comes trained."""

    def generate(
        self, prompts: Sequence[str], run: Run | None = None, *, settings: Sampling | None = None
    ) -> list[Generated]:
        """Return the answer to each prompt.

        Raises `SettingError` where the schema is none, `BudgetError` before a call that would pass the budget, and
        `ServiceError` where a server left some unanswered; what was answered before is in the cache.
        """
        run, settings = run or Run(), settings or Sampling()
        check_schema(settings.schema)
        asks = self._asks(checked(prompts), settings, run)
        with calls_in(run.cache) as calls:
            found = calls.get(ask.key for ask in asks)
            todo = list({ask.key: ask for ask in asks if ask.key not in found}.values())
            if todo:
                with run.task(f"{self.name} writes", len(todo)) as advance:
                    self._generate(todo, settings, run, self._keep(calls, found, advance))
        return [found[ask.key] for ask in asks]

    def score(
        self, prompts: Sequence[str], continuations: Sequence[str], run: Run | None = None
    ) -> list[float]:
        """Return the natural logarithm of the probability of each continuation, given the prompt at its place.

        An empty one has 0. Raises `InputError` where the model gives no probabilities.
        """
        run = run or Run()
        if len(checked(prompts)) != len(checked(continuations)):
            raise InputError(
                f"{self.name} was given {len(prompts)} prompts and {len(continuations)} continuations."
            )
        identity = self.identity(run)
        asks = [
            Ask(key_of("score", identity, prompt, text), prompt, continuation=text)
            for prompt, text in zip(prompts, continuations, strict=True)
        ]
        with calls_in(run.cache) as calls:
            found = calls.get(ask.key for ask in asks)
            found |= {
                ask.key: Generated("", 0, 0, 0.0, "stop") for ask in asks if not ask.continuation
            }
            todo = list({ask.key: ask for ask in asks if ask.key not in found}.values())
            if todo:
                with run.task(f"{self.name} judges", len(todo)) as advance:
                    self._score(todo, run, self._keep(calls, found, advance))
        return [float(found[ask.key].log_probability or 0.0) for ask in asks]

    @abstractmethod
    def identity(self, run: Run) -> dict[str, Any]:
        """Return what decides the answers beside prompt, sampling and seed, as plain values."""

    @abstractmethod
    def _generate(self, asks: Sequence[Ask], settings: Sampling, run: Run, done: Done) -> None:
        """Answer the calls, in any order; hold the budget before each, settle it, and call `done` after each."""

    def _score(self, asks: Sequence[Ask], run: Run, done: Done) -> None:
        """Judge the continuations of the calls; the answer's log_probability is the score."""
        raise InputError(
            f"The text model {self.name!r} gives no probabilities of texts: it cannot score."
        )

    def _count(self, prompt: str, run: Run) -> int:
        """Return the tokens a prompt takes, here a guess."""
        return guessed_tokens(prompt) + guessed_tokens(self.system) + (16 if self.chat else 0)

    def _cost(self, prompt_tokens: float, tokens: float) -> float:
        """Return what so many tokens read and written cost."""
        return 0.0

    def _need(self, prompt_tokens: float, tokens: float) -> Need:
        return prompt_tokens + tokens, self._cost(prompt_tokens, tokens)

    def _asks(self, prompts: Sequence[str], settings: Sampling, run: Run) -> list[Ask]:
        """Give each prompt its seed and its key; at temperature 0 the same prompt is the same call."""
        identity, how = self.identity(run), plain(settings)
        times: Counter[str] = Counter()
        asks = []
        for prompt in prompts:
            seed = run.seed_for("text model", prompt, times[prompt]) if settings.temperature else 0
            times[prompt] += 1
            asks.append(Ask(key_of("generate", identity, prompt, how, seed), prompt, seed))
        return asks

    def _keep(
        self, calls: Calls, found: dict[str, Generated], advance: Callable[..., None]
    ) -> Done:
        def done(ask: Ask, answer: Generated) -> None:
            calls.put([(ask.key, answer)])
            found[ask.key] = answer
            tokens, cost = self.spent
            advance(1, tokens=tokens, **({"cost": cost} if cost else {}))

        return done


def estimate(
    model: TextModel,
    prompts: Sequence[str],
    sampling: Sampling | None = None,
    run: Run | None = None,
) -> Estimate:
    """Return what answering the prompts would take at most; nothing is asked. What is in the cache takes nothing."""
    sampling, run = sampling or Sampling(), run or Run()
    asks = {ask.key: ask for ask in model._asks(checked(prompts), sampling, run)}
    kept = set()
    if run.cache is not None and (run.cache / "calls.sqlite").exists():
        with calls_in(run.cache) as calls:
            kept = set(calls.get(asks))
    todo = [ask for key, ask in asks.items() if key not in kept]
    read, written = (
        sum(model._count(ask.prompt, run) for ask in todo),
        len(todo) * sampling.max_tokens,
    )
    return Estimate(len(todo), read, written, model._cost(read, written))


def checked(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list; `InputError` for one string, or for what is no text."""
    if isinstance(texts, str):
        raise InputError(
            f"A text model was given the one string {texts[:40]!r}: give a list of texts."
        )
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"Text {place} is {text!r}, a {type(text).__name__}: give strings.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"Text {place} holds half a character at {error.start}: it is no text."
            ) from error
    return list(texts)
