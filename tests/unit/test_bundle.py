"""A bundle answers as what it was made of does, and is the same for the same input."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from bundles import CHOICE, NOTE, RECIPE, TINY, fitted, names, whole_bundle, written
from conftest import exposures, small_shop
from search_shop import search_shop
from wareloom import bundle as room
from wareloom.bundle import MANIFEST, Bundle, ProofNote
from wareloom.core.family import RANKERS, RERANKERS
from wareloom.core.run import Run
from wareloom.core.state import json_text
from wareloom.errors import InputError, NotFittedError, OutputError, SourceError
from wareloom.rankers.search.base import without_history
from wareloom.reranking import Catalogue
from wareloom.shop import Log, Requests, Shop


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_bundle(tmp_path_factory.mktemp("bundle") / "whole")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(copytree(whole, tmp_path / "copy"))


@pytest.mark.parametrize("reranker", [None, "mmr", "calibrated"])
@pytest.mark.parametrize(
    ("name", "settings"), [("ease", {}), ("transitions", {}), ("sasrec", TINY), ("blend", {})]
)
def test_a_bundle_ranks_as_its_ranker_and_reranker_do(
    name: str, settings: dict[str, Any], reranker: str | None, tmp_path: Path
) -> None:
    shop = small_shop()
    ranker = fitted(name, shop, **settings)
    order = RERANKERS.make(reranker) if reranker else None
    written(tmp_path / "b", ranker, shop, reranker=order)
    found, requests = Bundle.open(tmp_path / "b"), Requests.of(Log.of(shop))
    wanted = ranker.rank(requests, 25 if order else 5)
    if order:
        wanted = order.apply(wanted, Catalogue(shop, Run(seed=1)), 5, requests)
    ranked = found.rank(requests, 5, candidates=25)
    assert_frame_equal(ranked.drop("title"), wanted)
    titles = dict(shop.table("items").select("item_id", "title").iter_rows())
    assert ranked["title"].to_list() == [titles[item] for item in ranked["item_id"]]
    assert found.manifest.kind == "recommendation"
    assert found.manifest.ranker.name == name
    assert found.manifest.reranker == (room.Named(reranker, order.settings()) if order else None)


@pytest.mark.parametrize("reranker", [None, "mmr", "exposure"])
def test_a_bundle_of_search_answers_queries(reranker: str | None, tmp_path: Path) -> None:
    shop = search_shop()
    ranker = fitted("bm25", shop)
    order = None
    if reranker:
        more = {"similarity": "text"} if reranker == "mmr" else {}
        order = RERANKERS.make(reranker, **more)
    written(tmp_path / "b", ranker, shop, reranker=order)
    found, queries = Bundle.open(tmp_path / "b"), ["red thing3", "thing7", ""]
    answers = found.search(queries, 4)
    assert answers.columns == ["request", "query", "rank", "item_id", "score", "title"]
    wanted = ranker.rank(without_history(queries), 40 if order else 4)
    if order:
        catalogue = Catalogue(shop, Run(seed=1))
        wanted = order.apply(wanted, catalogue, 4, without_history(queries))
    assert_frame_equal(answers.drop("query", "title"), wanted.drop("user_id"))
    assert answers["query"].to_list() == [queries[row] for row in answers["request"]]
    if order is None:
        assert answers["title"][0] == "red thing3"


def test_a_bundle_of_clicks_says_so_and_another_does_not_search(tmp_path: Path) -> None:
    shop, _ = exposures(800)
    found = written(tmp_path / "b", fitted("logistic", shop), shop)
    assert found.manifest.kind == "clicks"
    assert "title" not in found.rank(Requests.sessions([["i1"]]), 3).columns
    with pytest.raises(
        InputError, match="is one of clicks: its ranker 'logistic' reads no queries"
    ):
        found.search(["red"])


def test_rerankers_see_how_much_items_were_bought(tmp_path: Path) -> None:
    """The bundle has no events, and yet the items of few events are known."""
    shop, order = small_shop(), RERANKERS.make("exposure", shares={"new": 0.5}, new=14.0)
    found = written(tmp_path / "b", fitted("popularity", shop), shop, reranker=order)
    counts = Log.of(shop).counts(weighted=True)
    np.testing.assert_array_equal(found.catalogue.counts, counts)
    assert 0 < (counts <= 14.0).sum() < len(counts)
    requests = Requests.sessions([["i3"]])
    assert_frame_equal(
        found.rank(requests, 8).drop("title"),
        order.apply(found.ranker.rank(requests, 100), Catalogue(shop), 8, requests),
    )


def test_a_bundle_tells_from_what_and_why_it_was_made(whole: Path) -> None:
    found, shop = Bundle.open(whole), small_shop()
    assert found.recipe == RECIPE
    assert found.manifest.choice == CHOICE
    assert found.manifest.proof == NOTE
    assert found.manifest.created_from == room.Made(shop.fingerprint, {"name": "ring"}, 30)
    assert_frame_equal(found.items.drop("events"), shop.table("items"))
    assert sorted(found.manifest.files) == [n for n in names(whole) if n != MANIFEST]
    assert found.manifest.size == sum((whole / n).stat().st_size for n in found.manifest.files)
    for name, note in found.manifest.files.items():
        assert note.sha256 == hashlib.sha256((whole / name).read_bytes()).hexdigest()
    told = json.loads((whole / MANIFEST).read_text())
    assert told.pop("id") == found.id == hashlib.sha256(json_text(told).encode()).hexdigest()


def test_a_recipe_may_be_toml(tmp_path: Path) -> None:
    shop = small_shop()
    text = 'name = "mine"\n[train]\nname = "ease"\nset = { l2 = 5.0 }\n'
    assert written(tmp_path / "b", fitted("ease", shop), shop, recipe=text).recipe == RECIPE
    with pytest.raises(InputError, match="recipe of the bundle is not valid TOML"):
        written(tmp_path / "b", fitted("ease", shop), shop, recipe="name = ")


@pytest.mark.parametrize(
    ("name", "settings", "shop"),
    [
        ("ease", {}, small_shop),
        ("als", {"embedding_size": 4}, small_shop),
        ("sasrec", TINY, small_shop),
        ("bm25", {"spelling": True}, search_shop),
        ("lambdamart", {"trees": 5}, search_shop),
    ],
)
def test_the_same_input_gives_the_same_bytes(
    name: str, settings: dict[str, Any], shop: Callable[[], Shop], tmp_path: Path
) -> None:
    """Also where the ranker was read back in between, and wherever the folder lies."""
    first = written(tmp_path / "one", fitted(name, shop(), **settings), shop())
    other = written(tmp_path / "far" / "two", fitted(name, shop(), **settings), shop())
    again = written(tmp_path / "three", Bundle.open(first.folder).ranker, shop())
    assert first.id == other.id == again.id
    for file in names(first.folder):
        assert (first.folder / file).read_bytes() == (other.folder / file).read_bytes(), file
        assert str(tmp_path).encode() not in (first.folder / file).read_bytes()


def test_a_bundle_is_replaced_as_a_whole_and_nothing_else_is(tmp_path: Path) -> None:
    shop, folder = small_shop(), tmp_path / "b"
    first = written(folder, fitted("blend", shop), shop)
    second = written(folder, fitted("popularity", shop), shop)
    assert second.id != first.id
    assert Bundle.open(folder).id == second.id
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
    with pytest.raises(SourceError, match="holds another bundle than the one that was opened"):
        first.verify()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"it has no bundle\.json"):
        written(tmp_path / "other", fitted("popularity", shop), shop)


MAKE = """
import sys
from conftest import small_shop
from wareloom.bundle import write_bundle
from wareloom.core.family import RANKERS, RERANKERS
from wareloom.core.run import Run
shop = small_shop()
ranker = RANKERS.make("bm25", spelling=True).fit(shop, Run(seed=1, threads=1))
more = dict(recipe={"a": 1}, choice={}, proof=None, seed=1, reranker=RERANKERS.make("dpp"))
print(write_bundle(sys.argv[1], ranker=ranker, shop=shop, **more).id)
"""


def test_another_process_writes_the_same_bundle(tmp_path: Path) -> None:
    """Sets and hashes of text go another way in each process."""
    here = Path(__file__).parents[1]
    ids = {
        subprocess.run(
            [sys.executable, "-c", MAKE, tmp_path / seed],
            capture_output=True,
            text=True,
            check=True,
            cwd=here,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(ids) == 1


# What is not written


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"choice": {"ratio": float("nan")}}, "The choice of the bundle cannot be written as JSON"),
        ({"recipe": {"at": {1, 2}}}, "The recipe of the bundle cannot be written as JSON: set"),
        (
            {"proof": ProofNote("p", "helps", "s", "m", float("inf"), None, None)},
            "The manifest of the bundle cannot be written as JSON",
        ),
    ],
)
def test_what_json_does_not_know_is_refused(
    more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    shop = small_shop()
    with pytest.raises(InputError, match=message):
        written(tmp_path / "b", fitted("popularity", shop), shop, **more)
    assert list(tmp_path.iterdir()) == []


def test_a_ranker_needs_a_fit_and_its_own_shop(tmp_path: Path) -> None:
    shop = small_shop()
    with pytest.raises(NotFittedError):
        written(tmp_path / "b", RANKERS.make("ease"), shop)
    fewer = small_shop(items=28)
    with pytest.raises(InputError, match="'ease' knows 2 items that the shop lacks, such as 'i28'"):
        written(tmp_path / "b", fitted("ease", shop), fewer)


def test_a_lift_may_be_a_whole_number_or_none(tmp_path: Path) -> None:
    shop, note = small_shop(), ProofNote("p", "no evidence", "None.", "ndcg@10", 0, None, None)
    written(tmp_path / "b", fitted("popularity", shop), shop, proof=note)
    assert Bundle.open(tmp_path / "b").manifest.proof == note


# Which shop


def test_another_shop_is_refused_with_how_far_it_differs(copy: Path) -> None:
    found, shop = Bundle.open(copy), small_shop()
    found.check_shop(shop)
    assert found.difference(shop) == room.Difference(True, 0, 0)
    later = small_shop(users=61)
    assert found.difference(later) == room.Difference(False, 0, 0)
    with pytest.raises(
        SourceError, match=r"made from other data .*lacks 0 of its 30 items and has 0 new"
    ):
        found.check_shop(later)
    items = shop.table("items").filter(pl.col("item_id") != "i4")
    more = pl.concat([items, items.head(2).with_columns(item_id="new" + pl.col("item_id"))])
    other = Shop({"items": more}, {"name": "other"})
    with pytest.raises(SourceError, match="lacks 1 of its 30 items and has 2 new ones"):
        found.check_shop(other)


# What opening imports


SERVE = """
import sys
from wareloom.bundle import Bundle
from wareloom.shop import Requests
found = Bundle.open(sys.argv[1])
assert len(found.rank(Requests.sessions([["i3", "i4"]]), 5)) == 5
heavy = ("proof", "report", "recipe", "experiment", "evaluation", "sampling", "synthesis", "screening", "mixing", "api")
print(sorted(m for m in sys.modules if m.startswith(tuple(f"wareloom.{room}" for room in heavy))))
"""


def test_opening_and_ranking_import_no_room_that_serving_does_without(whole: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE, whole], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
