"""Does the synthetic shop repeat what somebody asked?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from wareloom.attacks import Arena, Attack, Case, People
from wareloom.attacks._nearest import nearest_sets
from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.shop.vocabulary import Vocabulary

GRAM = 3
"""Letters of the pieces that nearly equal queries share"""
OWN = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|\d[\d -]{5,}\d")
"""What is one person's: an e-mail address, a number of seven figures or more"""
COLUMNS = ("user", "text")


@dataclass(kw_only=True, eq=False)
class Queries(Attack):
    """Tells members by their own rare queries and words, repeated in SYNTH as they were, or nearly so.

    Whole queries, and words, are counted in SYNTH beside how often other people ask them, as `items` counts items. For
    queries that were edited, the one of SYNTH that shares most pieces of three letters is held beside that of other
    people. Where nobody is named, each query is a target of its own.
    """

    reads: ClassVar[Literal["events", "queries", "dialogues"]] = "queries"

    prior: Positive = 0.5
    """How often each query is thought to have been asked besides."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Three scores: by whole queries, by words, and by the nearest query."""
        sides = (case.targets, case.synth, case.others)
        whole = [_distinct(side) for side in sides]
        words = [_words(side) for side in whole]
        found = [self._repeated(case, kind) for kind in (whole, words)]
        return np.column_stack([*found, _nearly(case, whole)])

    def _repeated(self, case: Case, sides: Sequence[pl.DataFrame]) -> np.ndarray:
        """How likely it is that SYNTH repeats the target's own texts, over that it does not: float64 [targets]."""
        mine, fake, others = sides
        known = mine.join(fake.group_by("text").agg(seen=pl.len()), on="text", how="left")
        known = known.join(others.group_by("text").agg(usual=pl.len()), on="text", how="left")
        known = known.fill_null(0)
        expected = (
            (known["usual"].to_numpy() + self.prior) * max(1, len(fake)) / max(1, len(others))
        )
        gain = known["seen"].to_numpy() * np.log1p(1 / expected) - 1
        return np.bincount(known["user"].to_numpy(), weights=gain, minlength=len(case.targets))

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Of e-mail addresses and long numbers that members and others asked, the shares that SYNTH has."""
        found: dict[str, float] = {}
        for name, whose in (("members", True), ("others", False)):
            asked, replayed = 0, 0
            for case, truth in zip(arena.cases, arena.truth, strict=True):
                own = case.targets.asked.filter(
                    pl.Series(truth == whose).gather(case.targets.asked["user"])
                )
                signs, made = _signs(own), _signs(case.synth.asked)
                asked, replayed = asked + len(signs), replayed + len(signs & made)
            if asked:
                found[f"addresses and numbers of {name} replayed"] = replayed / asked
        return found


def _signs(asked: pl.DataFrame) -> set[str]:
    """E-mail addresses and long numbers in queries."""
    return {sign for query in asked["query"].unique() for sign in OWN.findall(query)}


def _distinct(people: People) -> pl.DataFrame:
    """Each user's queries, each once: columns user and text, in an order that hangs on them alone."""
    return people.asked.select("user", text="query").unique().sort(COLUMNS)


def _words(queries: pl.DataFrame) -> pl.DataFrame:
    """Each user's words, each once."""
    words = queries.with_columns(pl.col("text").str.split(" ")).explode("text")
    return words.unique().sort(COLUMNS)


def _nearly(case: Case, sides: Sequence[pl.DataFrame]) -> np.ndarray:
    """How much nearer the nearest query of SYNTH is than that of others, for the query where that is most."""
    texts = [side["text"].unique().sort() for side in sides]
    pieces = [_pieces(text) for text in texts]
    codes = Vocabulary(pl.concat([p["piece"] for p in pieces]).unique().sort())
    mine, fake, others = (
        (p["query"].to_numpy().astype(np.int64), codes.encode(p["piece"]).astype(np.int64), len(t))
        for p, t in zip(pieces, texts, strict=True)
    )
    having = np.bincount(others[1], minlength=len(codes))
    weight = np.log((others[2] + 2.0) / (having + 1.0))
    more = nearest_sets(mine, fake, weight).best - nearest_sets(mine, others, weight).best
    place = Vocabulary(texts[0]).encode(sides[0]["text"])
    best = np.full(len(case.targets), -1.0)
    np.maximum.at(best, sides[0]["user"].to_numpy(), more[place])
    return best


def _pieces(texts: pl.Series) -> pl.DataFrame:
    """Pieces of letters of each text, its ends marked: columns query (its place) and piece."""
    marked = [f" {text} " for text in texts]
    cut = [sorted({m[i : i + GRAM] for i in range(max(1, len(m) - GRAM + 1))}) for m in marked]
    frame = pl.DataFrame({"piece": cut}, schema={"piece": pl.List(pl.String)})
    return frame.with_row_index("query").explode("piece")
