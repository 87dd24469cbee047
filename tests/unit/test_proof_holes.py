"""Holes that a proof once had, each with a planted case that the old behaviour fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.cli._proof import told as told_on_terminal
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.evaluation.ranking import evaluate
from wareloom.evaluation.tasks import build_task
from wareloom.experiment.engine import Bench
from wareloom.experiment.plan import (
    ANYWHERE,
    BEHAVIOUR_LABELS,
    CONTROLS,
    DIRECT,
    FEATURES,
    FEATURES_MIXED,
    MIXED,
    NAIVE,
    PLACEBO,
    REAL,
    REPEATED,
)
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.mixing.distil import Distil
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.arms import repeated, training_data
from wareloom.proof.decide import distils
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings, Recommendation
from wareloom.proof.story import lines, story
from wareloom.proof.system import System, SystemProofSettings
from wareloom.proof.transfer import TransferProofSettings
from wareloom.rankers import Ranker
from wareloom.rankers.baseline.transitions import Transitions
from wareloom.report import write_report
from wareloom.sampling.generator import Generator, Member
from wareloom.shop import Log, Requests, Shop

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


WALKS = Generator(
    synthesizer="teacher",
    settings={"members": ("transitions", "text_knn"), "uniform": 1.0},
    screens=("schema",),
)
KEY = ["user_id", "item_id", "time"]


@pytest.fixture(scope="module")
def bench() -> Bench:
    settings = ProofSettings(
        generator=WALKS, split=SplitSettings(by="leave-last-out"), ties=("file",), ratios=(1.0,)
    )
    return Bench(Recommendation(small_shop(users=60, items=30), settings, RUN), "file", None)


def marked(shop: Shop, origin: str) -> Shop:
    """The shop's events as those of other users, said to be of `origin`."""
    events = shop.table("events").with_columns(
        pl.format("{}/{}", pl.lit(origin), "user_id").alias("user_id"), origin=pl.lit(origin)
    )
    return shop.with_tables(events=events, users=None)


@pytest.mark.parametrize(
    ("arm", "origin"),
    [
        (REPEATED, "repeated"), (NAIVE, "naive"), (PLACEBO, "placebo"), (ANYWHERE, "anywhere"),
        (MIXED, "kept"), (REAL, None), (FEATURES, None), (FEATURES_MIXED, "kept"),
    ],
)  # fmt: skip
def test_every_control_is_given_its_own_data(bench: Bench, arm: str, origin: str | None) -> None:
    """A placebo that is the naive pool, or walks from anywhere that begin where the others do, are no controls."""
    train = bench.parts.train
    pool: Any = SimpleNamespace(
        screened=SimpleNamespace(kept=marked(train, "kept")),
        **{name: marked(train, name) for name in ("naive", "placebo", "anywhere")},
    )
    found = training_data(Generator(mixer="ratio"), arm, train, lambda: pool, 1.0, RUN)
    added = found.table("events").filter(pl.col("origin") != "real")["origin"].unique().to_list()
    assert added == ([] if origin is None else [origin])


def test_walks_from_anywhere_begin_at_other_items_than_the_placebos(bench: Bench) -> None:
    pool = bench.pool(Cell(arm=MIXED, seed=0, ratio=1.0))
    begins = [
        made.table("events").group_by("user_id", maintain_order=True).first()["item_id"]
        for made in (pool.placebo, pool.anywhere)
    ]
    assert (begins[0] != begins[1]).mean() > 0.5
    assert pool.placebo.table("events")["item_id"].to_list() != (
        pool.screened.kept.table("events")["item_id"].to_list()
    )


@pytest.mark.parametrize(("arm", "reads"), [(DIRECT, True), (BEHAVIOUR_LABELS, False)])
def test_direct_labels_know_what_the_generator_does_and_those_of_behaviour_do_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, arm: str, reads: bool
) -> None:
    asked: list[Distil] = []
    monkeypatch.setattr(Distil, "mix", lambda self, real, *_: asked.append(self) or real)
    training_data(WALKS, arm, bench.parts.train, lambda: pytest.fail("no shopper"), 1.0, RUN)
    assert ("text_knn" in asked[0].ranker_settings["members"]) is reads


