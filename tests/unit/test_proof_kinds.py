"""What every kind of proof has in common: what is refused, the form of proof.json, one rule of gradient updates."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import polars as pl
import pytest
from jsonschema import Draft202012Validator

from conftest import exposures, small_shop
from search_shop import search_shop
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import SettingError, SourceError
from wareloom.experiment.engine import Bench
from wareloom.experiment.plan import ARMS, MIXED, NAIVE, OWN, REAL
from wareloom.experiment.result import VERSION, Proof, schema
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.clicks import ClickProofSettings
from wareloom.proof.kinds import kinds, study_for, study_of
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings
from wareloom.proof.search import QueryProofSettings
from wareloom.proof.transfer import TransferProofSettings
from wareloom.rankers.baseline.transitions import Transitions
from wareloom.rankers.search.bm25 import BM25
from wareloom.sampling.generator import Generator
from wareloom.shop import Log, Shop

SCHEMA = Path(__file__).parents[2] / "docs" / "proof.schema.json"
RUN = Run(seed=3, threads=1)


@dataclass(kw_only=True, eq=False)
class Stepping(Transitions):
    """Takes as many updates as it is told, else three for each event and some for the seed."""

    random: ClassVar[bool] = True
    gradient: ClassVar[bool] = True

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        super()._fit(log, shop, run)
        self.updates_ = run.updates or 3 * len(log) + run.seed % 7


@dataclass(kw_only=True, eq=False)
class Taught(BM25):
    """A ranker of search that is taught: two updates for each judgment and some for the seed, or as it is told."""

    random: ClassVar[bool] = True
    gradient: ClassVar[bool] = True
    told: ClassVar[list[tuple[int, int]]] = []

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        super()._learn(texts, weights, shop, run)
        rows = shop.rows("judgments") if shop.has("judgments") else 0
        self.updates_ = run.updates or (rows and 2 * rows + run.seed % 5)
        Taught.told.append((rows, run.updates))


@cache
def other_shop() -> str:
    """The folder of another shop on the same ring, with users of its own."""
    HELD.append(TemporaryDirectory())
    shop = small_shop(seed=1)
    events = shop.table("events").with_columns(user_id=pl.format("other-{}", "user_id"))
    folder = Path(HELD[0].name) / "other"
    shop.with_tables(events=events).save(folder)
    return str(folder)


HELD: list[TemporaryDirectory[str]] = []


@pytest.fixture(scope="module", autouse=True)
def _other_shops_go() -> Iterator[None]:
    yield
    while HELD:
        HELD.pop().cleanup()
    other_shop.cache_clear()


TWICE: dict[str, Any] = {"ratios": (1.0,), "seeds": 2, "baselines": {}}
TITLES = Generator(synthesizer="search_shop:TitleQueries", screens=())
TINY = {
    "epochs": 1, "embedding_size": 4, "hidden_size": 8, "layers": 1, "crosses": 1, "batch_size": 64,
}  # fmt: skip
CASES: dict[str, tuple[Callable[[], Shop], Callable[..., ExperimentSettings]]] = {
    "recommendation": (
        small_shop,
        lambda **more: ProofSettings(
            ranker=f"{__name__}:Stepping",
            split=SplitSettings(by="leave-last-out"),
            generator=Generator(screens=("schema", "impossible")),
            **TWICE | more,
        ),
    ),
    "clicks": (
        lambda: exposures(1500)[0],
        lambda **more: ClickProofSettings(ranker="dcn", ranker_settings=TINY, **TWICE | more),
    ),
    "search": (
        lambda: search_shop(80),
        lambda **more: QueryProofSettings(
            **{"ranker": f"{__name__}:Taught", "generator": TITLES} | TWICE | more
        ),
    ),
    "transfer": (
        small_shop,
        lambda **more: TransferProofSettings(
            others=(other_shop(),),
            ranker=f"{__name__}:Stepping",
            split=SplitSettings(by="leave-last-out"),
            generator=Generator(screens=("schema", "impossible")),
            draws=1,
            **TWICE | more,
        ),
    ),
}
"""A shop, and settings with a ranker that is taught by gradient updates, of each kind that has the arms of all"""
ELSEWHERE = {"system", "pictures", "dialogues"}
"""Kinds whose arms are others, and that have a test file of their own"""


def arms_of(kind: str) -> tuple[str, ...]:
    """The arms that the case of a kind has: those of every proof, and of transfer two more."""
    shop, settings = CASES[kind]
    return study_of(kind)(shop(), settings(), RUN).plan().arms


@pytest.fixture(scope="module", params=CASES)
def proved(request: pytest.FixtureRequest) -> Proof:
    shop, settings = CASES[request.param]
    return prove(shop(), settings(), RUN)


def test_every_kind_of_the_house_is_tried_here() -> None:
    assert {*CASES} | ELSEWHERE == {*kinds()}


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("guard", 7, "guard is 7; give a number from 0 to 1."),
        ("effect", -1, "effect is -1; give a number above 0, or None."),
        ("seeds", 0, "seeds is 0; give a whole number from 1 to 1000."),
        ("ratios", (-1,), "ratios[0] is -1; give a number above 0."),
        ("ratios", (1.0, 0.0), "ratios[1] is 0.0; give a number above 0."),
        ("ratios", (float("nan"),), "ratios is (nan,); give a number above 0."),
        ("ratios", (float("inf"),), "ratios[0] is inf; give a number above 0."),
        ("ratios", (), "A proof needs at least one ratio and one metric."),
        ("metrics", (), "A proof needs at least one ratio and one metric."),
    ],
)
def test_every_kind_refuses_the_same_alike(kind: str, name: str, value: Any, said: str) -> None:
    """In the same words, which name the setting, the value and what to give instead."""
    cls = study_of(kind).settings_of
    whole = said if said.startswith("A proof") else f"{cls.__name__}: {said}"
    for make in (lambda: cls(**{name: value}), lambda: configure(cls, {name: value})):
        with pytest.raises(SettingError) as caught:
            make()
        assert str(caught.value) == whole


def test_every_kind_says_the_same_of_itself(proved: Proof) -> None:
    data = proved.data
    study = study_of(data["kind"])
    assert data["version"] == VERSION == 4
    assert set(data["words"]) == {"askers", "purpose", "arms"}
    assert set(ARMS) - {MIXED, "synthetic only"} <= set(data["words"]["arms"])
    assert data["better"][data["decisive"]["metric"]] in ("higher", "lower")
    assert set(data["better"]) >= {row["metric"] for row in data["arms"]}
    choice = data["choice"]
    assert choice == proved.choice
    assert (choice["ratio"], choice["ranker"]) == (1.0, data["settings"]["ranker"])
    assert choice["mixer"] == "ratio"
    assert choice["updates"] == next(r for r in data["training"] if r["arm"] == REAL)["updates"][0]
    named = {f"{row['ties']} {row['arm']}" for row in data["training"]}
    assert all(study.rows in row for row in data["training"])
    assert named == {
        f"{mode['ties']} {arm}" for mode in data["modes"] for arm in arms_of(data["kind"])
    }


def by_itself(kind: str, seed: int) -> int:
    """Updates that the ranker takes of itself on the real training part, without a proof."""
    shop, settings = CASES[kind]
    study = study_of(kind)(shop(), settings(), RUN)
    train = study.prepare(study.modes[0]).train
    held = study.held(study.prepare(study.modes[0]))
    ranker = study.ranker(Cell(arm=REAL, seed=seed))
    ranker.fit(train, RUN.with_(seed=RUN.seed_for("proof", seed)), held=held)
    return int(ranker.updates_)  # type: ignore[attr-defined]


def test_every_arm_takes_the_updates_of_real_data(proved: Proof) -> None:
    """However much data an arm has: the number is the ranker's own on the real part, seed by seed."""
    own = [by_itself(proved.data["kind"], seed) for seed in range(2)]
    assert min(own) > 0
    study = study_of(proved.data["kind"])
    rows = {row["arm"]: row for row in proved.data["training"]}
    assert rows[MIXED][study.rows][0] > 1.5 * rows[REAL][study.rows][0]  # type: ignore[literal-required]
    assert {arm: row["updates"] for arm, row in rows.items()} == dict.fromkeys(
        arms_of(proved.data["kind"]), own
    )


