"""LambdaMART's trees: how they are taught. What `lambdamart` and `two_stage` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import needed

STEPS = 4
"""Steps of a grade that are told apart between one whole grade and the next"""


def lightgbm(who: str) -> Any:
    """Import LightGBM; `MissingExtraError` where it is not installed."""
    return needed("lightgbm", "learned", f"The ranker {who!r}")


def taught(
    how: Any,
    table: np.ndarray,
    rows: pl.DataFrame,
    gain: Callable[[float], float],
    run: Run,
    start: np.ndarray | None = None,
) -> str:
    """Teach trees to order the items of each query and origin, and return them as LightGBM writes them.

    `how`: the ranker, with the settings trees, leaves, learning_rate, min_rows and sample; table [judgments, features];
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
