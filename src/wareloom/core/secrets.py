"""Passwords, tokens and keys taken out of what is shown: messages, logs, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

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


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found[0][:-1].partition(":")
    # An address with one word alone before its host holds a token as often as a name.
    return f"{user}:{HIDDEN}@" if colon else f"{HIDDEN}@"
