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
from wareloom.evaluation.tasks import Task, build_task
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.table import contrast
from wareloom.rankers.content.base import ContentKNN
from wareloom.shop import Shop

SHUFFLES = 5
"""How often pictures are dealt anew for the control"""
NOTHING_NEW = (
    "No held-out answer is an item without training events: there is no new item that pictures could lift. "
    "Split by time, over a stretch in which items were launched."
)
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


def ready_for_lift(shop: Shop, run: Run | None = None) -> tuple[Split, Task]:
    """Split a shop by time and build the task in which pictures may lift new items; no picture is looked at.

    Raises `InputError` where the shop has no pictures or no events, where nobody can be asked, or where no held-out
    answer is a new item that has a picture.
    """
    if not shop.rows("images"):
        raise InputError(
            "The shop has no pictures that could lift new items: read them (wareloom read EXPORT --to SHOP --set "
            "images=FOLDER)."
        )
    if not shop.rows("events"):
        raise InputError(
            "Whether pictures lift new items is told by what people chose, and the shop has no events: read its log "
            "beside the pictures (wareloom read EXPORT --to SHOP --set images=FOLDER)."
        )
    parts = split(shop, SplitSettings(by="time"), None, run)
    task = build_task(parts)
    cold = task.item[task.popularity[task.item] == 0]
    if not len(cold):
        raise InputError(NOTHING_NEW)
    ids = parts.train.table("items")["item_id"].gather(np.unique(cold))
    if not ids.is_in(shop.table("images")["item_id"].implode()).any():
        raise InputError(
            f"Of {len(ids):,} new items that somebody chose none has a picture: read the pictures of new items, too."
        )
    return parts, task


def picture_lift(
    ours: Sequence[Evaluation], theirs: Sequence[Evaluation], run: Run, metric: str = "ndcg@10"
) -> PictureLift:
    """Compare evaluations with pictures and with pictures dealt to other items, seed by seed, on new items.

    Raises `InputError` where no held-out answer is a new item.
    """
    measure = f"{metric}/{COLD}"
    if any(measure not in one.per_request for one in (*ours, *theirs)):
        raise InputError(NOTHING_NEW)
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
