"""Arms of a proof: equal updates, outside knowledge, several synthesizers, and what is explored beyond the verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.run import Run
from wareloom.errors import SettingError, UnknownNameError
from wareloom.experiment.engine import Bench, Piece
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
    SYNTHETIC,
    TEACHER,
)
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.arms import plan, training_data
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import SHARES, ProofSettings, Recommendation
from wareloom.rankers import Ranker
from wareloom.rankers.baseline.transitions import Transitions
from wareloom.report import write_report
from wareloom.sampling.generator import Generator, Member  # fmt: skip
from wareloom.shop import Log, Shop
from wareloom.synthesis.behaviour.markov import Markov

SCREENS = ("schema", "impossible")
NO_LABELS = (DIRECT, BEHAVIOUR_LABELS, ANYWHERE)
"""Arms that a ranker without soft labels, or a generator that begins where real users do, cannot have"""
NO_FEATURES = (FEATURES, FEATURES_MIXED)


@dataclass(kw_only=True, eq=False)
class Stepping(Transitions):
    """Says that it takes gradient updates: as many as it is told, else some for each event and seed."""

    random: ClassVar[bool] = True
    told: ClassVar[list[tuple[int, int, int]]] = []
    text: str = "none"

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        super()._fit(log, shop, run)
        self.updates_ = run.updates or len(log) * 3 + run.seed % 7
        Stepping.told.append((run.seed, len(log), run.updates))


@dataclass(kw_only=True, eq=False)
class Reader(Markov):
    """Claims to know texts, and can rank."""

    knows: ClassVar[frozenset[str]] = frozenset({"behaviour", "text"})

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        self._ranker = Transitions(window=1).fit(shop, run)
        return super().fit(shop, run)

    def as_ranker(self) -> Ranker:
        return self._ranker


@dataclass(kw_only=True, eq=False)
class Seer(Markov):
    """Claims to know images."""

    knows: ClassVar[frozenset[str]] = frozenset({"behaviour", "images"})


def settings_of(**changes: Any) -> ProofSettings:
    quick: dict[str, Any] = {
        "seeds": 2,
        "ratios": (0.5,),
        "metrics": ("ndcg@10", "recall@10"),
        "baselines": {},
        "ties": ("file",),
        "split": SplitSettings(by="leave-last-out"),
        "generator": Generator(screens=SCREENS),
    }
    return ProofSettings(**quick | changes)


STEPPING, READER = f"{__name__}:Stepping", f"{__name__}:Reader"


@pytest.fixture
def told() -> Iterator[list[tuple[int, int, int]]]:
    Stepping.told.clear()
    yield Stepping.told
    Stepping.told.clear()


def test_every_arm_of_a_seed_takes_the_updates_of_its_real_one(
    told: list[tuple[int, int, int]], tmp_path: Path
) -> None:
    proof = prove(small_shop(), settings_of(ranker=STEPPING), Run(seed=1, cache=tmp_path / "cells"))
    rows = {row["arm"]: row for row in proof.data["training"]}
    assert set(rows) == {*CONTROLS, MIXED, SYNTHETIC}
    assert all(row["updates"] == rows[REAL]["updates"] for row in rows.values())
    assert len(set(rows[REAL]["updates"])) == 2, "each seed has its own number"
    assert rows[MIXED]["events"][0] > rows[REAL]["events"][0] > rows[SYNTHETIC]["events"][0]
    free = {(seed, events) for seed, events, updates in told if updates == 0}
    assert {events for _, events in free} == {rows[REAL]["events"][0]}, (
        "only the real arm is left to itself"
    )
    assert {(seed, updates) for seed, _, updates in told if updates} == {
        (seed, events * 3 + seed % 7) for seed, events in free
    }
    told.clear()
    again = prove(small_shop(), settings_of(ranker=STEPPING), Run(seed=1, cache=tmp_path / "cells"))
    assert again.data == proof.data
    assert told == [], "the numbers are kept with the cells"


def test_rankers_without_updates_are_told_of_none() -> None:
    proof = prove(small_shop(), settings_of(), Run(seed=1))
    assert all("updates" not in row for row in proof.data["training"])


def test_a_generator_of_behaviour_needs_no_placebo() -> None:
    found = plan(Generator(), "transitions", {})
    assert found.controls == CONTROLS
    assert found.references == ()
    assert set(found.left_out) == {PLACEBO, TEACHER, *NO_LABELS, *NO_FEATURES}


@pytest.mark.parametrize(
    ("generator", "ranker", "own", "references", "reasons"),
    [
        (Generator(synthesizer=READER), STEPPING, {}, (FEATURES, FEATURES_MIXED, TEACHER), {}),
        (Generator(synthesizer=READER), "transitions", {}, (TEACHER,), dict.fromkeys(NO_FEATURES, "no setting text")),
        (
            Generator(synthesizer=READER), STEPPING, {"text": "tfidf"}, (TEACHER,),
            dict.fromkeys(NO_FEATURES, "text in every arm"),
        ),
        (
            Generator(synthesizer=f"{__name__}:Seer"), STEPPING, {}, (),
            {**dict.fromkeys(NO_FEATURES, "images"), TEACHER: "cannot rank"},
        ),
        (
            Generator(members=(Member(synthesizer=READER), Member(synthesizer="markov"))),
            STEPPING, {}, NO_FEATURES, {TEACHER: "several"},
        ),
    ],
)  # fmt: skip
def test_outside_knowledge_has_controls_of_its_own(
    generator: Generator,
    ranker: str,
    own: dict[str, Any],
    references: tuple[str, ...],
    reasons: dict[str, str],
) -> None:
    found = plan(generator, ranker, own)
    assert found.controls == (*CONTROLS, PLACEBO)
    assert found.references == references
    assert "cannot be taught soft labels" in found.left_out[DIRECT]
    assert "begin where real ones do" in found.left_out[ANYWHERE]
    assert set(found.left_out) == {*reasons, *NO_LABELS}
    assert all(word in found.left_out[arm] for arm, word in reasons.items())
    assert (MIXED, PLACEBO) in found.comparisons


def test_knowledge_is_proved_beside_a_placebo_features_and_the_teacher(
    told: list[tuple[int, int, int]], tmp_path: Path
) -> None:
    generator = Generator(synthesizer=READER, screens=SCREENS)
    proof = prove(small_shop(), settings_of(ranker=STEPPING, generator=generator), Run(seed=1))
    assert proof.data["decisive"]["controls"] == [*CONTROLS, PLACEBO]
    assert set(proof.data["arms_left_out"]) == {*NO_LABELS}
    whole = proof.arms().filter(metric="ndcg@10", slice="all")
    assert set(whole["arm"]) == {*CONTROLS, PLACEBO, MIXED, SYNTHETIC, *NO_FEATURES, TEACHER}
    events = {row["arm"]: row.get("events", [None])[0] for row in proof.data["training"]}
    assert events[FEATURES] == events[REAL]
    assert events[TEACHER] is None
    assert abs(events[PLACEBO] - events[MIXED]) < 15
    beside = proof.headline().filter(arm=MIXED, against=PLACEBO)
    assert beside["lift"].item() != 0, "the placebo is a draw of its own"
    said = proof.data["story"]["references"]
    assert len(said) == 3
    assert said[0].startswith("Giving the text to the ranker as features instead gave")
    write_report(proof, tmp_path / "page.html")
    assert "Ranking with the generator itself gave" in (tmp_path / "page.html").read_text()


def bench_of(settings: ProofSettings) -> Bench:
    return Bench(Recommendation(small_shop(users=120), settings, Run(seed=3)), "file", None)


def shown(of: Bench, seed: int, share: float) -> pl.DataFrame:
    """The real events that an arm of a seed is trained on, of a share of the users."""
    return of.study.share_of(of.parts.train, share, of.run_of(seed)).table("events")


def origins(shop: Shop) -> dict[str, int]:
    users = shop.scan("events").group_by(pl.col("origin").str.split("@").list.first())
    return dict(users.agg(pl.col("user_id").n_unique()).collect().iter_rows())


def test_members_share_the_users_between_them() -> None:
    members = (Member(synthesizer="markov", share=3), Member(synthesizer="shuffled"))
    of = bench_of(settings_of(generator=Generator(members=members, screens=SCREENS)))
    generator, train = of.settings.generator, of.parts.train
    found = generator.pool(train, of.parts.test, 80, Run(seed=1)).screened.kept
    assert origins(found) == {"markov": 60, "shuffled": 20}
    assert origins(
        generator.without("markov").pool(train, of.parts.test, 80, Run(seed=1)).screened.kept
    ) == {"shuffled": 80}
    twins = Generator(
        members=(Member(synthesizer="markov"), Member(synthesizer="markov", settings={"window": 1}))
    )
    assert list(twins.named()) == ["markov", "markov (2)"]
    assert twins.without("markov").members[0].settings == {"window": 1}
    kept = replace(twins, screens=SCREENS).pool(train, of.parts.test, 40, Run(seed=1)).screened.kept
    assert kept.scan("events").select(pl.col("user_id").n_unique()).collect().item() == 40


def test_a_share_is_of_whole_users_and_holds_the_smaller_ones() -> None:
    of = bench_of(settings_of())
    users = [set(shown(of, seed=1, share=share)["user_id"]) for share in (0.1, 0.25, 0.5, 1.0)]
    assert [len(own) for own in users] == [12, 30, 60, 120]
    assert users[0] < users[1] < users[2] < users[3]
    part = shown(of, seed=1, share=0.25)
    whole = of.parts.train.table("events")
    assert part.equals(whole.filter(pl.col("user_id").is_in(list(users[1]))))
    assert users[1] != set(shown(of, seed=0, share=0.25)["user_id"])


@pytest.fixture(scope="module")
def explored() -> Proof:
    generator = Generator(
        members=(Member(synthesizer="markov"), Member(synthesizer="shuffled")), screens=SCREENS
    )
    asked = settings_of(
        generator=generator,
        ratios=(0.25, 0.5),
        shares=(1.0, 0.3),
        lift_by_ratio=True,
        leave_out=True,
        effect=0.02,
    )
    return prove(small_shop(users=120), asked, Run(seed=3))


def test_lift_by_share_ends_where_the_proof_stands(explored: Proof) -> None:
    rows = explored.data["explored"]["shares"]
    assert [row["share"] for row in rows] == [0.3, 1.0]
    whole = explored.headline().row(0, named=True)
    assert (rows[1]["lift"], whole["against"]) == (pytest.approx(whole["lift"], abs=1e-7), REAL)
    assert rows[0]["events"] < 0.5 * rows[1]["events"]
    assert all(row["p_adjusted"] >= row["p"] and row["correction"] == "holm" for row in rows)


def test_lift_by_ratio_is_of_the_validation_part(explored: Proof) -> None:
    rows = explored.data["explored"]["ratios"]
    assert [(row["ratio"], row["part"]) for row in rows] == [
        (0.25, "validation"),
        (0.5, "validation"),
    ]
    assert explored.data["modes"][0]["choice"]["ratio"] in (0.25, 0.5)


def test_what_a_member_adds_is_the_lift_with_it_less_the_lift_without(explored: Proof) -> None:
    rows = explored.data["explored"]["members"]
    lift = explored.headline().filter(arm=MIXED, against=REAL)["lift"].item()
    assert [row["without"] for row in rows] == ["markov", "shuffled"]
    for row in rows:
        assert row["lift"] == pytest.approx(lift - row["lift_without"], abs=1e-7)


def test_the_page_of_what_was_explored(explored: Proof, tmp_path: Path) -> None:
    write_report(explored, tmp_path / "one.html")
    write_report(Proof(json.loads(json.dumps(explored.data))), tmp_path / "two.html")
    page = (tmp_path / "one.html").read_text()
    assert page == (tmp_path / "two.html").read_text()
    for heading in (
        "Lift by the amount of real data",
        "Lift by ratio",
        "Whose rows did it",
        "What to do next",
    ):
        assert heading in page
    assert all(row["power"] is not None and row["named"] for row in explored.data["power"])


def test_more_curves_redo_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(seed=3, cache=tmp_path / "cells")
    plain = prove(small_shop(), settings_of(), run)
    shares: list[float] = []
    work = Bench._work

    def noted(self: Bench, piece: Piece) -> Any:
        assert isinstance(piece, Cell), "nothing beside the arms is redone either"
        shares.append(piece.share)
        return work(self, piece)

    monkeypatch.setattr(Bench, "_work", noted)
    more = prove(small_shop(), settings_of(shares=(0.5, 1.0), guard=0.2, effect=0.1), run)
    assert shares == [0.5] * 4, "two arms, two seeds"
    assert more.data["arms"] == plain.data["arms"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"guard": 5.0}, "guard is 5.0; give a number from 0 to 1"),
        ({"effect": -0.1}, "effect is -0.1; give a number above 0"),
        ({"shares": (0.5, 1.2)}, r"shares\[1\] is 1.2; give a number from 0 to 1"),
        ({"shares": (0.0, 0.5)}, "Shares of the training users lie above 0"),
        ({"leave_out": True}, "at least two synthesizers"),
        (
            {"generator": Generator(members=(Member(synthesizer="markov", share=0.0),))},
            "The share of 'markov' is 0.0",
        ),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        prove(small_shop(), settings_of(**wrong))


def test_an_unknown_member_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="markof"):
        prove(
            small_shop(), settings_of(generator=Generator(members=(Member(synthesizer="markof"),)))
        )


def test_auto_shares_are_the_usual_ones() -> None:
    assert settings_of(shares="auto").curve == SHARES
    assert settings_of().curve == ()


def test_controls_have_as_much_as_what_they_control() -> None:
    of = bench_of(settings_of())
    pool = of.pool(Cell(arm=MIXED, seed=0))
    sizes = {
        arm: training_data(
            of.settings.generator, arm, of.parts.train, lambda: pool, 0.5, Run(seed=1)
        ).rows("events")
        for arm in (NAIVE, PLACEBO, MIXED)
    }
    assert np.ptp(list(sizes.values())) < 15
