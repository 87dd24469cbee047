"""Do pictures lift new items? A ranker that sees them, beside the same with pictures dealt to other items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.evaluation.ranking import Evaluation, evaluate
from wareloom.evaluation.tasks import Task
from wareloom.proof.table import contrast
from wareloom.rankers.content.base import ContentKNN
from wareloom.shop import Shop

SHUFFLES = 5
"""How often pictures are dealt anew for the control"""
COLD = "cold"
"""The slice of answers that no training event is on"""


@dataclass(frozen=True)
class PictureLift:
    """What pictures do for new items."""

    data: dict[str, Any]
    """mean, against_mean (pictures dealt to other items), difference with low and high, lift, p, verdict, requests"""

    @property
    def verdict(self) -> str:
        """ "helps", "no evidence" or "hurts"."""
        return str(self.data["verdict"])

    def __str__(self) -> str:
        said = {
            "helps": "Pictures lift new items",
            "hurts": "Pictures of other items would serve new items better",
            "no evidence": "No evidence that pictures lift new items",
        }[self.verdict]
        row = self.data
        if row["low"] is None:
            return f"{said}: one request alone was for a new item."
        return (
            f"{said}: {row['metric']} {row['mean']:.4f}, and {row['against_mean']:.4f} with pictures dealt to other "
            f"items (95 % interval of the difference {row['low']:+.4f} to {row['high']:+.4f}, p = {row['p']:.2g}, "
            f"{row['requests']:,} requests for new items)."
        )


def picture_lift(
    ours: Sequence[Evaluation], theirs: Sequence[Evaluation], run: Run, metric: str = "ndcg@10"
) -> PictureLift:
    """Compare evaluations with pictures and with pictures dealt to other items, seed by seed, on new items.

    Raises `InputError` where no held-out answer is a new item.
    """
    measure = f"{metric}/{COLD}"
    if any(measure not in one.per_request for one in (*ours, *theirs)):
        raise InputError(
            "No held-out answer is an item without training events: there is no new item that pictures could lift. "
            "Split by time, over a stretch in which items were launched."
        )
    found = contrast(list(ours), list(theirs), measure, run.rng("bootstrap", "pictures"))
    return PictureLift({"metric": metric, **found})


def lift_of_neighbours(
    ranker: ContentKNN,
    task: Task,
    run: Run | None = None,
    metric: str = "ndcg@10",
    shuffles: int = SHUFFLES,
) -> PictureLift:
    """Hold a fitted image_knn beside itself with its pictures dealt to other items, `shuffles` times.

    To deal pictures anew is to permute the rows and columns of its table of likeness: nothing is computed twice.
    """
    run = run or Run()
    asked = [metric]
    own = evaluate(ranker, task, asked, run)
    others = [
        evaluate(dealt(ranker, run.rng("pictures dealt", turn)), task, asked, run)
        for turn in range(shuffles)
    ]
    return picture_lift([own] * shuffles, others, run, metric)


def dealt(ranker: ContentKNN, rng: np.random.Generator) -> ContentKNN:
    """The same ranker with the items' likeness dealt to other items: those without a picture take part, too."""
    order = rng.permutation(ranker.table_.shape[0])
    made = copy(ranker)
    made.table_ = ranker.table_[order][:, order].tocsr()
    made.table_.sort_indices()
    return made


def lift_of_features(
    make: Callable[[], Any],
    train: Shop,
    task: Task,
    run: Run,
    metric: str = "ndcg@10",
    seeds: int = 3,
) -> PictureLift:
    """Train what `make` returns, such as two_tower with pictures, with pictures and with pictures dealt to others."""
    ours, theirs = list[Evaluation](), list[Evaluation]()
    for seed in range(seeds):
        own = run.with_(seed=run.seed_for("pictures", seed))
        order = own.rng("pictures dealt").permutation(train.rows("items"))
        ids = train.table("items")["item_id"]
        to = dict(zip(ids.to_list(), ids.gather(order).to_list(), strict=True))
        images = train.table("images")
        moved = images.with_columns(
            images["item_id"].replace_strict(to, default=None).alias("item_id")
        )
        for shop, kept in ((train, ours), (train.with_tables(images=moved), theirs)):
            kept.append(evaluate(make().fit(shop, own), task, [metric], own))
    return picture_lift(ours, theirs, run, metric)