@pytest.mark.parametrize("kind", CASES)
def test_updates_that_are_named_are_those_of_every_arm(kind: str) -> None:
    shop, settings = CASES[kind]
    found = prove(shop(), settings(updates=11, seeds=1), RUN)
    assert {row["arm"]: row["updates"] for row in found.data["training"]} == {
        arm: [11] for arm in arms_of(kind)
    }
    assert found.choice["updates"] == 11


@pytest.fixture
def taught() -> Iterator[list[tuple[int, int]]]:
    Taught.told.clear()
    yield Taught.told
    Taught.told.clear()


def test_where_nothing_is_labelled_real_with_synthetic_leads(taught: list[tuple[int, int]]) -> None:
    shop, settings = CASES["search"]
    words = Generator(synthesizer="lexical", settings={"round_trip": 0, "graded": 4}, screens=())
    found = prove(shop(), settings(labelled=0, queries=30, generator=words), RUN)
    rows = {row["arm"]: row for row in found.data["training"]}
    assert set(rows) == {REAL, NAIVE, MIXED, OWN}
    seeds = [RUN.seed_for("proof", seed) for seed in range(2)]
    mixed = rows[MIXED]["judgments"]
    assert min(mixed) > 0
    own = [2 * n + seed % 5 for n, seed in zip(mixed, seeds, strict=True)]
    assert rows[MIXED]["updates"] == rows[NAIVE]["updates"] == own
    assert found.choice["updates"] == own[0]
    assert (rows[REAL]["judgments"], rows[REAL]["updates"]) == ([0, 0], [0, 0]), "it is untaught"
    free = {judgments for judgments, updates in taught if updates == 0}
    assert free == {0, *mixed}, "naive data and own queries are told how many"