def test_what_is_held_out_is_in_no_training_no_pool_and_no_label(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The held-back event that left its user's own row once stayed in copies, walks and labels."""
    seen: dict[str, Shop] = {}

    def pool(self: Generator, train: Shop, holdout: Shop, users: int, run: Run) -> None:
        seen.update(train=train, holdout=holdout)

    monkeypatch.setattr(Generator, "pool", pool)
    bench.study.pool(bench.parts, bench.parts.train, Cell(arm=MIXED, seed=0, ratio=1.0), RUN)
    out = [
        getattr(bench.parts, part).table("events").select(KEY) for part in ("validation", "test")
    ]
    assert seen["holdout"].table("events").select(KEY).equals(pl.concat(out))
    for told in (seen["train"], bench.parts.train, repeated(bench.parts.train, 1.0)):
        rows = told.table("events").with_columns(pl.col("user_id").str.split("/").list.last())
        assert rows.join(pl.concat(out), on=KEY, how="semi").is_empty()


def test_what_training_stops_by_is_the_validation_part_and_every_arm_is_told_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = bench.held
    assert held is not None
    wanted = bench.parts.validation.table("events").select("user_id", "item_id")
    found = pl.DataFrame(
        {
            "user_id": held.histories.users.ids,
            "item_id": held.histories.items.ids.gather(held.answers),
        }
    )
    assert len(found) > 0
    assert found.join(wanted, on=["user_id", "item_id"], how="anti").is_empty()
    told: list[object] = []
    monkeypatch.setattr(
        Transitions, "fit", lambda self, data, run, held=None, **_: told.append(held) or self
    )
    for arm in (REAL, MIXED, REPEATED):
        bench.study.fit(Cell(arm=arm, seed=0), bench.parts.train, held, RUN)
    assert told == [held] * 3


def test_features_are_given_in_the_arms_of_that_name_alone(bench: Bench) -> None:
    of = replace(bench.settings, ranker="sasrec", features="tfidf")
    study = Recommendation(bench.study.shop, of, RUN)
    text = {arm: study.ranker(Cell(arm=arm, seed=0)).text for arm in (*CONTROLS, MIXED)}
    assert set(text.values()) == {"none"}
    for arm in (FEATURES, FEATURES_MIXED):
        assert study.ranker(Cell(arm=arm, seed=0)).text == "tfidf"


def test_by_time_what_naming_new_items_at_random_gains_stands_beside(bench: Bench) -> None:
    """326 items without a training event were sure to have five: whoever named them looked clever."""
    of = replace(bench.settings, baselines={"popularity": {}})
    asked = {
        by: set(
            Recommendation(bench.study.shop, replace(of, split=SplitSettings(by=by)), RUN).beside
        )
        for by in ("time", "leave-last-out")
    }
    assert asked == {"time": {"popularity", "newcomers"}, "leave-last-out": {"popularity"}}
    shop = small_shop(users=60, items=30)
    events = shop.table("events")
    new = events["item_id"].unique().sort().head(5).to_list()
    old = shop.with_tables(events=events.filter(~pl.col("item_id").is_in(new)))
    ranker: Ranker = RANKERS.make("newcomers").fit(old, RUN)
    first = ranker.items_.gather(np.argsort(-scores(ranker, old)[0])[:5]).to_list()
    assert set(first) == set(new)
    assert (scores(ranker, old) == scores(ranker, old)[0]).all()


@pytest.mark.parametrize(
    ("verdict", "rows", "labels", "distil"),
    [
        ("helps", "rows help", "helps", False),
        ("helps", "no evidence", "no evidence", True),
        ("helps, but", "distil", "helps", True),
        ("helps", None, None, False),
        ("no evidence", "distil", "helps", True),
        ("hurts", "distil", "helps", True),
        ("hurts", "distil", "no evidence", False),
        ("no evidence", None, None, False),
        ("embedding suffices", None, None, False),
    ],
)
def test_direct_labels_that_help_are_what_to_do_next(
    verdict: str, rows: str | None, labels: str | None, distil: bool
) -> None:
    """Whether synthesis fails its controls or not: who can gain by labels alone is told so, and not to change it."""
    data = {"verdict": verdict} | ({} if rows is None else {"rows": {"verdict": rows}})
    assert distils(data, None if labels is None else {"verdict": labels}) is distil


def test_the_proof_of_a_system_says_rows_or_labels_in_both_languages(
    tied: Shop, tmp_path: Path
) -> None:
    proof = prove(tied, replace(SYSTEM, ties=("file",), seeds=2), RUN)
    data = proof.data
    assert data["rows"]["against"] == DIRECT
    assert data["story"]["rows"] == data["rows"]["sentence"]
    pairs = {(row["arm"], row["against"]) for row in data["comparisons"]}
    assert {(MIXED, DIRECT), (DIRECT, REAL)} <= pairs
    for planted, words, told in (
        ("distil", "Distil, do not synthesise", "应蒸馏而非合成"),
        ("rows help", "Rows help beyond direct labels", "合成行比相同知识的直接标签更有帮助"),
    ):
        sentence = f"{words}: planted."
        changed: Any = {**data, "rows": {**data["rows"], "verdict": planted, "sentence": sentence}}
        changed["story"] = story(changed)
        changed["frozen"] = {
            "frozen": False, "why": "Planted: it was not frozen.", "at": "2026-01-01T00:00:00+00:00",
            "recipe": "", "code": "", "data": None, "looks": 1, "seen": ["the whole test part"],
        }  # fmt: skip
        for language, wanted in (("en", words), ("zh", told)):
            page = tmp_path / f"{language}.html"
            write_report(Proof(changed), page, language=language)
            text = page.read_text(encoding="utf-8")
            assert wanted in text
            assert "the whole test part" in text
            best = "The best system without synthetic data is" if language == "en" else "最佳系统"
            assert best in text
        assert sentence in "\n".join(lines(changed))
        shown = told_on_terminal(Proof(changed)).text(width=400)
        assert sentence in shown
        assert "Planted: it was not frozen." in shown


def test_what_is_said_to_take_three_times_the_updates_takes_them(bench: Bench) -> None:
    """Plan and what was taken stand apart: patience stops earlier."""
    network = {**QUICK, "epochs": 4, "patience": 0}
    of = replace(bench.settings, ranker="sasrec", ranker_settings=network, baselines={})
    own = Bench(Recommendation(bench.study.shop, of, RUN), "file", None)
    once = own.get(Cell(arm=REAL, seed=0)).training
    assert once["steps"] == once["updates"] > 0
    for arm in (REAL, REPEATED):
        more = own.get(Cell(arm=arm, seed=0, ratio=1.0, longer=3.0)).training
        assert more["steps"] == more["updates"] == 3 * once["updates"]
    hasty = replace(of, ranker_settings={**network, "epochs": 200, "patience": 1})
    cut = Bench(Recommendation(bench.study.shop, hasty, RUN), "file", None)
    found = cut.get(Cell(arm=REAL, seed=0)).training
    assert 0 < found["steps"] < found["updates"] == 50 * once["updates"]


def test_warm_answers_are_those_with_a_training_event(bench: Bench) -> None:
    """An item without one is guessed by that alone, so that its answers stand apart."""
    shop = small_shop(users=60, items=30)
    new = shop.table("events")["item_id"].unique().sort().head(8)
    parts = bench.parts
    old = parts.train.table("events").filter(~pl.col("item_id").is_in(new.implode()))
    task = build_task(replace(parts, train=parts.train.with_tables(events=old)), "test", "rank")
    ranker: Ranker = RANKERS.make("newcomers").fit(parts.train.with_tables(events=old), RUN)
    found = evaluate(ranker, task, ("recall@8",), RUN).per_request
    answer = task.requests.histories.items.ids.gather(task.item)
    cold = answer.is_in(new.implode()).to_numpy()
    assert 0 < cold.sum() < len(cold)
    np.testing.assert_array_equal(~np.isnan(found["recall@8/cold"]), cold)
    np.testing.assert_array_equal(~np.isnan(found["recall@8/warm"]), ~cold)
    assert np.nanmean(found["recall@8/cold"]) == 1.0, "all of them are named, knowing nothing"
    assert np.nanmean(found["recall@8/warm"]) == 0.0


@pytest.mark.parametrize("of", [ProofSettings, SystemProofSettings, TransferProofSettings])
def test_shuffled_ties_decide_unless_it_is_said_otherwise(of: type[Any]) -> None:
    more = {"others": ("elsewhere",)} if of is TransferProofSettings else {}
    assert of(**more).ties[0] == "shuffled"


def test_the_last_of_tied_events_is_not_the_last_in_the_file(tied: Shop) -> None:
    """A file may have its ties in an order that gives the answer away, such as that of the items."""
    study = Recommendation(
        tied, ProofSettings(split=SplitSettings(by="leave-last-out"), ratios=(1.0,)), RUN
    )
    assert study.modes == ("shuffled", "file")
    last = tied.table("events").group_by("user_id").last().select("user_id", file="item_id")
    same = {}
    for mode in study.modes:
        asked = study.prepare(mode).test.table("events").select("user_id", "item_id")
        both = asked.join(last, on="user_id")
        same[mode] = (both["item_id"] == both["file"]).mean()
    assert same["file"] == 1.0
    assert same["shuffled"] < 0.5
