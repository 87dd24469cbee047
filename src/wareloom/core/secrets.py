"""Passwords, tokens and keys: taken out of what is shown, refused in what is kept, named by ${NAME} in addresses."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from wareloom.errors import SettingError

HIDDEN = "***"
NAMES = (
    r"[\w.-]*(?:pass(?:word|wd|phrase|code)?|pwd|token|secret|credentials?|signature|auth|(?<![a-z])sig"
    r"|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|(?<![a-z])key(?:id)?)(?:_\w+)?"
)
"""Names of values that are secret, in any case"""
USER = re.compile(r"(?<=://)[^/?#\s'\"]*@")
"""Who asks, between a scheme and a host: a password may hold an @ itself, and a key may stand without a name"""
NAMED = re.compile(
    rf"(?i)(?<![\w.-])({NAMES})(\s*=\s*|%3D|[\"']?\s*:\s*(?=[\"']))"
    r"(\"[^\"]*\"|'[^']*'|[^\s&;,)\"'\]}<>]+)"
)
"""name=value, "name": "value" """
BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
KEYS = re.compile(r"\b(?:sk|pk|rk|ghp|gho|hf|xox[a-z]|AKIA|ASIA)[-_]?[A-Za-z0-9_-]{12,}")
"""Forms of well-known keys, which need no name to be one"""
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
PLACE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""Where an address names the environment variable whose value belongs there: ${NAME}"""
SHORTEST = 3
"""A secret below this many letters is not looked for in other words: it would be found everywhere"""


def scrubbed(text: str, secrets: Iterable[str | None] = ()) -> str:
    """Return `text` without what looks secret, and without any of the known `secrets`, however they are escaped."""
    for secret in sorted({s for s in secrets if s and len(s) >= SHORTEST}, key=len, reverse=True):
        for form in {
            secret,
            quote(secret, safe=""),
            quote_plus(secret),
            unquote(secret),
            unquote_plus(secret),
            repr(secret)[1:-1],
        }:
            text = text.replace(form, HIDDEN)
    text = USER.sub(_without_password, text)
    text = NAMED.sub(lambda found: f"{found[1]}{found[2]}{HIDDEN}", text)
    text = BEARER.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    return KEYS.sub(HIDDEN, text)


def secrets_in(url: str) -> list[str]:
    """The secrets of an address: its password, and the values of its query, whatever they are called."""
    _, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    found = []
    who, at, _ = rest.partition("/")[0].rpartition("@") if "@" in rest else ("", "", rest)
    if not at and "@" in rest:
        # A password may hold a slash that nobody escaped.
        who, at, _ = rest.rpartition("@")
    if at:
        _, colon, password = who.partition(":")
        found.append(password if colon else who)
    for pair in re.split("[&;]", query.partition("#")[0]):
        name, _, value = pair.partition("=")
        if re.fullmatch(f"(?i){NAMES}", unquote(name)):
            found.append(value)
    return [form for one in found for form in (one, unquote_plus(one)) if form]


def with_secret(value: Any) -> str:
    """The first address within a value, at any depth, that holds a secret itself; as it may be shown, "" where none."""
    if isinstance(value, str):
        if not ADDRESS.match(value):
            return ""
        bare = PLACE.sub(HIDDEN, value)
        told = scrubbed(bare, secrets_in(bare))
        return told if told != bare else ""
    inner: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = (getattr(value, field.name, None) for field in dataclasses.fields(value))
    return next(filter(None, map(with_secret, inner)), "")


def named_in(address: str) -> dict[str, str]:
    """The values of the environment variables that an address names as ${NAME}, by name.

    Raises `SettingError` for one that is not set.
    """
    found = {}
    for name in PLACE.findall(address) if ADDRESS.match(address) else ():
        if name not in os.environ:
            raise SettingError(
                f"{scrubbed(address)} names the environment variable {name}, which is not set: export it first."
            )
        found[name] = os.environ[name]
    return found


def filled(address: str) -> str:
    """An address with the values of the environment variables that it names, escaped; see `named_in`."""
    values = named_in(address)
    return PLACE.sub(lambda place: quote(values[place[1]], safe=""), address) if values else address


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found[0][:-1].partition(":")
    # An address with one word alone before its host holds a token as often as a name.
    return f"{user}:{HIDDEN}@" if colon else f"{HIDDEN}@"
