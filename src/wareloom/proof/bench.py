"""The bench of a proof: one split, and every ranker that is trained on a variant of its training part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import MemoryLimitError
from wareloom.evaluation.ranking import Evaluation, evaluate
from wareloom.evaluation.tasks import Task, build_task
from wareloom.experiment.cells import OF_SYNTHESIS, Cells
from wareloom.preparing.splits import Split
from wareloom.proof.arms import FEATURES, REAL, TEACHER, WITHOUT_POOL, training_data
from wareloom.proof.settings import ProofSettings
from wareloom.sampling.generator import Pool
from wareloom.shop import Log, Shop
from wareloom.shop.buckets import user_key


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is trained: an arm with one seed."""

    arm: str
    seed: int
    ratio: float = 0.0
    """Synthetic events for each real one"""
    share: float = 1.0
    """Part of the training users that generator and ranker are shown"""
    without: str = ""
    """The member of the generator that is left out"""


class Bench:
    """Trains and evaluates cells, each at most once."""

    def __init__(
        self, label: str, parts: Split, settings: ProofSettings, cells: Cells, run: Run
    ) -> None:
        """`label`: what the split is called in the progress; `cells`: where finished pieces are kept."""
        self.label, self.split, self.settings, self.cells, self.run = (
            label,
            parts,
            settings,
            cells,
            run,
        )
        self.random = RANKERS.load(settings.ranker).random
        self._tasks: dict[str, Task] = {}
        self._pools: dict[tuple[Any, ...], Pool] = {}
        self._updates: dict[tuple[int, float], int | None] = {}

    def task(self, part: str) -> Task:
        """The requests of the "validation" or "test" part."""
        if part not in self._tasks:
            self._tasks[part] = build_task(self.split, part, self.settings.repeats)
        return self._tasks[part]

    def evaluate(self, cell: Cell, part: str = "test") -> Evaluation:
        """Train one cell and judge it on a part.

        The real arm of a seed goes first; a ranker that takes gradient updates takes as many of them in every other
        arm, so that no arm is ahead for having been trained longer. Where no seed can change anything, the first serves
        for all.
        """
        if cell.arm in WITHOUT_POOL:
            cell = replace(cell, ratio=0.0, without="")
            if not self.random and cell.share == 1.0:
                cell = replace(cell, seed=0)
        plain = Cell(arm=cell.arm, seed=cell.seed)
        extra = (
            {}
            if replace(cell, ratio=0.0) == plain
            else {"share": cell.share, "without": cell.without}
        )
        updates = None if cell.arm == REAL else self._updates_of_real(cell, part)
        found: Evaluation = self.cells.get(
            [part, cell.arm, cell.seed, cell.ratio, *([extra] if extra else [])],
            lambda: self._work(cell, part, updates),
            untouched=OF_SYNTHESIS if cell.arm in WITHOUT_POOL else (),
        )
        if cell.arm == REAL:
            self._updates[cell.seed, cell.share] = found.training.get("updates")
        return found

    def pool(self, cell: Cell) -> Pool:
        """Synthetic data for a cell, enough for the largest ratio; only the latest is held."""
        key = (cell.seed, cell.share, cell.without)
        if key not in self._pools:
            run, train, generator = (
                self.run_of(cell.seed),
                self.train(cell),
                self.settings.generator,
            )
            most = max(self.settings.ratios) * generator.supply
            users = int(np.ceil(most * 1.1 * len(Log.of(train).users))) + 1
            if cell.without:
                generator = generator.without(cell.without)
            self._pools = {key: generator.pool(train, self.split.held_out(), users, run)}
        return self._pools[key]

    def train(self, cell: Cell) -> Shop:
        """The real training data of a cell: all, or the users of its share, those of a smaller share among them."""
        whole = self.split.train
        if cell.share >= 1.0:
            return whole
        events = whole.scan("events")
        owners = events.select(user_key(events).unique(maintain_order=True)).collect().to_series()
        order = self.run_of(cell.seed).rng("share").permutation(len(owners))
        kept = owners.gather(np.sort(order[: max(1, round(cell.share * len(owners)))]))
        mine = events.filter(user_key(events).is_in(kept.implode()))
        return whole.with_tables(events=mine.collect())

    def run_of(self, seed: int) -> Run:
        """The run of one of the proof's seeds."""
        return self.run.with_(seed=self.run.seed_for("proof", seed))

    def baseline(self, name: str, values: dict[str, Any]) -> Evaluation | str:
        """Evaluate a ranker on real data; one that does not fit into memory says so instead."""
        run = self.run_of(0)
        try:
            with run.task(f"{self.label}: {name} on real data"):
                ranker = RANKERS.make(name, **values).fit(self.split.train, run)
        except MemoryLimitError as error:
            return str(error)
        return evaluate(ranker, self.task("test"), self.settings.metrics, run)

    def _updates_of_real(self, cell: Cell, part: str) -> int | None:
        """Gradient updates that the real arm of this cell's seed and share took; None where it takes none."""
        if not self.random:
            return None
        if (cell.seed, cell.share) not in self._updates:
            self.evaluate(Cell(arm=REAL, seed=cell.seed, share=cell.share), part)
        return self._updates[cell.seed, cell.share]

    def _work(self, cell: Cell, part: str, updates: int | None) -> Evaluation:
        run, settings = self.run_of(cell.seed), self.settings
        if cell.arm == TEACHER:
            ranker = self.pool(cell).teachers[0].as_ranker()  # type: ignore[attr-defined]
            return evaluate(ranker, self.task(part), settings.metrics, run)
        train = self.train(cell)
        data = train
        if cell.arm not in WITHOUT_POOL:
            data = training_data(
                settings.generator, cell.arm, train, self.pool(cell), cell.ratio, run
            )
        own = settings.ranker_settings | (
            {"text": settings.features} if cell.arm == FEATURES else {}
        )
        ranker = RANKERS.make(settings.ranker, **own)
        told = run if updates is None else run.with_(updates=updates)
        with run.task(f"{self.label}, seed {cell.seed}: {settings.ranker} on {cell.arm}"):
            ranker.fit(data, told)
        found = evaluate(ranker, self.task(part), settings.metrics, run)
        training = {"events": data.rows("events")}
        if ranker.updates is not None:
            training["updates"] = ranker.updates
        return replace(found, training=training)
