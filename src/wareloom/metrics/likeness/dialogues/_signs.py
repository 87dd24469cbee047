"""What a discriminator reads of dialogues: runs of characters of a turn, and of a dialogue what stands where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from wareloom.core.run import Run
from wareloom.language.runs import tokens
from wareloom.metrics.likeness.dialogues.samples import Dialogue
from wareloom.metrics.likeness.queries._signs import hashed, logistic
from wareloom.metrics.likeness.users.discriminators import auc

LONGEST = 4
"""Characters of a run"""


def of_turn(text: str) -> Counter[str]:
    """Runs of 2 to 4 characters of a turn, without capitals."""
    typed = f"^{text.lower()}$"
    return Counter(
        f"c{typed[i : i + n]}" for n in range(2, LONGEST + 1) for i in range(len(typed) - n + 1)
    )


def of_dialogue(dialogue: Dialogue, roles: frozenset[str]) -> Counter[str]:
    """Words of a dialogue by role, what follows what, and in which third of it each word stands."""
    held = Counter[str]()
    turns = [said for said in dialogue if said.role in roles]
    before: list[str] = ["^"]
    for number, said in enumerate(turns):
        words = tokens(said.text, "") or ["?"]
        third = 3 * number // len(turns)
        held.update(f"w{said.role[0]}{word}" for word in words)
        held.update(f"p{said.role[0]}{third}{word}" for word in words)
        held.update(f"f{one}>{said.role[0]}{words[0]}" for one in {before[0], before[-1]})
        before = words
    held.update([f"f{before[0]}>$", f"n{min(len(turns), 30)}"])
    return held


def told_apart(
    real: Sequence[Counter[str]],
    other: Sequence[Counter[str]],
    bags: Sequence[str],
    folds: int,
    ridge: float,
    run: Run,
) -> tuple[float, float]:
    """Return the cross-validated area under the curve of a logistic regression, and its variance.

    `bags`: a key of each row, real ones first; rows of one key are judged together: none is known from training.
    """
    tables = [hashed(rows) for rows in (real, other)]
    table = sparse.csr_matrix(sparse.vstack(tables))
    seen = np.bincount(table.indices, minlength=table.shape[1]) > 1
    table = sparse.csr_matrix(table[:, np.flatnonzero(seen)])
    label = np.repeat([0.0, 1.0], [len(real), len(other)])
    _, code = np.unique(np.array(bags, dtype=np.str_), return_inverse=True)
    fold = (run.rng("compare", "dialogue folds").permutation(int(code.max()) + 1) % folds)[code]
    found = []
    for part in range(folds):
        out = fold == part
        if min(np.bincount(label[out].astype(np.int64), minlength=2)) < 2:
            continue
        weight, constant = logistic(table[~out], label[~out], ridge)
        found.append(auc(table[out] @ weight + constant, label[out]))
    if not found:
        return 0.5, 0.0
    areas, variances = np.array(found).T
    return float(areas.mean()), float(variances.sum() / len(found) ** 2)
