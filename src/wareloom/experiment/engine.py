"""The engine: lists the cells of a study, has them computed, and chooses the ratio.

A cell is asked for by what it is (`Cell`, `Beside`, `Told`), found in the store, or computed and put there. Who
computes is an executor's matter: here, in processes beside, or on a cluster. All of them call `Bench.compute`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wareloom.core import logging
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import MemoryLimitError
from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment.choosing import chosen, ratio_of
from wareloom.experiment.executors import Executor, Job, Task, executor_for
from wareloom.experiment.pieces import Pieces
from wareloom.experiment.plan import MIXED, REAL, TEACHER, WITHOUT_POOL, Plan
from wareloom.experiment.store import store_at
from wareloom.experiment.study import Cell, Study
from wareloom.preparing.splits import Split
from wareloom.rankers.held import Held
from wareloom.shop import Shop

log = logging.get(__name__)

BESIDE = (
    "seeds",
    "baselines",
    "effect",
    "guard",
    "shares",
    "lift_by_ratio",
    "leave_out",
    "longer",
    "references",
)
"""Settings of a proof that change no finished cell: how many there are, what stands beside, and how it is put"""
OF_SYNTHESIS = ("generator", "ratios")
"""Settings that do not touch what is trained on real data alone: proofs of several generators share it"""
OF_ARMS = (*OF_SYNTHESIS, "ranker", "ranker_settings", "updates")
"""Settings that do not touch what stands beside all arms"""


@dataclass(frozen=True)
class Beside:
    """A ranker on real data alone, beside the arms."""

    name: str


@dataclass(frozen=True)
class Told:
    """What is said of the synthetic data of the first seed."""


Piece = Cell | Beside | Told
KINDS: dict[str, type[Any]] = {"cell": Cell, "beside": Beside, "told": Told}


@dataclass(frozen=True)
class Found:
    """What one order of ties came to."""

    ties: str
    split: dict[str, Any]
    task: dict[str, Any]
    choice: dict[str, Any]
    """The ratio that was taken, and what was tried"""
    cells: dict[tuple[str, int], Evaluation]
    """By arm and seed, on the test part"""
    baselines: dict[str, Evaluation | str]
    """By name; why, where one could not be had"""
    told: dict[str, Any]


class Bench:
    """One study in one order of ties: finds its pieces, or computes them."""

    def __init__(self, study: Study, mode: str, address: str | Path | None) -> None:
        """`address`: the store that keeps finished pieces; None keeps them in memory."""
        self.study, self.mode, self.settings, self.run = study, mode, study.settings, study.run
        how = study.parts.how["settings"] if study.parts else None
        base = [study.kind, mode, study.shop.fingerprint, study.run.seed, study.run.arithmetic, how]
        base += study.stamp
        keyed = {name: value for name, value in asdict(self.settings).items() if name not in BESIDE}
        self.pieces = Pieces(None if address is None else store_at(address), base, keyed)
        self._tasks: dict[str, Any] = {}
        self._pools: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def parts(self) -> Split:
        """The shop, split."""
        return self.study.prepare(self.mode)

    @cached_property
    def plan(self) -> Plan:
        """The arms."""
        return self.study.plan()

    @cached_property
    def held(self) -> Held | None:
        """What all arms stop by."""
        return self.study.held(self.parts)

    def task(self, part: str) -> Any:
        """What the "validation" or "test" part asks."""
        if part not in self._tasks:
            self._tasks[part] = self.study.task(self.parts, part)
        return self._tasks[part]

    def run_of(self, seed: int) -> Run:
        """The run of one of the proof's seeds."""
        return self.run.with_(seed=self.run.seed_for("proof", seed))

    def get(self, piece: Piece) -> Any:
        """Return a piece that was computed before, else compute and keep it."""
        piece = self.plain(piece)
        key = self.key(piece)
        if (kept := self.pieces.get(key)) is not None:
            return kept
        with logging.within(cell=key), self.run.task(self.label(piece)):
            start = time.perf_counter()
            self.pieces.put(key, self._work(piece))
            log.info("%s: %.1f s", self.label(piece), time.perf_counter() - start)
        return self.pieces.get(key)

    def compute(self, call: dict[str, Any]) -> None:
        """Compute the piece that plain values name, see `call_of`, unless it is there."""
        values = dict(call)
        self.get(KINDS[values.pop("piece")](**values))

    def plain(self, piece: Piece) -> Piece:
        """A cell without what changes nothing in it: where no seed changes anything, the first serves for all."""
        if isinstance(piece, Cell) and piece.arm in WITHOUT_POOL:
            piece = replace(piece, ratio=0.0, without="")
            if piece.share == 1.0 and not self.study.random:
                piece = replace(piece, seed=0)
        return piece

    def key(self, piece: Piece) -> str:
        """Where a piece lies in the store."""
        piece = self.plain(piece)
        if isinstance(piece, Beside):
            values = self.study.beside[piece.name]
            return self.pieces.key(["baseline", piece.name, values], untouched=OF_ARMS)
        if isinstance(piece, Told):
            return self.pieces.key(["told"])
        alone = piece.arm in WITHOUT_POOL and self.plan.leader == REAL
        return self.pieces.key(
            ["cell", asdict(piece)], untouched=OF_SYNTHESIS if alone or piece.arm == REAL else ()
        )

    def leader(self, cell: Cell) -> Cell | None:
        """The cell whose gradient updates this one takes; None where it takes its own, or a number that is named."""
        leads = self.plan.leader
        if not self.study.gradient or cell.arm == TEACHER or (leads == MIXED and cell.arm == REAL):
            return None
        if cell.longer != 1.0:
            return replace(cell, arm=leads, longer=1.0)
        return None if self.settings.updates or cell.arm == leads else replace(cell, arm=leads)

    def tasks(self, pieces: Iterable[Piece]) -> list[Task]:
        """What an executor is given: the pieces that are not there yet, and those that they wait for."""
        found: dict[str, Task] = {}

        def add(piece: Piece) -> str:
            piece = self.plain(piece)
            key = self.key(piece)
            if key not in found and self.pieces.get(key) is None:
                leader = self.leader(piece) if isinstance(piece, Cell) else None
                after = (add(leader),) if leader else ()
                found[key] = Task(
                    key, {"mode": self.mode} | call_of(piece), after, self.label(piece)
                )
            return key

        for piece in pieces:
            add(piece)
        there = set(found)
        return [
            replace(task, after=tuple(key for key in task.after if key in there))
            for task in found.values()
        ]

    def label(self, piece: Piece) -> str:
        """What a piece is called in the progress."""
        where = f"{self.mode} ties, " if len(self.study.modes) > 1 else ""
        if isinstance(piece, Cell):
            return f"{where}seed {piece.seed}: {self.settings.ranker} on {piece.arm}"
        return where + (
            f"{piece.name} on real data" if isinstance(piece, Beside) else "synthetic data"
        )

    def pool(self, cell: Cell) -> Any:
        """Synthetic data for a cell, enough for the largest ratio; only the latest is held."""
        key = (cell.seed, cell.share, cell.without)
        if key not in self._pools:
            run = self.run_of(cell.seed)
            train = self.study.share_of(self.parts.train, cell.share, run)
            self._pools = {key: self.study.pool(self.parts, train, cell, run)}
        return self._pools[key]

    def _work(self, piece: Piece) -> Any:
        if isinstance(piece, Cell):
            return self._train(piece)
        if isinstance(piece, Told):
            return self.study.told(self.parts, lambda: self.pool(Cell(arm=MIXED, seed=0)))
        run = self.run_of(0)
        try:
            task = self.task("test")
            return self.study.baseline(piece.name, self.parts.train, task, self.held, run)
        except MemoryLimitError as error:
            return str(error)

    def _train(self, cell: Cell) -> Evaluation:
        """Train one cell and measure it.

        The leading arm of a seed goes first; every other takes as many gradient updates as it did, so that no arm is
        ahead for having been trained longer.
        """
        run, study = self.run_of(cell.seed), self.study
        updates = self.settings.updates
        if leader := self.leader(cell):
            updates = round(self.get(leader).training.get("updates", 0) * cell.longer)
        ranker = study.reference(cell, lambda: self.pool(cell))
        if ranker is not None:
            return study.evaluate(ranker, self.task(cell.part), run)
        train = study.share_of(self.parts.train, cell.share, run)
        data = train
        if cell.arm not in WITHOUT_POOL:
            data = study.training(cell, train, lambda: self.pool(cell), run)
        told = run.with_(updates=updates) if updates else run
        held = study.held_of(self.held, self.parts.train, train, run)
        ranker = study.fit(cell, data, held, told)
        found = study.evaluate(ranker, self.task(cell.part), run)
        training = {study.rows: data.rows(study.rows)}
        if (taken := study.updates_of(ranker)) is not None:
            training["updates"] = taken
            training["steps"] = study.steps_of(ranker) or 0
        training |= study.of_training(ranker)
        return replace(found, training=training)


