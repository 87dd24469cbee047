"""The experiment: one ranker trained on every arm, all judged on the same held-out requests."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.experiment.cells import OF_ARMS, Cells, decisive
from wareloom.experiment.jobs import shared
from wareloom.preparing.splits import Split, split
from wareloom.proof.arms import MIXED, REAL, Plan, plan
from wareloom.proof.bench import Bench, Cell
from wareloom.proof.curves import curves
from wareloom.proof.explore import explore
from wareloom.proof.result import Proof, summarise
from wareloom.proof.settings import ProofSettings
from wareloom.shop import Log, Shop


def prove(shop: Shop, settings: ProofSettings | None = None, run: Run | None = None) -> Proof:
    """Find out whether synthetic data lifts a ranker on real held-out data.

    The split comes first; synthesizer, ranker and the choice of the ratio see the training and validation parts, the
    test part is read once at the end. With `run.cache` every finished cell is kept there, and a second call redoes none
    of them. With `run.jobs` several processes share the cells.
    """
    settings, run = settings or ProofSettings(), run or Run()
    settings.check()
    if not shop.has("events"):
        raise InputError(
            "A proof needs the table 'events': without it there is no behaviour to hold out."
        )
    arms = plan(settings.generator, settings.ranker, settings.ranker_settings)
    modes = settings.ties if has_ties(shop) else ("file",)
    with shared(prove, shop, settings, run) as own:
        parts = [
            _mode(bench(mode, shop, settings, own), mode, arms, deciding=mode == modes[0])
            for mode in modes
        ]
    return summarise(shop, settings, run.seed, arms, parts)


def bench(mode: str, shop: Shop, settings: ProofSettings, run: Run) -> Bench:
    """Split a shop with its ties "shuffled" or in the order of the "file", and set up what trains on the parts."""
    arranged = deal_ties(shop, run.seed_for("ties")) if mode == "shuffled" else shop
    parts = split(arranged, settings.split, None, run)
    train, validation, test = (part.in_memory() for part in parts)
    cells = Cells(run.cache, [mode, shop.fingerprint, run.seed, run.arithmetic], decisive(settings))
    return Bench(f"{mode} ties", Split(train, validation, test, parts.how), settings, cells, run)


def _mode(of: Bench, ties: str, arms: Plan, *, deciding: bool) -> dict[str, Any]:
    """Choose the ratio on validation data, then evaluate every arm and baseline on the test part."""
    settings, choice = of.settings, _choose(of)
    ratio, task = choice["ratio"], of.task("test")
    # Here, while the first seed's pool is still at hand.
    shapes = of.cells.get(["curves"], lambda: _curves(of))
    synthetic = of.cells.get(["synthetic"], lambda: _synthetic(of))
    named = (REAL, *(arm for arm in arms.arms if arm != REAL))
    asked = [
        Cell(arm=arm, seed=seed, ratio=ratio) for seed in range(settings.seeds) for arm in named
    ]
    beside = {
        name: partial(_beside, of, name, values) for name, values in settings.baselines.items()
    }
    of.cells.ahead([*(partial(of.evaluate, cell) for cell in asked), *beside.values()])
    cells = {(cell.arm, cell.seed): of.evaluate(cell) for cell in asked}
    baselines = {name: found() for name, found in beside.items()}
    return {
        "ties": ties,
        "split": of.split.how,
        "task": {
            "requests": len(task),
            "answers": len(task.item),
            "left_out": task.left_out,
            "repeats": task.repeats,
        },
        "choice": choice,
        "cells": cells,
        "baselines": baselines,
        "curves": shapes,
        "synthetic": synthetic,
        "explored": explore(of, ratio) if deciding else {},
    }


def _beside(of: Bench, name: str, values: dict[str, Any]) -> Any:
    """A ranker on real data alone, or why it could not be."""
    return of.cells.get(
        ["baseline", name, values], lambda: of.baseline(name, values), untouched=OF_ARMS
    )


def _choose(of: Bench) -> dict[str, Any]:
    """Evaluate each ratio with the first seed on the validation part."""
    headline = of.settings.metrics[0]
    asked = [
        Cell(arm=REAL, seed=0),
        *(Cell(arm=MIXED, seed=0, ratio=ratio) for ratio in of.settings.ratios),
    ]
    of.cells.ahead([partial(of.evaluate, cell, "validation") for cell in asked])
    real, *found = (of.evaluate(cell, "validation").overall[headline] for cell in asked)
    tried = [
        {"ratio": cell.ratio, "value": value} for cell, value in zip(asked[1:], found, strict=True)
    ]
    best = max(tried, key=lambda entry: (entry["value"], -entry["ratio"]))
    return {"ratio": best["ratio"], "metric": headline, "tried": tried, "real": real}


def _synthetic(of: Bench) -> dict[str, Any]:
    """How much the generator made, with the first seed, and what the screens took of it."""
    screened = of.pool(Cell(arm=MIXED, seed=0)).screened
    kept = screened.kept
    origins = kept.scan("events").select("origin").unique(maintain_order=True).collect().to_series()
    return {
        "users": len(Log.of(kept).users),
        "events": kept.rows("events"),
        "screens": screened.report,
        "sampling": screened.sampling,
        "origin": ", ".join(origins.to_list()),
    }


def _curves(of: Bench) -> dict[str, Any]:
    pool = of.pool(Cell(arm=MIXED, seed=0))
    return curves({REAL: of.split.train, "synthetic": pool.screened.kept, "naive": pool.naive})


def has_ties(shop: Shop) -> bool:
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
