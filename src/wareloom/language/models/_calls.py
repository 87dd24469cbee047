"""What a text model is asked and what it answers, as plain values; and the key by which an answer is found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from wareloom.core.settings import Count, Factor, NonNegative, Settings, Size, Text
from wareloom.errors import SettingError, missing_extra

Finish = Literal["stop", "length", "invalid"]


@dataclass(frozen=True)
class Sampling(Settings):
    """How an answer is drawn; the seed comes from the run."""

    max_tokens: Size = 64
    """Tokens of the answer at most."""
    temperature: NonNegative = 1.0
    """Divides the logits; 0 takes the likeliest token each time."""
    top_p: Factor = 1.0
    """Draws from the likeliest tokens that together have this probability (nucleus)."""
    top_k: Count = 0
    """Draws from so many of the likeliest tokens; 0 from all."""
    stop: tuple[Text, ...] = ()
    """Texts before which the answer ends."""
    schema: Mapping[str, Any] | None = None
    """JSON schema the answer has to fit; one that does not is "invalid" and never repaired."""

    def _owner(self) -> str:
        return "sampling"


@dataclass(frozen=True)
class Generated:
    """One answer."""

    text: str
    """What was written, without the mark at which it stopped."""
    prompt_tokens: int
    """Tokens read, those of the chat template included."""
    tokens: int
    """Tokens written, the mark at which it stopped included."""
    log_probability: float | None
    """Natural logarithm of the probability of what was written, by the model at temperature 1; None where unknown."""
    finish: Finish
    """Whether it came to its end, was cut at `max_tokens`, or does not fit the schema."""


@dataclass(frozen=True)
class Ask:
    """One call: a prompt to continue, or, with a continuation, one to judge."""

    key: str
    prompt: str
    seed: int = 0
    continuation: str = ""


@dataclass(frozen=True)
class Estimate:
    """What calls would take at most, said before any is made."""

    calls: int
    """Calls to make: prompts whose answers are not kept already."""
    prompt_tokens: int
    """Tokens read."""
    tokens: int
    """Tokens written, where every answer is as long as it may be."""
    cost: float
    """What both cost, in the currency of the model's prices."""
    updates: int = 0
    """Gradient updates by which the model is tuned before."""


def key_of(*parts: object) -> str:
    """Hash plain values, 32 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def plain(settings: Sampling) -> dict[str, Any]:
    """Return the settings as plain values, for a key."""
    return asdict(settings)


def guessed_tokens(text: str) -> int:
    """Guess the tokens of a text without a tokenizer: four letters of an alphabet each, one of a larger script."""
    wide = sum(ord(letter) > 0x2E7F for letter in text)
    return wide + -(-(len(text) - wide) // 4)


def check_schema(schema: Mapping[str, Any] | None) -> Any:
    """Return a validator of the JSON schema, None for none; `SettingError` where it is no JSON schema."""
    if schema is None:
        return None
    try:
        from jsonschema import SchemaError, validators
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", "A text model's schema") from error
    kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise SettingError(f"sampling: schema is no JSON schema: {error.message}.") from error
    return kind(schema)


def fits(text: str, validator: Any) -> bool:
    """Say whether a text is JSON of the validator's schema."""
    try:
        return bool(validator.is_valid(json.loads(text)))
    except ValueError:
        return False
