"""Holes that a proof once had, each with a planted case that the old behaviour fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.run import Run
from wareloom.experiment.engine import Bench
from wareloom.experiment.plan import DIRECT, MIXED, REAL
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.system import System, SystemProofSettings
from wareloom.rankers import Ranker
from wareloom.sampling.generator import Generator, Member
from wareloom.shop import Log, Shop

RUN = Run(seed=6, threads=1)
QUICK: dict[str, Any] = {"embedding_size": 8, "layers": 1, "epochs": 1, "batch_size": 512}
SYSTEM = SystemProofSettings(
    generator=Generator(
        members=(Member(synthesizer="markov"), Member(synthesizer="independent")),
        screens=("schema",),
    ),
    split=SplitSettings(by="leave-last-out"),
    ties=("shuffled", "file"),
    seeds=1,
    ranker_settings={"members": ("transitions", "item_knn")},
    network_settings=QUICK,
    baselines={},
    ratios=(1.0,),
)


@pytest.fixture(scope="module")
def tied() -> Shop:
    """A shop all of whose users do everything at one time."""
    shop = small_shop(users=90, items=30)
    events = shop.table("events")
    return shop.with_tables(events=events.with_columns(pl.col("time").min().over("user_id")))


def scores(ranker: Ranker, shop: Shop) -> np.ndarray:
    """What a ranker says of the first histories of a shop."""
    from wareloom.shop import Requests

    return ranker.score(Requests.of(Log.of(shop).select(np.arange(20))))


def test_a_system_of_one_order_of_ties_is_not_taken_for_that_of_another(tied: Shop) -> None:
    both = System(tied, SYSTEM, RUN)
    first = Bench(both, "shuffled", None)
    both.fit(Cell(arm=REAL, seed=0), first.parts.train, first.held, first.run_of(0))
    second = Bench(both, "file", None)
    cell = Cell(arm=REAL, seed=0)
    found = both.fit(cell, second.parts.train, second.held, second.run_of(0))
    alone = System(tied, SYSTEM, RUN)
    bench = Bench(alone, "file", None)
    wanted = alone.fit(cell, bench.parts.train, bench.held, bench.run_of(0))
    np.testing.assert_array_equal(scores(found, tied), scores(wanted, tied))


def test_a_system_without_a_member_of_the_generator_is_taught_without_it(tied: Shop) -> None:
    def network(study: System, without: str) -> Ranker:
        bench = Bench(study, "file", None)
        cell = Cell(arm=MIXED, seed=0, ratio=1.0, without=without)
        run = bench.run_of(0)
        data = study.training(cell, bench.parts.train, lambda: bench.pool(cell), run)
        made = study.fit(cell, data, bench.held, run)
        return made.members_[f"sasrec ({MIXED})"]

    settings = replace(SYSTEM, ties=("file",))
    shared = System(tied, settings, RUN)
    network(shared, "")
    found = network(shared, "markov")
    wanted = network(System(tied, settings, RUN), "markov")
    np.testing.assert_array_equal(scores(found, tied), scores(wanted, tied))


def test_updates_that_a_system_took_are_those_after_which_its_network_stopped(tied: Shop) -> None:
    """The plan, which patience cuts short, is not what was taken."""
    settings = replace(SYSTEM, network_settings={**QUICK, "epochs": 200, "patience": 1})
    study = System(tied, settings, RUN)
    bench = Bench(study, "file", None)
    ranker = study.fit(Cell(arm=REAL, seed=0), bench.parts.train, bench.held, bench.run_of(0))
    own = ranker.members_[f"sasrec ({REAL})"]
    last = int(own.training_[-1]["step"])
    assert study.steps_of(ranker) == ranker.steps == last < ranker.updates == own.updates
