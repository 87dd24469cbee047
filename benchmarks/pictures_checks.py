"""What checks of pictures find: unsafe operations, swapped categories, copies, and a lift that is not there.

    python benchmarks/pictures_checks.py [--threads N] [--nulls N] [--json FILE]

On photos of clothing_images, training and validation parts alone: which operations leave which class as it is; 5 % of
the validation photos are given another category, 40 times, and looked for by how much likelier a classifier of training
photos finds another class; measures of pictures (features: EfficientNet-Lite0) for altered copies, for the training
photos themselves given as synthetic, and for other real photos. On invented shops whose users choose by shape and
colour: whether the planted lift of new items is found, and how often one is claimed where pictures were dealt to other
items. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.classifiers.lite0 import Lite0
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.evaluation.compare import picture_measures
from wareloom.evaluation.tasks import build_task
from wareloom.metrics.likeness.pictures.samples import gathered_pictures
from wareloom.preparing.splits import SplitSettings, split
from wareloom.preparing.splits_pictures import split_pictures
from wareloom.proof.cold_pictures import dealt, lift_of_neighbours
from wareloom.rankers.content.image_knn import ImageKNN
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.shop.pictures import labelled
from wareloom.synthesis.images.image_augment import ImageAugment
from wareloom.synthesis.images.label_safety import label_safety
from wareloom.testing.pictures import taste_shop

SWAPS, SHARE = 40, 0.05
"""How often categories are swapped, and of how many photos"""


def swapped(train: Shop, validation: Shop, run: Run) -> dict[str, Any]:
    """Precision at a recall of one half for swapped categories, over draws of which are swapped."""
    made = Lite0().fit(train, run)
    names = list(made.classes_)
    logs = np.log(np.clip(made.predict(validation, run).astype(np.float64), 1e-6, 1))
    truth = np.array([names.index(one) for one in labelled(validation).collect()["class"]])
    found, number = [], round(SHARE * len(truth))
    for turn in range(SWAPS):
        rng = np.random.default_rng(turn)
        wrong = rng.choice(len(truth), number, replace=False)
        said = truth.copy()
        said[wrong] = (said[wrong] + rng.integers(1, len(names), number)) % len(names)
        odds = logs.max(axis=1) - logs[np.arange(len(said)), said]
        hits = np.isin(np.argsort(-odds), wrong)
        last = int(np.searchsorted(np.cumsum(hits), np.ceil(number / 2))) + 1
        found.append(float(hits[:last].mean()))
    return {
        "photos": len(truth),
        "swapped": number,
        "draws": SWAPS,
        "precision": float(np.mean(found)),
        "lowest": float(np.min(found)),
    }


def likeness(train: Shop, validation: Shop, run: Run) -> list[dict[str, Any]]:
    """Every measure of pictures for altered copies, and for training photos given as synthetic."""
    copies = train.with_tables(
        images=train.table("images").with_columns(origin=pl.lit("memoriser"))
    )
    altered = ImageAugment(mixed=0.0).fit(train, run).sample(validation.rows("images"), run)
    rows = []
    for name, made in (("image_augment", altered), ("training photos", copies)):
        trio = gathered_pictures(train, made, validation, run)
        for measure in picture_measures():
            figures = METRICS.make(measure).compare(trio, run)
            assert not isinstance(figures, str), figures
            for figure in figures:
                about = figure.about
                rows.append(
                    {
                        "made": name,
                        "measure": measure,
                        "pictures": trio.size,
                        "value": figure.value,
                        "low": figure.low,
                        "high": figure.high,
                        "floor": figure.floor,
                        "floor_low": figure.floor_low,
                        "floor_high": figure.floor_high,
                        "about": about,
                    }
                )
    return rows


def cold(nulls: int, run: Run) -> dict[str, Any]:
    """Verdicts on shops with a planted lift, and on the same with pictures dealt to other items."""
    planted, nothing = list[str](), list[str]()
    shops = max(1, nulls // 10)
    for seed in range(shops):
        parts = split(taste_shop(seed=seed), SplitSettings(by="time", parts=(30, 0, 10)))
        task = build_task(parts)
        ranker = ImageKNN(neighbours=20).fit(parts.train, run)
        planted.append(lift_of_neighbours(ranker, task, run.with_(seed=seed)).verdict)
        for turn in range(nulls // shops):
            wrong = dealt(ranker, np.random.default_rng(1000 * seed + turn))
            own = run.with_(seed=1000 * seed + turn)
            nothing.append(lift_of_neighbours(wrong, task, own).verdict)
    return {
        "planted": {one: planted.count(one) for one in sorted(set(planted))},
        "dealt": {one: nothing.count(one) for one in sorted(set(nothing))},
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nulls", type=int, default=100)
    chosen = parser.parse_args()
    run, found = Run(threads=chosen.threads, quiet=True), dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("clothing_images") / "images.tar.gz", to=Path(folder) / "shop").in_memory()
        parts = split_pictures(shop, SplitSettings())
        steps = {
            "cold": lambda: cold(chosen.nulls, run),
            "consistency": lambda: swapped(parts.train, parts.validation, run),
            "likeness": lambda: likeness(parts.train, parts.validation, run),
            "safety": lambda: list(label_safety(parts.train, parts.validation, run).rows),
        }
        for name, step in steps.items():
            found[name] = step()
            print(name, found[name], flush=True)
            write(chosen.json, "pictures_checks", machine(chosen.note), **found)


if __name__ == "__main__":
    main()
