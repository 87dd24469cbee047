"""What private behaviour adds over public knowledge: `private_walk` on Amazon Beauty at several ε, two presets.

    python benchmarks/private_walk.py [--epsilons E ...] [--seeds N] [--users N] [--json FILE]

Leave-last-out with ties shuffled; δ = 1e-6, at most 10 events of a user, titles, categories, brands and prices public.
Each sample alone teaches `transitions`, which is judged on the real users' last events. Beside: total variation between
sample and training part of items, and of pairs of categories in a row. For comparison a walk of public texts that pays
for nothing, the real log, and `text_knn`, whose only behaviour is the history that it is asked with. "inf" is an ε so
large that the noise is nothing; bounds stay. Noise comes from a seed here, so that figures are to be had again and no
sample is private. Constants of the presets were chosen on the validation part. Bars at ε 3: teaching NDCG@10 .033,
faithful items .24 and category steps .25. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, data, machine, write
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.ranking import evaluate
from wareloom.evaluation.tasks import Task, build_task
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.readers import read
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.categories import telling_codes
from wareloom.stats.distances import total_variation

PUBLIC = ("items.title", "items.category", "items.brand", "items.price")
NOTHING = 1e6
"""The ε that stands for no noise"""
LENGTH = 6
"""Events of each user of the walk that pays for nothing"""
SHARPNESS = 2.0
"""Power of 1 / rank by which it goes to neighbours; of 1.5, 2, 2.5 and 3 the best on the validation part"""
MORE = 5
"""Times as many users, since sampling more costs nothing"""


def parts_of(folder: Path) -> Split:
    """Beauty, each user's last events held out in an order of ties that chance says."""
    shop = read(str(data("amazon_beauty")), to=folder / "beauty")
    found = split(shop, SplitSettings(by="leave-last-out", shuffle_ties=1))
    return Split(*(part.in_memory() for part in found), found.how)


class Likeness:
    """Distances of a sample from the training part."""

    def __init__(self, train: Shop) -> None:
        self.items = Vocabulary(train.table("items")["item_id"])
        log = Log.of(train)
        codes = telling_codes(train.table("items")["category"], log.counts())
        assert codes is not None
        self.category = codes + 1
        self.real = log.counts(), self._steps(log)

    def _steps(self, log: Log) -> np.ndarray:
        size, category = int(self.category.max()) + 1, self.category[log.item]
        inner = np.flatnonzero(log.user[1:] == log.user[:-1])
        return np.bincount(category[inner] * size + category[inner + 1], minlength=size**2)

    def of(self, sample: Shop) -> dict[str, float]:
        """Total variation of items and of pairs of categories in a row."""
        log = Log.of(sample, items=self.items)
        found = log.counts(), self._steps(log)
        names = ("items", "category_steps")
        return {
            name: float(total_variation(a, b))
            for name, a, b in zip(names, self.real, found, strict=True)
        }


def reached(ranker: str, shop: Shop, task: Task, run: Run) -> float:
    """NDCG@10 of a ranker fitted on `shop`."""
    fitted = RANKERS.make(ranker).fit(shop, run)
    return evaluate(fitted, task, ("ndcg@10",), run).overall["ndcg@10"]


def unpaid(train: Shop, run: Run) -> Any:
    """A walk of public texts by rank alone: no number of it is the log's."""
    made = SYNTHESIZERS.make("private_walk", epsilon=NOTHING, noise_seed=0, public=PUBLIC)
    made.fit(train, run)
    made.habits_lengths_ = np.eye(10)[LENGTH - 1]
    made.walk_popularity_ = np.ones_like(made.walk_popularity_)
    size = made.walk_category_table_.shape[0]
    made.walk_category_table_ = np.full((size, size), 1 / size)
    near = made.places_neighbour_ >= 0
    rank = 1.0 / np.arange(1, near.shape[1] + 1)
    made.walk_neighbour_ends_ = np.cumsum(near * rank**SHARPNESS, axis=1).astype(np.float32)
    made.walk_text_share_ = np.ones(1)
    made.walk_pair_start_ = np.zeros(len(near) + 1, np.int64)
    made.walk_pair_item_, made.walk_pair_ends_ = np.zeros(0, np.int32), np.zeros(0)
    # Kinds, turns, sessions and times of day are still the log's; `transitions` looks at none but the order.
    return made


def row(name: str, found: dict[str, Any]) -> str:
    """A line of the table."""
    cells = [
        f"{found[k]:.4f}" if k in found else "" for k in ("ndcg@10", "items", "category_steps")
    ]
    return f"{name:<28} " + "  ".join(f"{cell:>8}" for cell in cells)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--epsilons", nargs="+", default=["0.5", "1", "3", "8", "inf"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--users", type=int, default=22_000)
    parser.add_argument("--part", choices=["validation", "test"], default="test")
    chosen = parser.parse_args()
    run = Run(seed=1)
    rows: dict[str, dict[str, Any]] = {}
    print(f"{'':<28} {'NDCG@10':>8}  {'items':>8}  {'steps':>8}")

    def add(name: str, found: dict[str, Any]) -> None:
        rows[name] = found
        print(row(name, found), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        parts = parts_of(Path(folder))
        train, task, likeness = parts.train, build_task(parts, chosen.part), Likeness(parts.train)

        def judged(fitted: Any, users: int) -> dict[str, Any]:
            sample = fitted.sample(users, run)
            whole = sample.with_tables(items=train.scan("items"))
            return {
                "ndcg@10": reached("transitions", whole, task, run),
                "users": users,
                **likeness.of(sample),
            }

        add("the real log", {"ndcg@10": reached("transitions", train, task, run)})
        add("text_knn", {"ndcg@10": reached("text_knn", train, task, run)})
        walk = unpaid(train, run)
        add("public texts alone", judged(walk, chosen.users))
        add(f"public texts alone, x{MORE}", judged(walk, MORE * chosen.users))
        for epsilon in chosen.epsilons:
            spent = NOTHING if epsilon == "inf" else float(epsilon)
            for preset in ("teaching", "faithful"):
                for seed in range(chosen.seeds):
                    fitted = SYNTHESIZERS.make(
                        "private_walk",
                        epsilon=spent,
                        noise_seed=seed,
                        public=PUBLIC,
                        preset=preset,
                    ).fit(train, run)
                    name = f"{preset}, ε {epsilon}" + (f", seed {seed}" if seed else "")
                    told = {"epsilon": fitted.stamp_["epsilon"], "forecast": fitted.forecast_}
                    add(name, judged(fitted, chosen.users) | told)
                    if preset == "teaching" and seed == 0 and epsilon == "3":
                        add(f"{name}, x{MORE}", judged(fitted, MORE * chosen.users) | told)
    write(chosen.json, "private_walk", machine(chosen.note), part=chosen.part, rows=rows)


if __name__ == "__main__":
    main()
