"""Bundles on the command line: shown, checked, ranked from."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import polars as pl
import pytest
from tiny_export import wareloom

from conftest import small_shop
from wareloom.bundle import ProofNote, write_bundle
from wareloom.core.family import RANKERS, RERANKERS
from wareloom.core.run import Run
from wareloom.shop import Shop


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop, a model, and two bundles of it: one with a reranker."""
    work = tmp_path_factory.mktemp("bundle")
    shop = small_shop().save(work / "shop")
    ranker = RANKERS.make("ease").fit(shop, Run(threads=1))
    ranker.save(work / "model")
    told: dict[str, Any] = {
        "ranker": ranker,
        "shop": shop,
        "recipe": {"name": "mine"},
        "choice": {"generator": "markov", "ratio": 0.5},
        "proof": ProofNote("p1", "helps", "It helps.", "ndcg@10", 0.1, 0.05, 0.15),
        "seed": 1,
    }
    write_bundle(work / "bundle", **told)
    write_bundle(work / "mmr", reranker=RERANKERS.make("mmr", relevance=0.1), **told)
    return work


def told(*words: object) -> Any:
    said = wareloom(*words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def ranked(work: Path, folder: str, *words: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told("rank", work / folder, "--shop", work / "shop", *words)[
        "ranking"
    ]
    return found


def test_a_bundle_ranks_as_its_model_does_and_names_what_it_ranks(work: Path) -> None:
    words = ("--user", "u3", "--user", "u1", "-k", 4)
    model, bundle = ranked(work, "model", *words), ranked(work, "bundle", *words)
    assert [{k: v for k, v in row.items() if k != "title"} for row in bundle] == model
    assert [row["title"] for row in bundle] == [f"Item {row['item_id'][1:]}" for row in model]
    told("rank", work / "bundle", "--shop", work / "shop", *words, "--to", work / "ranking.parquet")
    assert pl.read_parquet(work / "ranking.parquet").to_dicts() == bundle


def test_the_bundle_s_reranker_counts_unless_another_is_named(work: Path) -> None:
    words = ("--candidates", 20, "-k", 5)
    set_ = ("--rerank", "mmr", "--rerank-set", "relevance=0.1")
    model = ranked(work, "model", *words, *set_)
    own = ranked(work, "mmr", *words)
    assert [row["item_id"] for row in own] == [row["item_id"] for row in model]
    assert own != ranked(work, "bundle", *words)
    assert own == ranked(work, "bundle", *words, *set_)
    other = ("--rerank", "objective")
    assert ranked(work, "mmr", *words, *other) == ranked(work, "bundle", *words, *other)
    assert own != ranked(work, "mmr", *words, *other)


def test_histories_may_come_from_later_data_but_not_from_another_shop(work: Path) -> None:
    small_shop(users=70).save(work / "later")
    found = told("rank", work / "bundle", "--shop", work / "later", "--user", "u65")
    assert len(found["ranking"]) == 10
    shop = small_shop()
    renamed = {
        name: shop.scan(name).with_columns(item_id="x" + pl.col("item_id"))
        for name in ("items", "events")
    }
    Shop(renamed).save(work / "foreign")
    said = wareloom("rank", work / "bundle", "--shop", work / "foreign")
    assert said.code == 2
    assert "was made from other data" in said.err
    assert "lacks 30 of its 30 items and has 30 new ones" in said.err


def test_a_bundle_is_shown_and_checked(work: Path) -> None:
    found = told("bundle", work / "mmr", "--shop", work / "shop")
    assert found["checked"] == "whole"
    assert found["kind"] == "recommendation"
    assert found["ranker"]["name"] == "ease"
    assert found["reranker"]["settings"]["relevance"] == 0.1
    assert found["choice"] == {"generator": "markov", "ratio": 0.5}
    assert found["proof"]["sentence"] == "It helps."
    assert found["created_from"]["fingerprint"] == Shop.open(work / "shop").fingerprint
    manifest = json.loads((work / "mmr" / "bundle.json").read_text())
    assert {k: found[k] for k in manifest} == manifest
    assert told("bundle", work / "mmr", "--quick")["checked"] == "sizes"
    said = wareloom("bundle", work / "mmr")
    assert found["id"] in said.out
    assert f"{len(manifest['files'])} files" in said.out
    assert "sha256" not in said.out


def test_what_is_wrong_with_a_bundle_is_exit_code_two(work: Path) -> None:
    broken = Path(copytree(work / "bundle", work / "broken"))
    held = bytearray((broken / "items.parquet").read_bytes())
    held[100] ^= 1
    (broken / "items.parquet").write_bytes(held)
    for words in (("bundle", broken), ("rank", broken, "--shop", work / "shop")):
        said = wareloom(*words)
        assert said.code == 2
        assert said.err == (
            f"error: {broken}/items.parquet is not what was written, its digest differs: "
            "copy the bundle again.\n"
        )
        assert said.out == ""
    small_shop(users=61).save(work / "other")
    said = wareloom("bundle", work / "bundle", "--shop", work / "other")
    assert said.code == 2
    assert "was made from other data" in said.err


def test_code_from_outside_needs_a_word(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere_package.py").write_text(
        "import dataclasses\n"
        "from wareloom.rankers.baseline.popularity import Popularity\n"
        "@dataclasses.dataclass(kw_only=True, eq=False)\n"
        "class Mine(Popularity):\n"
        '    """Another\'s."""\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    shop = Shop.open(work / "shop")
    ranker = RANKERS.make("elsewhere_package:Mine").fit(shop)
    write_bundle(tmp_path / "b", ranker=ranker, shop=shop, recipe={}, choice={}, proof=None, seed=0)
    for words in (("bundle", tmp_path / "b"), ("rank", tmp_path / "b", "--shop", work / "shop")):
        said = wareloom(*words)
        assert said.code == 2
        assert "--allow-code elsewhere_package" in said.err
        assert wareloom(*words, "--allow-code", "elsewhere_package").code == 0
