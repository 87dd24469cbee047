"""Who said a message: a small classifier over its characters, taught by messages whose speaker is known."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

BITS = 15
"""The pieces of characters are hashed into so many bits of columns"""
LONGEST = 3
"""Characters of a piece"""
RIDGE = 1.0
HELD_OUT = 5
"""One dialogue in so many is kept from teaching, and judged"""


@dataclass(frozen=True)
class Speakers:
    """Tells messages of agents from those of customers."""

    weight: np.ndarray
    """float64 [columns]"""
    constant: float

    @classmethod
    def taught(cls, messages: Sequence[str], agent: np.ndarray) -> Speakers:
        """Fit a logistic regression with a ridge; `agent`: whether each message is an agent's, bool [messages].

        Both kinds weigh alike. Where one kind is missing, nothing is told apart.
        """
        table, label = _pieces(messages), np.where(agent, 1.0, -1.0)
        counts = np.maximum(np.bincount(agent.astype(np.int64), minlength=2), 1)
        share = np.where(agent, 0.5 / counts[1], 0.5 / counts[0]) * len(label)

        def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
            margin = label * (table @ at[:-1] + at[-1])
            slope = -label * share / (1 + np.exp(np.clip(margin, -50, 50)))
            value = float((share * np.logaddexp(0, -margin)).sum() + RIDGE / 2 * at[:-1] @ at[:-1])
            return value, np.append(table.T @ slope + RIDGE * at[:-1], slope.sum())

        start = np.zeros(table.shape[1] + 1)
        found = optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}
        ).x
        return cls(found[:-1], float(found[-1]))

    def agents(self, messages: Sequence[str]) -> np.ndarray:
        """Whether each message is an agent's: bool [messages]."""
        said: np.ndarray = _pieces(messages) @ self.weight + self.constant > 0
        return said


def error(
    messages: Sequence[str], agent: np.ndarray, dialogue: np.ndarray
) -> tuple[float, float] | None:
    """Errors on messages of dialogues that nothing was learned from: of customers', and of agents'.

    `dialogue` int64 [messages]. None where one kind is missing on a side.
    """
    held = dialogue % HELD_OUT == 0
    if any(len(np.unique(agent[side])) < 2 for side in (held, ~held)):
        return None
    taught = Speakers.taught(
        [m for m, out in zip(messages, held, strict=True) if not out], agent[~held]
    )
    said = taught.agents([m for m, out in zip(messages, held, strict=True) if out])
    wrong = said != agent[held]
    return float(wrong[~agent[held]].mean()), float(wrong[agent[held]].mean())


def _pieces(messages: Sequence[str]) -> sparse.csr_matrix:
    """Runs of characters that a message has, and how long it is: float64 [messages, 2^15], of length 1."""
    rows, columns = list[int](), list[int]()
    for row, message in enumerate(messages):
        whole = f"^{message}$"
        own = {
            whole[i : i + size]
            for size in range(1, LONGEST + 1)
            for i in range(len(whole) - size + 1)
        }
        own.add(f"length {min(len(message) // 4, 12)}")
        columns += [zlib.crc32(piece.encode()) & ((1 << BITS) - 1) for piece in sorted(own)]
        rows += [row] * len(own)
    table = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, columns)), shape=(len(messages), 1 << BITS)
    )
    table.data[:] = 1.0
    size = np.sqrt(np.maximum(np.diff(table.indptr), 1))
    return sparse.csr_matrix(sparse.diags(4.0 / size) @ table)