@pytest.mark.parametrize("kind", CASES)
def test_the_leader_waits_for_nobody(kind: str) -> None:
    """Executors start the leader of a seed before the arms that take its number."""
    shop, settings = CASES[kind]
    study = study_of(kind)(shop(), settings(), RUN)
    bench = Bench(study, study.modes[0], None)
    tasks = bench.tasks([Cell(arm=arm, seed=1, ratio=1.0) for arm in ARMS])
    real = bench.key(Cell(arm=REAL, seed=1))
    assert {task.key: task.after for task in tasks if task.key != real} == {
        bench.key(Cell(arm=arm, seed=1, ratio=1.0)): (real,) for arm in ARMS if arm != REAL
    }
    assert next(task for task in tasks if task.key == real).after == ()
    named = Bench(study_of(kind)(shop(), settings(updates=5), RUN), study.modes[0], None)
    every = named.tasks([Cell(arm=arm, seed=1, ratio=1.0) for arm in ARMS])
    assert [task.after for task in every] == [()] * len(ARMS), (
        "a number that is named is waited for by none"
    )


def test_the_published_schema_is_that_of_the_code() -> None:
    """Write it with `json.dumps(schema(), indent=1, sort_keys=True)` and a newline at its end."""
    assert SCHEMA.read_text() == json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def test_a_proof_of_each_kind_keeps_to_the_schema(proved: Proof, tmp_path: Path) -> None:
    proved.save(tmp_path)
    told = json.loads((tmp_path / "proof.json").read_text())
    judge = Draft202012Validator(json.loads(SCHEMA.read_text()))
    judge.validate(told)
    assert Proof.open(tmp_path).data == told
    assert Proof.open(tmp_path).id == proved.id
    for name in told:
        assert not judge.is_valid({key: value for key, value in told.items() if key != name}), name
    assert not judge.is_valid(told | {"verdict": "perhaps"})


WRONG: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    *((name, lambda data, name=name: data.pop(name), name) for name in schema()["required"]),
    ("a seed in words", lambda data: data.update(seed="3"), "seed"),
    ("arms by name", lambda data: data.update(arms={}), "arms"),
    ("another verdict", lambda data: data.update(verdict="perhaps"), "verdict"),
    ("a mean in words", lambda data: data["arms"][0].update(mean="0.5"), "arms.0.mean"),
    ("an arm without a name", lambda data: data["arms"][1].pop("arm"), "arms.1.arm"),
    ("no ratio", lambda data: data["choice"].pop("ratio"), "choice.ratio"),
    ("a story of one line", lambda data: data["story"].update(next="wait"), "story.next"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "where"), [case[1:] for case in WRONG], ids=[c[0] for c in WRONG]
)
def test_a_proof_that_is_not_whole_is_refused(
    whole: Proof, tmp_path: Path, damage: Callable[[dict[str, Any]], Any], where: str
) -> None:
    data = copy.deepcopy(whole.data)
    damage(data)  # type: ignore[arg-type]
    (tmp_path / "proof.json").write_text(json.dumps(data))
    said = "of another version of Wareloom: prove it again" if where == "version" else where
    with pytest.raises(SourceError) as caught:
        Proof.open(tmp_path)
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert str(caught.value).rstrip().endswith(("Prove it again.", "or use that one."))


def test_a_proof_that_is_cut_short_is_refused(whole: Proof, tmp_path: Path) -> None:
    text = json.dumps(whole.data)
    for kept in (0, 1, len(text) // 2, len(text) - 1):
        (tmp_path / "proof.json").write_text(text[:kept])
        with pytest.raises(SourceError, match=r"not valid JSON.*cut short"):
            Proof.open(tmp_path)
    (tmp_path / "proof.json").write_text("[]")
    with pytest.raises(SourceError, match="another version of Wareloom"):
        Proof.open(tmp_path)


@pytest.fixture(scope="module")
def whole() -> Proof:
    shop, settings = CASES["recommendation"]
    return prove(shop(), settings(seeds=1), RUN)


def test_a_kind_is_found_by_its_settings() -> None:
    for kind in kinds():
        cls = study_of(kind)
        assert cls.kind == kind
        assert study_for(cls.settings_of()) is cls  # type: ignore[call-arg]
    with pytest.raises(SettingError, match="No kind of proof takes Nobodys"):
        study_for(Nobodys(ranker="transitions", metrics=("ndcg@10",)))
    for name, said in (
        ("serch", "Did you mean 'search'"),
        ("nowhere:Study", "'nowhere:Study' cannot be imported"),
        (f"{__name__}:Nothing", "cannot be imported"),
        (f"{__name__}:Taught", "is no kind of proof: it must be a subclass"),
    ):
        with pytest.raises(SettingError, match=said):
            study_of(name)


@dataclass(frozen=True, kw_only=True)
class Nobodys(ExperimentSettings):
    """Settings that no kind of proof takes."""
