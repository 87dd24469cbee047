"""The proof of the best system, and what tells rows from labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.evaluation.ranking import evaluate
from wareloom.experiment.engine import Bench
from wareloom.experiment.plan import (
    ANYWHERE,
    BEHAVIOUR_LABELS,
    CONTROLS,
    DIRECT,
    FEATURES,
    MIXED,
    PLACEBO,
    REAL,
)
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.arms import plan, training_data
from wareloom.proof.decide import Question, decide_rows
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings
from wareloom.proof.system import ALL, BOTH, ENSEMBLE, System, SystemProofSettings
from wareloom.rankers.hybrid.stack import Stack
from wareloom.rankers.sequence.sasrec import SASRec
from wareloom.sampling.generator import Generator
from wareloom.shop import Log, Requests, Shop

RUN = Run(seed=6, threads=1)
QUICK: dict[str, Any] = {"embedding_size": 8, "layers": 1, "epochs": 2, "batch_size": 512}
TEACHER = Generator(
    synthesizer="teacher",
    settings={"members": ("transitions", "text_knn")},
    screens=("schema",),
    mixer="labels",
    mixer_settings={"users": 0.5},
)
OF: dict[str, Any] = {
    "generator": TEACHER,
    "ties": ("file",),
    "split": SplitSettings(by="leave-last-out"),
    "seeds": 2,
    "baselines": {},
}
SYSTEM = SystemProofSettings(
    **OF,
    ranker_settings={"members": ("transitions", "item_knn")},
    network_settings=QUICK,
    ratios=(1.0,),
)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return small_shop(users=120, items=40)


@pytest.fixture(scope="module")
def proved(shop: Shop) -> Proof:
    return prove(shop, SYSTEM, RUN)


def test_a_system_has_every_arm_and_is_compared_with_the_best_on_real_data(proved: Proof) -> None:
    arms = set(proved.arms()["arm"])
    assert {ENSEMBLE, REAL, FEATURES, DIRECT, MIXED, BOTH, ALL} <= arms
    assert proved.data["decisive"]["controls"] == [REAL, FEATURES, DIRECT]
    pairs = {(row["arm"], row["against"]) for row in proved.data["comparisons"]}
    assert {(MIXED, REAL), (MIXED, FEATURES), (MIXED, DIRECT), (ALL, BOTH)} <= pairs
    weights = {row["arm"]: row["weights"][0] for row in proved.data["training"]}
    assert {"sasrec (real)", "sasrec (real, features)"} <= weights[BOTH].keys()
    assert max(weights[BOTH].values()) == 1.0
    updates = {row["arm"]: row.get("updates") for row in proved.data["training"]}
    assert updates.pop(ENSEMBLE) is None
    assert len({tuple(each) for each in updates.values() if each}) == 1, "equal updates"


def test_what_is_shared_between_systems_changes_no_figure(shop: Shop) -> None:
    study = System(shop, SYSTEM, RUN)
    bench = Bench(study, "file", None)
    run = bench.run_of(0)
    for arm in (REAL, DIRECT, ALL):
        cell = Cell(arm=arm, seed=0, ratio=1.0)
        data = study.training(cell, bench.parts.train, lambda cell=cell: bench.pool(cell), run)
        told = run.with_(updates=10)
        shared = study.fit(cell, data, bench.held, told)
        fresh = study.ranker(cell).fit(data, told, held=bench.held)
        assert isinstance(shared, Stack)
        assert shared.weights_ == fresh.weights_  # type: ignore[attr-defined]
        assert bench.held is not None
        asked = Requests.of(bench.held.histories)
        np.testing.assert_array_equal(shared.score(asked), fresh.score(asked))


def test_the_network_is_measured_alone_too(shop: Shop, proved: Proof) -> None:
    study = System(shop, SYSTEM, RUN)
    bench = Bench(study, "file", None)
    cell = Cell(arm=REAL, seed=0)
    ranker = study.fit(cell, bench.parts.train, bench.held, bench.run_of(0).with_(updates=5))
    found = study.evaluate(ranker, bench.task("test"), RUN)
    network = ranker.members_["sasrec (real)"]  # type: ignore[attr-defined]
    alone = evaluate(network, bench.task("test"), SYSTEM.metrics, RUN)
    for name, values in alone.per_request.items():
        metric, _, part = name.partition("/")
        np.testing.assert_array_equal(found.per_request[f"{metric}, alone/{part}"], values)
    rows = proved.arms().filter(arm=ENSEMBLE, slice="all")
    means = dict(rows.select("metric", "mean").iter_rows())
    assert means["ndcg@10, alone"] == means["ndcg@10"]


def test_members_on_real_data_see_neither_rows_nor_labels(shop: Shop) -> None:
    study = System(shop, SYSTEM, RUN)
    bench = Bench(study, "file", None)
    cell = Cell(arm=ALL, seed=0, ratio=1.0)
    run = bench.run_of(0)
    data = study.training(cell, bench.parts.train, lambda: bench.pool(cell), run)
    assert data.has("soft_labels")
    assert data.rows("events") > bench.parts.train.rows("events")
    mixed = study.ranker(cell).fit(data, run, held=bench.held)
    alone = study.ranker(replace(cell, arm=BOTH)).fit(bench.parts.train, run, held=bench.held)
    assert bench.held is not None
    asked = Requests.of(bench.held.histories)
    for name in ("transitions", "sasrec (real)"):
        np.testing.assert_array_equal(
            mixed.members_[name].score(asked),  # type: ignore[attr-defined]
            alone.members_[name].score(asked),  # type: ignore[attr-defined]
        )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"network": "transitions", "network_settings": {}}, "cannot be taught soft labels"),
        ({"ranker": "ease", "ranker_settings": {}}, "adds members to a stack"),
    ],
)
def test_what_makes_no_system_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        replace(SYSTEM, **values).check()


def test_direct_labels_tell_rows_from_distillation() -> None:
    found = plan(TEACHER, "sasrec", {})
    assert found.controls == (*CONTROLS, PLACEBO, ANYWHERE)
    assert found.rows == DIRECT
    assert {BEHAVIOUR_LABELS, FEATURES} <= set(found.references)
    assert (MIXED, DIRECT) in found.comparisons
    cannot = plan(Generator(synthesizer="teacher"), "transitions", {})
    assert cannot.rows == ""
    assert "cannot be taught soft labels" in cannot.left_out[DIRECT]


@pytest.mark.parametrize(
    ("low", "high", "verdict", "said"),
    [
        (0.01, 0.05, "rows help", "Rows help"),
        (-0.05, -0.01, "distil", "Distil, do not synthesise"),
        (-0.02, 0.03, "no evidence", "No evidence that rows help"),
    ],
)
def test_a_distillation_that_equals_synthesis_is_no_help_of_rows(
    low: float, high: float, verdict: str, said: str
) -> None:
    words = {"rows help": "helps", "distil": "hurts"}.get(verdict, verdict)
    middle = (low + high) / 2
    row = {
        "ties": "file", "metric": "ndcg@10", "arm": MIXED, "against": DIRECT, "slice": "all",
        "verdict": words, "difference": middle, "low": low, "high": high,
        "lift": middle, "lift_low": low, "lift_high": high, "p": 0.01,
    }  # fmt: skip
    found = decide_rows([row], Question(ties="file", metric="ndcg@10"), DIRECT)
    assert found["verdict"] == verdict
    assert found["sentence"].startswith(said)


def test_the_page_says_distil_where_labels_do_as_well(shop: Shop) -> None:
    """Synthetic users who bring nothing: labels alone have all that the mix has."""
    settings = ProofSettings(
        **OF, ranker="sasrec", ranker_settings=QUICK, ratios=(1.0,), longer=2.0
    )
    data = prove(shop, replace(settings, seeds=1), RUN).data
    assert data["rows"]["against"] == DIRECT
    assert data["rows"]["verdict"] != "rows help"
    assert data["story"]["rows"] == data["rows"]["sentence"]
    assert data["modes"][0]["choice"]["others"][DIRECT]["ratio"] == 1.0
    longer = {row["against"]: row for row in data["explored"]["longer"]}
    assert set(longer) == {*CONTROLS, PLACEBO, ANYWHERE, DIRECT}
    planned = next(row for row in data["training"] if row["arm"] == REAL)
    assert planned["steps"][0] <= planned["updates"][0]


def test_walks_that_begin_anywhere_are_the_placebos_but_for_where_they_begin(shop: Shop) -> None:
    study_run = RUN.with_(seed=9)
    parts = Bench(System(shop, SYSTEM, RUN), "file", None).parts
    generator = replace(TEACHER, settings={"uniform": 1.0, "members": ("transitions", "text_knn")})
    pool = generator.pool(parts.train, parts.held_out(), 300, study_run)
    walks, begun = Log.of(pool.placebo), Log.of(pool.anywhere)
    assert begun.users == walks.users
    first = np.zeros(len(walks), dtype=bool)
    first[walks.offsets[:-1]] = True
    assert (begun.item != walks.item)[first].mean() > 0.9
    counts = np.bincount(begun.item[first], minlength=len(begun.items))
    assert counts.max() < 5 * counts.mean()
    mixed = training_data(generator, ANYWHERE, parts.train, lambda: pool, 1.0, study_run)
    assert mixed.has("soft_labels")


def test_labels_of_behaviour_do_not_read_texts() -> None:
    from wareloom.proof.arms import labeller

    name, values = labeller(TEACHER, behaviour=True)
    assert (name, values["members"]) == ("stack", ("transitions",))
    assert labeller(TEACHER)[1]["members"] == ("transitions", "text_knn")
    assert labeller(Generator(mixer="distil"), behaviour=True)[1]["members"] == (
        "transitions",
        "item_knn",
    )


def test_labels_alone_are_a_proof_of_their_own(shop: Shop) -> None:
    labels = Generator(mixer="distil", mixer_settings={"ranker": "transitions"})
    settings = ProofSettings(
        **{**OF, "generator": labels, "seeds": 1},
        ranker="sasrec",
        ranker_settings=QUICK,
        ratios=(1.0,),
    )
    data = prove(shop, settings, RUN).data
    arms = {row["arm"] for row in data["arms"]}
    assert arms == {REAL, "real + naive", MIXED}
    assert data["modes"][0]["synthetic"]["origin"] == "labels of transitions"
    assert data["modes"][0]["synthetic"]["events"] == 0
    trained = {row["arm"]: row["events"] for row in data["training"]}
    assert len({tuple(rows) for rows in trained.values()}) == 1
    assert pl.DataFrame(data["arms"]).height


def test_a_network_is_trained_once_a_seed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[str, bool]] = []
    fit = SASRec._fit

    def counted(self: SASRec, log: Log, shop: Shop | None, run: Run) -> None:
        trained.append((self.text, bool((~log.real).any() or log.label_item is not None)))
        fit(self, log, shop, run)

    monkeypatch.setattr(SASRec, "_fit", counted)
    prove(shop, replace(SYSTEM, seeds=1), RUN)
    real, features = trained.count(("none", False)), trained.count(("tfidf", False))
    assert (real, features) == (1, 1), "as leader, beside another network, and on validation data"
