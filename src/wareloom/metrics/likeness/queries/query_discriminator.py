"""Can synthetic queries be told from real ones?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.metrics.likeness.measure import Figure
from wareloom.metrics.likeness.queries._signs import BITS, by_form, by_words, hashed, logistic
from wareloom.metrics.likeness.queries.measure import QueryMeasure
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio
from wareloom.metrics.likeness.users.discriminators import auc, spread

TOLD = 8
"""Signs that are named"""
READINGS = {"words": by_words, "form": by_form}
KINDS = {
    "c": "characters",
    "w": "word",
    "p": "words in a row",
    "k": "kinds of characters",
    "s": "shapes of words",
}
KINDS |= {"n": "number of words", "l": "length in fours of characters"}
"""What the first letter of a sign says"""


@dataclass(kw_only=True, eq=False)
class QueryDiscriminator(QueryMeasure):
    """Area under the curve of a logistic regression that tells synthetic queries from real ones; .5 where it cannot.

    `words`: it reads words, pairs of words, runs of 2 to 4 characters and lengths. `form`: it reads kinds of
    characters, shapes of words and lengths alone, so that it matters little what the queries are about. Cross-validated
    (Lopez-Paz and Oquab 2017); the floor: other real queries in the place of the synthetic ones. Queries of the same
    words are judged together, so that none is known from training. Interval: DeLong's, the mean over folds.
    """

    unit: ClassVar[str] = "AUC"
    quick: ClassVar[Mapping[str, Any]] = {"queries": 60, "folds": 2}

    queries: Annotated[int, Ge(10)] = 5_000
    """Queries of each kind that are judged, at most."""
    folds: Annotated[int, Ge(2), Le(10)] = 5
    """Parts of which each in turn is judged by what was learned from the others."""
    ridge: Positive = 1.0
    """How much large weights are held back."""

    def compare(self, trio: QueryTrio, run: Run | None = None) -> list[Figure] | str:
        run = run or Run()
        size = min(len(trio.real), self.queries)
        # The same draw on all sides: samples that are alike stay alike.
        drawn = np.sort(run.rng("compare", "judged queries").permutation(len(trio.real))[:size])
        real, again, fake = (sample.select(drawn) for sample in trio.samples)
        return [
            self._figure(name, read, (real, again, fake), run) for name, read in READINGS.items()
        ]

    def _figure(self, name: str, read: Any, samples: Sequence[QuerySample], run: Run) -> Figure:
        held = [read(sample) for sample in samples]
        tables, columns = _narrowed([hashed(rows) for rows in held])
        value, variance, weights = self._told(tables[0], tables[2], (samples[0], samples[2]), run)
        floor, of_floor, _ = self._told(tables[0], tables[1], (samples[0], samples[1]), run)
        ends, floor_ends = spread(value, variance), spread(floor, of_floor)
        return Figure(
            name=f"{self.name}.{name}",
            value=value,
            low=ends[0],
            high=ends[1],
            floor=floor,
            floor_low=floor_ends[0],
            floor_high=floor_ends[1],
            unit=self.unit,
            about={
                "queries": len(samples[0]),
                "signs": _signs(held[0], held[2], _widened(weights, columns)),
            },
        )

    def _told(
        self,
        real: sparse.csr_matrix,
        other: sparse.csr_matrix,
        samples: tuple[QuerySample, QuerySample],
        run: Run,
    ) -> tuple[float, float, np.ndarray]:
        """Mean area over the folds, its variance, and the mean weights: float64 [columns]."""
        table = sparse.csr_matrix(sparse.vstack([real, other]))
        label = np.repeat([0.0, 1.0], [real.shape[0], other.shape[0]])
        fold = self._fold([bag for sample in samples for bag in sample.bags], run)
        found, weights = [], np.zeros(table.shape[1])
        for part in range(self.folds):
            out = fold == part
            if min(np.bincount(label[out].astype(np.int64), minlength=2)) < 2:
                continue
            weight, constant = logistic(table[~out], label[~out], self.ridge)
            found.append(auc(table[out] @ weight + constant, label[out]))
            weights += weight
        if not found:
            return 0.5, 0.0, weights
        areas, variances = np.array(found).T
        return float(areas.mean()), float(variances.sum() / len(found) ** 2), weights / len(found)

    def _fold(self, bags: Sequence[str], run: Run) -> np.ndarray:
        """The fold of each query, the same for all of the same words: int64 [queries]."""
        _, code = np.unique(np.array(bags, dtype=np.str_), return_inverse=True)
        dealt = run.rng("compare", "query folds").permutation(int(code.max()) + 1) % self.folds
        return dealt[code]


def _narrowed(tables: list[sparse.csr_matrix]) -> tuple[list[sparse.csr_matrix], np.ndarray]:
    """Keep the columns in which two queries of any side have something; and which these are: int64 [kept]."""
    columns = np.flatnonzero(
        np.bincount(np.concatenate([t.indices for t in tables]), minlength=tables[0].shape[1]) > 1
    )
    return [sparse.csr_matrix(table[:, columns]) for table in tables], columns


def _widened(weights: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Weights of all hashed columns, float64 [2^18]; 0 where none was kept."""
    found = np.zeros(1 << BITS)
    found[columns] = weights
    return found


def _signs(
    real: list[Counter[str]], fake: list[Counter[str]], weights: np.ndarray
) -> list[dict[str, Any]]:
    """What betrays the queries: the signs of most weight by how many more queries of one side have them."""
    share = [Counter(sign for held in rows for sign in held) for rows in (real, fake)]
    signs = sorted(share[0] | share[1])
    column = hashed(Counter([sign]) for sign in signs).indices
    apart = np.array([share[1][sign] / len(fake) - share[0][sign] / len(real) for sign in signs])
    order = np.argsort(-np.abs(weights[column] * apart), kind="stable")[:TOLD]
    return [
        {
            "sign": signs[i][1:],
            "kind": KINDS[signs[i][0]],
            "real": share[0][signs[i]] / len(real),
            "synthetic": share[1][signs[i]] / len(fake),
        }
        for i in order
        if weights[column[i]] * apart[i] > 0
    ]
