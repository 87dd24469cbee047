"""LambdaMART's trees: their settings, and how they are taught. What `lambdamart` and `two_stage` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import polars as pl
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, Positive, Settings, Size
from wareloom.errors import needed

STEPS = 4
"""Steps of a grade that are told apart between one whole grade and the next"""


@dataclass(kw_only=True, eq=False)
class Trees(Settings):
    """What rankers that order items by LambdaMART's trees have in common.

    Stands before `SearchRanker` among a ranker's bases. The trees are kept as text, in `trees_`, "" for none.
    """

    renamed: ClassVar[Mapping[str, str]] = {
        "lessons": "training_queries",
        "mined": "hard_negatives",
    }

    trees: Size = 50
    """Trees that are added up; more suit many thousands of labelled queries."""
    leaves: Annotated[int, Ge(2)] = 15
    """Leaves of a tree at most."""
    learning_rate: Positive = 0.05
    """Share of each tree that counts."""
    min_rows: Size = 50
    """Judgments a leaf has at least."""
    sample: Factor = 0.8
    """Share of the judgments, and of the numbers, that each tree sees."""
    hard_negatives: Count = 16
    """Items found for a query that are taken for wrong: where only right ones were judged, or for every query where all
    have lower ones, too; lists of what people judged say nothing of the rest of a catalogue. 0 takes none."""
    training_queries: Size = 3_000
    """Queries, at most, for which items are found."""

    if TYPE_CHECKING:
        name: str
        trees_: str

    @cached_property
    def _trees(self) -> Any:
        return lightgbm(self.name).Booster(model_str=self.trees_)

    def _grown(self, table: np.ndarray) -> np.ndarray:
        """What the trees say of rows: float64 [rows]."""
        said = self._trees.predict(table, raw_score=True, num_threads=1)
        return np.asarray(said, dtype=np.float64)


def lightgbm(who: str) -> Any:
    """Import LightGBM; `MissingExtraError` where it is not installed."""
    return needed("lightgbm", "learned", f"The ranker {who!r}")


def taught(
    how: Trees,
    table: np.ndarray,
    rows: pl.DataFrame,
    gain: Callable[[float], float],
    run: Run,
    start: np.ndarray | None = None,
) -> str:
    """Teach trees to order the items of each query and origin, and return them as LightGBM writes them.

    `how`: the ranker; table [judgments, features];
    rows as `judged` gives them; `gain`: what a grade is worth; `start` [judgments]: scores that the trees are added to.
    """
    library = lightgbm(how.name)
    label = np.rint(rows["grade"].to_numpy() * STEPS).astype(np.int64)
    group = rows.group_by("query", "origin", maintain_order=True).len()["len"].to_numpy()
    data = library.Dataset(
        table, label, weight=rows["weight"].to_numpy(), group=group, init_score=start
    )
    settings = {
        "objective": "lambdarank",
        "num_leaves": how.leaves,
        "learning_rate": how.learning_rate,
        "min_data_in_leaf": how.min_rows,
        "feature_fraction": how.sample,
        "bagging_fraction": how.sample,
        "bagging_freq": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": run.cores,
        "seed": run.seed_for(how.name) % 2**31,
        "verbosity": -1,
        "label_gain": [gain(step / STEPS) for step in range(int(label.max()) + 1)],
    }
    found: str = library.train(settings, data, how.trees).model_to_string()
    return found
