"""The experiment: one ranker trained on every arm, all judged on the same held-out requests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from wareloom.errors import InputError, MemoryLimitError
from wareloom.family import RANKERS
from wareloom.proof.arms import ARMS, MIXED, REAL, Pool
from wareloom.proof.cells import Cells
from wareloom.proof.curves import curves
from wareloom.proof.evaluate import Evaluation, evaluate
from wareloom.proof.result import Proof, summarise
from wareloom.proof.settings import ProofSettings
from wareloom.proof.task import Task, build_task
from wareloom.run import Run
from wareloom.shop import Log, Shop
from wareloom.shop.splits import Split, split


def prove(shop: Shop, settings: ProofSettings | None = None, run: Run | None = None) -> Proof:
    """Find out whether synthetic data lifts a ranker on real held-out data.

    The split comes first; synthesizer, ranker and the choice of the ratio see the training and validation parts, the
    test part is read once at the end. With `run.cache` every finished cell is kept there, and a second call redoes none
    of them.
    """
    settings, run = settings or ProofSettings(), run or Run()
    settings.check()
    if not shop.has("events"):
        raise InputError("A proof needs the table 'events': without it there is no behaviour to hold out.")
    modes = settings.ties if _has_ties(shop) else ("file",)
    parts = [_Mode(mode, shop, settings, run).run() for mode in modes]
    return summarise(shop, settings, run.seed, parts)


class _Mode:
    """One way to order ties, from split to cells."""

    def __init__(self, mode: str, shop: Shop, settings: ProofSettings, run: Run) -> None:
        self.mode, self.settings = mode, settings
        self.arranged = deal_ties(shop, run.seed_for("ties")) if mode == "shuffled" else shop
        parts = split(self.arranged, settings.split, None, run)
        train, validation, test = (part.in_memory() for part in parts)
        self.split = Split(train, validation, test, parts.how)
        self.base = run
        self.cells = Cells(run.cache, [mode, shop.fingerprint, asdict(settings), run.seed])
        self.pools: dict[int, Pool] = {}

    def run(self) -> dict[str, Any]:
        """Choose the ratio on validation data, then evaluate every arm and baseline on the test part."""
        self._seeds = range(self.settings.seeds)
        validation = self._choose()
        ratio = validation["ratio"]
        task = build_task(self.split, "test", self.settings.repeats)
        cells = {(arm, seed): self._cell(arm, seed, ratio, task, "test") for seed in self._seeds for arm in ARMS}
        baselines = {
            name: self.cells.get(["baseline", name], lambda n=name, s=values: self._baseline(n, s, task))  # type: ignore[misc]
            for name, values in self.settings.baselines.items()
        }
        return {
            "ties": self.mode,
            "split": self.split.how,
            "task": {
                "requests": len(task),
                "answers": len(task.item),
                "left_out": task.left_out,
                "repeats": task.repeats,
            },
            "choice": validation,
            "cells": cells,
            "baselines": baselines,
            "curves": self._curves(),
            "synthetic": self.cells.get(["synthetic"], self._synthetic),
        }

    def _choose(self) -> dict[str, Any]:
        """Evaluate each ratio with the first seed on the validation part."""
        headline, task = self.settings.metrics[0], build_task(self.split, "validation", self.settings.repeats)
        tried = []
        for ratio in self.settings.ratios:
            cell = self._cell(MIXED, 0, ratio, task, "validation")
            tried.append({"ratio": ratio, "value": cell.overall[headline]})
        real = self._cell(REAL, 0, 0.0, task, "validation").overall[headline]
        best = max(tried, key=lambda entry: (entry["value"], -entry["ratio"]))
        return {"ratio": best["ratio"], "metric": headline, "tried": tried, "real": real}

    def _run(self, seed: int) -> Run:
        return self.base.with_(seed=self.base.seed_for("proof", seed))

    def _cell(self, arm: str, seed: int, ratio: float, task: Task, part: str) -> Evaluation:
        """Train one arm with one seed and evaluate it; where no seed can change anything, the first serves for all."""
        if arm == REAL and not RANKERS.load(self.settings.ranker).random:
            seed = 0

        def work() -> Evaluation:
            run = self._run(seed)
            data = self.settings.generator.train_on(arm, self.split.train, self._pool(seed), ratio, run)
            ranker = RANKERS.make(self.settings.ranker, **self.settings.ranker_settings)
            with run.task(f"{self.mode} ties, seed {seed}: {self.settings.ranker} on {arm}"):
                ranker.fit(data, run)
            return evaluate(ranker, task, self.settings.metrics, run)

        return self.cells.get([part, arm, seed, 0.0 if arm == REAL else ratio], work)

    def _pool(self, seed: int) -> Pool:
        """Synthetic data of one seed, enough for the largest ratio."""
        if seed not in self.pools:
            run, train = self._run(seed), self.split.train
            users = int(np.ceil(max(self.settings.ratios) * 1.1 * len(Log.of(train).users))) + 1
            self.pools = {seed: self.settings.generator.pool(train, self.split.held_out(), users, run)}
        return self.pools[seed]

    def _baseline(self, name: str, values: dict[str, Any], task: Task) -> Evaluation | str:
        """Evaluate a ranker on real data; one that does not fit into memory says so instead."""
        run = self._run(0)
        try:
            with run.task(f"{self.mode} ties: {name} on real data"):
                ranker = RANKERS.make(name, **values).fit(self.split.train, run)
        except MemoryLimitError as error:
            return str(error)
        return evaluate(ranker, task, self.settings.metrics, run)

    def _synthetic(self) -> dict[str, Any]:
        pool = self._pool(0)
        kept = pool.screened.kept
        return {
            "users": len(Log.of(kept).users),
            "events": kept.rows("events"),
            "screens": pool.screened.report,
            "origin": kept.scan("events").select("origin").first().collect().item(),
        }

    def _curves(self) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            pool = self._pool(0)
            return curves({REAL: self.split.train, "synthetic": pool.screened.kept, "naive": pool.naive})

        return self.cells.get(["curves"], work)


def _has_ties(shop: Shop) -> bool:
    """Whether a user has two events of one time."""
    if not shop.has("events", "time"):
        return False
    log = Log.of(shop)
    inner = log.user[1:] == log.user[:-1]
    return bool(np.any(inner & (log.time[1:] == log.time[:-1])))


def deal_ties(shop: Shop, seed: int) -> Shop:
    """Put the rows of a timed log in random order, so that a sort by time leaves events of one time in random order."""
    events = shop.table("events")
    return shop.with_tables(events=events[np.random.default_rng(seed).permutation(len(events))])