def call_of(piece: Piece) -> dict[str, Any]:
    """A piece as plain values that `Bench.compute` takes."""
    name = next(name for name, cls in KINDS.items() if isinstance(piece, cls))
    return {"piece": name, **asdict(piece)}


class Engine:
    """A study from split to cells."""

    def __init__(self, study: Study) -> None:
        self.study, self.run = study, study.run
        self.benches = {mode: Bench(study, mode, address_of(study.run)) for mode in study.modes}
        self.executor = executor_of(study.run)

    def ahead(self, mode: str, pieces: Sequence[Piece], what: str) -> None:
        """Have what is not there yet computed, by the executor or in this process; `what` the pieces are for."""
        bench = self.benches[mode]
        if not (tasks := bench.tasks(pieces)):
            return
        where = f"{mode} ties: " if len(self.study.modes) > 1 else ""
        with self.run.task(f"{where}{what}", len(tasks)) as advance:
            if self.executor is not None:
                self.executor.run(job_of(self.study), tasks, lambda task: advance(1))
                return
            for task in tasks:
                bench.compute({name: task.call[name] for name in task.call if name != "mode"})
                advance(1)

    def found(self, mode: str) -> Found:
        """Choose the ratio on validation data, then evaluate every arm and baseline on the test part."""
        bench, study = self.benches[mode], self.study
        choice = self.choose(mode)
        named = (REAL, *(arm for arm in bench.plan.arms if arm != REAL))
        seeds = range(study.settings.seeds)
        ratios = {arm: ratio_of(choice, bench.plan.ratio_of(arm)) for arm in named}
        cells = {
            (arm, seed): Cell(arm=arm, seed=seed, ratio=ratios[arm])
            for seed in seeds
            for arm in named
        }
        beside = {name: Beside(name) for name in study.beside}
        # What is told of the first seed's pool comes first, while that pool is still at hand.
        told = Told()
        self.ahead(mode, [told, *cells.values(), *beside.values()], "arms on the test part")
        return Found(
            ties=mode,
            told=bench.get(told),
            cells={key: bench.get(cell) for key, cell in cells.items()},
            baselines={name: bench.get(piece) for name, piece in beside.items()},
            split=bench.parts.how,
            task=bench.task("test").about(),
            choice=choice,
        )

    def choose(self, mode: str) -> dict[str, Any]:
        """Choose the ratios on the validation part; see `choosing.chosen`."""
        bench = self.benches[mode]
        return chosen(self.study, bench.plan, lambda cells: self._had(mode, cells))

    def _had(self, mode: str, cells: Sequence[Cell]) -> list[Evaluation]:
        """Have cells computed, and return them."""
        self.ahead(mode, cells, "ratios on the validation part")
        return [self.benches[mode].get(cell) for cell in cells]


