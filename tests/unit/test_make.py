"""What is made by a proof's choice: the same arm as was proved, of all kinds, with or without the validation part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import exposures, small_shop
from search_shop import search_shop
from wareloom.bundle import Bundle
from wareloom.core.run import Run
from wareloom.experiment.result import Proof
from wareloom.proof.prove import prove
from wareloom.recipe.load import Recipe, tables_of
from wareloom.recipe.make import make, study_by
from wareloom.recipe.steps import MakeStep
from wareloom.shop import Requests, Shop

RUN = Run(seed=3, threads=1)
NETWORK = {"epochs": 2, "embedding_size": 8, "layers": 1}
ASKED: dict[str, tuple[Shop, dict[str, Any]]] = {
    "recommendation": (small_shop(users=80), {"ranker": "sasrec", "ranker_settings": NETWORK}),
    "clicks": (exposures(1500)[0], {"of": "clicks"}),
    "search": (search_shop(), {"of": "search", "synthesizer": "lexical"}),
    "unlabelled": (
        search_shop(),
        {"of": "search", "synthesizer": "attributes", "labelled": 0, "queries": 60},
    ),
}


@pytest.fixture(scope="module")
def proved() -> dict[str, tuple[Shop, Recipe, Proof]]:
    found = {}
    for kind, (shop, asked) in ASKED.items():
        own = {} if kind == "unlabelled" else {"ratios": (0.5, 0.7)}
        recipe = Recipe.of(tables_of(asked | own | {"seeds": 1, "baselines": {}}))
        found[kind] = (shop, recipe, prove(shop, recipe.settings, RUN))
    return found


def made(of: tuple[Shop, Recipe, Proof], step: MakeStep, to: Path) -> Bundle:
    shop, recipe, proof = of
    make(shop, proof, step, recipe.plain(), RUN, to)
    return Bundle.open(to / "bundle")


@pytest.mark.parametrize("kind", ASKED)
def test_a_model_is_made_by_what_was_chosen(
    kind: str, proved: dict[str, tuple[Shop, Recipe, Proof]], tmp_path: Path
) -> None:
    shop, recipe, proof = proved[kind]
    bundle = made(proved[kind], MakeStep(), tmp_path)
    choice = bundle.manifest.choice
    assert {name: choice[name] for name in proof.choice} == dict(proof.choice)
    assert bundle.manifest.proof is not None
    assert bundle.manifest.proof.id == proof.id
    assert bundle.ranker.name == recipe.settings.ranker
    rows = study_by(shop, proof, RUN, None).rows
    mixed = Shop.open(tmp_path / "mixed").table(rows)
    real = mixed.filter(pl.col("origin") == "real")
    assert 0 < len(real) < len(mixed) or kind == "unlabelled"
    assert not (kind == "unlabelled" and len(real))
    if kind != "unlabelled":
        ratio = (len(mixed) - len(real)) / len(real)
        assert ratio == pytest.approx(proof.choice["ratio"], abs=0.1)
    assert Shop.open(tmp_path / "synthetic").rows(rows) >= len(mixed) - len(real)


def test_the_training_part_alone_takes_the_updates_that_were_proved(
    proved: dict[str, tuple[Shop, Recipe, Proof]], tmp_path: Path
) -> None:
    of = proved["recommendation"]
    updates = of[2].choice["updates"]
    assert updates
    alone = made(of, MakeStep(data="train"), tmp_path / "alone")
    assert alone.ranker.updates_ == updates  # type: ignore[attr-defined]
    both = made(of, MakeStep(), tmp_path / "both")
    parts = study_by(of[0], of[2], RUN, None).prepare("file")
    grown = (parts.train.rows("events") + parts.validation.rows("events")) / parts.train.rows(
        "events"
    )
    assert both.ranker.updates_ == round(updates * grown)  # type: ignore[attr-defined]


def test_the_test_part_teaches_nothing(
    proved: dict[str, tuple[Shop, Recipe, Proof]], tmp_path: Path
) -> None:
    """Nothing that happened after the test begins is in what a model learns from."""
    shop, _, proof = proved["recommendation"]
    made(proved["recommendation"], MakeStep(), tmp_path)
    test = study_by(shop, proof, RUN, None).prepare("file").test.table("events")
    real = Shop.open(tmp_path / "mixed").table("events").filter(pl.col("origin") == "real")
    assert real["time"].max() <= test["time"].min()
    assert len(real) + len(test) == shop.rows("events")


def test_labels_that_were_left_out_stay_out(
    proved: dict[str, tuple[Shop, Recipe, Proof]], tmp_path: Path
) -> None:
    made(proved["unlabelled"], MakeStep(), tmp_path)
    assert "real" not in Shop.open(tmp_path / "mixed").table("judgments")["origin"].to_list()


def test_a_reranker_goes_into_the_bundle(
    proved: dict[str, tuple[Shop, Recipe, Proof]], tmp_path: Path
) -> None:
    step = MakeStep(rerank="mmr", rerank_settings={"relevance": 0.7}, data="train")
    bundle = made(proved["recommendation"], step, tmp_path)
    assert bundle.reranker is not None
    assert bundle.reranker.settings()["relevance"] == 0.7
    assert len(bundle.rank(Requests.sessions([["i1", "i2"]]), k=5)) == 5


def test_the_same_choice_makes_the_same_bundle(
    proved: dict[str, tuple[Shop, Recipe, Proof]], tmp_path: Path
) -> None:
    one, two = (made(proved["clicks"], MakeStep(), tmp_path / name) for name in ("one", "two"))
    assert one.id == two.id
    shop, recipe, proof = proved["clicks"]
    other = Proof(proof.data | {"sentence": "No."})  # type: ignore[typeddict-item]
    assert made((shop, recipe, other), MakeStep(), tmp_path / "three").id != one.id
    assert replace(MakeStep(), mix="helps").mix == "helps"
