"""What is kept of a real log: nothing without noise, counts, or people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

Keeps = Literal["private", "counts", "people"]
"""What a sample or a model holds of the real users it was made from, from the least to the most.

private: every number of the real log went through the ledger. counts: sums over users, without noise. people: rows of
single users, such as their timelines, lengths, items or latent vectors."""
ORDER: tuple[Keeps, ...] = get_args(Keeps)


def worst(*keeps: Keeps | None) -> Keeps:
    """What a mixture keeps: the worst of its parts. None, a real shop or an unknown one, counts as people.

    Of no parts nothing is kept: "private".
    """
    return max((one or "people" for one in keeps), key=ORDER.index, default="private")


def least(*keeps: Keeps | None) -> Keeps:
    """What is kept by an algorithm of a part: what is made of a sample holds no more of real users than that does."""
    return min((one or "people" for one in keeps), key=ORDER.index, default="people")


def worst_said(said: Sequence[Keeps | None]) -> Keeps | None:
    """What rows of shops that say so keep together; None, a real shop's word, where one of them is real or unknown."""
    return None if None in said else worst(*said)
