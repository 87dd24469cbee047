"""How customers go on: pairs of acts, learned from a log as far as it shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from wareloom.language.acts import CUSTOMER_ACTS, REQUEST
from wareloom.synthesis.dialogues.rates import rates

START, END = "<start>", "<end>"
ORDER = (START, *CUSTOMER_ACTS, END)
CODE = {act: code for code, act in enumerate(ORDER)}
LONGEST = 24
"""Turns of a customer at most"""
USUAL = {
    (START, "greet"): 6, (START, REQUEST): 4, ("greet", REQUEST): 9, ("greet", "greet"): 0.3,
    (REQUEST, "provide"): 6, (REQUEST, "confirm"): 2, (REQUEST, "thank"): 1, (REQUEST, "reject"): 0.6,
    (REQUEST, REQUEST): 0.8, (REQUEST, END): 0.5, ("provide", "confirm"): 5, ("provide", "provide"): 3,
    ("provide", "thank"): 1, ("provide", "reject"): 1, ("provide", REQUEST): 0.5, ("provide", END): 0.3,
    ("confirm", "thank"): 3, ("confirm", "reject"): 3, ("confirm", "confirm"): 1, ("confirm", REQUEST): 0.6,
    ("confirm", "bye"): 0.6, ("confirm", "provide"): 0.5, ("confirm", END): 1, ("reject", "bye"): 2,
    ("reject", "thank"): 2, ("reject", "confirm"): 0.6, ("reject", REQUEST): 0.5, ("reject", END): 4,
    ("thank", "reject"): 2, ("thank", "bye"): 2, ("thank", END): 4, ("thank", REQUEST): 0.3, ("bye", END): 9,
    ("bye", "thank"): 0.5, ("offtopic", REQUEST): 2, ("offtopic", "provide"): 2, ("offtopic", "confirm"): 1,
    ("offtopic", END): 0.5, ("complain", REQUEST): 2, ("complain", "confirm"): 1, ("complain", END): 1,
    (REQUEST, "offtopic"): 0.3, (REQUEST, "complain"): 0.3, ("provide", "offtopic"): 0.3, ("provide", "complain"): 0.3,
}  # fmt: skip
"""How customers go on where no log shows it"""
FEWEST = 50
"""Dialogues of two turns or more below which a log's grammar is not taken"""


@dataclass(frozen=True)
class Failures:
    """How often dialogues go wrong where the log does not say it."""

    asks_twice: float = 0.05
    changes_mind: float = 0.05
    wrong_number: float = 0.08
    leaves: float = 0.04
    angry: float = 0.05
    off_topic: float = 0.04


@dataclass
class Chain:
    """How customers go on: what is drawn after what."""

    weight: np.ndarray
    """float64 [acts, acts], over `ORDER`"""
    goal: np.ndarray
    """float64 [acts, acts], shares of pairs in the log, which sum to 1"""
    again: np.ndarray
    """float64 [acts], chance that another message follows before the agent answers"""
    follow: np.ndarray
    """float64 [acts], the log's shares of that"""
    learned: bool
    """Whether the log's own grammar was taken"""
    rates: Mapping[str, float] = field(default_factory=dict)
    """The log's refusals and interruptions a turn, and the share of dialogues that are left open, where it shows it"""
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """float64 [turns]: dialogues of the log by customers' turns, where it is cut before their ends; else empty"""

    @property
    def offers(self) -> float:
        """Share of requests that an agent asks leave for before it passes them on: of what follows details, consent."""
        after = self.goal[CODE["provide"]]
        asked = after[CODE["confirm"]]
        return float(asked / max(asked + after[CODE["reject"]] + after[CODE["thank"]], 1e-9))

    def state(self) -> dict[str, object]:
        """Return the chain as plain values."""
        return {
            "weight": self.weight.tolist(),
            "goal": self.goal.tolist(),
            "again": self.again.tolist(),
            "follow": self.follow.tolist(),
            "learned": self.learned,
            "rates": dict(self.rates),
            "lengths": self.lengths.tolist(),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Chain:
        """Return the chain of plain values."""
        weight, goal, again, follow = (
            np.array(state[name], dtype=np.float64)
            for name in ("weight", "goal", "again", "follow")
        )
        lengths = np.array(state.get("lengths", []), dtype=np.float64)
        return cls(
            weight, goal, again, follow, bool(state["learned"]), state.get("rates", {}), lengths
        )


def pairs_of(talks: Iterable[Sequence[str]]) -> np.ndarray:
    """Return how often an act follows an act, with start and end: float64 [acts, acts]."""
    counts = np.zeros((len(ORDER), len(ORDER)))
    for acts in talks:
        codes = [CODE[START], *(CODE[act] for act in acts), CODE[END]]
        np.add.at(counts, (codes[:-1], codes[1:]), 1.0)
    return counts


def learned_chain(
    talks: Sequence[Sequence[str]],
    turns: Sequence[Sequence[int]],
    failures: Failures,
    lengths: Sequence[int] = (),
) -> Chain:
    """Learn how customers go on from acts, and from the numbers of their turns which follow each other at once.

    `lengths`: turns of each dialogue's customer, where the log is cut before dialogues end: it shows no ends then.
    """
    usual = np.zeros((len(ORDER), len(ORDER)))
    for (first, second), weight in USUAL.items():
        usual[CODE[first], CODE[second]] = weight
    usual[CODE[REQUEST], CODE["complain"]] *= failures.angry / 0.05
    usual[CODE[REQUEST], CODE["offtopic"]] *= failures.off_topic / 0.04
    usual[:, CODE[END]][[CODE[REQUEST], CODE["provide"]]] *= failures.leaves / 0.04
    long = [talk for talk in talks if len(talk) > 1]
    if len(long) < FEWEST:
        return Chain(usual, usual / usual.sum(), np.zeros(len(ORDER)), np.zeros(len(ORDER)), False)
    counts = pairs_of(long)
    goal = counts.copy()
    if len(lengths):
        # How dialogues end is not known there; up to where they are cut it is.
        goal[:, CODE[END]] = 0
        share = usual[:, CODE[END]] / np.maximum(usual.sum(1), 1e-9)
        share[[CODE[act] for act in (REQUEST, "provide", "offtopic", "greet", "complain")]] = (
            failures.leaves / 4
        )
        counts[:, CODE[END]] = counts[:, : CODE[END]].sum(1) * share / np.maximum(1 - share, 0.1)
    again, seen = followed(talks, turns)
    follow = again / np.maximum(seen, 1)
    told = rates(talks, turns)
    if len(lengths):
        del told["abandon"]
    # A pair that the log has not may still be needed where an agent's rules leave nothing else.
    return Chain(
        counts + 0.02 * usual,
        goal / goal.sum(),
        follow.copy(),
        follow,
        True,
        told,
        np.bincount(np.minimum(lengths, LONGEST)).astype(np.float64)
        if len(lengths)
        else np.zeros(0),
    )


def followed(
    talks: Iterable[Sequence[str]], turns: Iterable[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how often a customer's message follows one at once, and how often any does: float64 [acts] each."""
    again, seen = np.zeros(len(ORDER)), np.zeros(len(ORDER))
    for acts, numbers in zip(talks, turns, strict=True):
        for act, (here, after) in zip(acts, pairwise(numbers), strict=False):
            seen[CODE[act]] += 1
            again[CODE[act]] += after == here + 1
    return again, seen
