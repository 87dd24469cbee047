"""Corrected queries that remember how they were typed, for what reads better what people wrote."""

from __future__ import annotations


class Corrected(str):
    """A query with its slips corrected; `typed` is what it was before."""

    __slots__ = ("typed",)

    typed: str

    @classmethod
    def of(cls, query: str, typed: str) -> Corrected:
        """Return `query` as one that was typed as `typed`."""
        made = cls(query)
        made.typed = typed
        return made


def as_typed(query: str) -> str:
    """Return a query as it was typed, whether it was corrected or not."""
    return query.typed if isinstance(query, Corrected) else query
