"""Mixers beside plain concatenation: the same SASRec, the same synthetic users, equal numbers of updates.

    python benchmarks/mixers.py [--synthesizers markov teacher] [--ratios R ...] [--seeds N] [--other-seeds N]
        [--updates U] [--share S]

Amazon Beauty, leave-last-out, whole catalogue, ties in file order. Every cell takes U updates with one schedule and
keeps the weights that are best on the same held-back real events of the training part. `ratio` is plain concatenation;
each other mixer is compared with it at its own ratio, by a paired bootstrap over users joined with the spread between
seeds. Generators are fitted on the training part alone. `--share` gives generator and ranker that share of the training
users, while all users are asked for. With `--cache` finished cells are kept, so that a stopped run
goes on, and two processes with other `--mixers` share the work. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.evaluation.ranking import Evaluation, evaluate
from wareloom.evaluation.tasks import Task, build_task
from wareloom.experiment.pieces import Pieces
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.store import store_at
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.table import contrast
from wareloom.readers import read
from wareloom.sampling.generator import Generator
from wareloom.shop import Log

MIXERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ratio": ("ratio", {}),
    "ratio, weight .3": ("ratio", {"weight": 0.3}),
    "ratio, head .3": ("ratio", {"head": 0.3}),
    "curriculum": ("curriculum", {}),
    "curriculum, faded": ("curriculum", {"until": 0.9, "fade": 0.6}),
    "fresh": ("fresh", {}),
    "selected": ("selected", {}),
    "searched": ("searched", {}),
    "labels": ("labels", {}),
}
"""What is compared: a mixer and what it is told beside its ratio"""
STRUCTURE = {"structure": "chain"}
"""Structure of the synthetic users, drawn one by one"""
METRICS = ("ndcg@10", "recall@10", "recall@50")
SLICES = ("all", "head", "tail")


class Beauty:
    """The split, its requests, and what is trained on variants of the training part."""

    def __init__(self, folder: Path, pieces: Pieces, run: Run, updates: int, share: float) -> None:
        shop = read(data("amazon_beauty"), to=folder / "shop")
        parts = split(shop, SplitSettings(by="leave-last-out"), None, run)
        self.parts = Split(*(part.in_memory() for part in parts), parts.how)
        self.pieces, self.run, self.updates, self.share = pieces, run, updates, share
        users = self.parts.train.table("events")["user_id"].unique().sort()
        kept = users.gather(
            np.sort(run.rng("share").permutation(len(users))[: round(share * len(users))])
        )
        events = self.parts.train.table("events").filter(pl.col("user_id").is_in(kept.implode()))
        self.train = self.parts.train.with_tables(events=events)
        self.tasks: dict[str, Task] = {
            part: build_task(self.parts, part, "mask") for part in ("validation", "test")
        }
        self.pools: dict[Any, Any] = {}

    def cell(self, synthesizer: str, mixer: str, ratio: float, seed: int) -> dict[str, Evaluation]:
        """Train one cell, or find it: what came out on each part."""
        key = [synthesizer, mixer, MIXERS.get(mixer, ("", {})), ratio, seed, self.updates]
        key += [self.share] if self.share < 1 else []
        work: dict[str, Evaluation] = {}

        def done(part: str) -> Evaluation:
            if not work:
                work.update(self._train(synthesizer, mixer, ratio, seed))
            return work[part]

        found = {}
        for part in self.tasks:
            name = self.pieces.key([part, *key])
            if self.pieces.get(name) is None:
                self.pieces.put(name, done(part))
            found[part] = self.pieces.get(name)
        return found

    def _train(
        self, synthesizer: str, mixer: str, ratio: float, seed: int
    ) -> dict[str, Evaluation]:
        run = self.run.with_(seed=self.run.seed_for("mixers", seed), updates=self.updates)
        shop = self.train
        if mixer != REAL:
            name, settings = MIXERS[mixer]
            generator = Generator(
                synthesizer=synthesizer, settings=STRUCTURE, mixer=name, mixer_settings=settings
            )
            shop = generator.train_on(
                MIXED,
                shop,
                self._pool(synthesizer, seed, ratio * generator.supply, run),
                ratio,
                run,
            )
        ranker = RANKERS.make("sasrec", epochs=20, patience=0).fit(shop, run)
        found = {part: evaluate(ranker, task, METRICS, run) for part, task in self.tasks.items()}
        return {
            part: replace(one, training={"events": shop.rows("events")})
            for part, one in found.items()
        }

    def _pool(self, synthesizer: str, seed: int, much: float, run: Run) -> Any:
        """Synthetic users of one seed, `much` for each real one; only the latest are held."""
        key = (synthesizer, seed, much)
        if key not in self.pools:
            users = int(np.ceil(much * 1.1 * len(Log.of(self.train).users)))
            generator = Generator(synthesizer=synthesizer, settings=STRUCTURE)
            self.pools = {key: generator.pool(self.train, self.parts.held_out(), users, run)}
        return self.pools[key]


def summed(cells: list[Evaluation], measure: str) -> float:
    """Mean of a measure over users and seeds."""
    return float(np.mean([np.nanmean(cell.per_request[measure]) for cell in cells]))


def rows(of: Beauty, synthesizer: str, chosen: Any) -> Iterator[dict[str, Any]]:
    """Every mixer and ratio of one synthesizer, compared with real data alone and with plain concatenation."""
    real = [of.cell("", REAL, 0.0, seed) for seed in range(chosen.seeds)]
    yield row(of, (synthesizer, REAL, 0.0), real, [], [])
    for ratio in chosen.ratios:
        seeds = range(chosen.seeds if ratio == 1 else min(chosen.seeds, chosen.other_seeds))
        plain: list[dict[str, Evaluation]] = []
        for mixer in ("ratio", *(name for name in chosen.mixers if name != "ratio")):
            try:
                cells = [of.cell(synthesizer, mixer, ratio, seed) for seed in seeds]
            except InputError as error:
                yield {
                    "synthesizer": synthesizer,
                    "mixer": mixer,
                    "ratio": ratio,
                    "error": str(error),
                }
                continue
            plain = plain or cells
            yield row(of, (synthesizer, mixer, ratio), cells, real[: len(cells)], plain)


def row(
    of: Beauty, what: tuple[str, str, float], cells: Any, real: Any, plain: Any
) -> dict[str, Any]:
    """One line: means, and differences with intervals in NDCG@10 of the test part."""
    tests = [cell["test"] for cell in cells]
    means = {f"{m}/{part}": summed(tests, f"{m}/{part}") for m in METRICS for part in SLICES}
    found: dict[str, Any] = {
        "validation": summed([cell["validation"] for cell in cells], "ndcg@10/all"),
        "seeds": [float(np.nanmean(test.per_request["ndcg@10/all"])) for test in tests],
        "events": tests[0].training["events"],
    }
    for name, other in (("real", real), ("plain", plain)):
        if other and other is not cells:
            theirs = [cell["test"] for cell in other]
            for measure in ("ndcg@10/all", "ndcg@10/head"):
                told = contrast(tests, theirs, measure, of.run.rng("mixers", *what, name, measure))
                found[f"against {name}, {measure}"] = {
                    k: told[k] for k in ("lift", "lift_low", "lift_high", "p")
                }
    return dict(zip(("synthesizer", "mixer", "ratio"), what, strict=True)) | means | found


def show(found: dict[str, Any]) -> None:
    """Print one line of the table."""
    head = f"{found['synthesizer']:<9} {found['mixer']:<18} {found['ratio']:>4g}"
    if "error" in found:
        print(head, found["error"], flush=True)
        return
    against = found.get("against plain, ndcg@10/all")
    told = (
        f"{against['lift']:+.1%} ({against['lift_low']:+.1%} to {against['lift_high']:+.1%})"
        if against
        else ""
    )
    names = ("recall@10/all", "ndcg@10/all", "recall@50/head", "recall@50/tail", "validation")
    print(head, " ".join(f"{found[name]:.4f}" for name in names), told, flush=True)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--synthesizers", nargs="+", default=["markov", "teacher"])
    parser.add_argument("--mixers", nargs="+", choices=list(MIXERS), default=list(MIXERS))
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.5, 1.0, 2.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--other-seeds", type=int, default=3, help="seeds at other ratios than 1, at most"
    )
    parser.add_argument("--updates", type=int, default=5000)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="keep finished cells here, and go on from them")
    chosen = parser.parse_args()
    run = Run(seed=11, threads=chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        pieces = Pieces(store_at(chosen.cache) if chosen.cache else None, "mixers", {})
        of = Beauty(Path(folder), pieces, run, chosen.updates, chosen.share)
        found = []
        for synthesizer in chosen.synthesizers:
            for one in rows(of, synthesizer, chosen):
                show(one)
                found.append(one)
    about = machine(chosen.note) | {"threads": run.cores, "seeds": chosen.seeds}
    about |= {"updates": chosen.updates, "share": chosen.share}
    write(chosen.json, "mixers", about, rows=found)


if __name__ == "__main__":
    main()