def job_of(study: Study) -> Job:
    """What a worker needs to compute any piece of a study."""
    cls = type(study)
    told = plain(study.settings, study.shop, study.run)
    told |= {"study": f"{cls.__module__}:{cls.__qualname__}", "parts": _folder_of(study.parts)}
    return Job("wareloom.experiment.engine:open_study", told)


def open_study(told: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Open what `job_of` told of, in a worker; returns what computes one piece."""
    cls: type[Study] = _imported(told["study"])
    settings = configure(cls.settings_of, told["settings"])
    parts = Split.open(told["parts"]) if told["parts"] else None
    study = cls(Shop.open(told["shop"]), settings, run_from(told["run"]), parts)
    benches: dict[str, Bench] = {}

    def work(call: dict[str, Any]) -> None:
        values = dict(call)
        mode = values.pop("mode")
        if mode not in benches:
            benches[mode] = Bench(study, mode, address_of(study.run))
        benches[mode].compute(values)

    return work


def plain(settings: Any, shop: Shop, run: Run) -> dict[str, Any]:
    """Settings, shop and run as JSON values, for a worker that has its share of the threads."""
    assert shop.path is not None, "workers need a shop that lies on disk"
    threads = max(1, run.cores // max(1, run.jobs))
    own = run.with_(threads=threads, jobs=1, on="local", quiet=True, watch=None)
    told = {"settings": asdict(settings), "shop": str(shop.path.resolve()), "run": asdict(own)}
    found: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return found


def run_from(told: dict[str, Any]) -> Run:
    """The run that `plain` told of."""
    return Run(**told | {"cache": Path(told["cache"]) if told["cache"] else None})


def executor_of(run: Run) -> Executor | None:
    """Who computes the cells of a run; None where each is computed here when it is asked for."""
    if run.jobs < 2 and run.on in ("", "local"):
        return None
    assert run.cache is not None, "executors need a folder for what workers say"
    return executor_for(run.on, run.jobs, run.cache / "logs")


@contextlib.contextmanager
def shippable(shop: Shop, run: Run) -> Iterator[tuple[Shop, Run]]:
    """Yield the shop and the run such that other processes can have them: on disk, with a store, where any are asked.

    What is not on disk goes to a temporary folder that ends with the block.
    """
    if run.jobs < 2 and run.on in ("", "local"):
        yield shop, run
        return
    with tempfile.TemporaryDirectory(prefix="wareloom-") as name:
        held = shop if shop.path else shop.save(Path(name) / "shop")
        yield held, run.with_(cache=run.cache or Path(name) / "cells")


def address_of(run: Run) -> str | None:
    """Where a run keeps finished pieces: its store, or its cache; None keeps them in memory."""
    return run.store or (str(run.cache) if run.cache else None)


def _folder_of(parts: Split | None) -> str | None:
    """Where parts lie; None where they are made anew from the shop."""
    if parts is None:
        return None
    assert parts.train.path is not None, "executors need parts that lie on disk"
    return str(parts.train.path.parent)


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
