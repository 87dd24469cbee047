"""Text as people read it: Unicode in one form, markup and entities gone, white space folded."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import polars as pl

from wareloom.core.settings import Settings

ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
"""An entity with its semicolon; without one, "black&notebook" would lose a word."""
_NAMES = (
    "a|abbr|address|article|aside|b|big|blockquote|body|br|button|caption|center|cite|code|col|colgroup|dd|del|details|dfn|div|"
    "dl|dt|em|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|legend|li|link|"
    "main|mark|meta|nav|nobr|noscript|object|ol|option|p|param|picture|pre|q|s|samp|section|select|small|source|span|strike|"
    "strong|style|script|sub|summary|sup|svg|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|var|video|wbr"
)
_ATTRIBUTE = r"""\s+[A-Za-z:_-][\w:.-]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))"""
TAG = rf"(?i)</?(?:{_NAMES})(?:{_ATTRIBUTE})*\s*/?>"
"""A tag of HTML by name; "a < b > c", "<3" and "<model X>" are not."""
BLOCK = r"(?is)<!--.*?-->|<script\b[^<>]*>.*?</script\s*>|<style\b[^<>]*>.*?</style\s*>"
"""Comments, scripts and styles, which go with what they hold."""
INVISIBLE = r"[\x00-\x08\x0e-\x1f\x7f\u{ad}\u{200b}\u{2060}\u{feff}]"
"""Control characters, soft hyphens and zero-width spaces (joiners stay: emoji and Persian need them)."""
_PATIENCE = 20


@dataclass(frozen=True, kw_only=True)
class TextSettings(Settings):
    """What is done to text."""

    unicode: bool = True
    """Bring text to Unicode's form NFKC: full-width letters, ligatures and the like become plain ones."""
    html: bool = True
    """Remove HTML tags, comments, scripts and styles; turn entities such as &amp;amp; into their characters."""
    spaces: bool = True
    """Fold runs of white space into one space and remove invisible characters."""


def clean_text(text: pl.Series, settings: TextSettings | None = None) -> pl.Series:
    """Return a series of strings cleaned; text that becomes empty becomes null.

    Steps are repeated until nothing changes (an entity may hide a tag, NFKC may make one), so cleaning twice is
    cleaning once.
    """
    settings = settings or TextSettings()
    now = _step(text, settings)
    for _ in range(_PATIENCE):
        moved = (now != text).fill_null(False)
        if not moved.any():
            break
        text, where = now, moved.arg_true()
        now = now.scatter(where, _step(now.gather(where), settings))
    return now.set(now == "", None)


def cleaned(column: str, dtype: pl.DataType, settings: TextSettings) -> pl.Expr:
    """Return the expression that cleans a column of strings or lists of strings (empty entries are dropped)."""
    if dtype == pl.List(pl.String):
        inner = pl.element().map_batches(
            lambda s: clean_text(s, settings), return_dtype=pl.String(), is_elementwise=True
        )
        return pl.col(column).list.eval(inner.drop_nulls())
    return pl.col(column).map_batches(
        lambda s: clean_text(s, settings), return_dtype=pl.String(), is_elementwise=True
    )


def _step(text: pl.Series, settings: TextSettings) -> pl.Series:
    """One round of cleaning."""
    if settings.html:
        hidden = text.str.contains(ENTITY).fill_null(False)
        if hidden.any():
            where = hidden.arg_true()
            opened = [
                re.sub(ENTITY, lambda m: html.unescape(m[0]), value)
                for value in text.gather(where).to_list()
            ]
            text = text.scatter(where, pl.Series(opened, dtype=pl.String))
    if settings.unicode:
        text = text.str.normalize("NFKC")
    if settings.html and text.str.contains("<", literal=True).any():
        text = text.str.replace_all(BLOCK, " ").str.replace_all(TAG, " ")
    if settings.spaces:
        text = text.str.replace_all(INVISIBLE, "").str.replace_all(r"\s+", " ").str.strip_chars()
    return text
