"""A bundle answers as what it was made of does, and what is not as it was written is refused by name."""

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

from conftest import exposures, small_shop
from search_shop import search_shop
from wareloom import bundle as room
from wareloom.bundle import MANIFEST, Bundle, ProofNote, write_bundle
from wareloom.core.family import RANKERS, RERANKERS, Family
from wareloom.core.run import Run
from wareloom.core.state import json_text
from wareloom.errors import (
    InputError,
    MissingExtraError,
    NotFittedError,
    OutputError,
    SettingError,
    SourceError,
)
from wareloom.rankers import Ranker
from wareloom.rankers.search.base import without_history
from wareloom.reranking import Catalogue
from wareloom.shop import Log, Requests, Shop

TINY = {"embedding_size": 8, "epochs": 1, "max_length": 8, "heads": 1, "layers": 1}
NOTE = ProofNote("p1", "helps", "It helps.", "ndcg@10", 0.1, 0.05, 0.15)
RECIPE = {"name": "mine", "train": {"name": "ease", "set": {"l2": 5.0}}}
CHOICE = {"generator": "markov", "ratio": 0.5, "mixer": "ratio", "ranker": "ease"}


def fitted(name: str, shop: Shop, **settings: Any) -> Ranker:
    made: Ranker = RANKERS.make(name, **settings).fit(shop, Run(seed=1, threads=1))
    return made


def written(folder: Path, ranker: Ranker, shop: Shop, **more: Any) -> Bundle:
    given = {"recipe": RECIPE, "choice": CHOICE, "proof": NOTE, "seed": 1} | more
    return write_bundle(folder, ranker=ranker, shop=shop, **given)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and give it the id that goes with it, as somebody would who knows how."""
    told = json.loads((folder / MANIFEST).read_text())
    change(told)
    told.pop("id", None)
    told["id"] = hashlib.sha256(json_text(told).encode()).hexdigest()
    (folder / MANIFEST).write_text(json_text(told))


def replaced(folder: Path, name: str, content: str) -> None:
    """Put other content into a file and list it rightly."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    note = {
        "bytes": len(content.encode()),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    rewritten(folder, lambda told: told["files"].update({name: note}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with every kind of file: a ranker made of rankers, and a reranker."""
    shop, folder = small_shop(), tmp_path_factory.mktemp("bundle") / "whole"
    ranker = fitted("blend", shop)
    written(folder, ranker, shop, reranker=RERANKERS.make("calibrated"))
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(copytree(whole, tmp_path / "copy"))


def names(folder: Path) -> list[str]:
    found = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    return sorted(found)


# What it gives back


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


# What is refused


FILES = [
    "bundle.json",
    "items.parquet",
    "recipe.json",
    "ranker/algorithm.json",
    "ranker/state.json",
    "ranker/arrays.npz",
    "reranker/algorithm.json",
    "reranker/state.json",
]


def test_the_files_that_are_damaged_here_are_there(whole: Path) -> None:
    assert set(FILES) <= set(names(whole))
    assert len(names(whole)) > 12, "the members of the ranker"


def refused(folder: Path, message: str, **how: Any) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        Bundle.open(folder, **how)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_byte_that_was_changed_is_noticed_in_every_file(place: float, copy: Path) -> None:
    for name in names(copy):
        held = (copy / name).read_bytes()
        at = int(place * (len(held) - 1))
        (copy / name).write_bytes(held[:at] + bytes([held[at] ^ 1]) + held[at + 1 :])
        refused(copy, name)
        (copy / name).write_bytes(held)
    assert Bundle.open(copy).id


def test_a_changed_byte_is_found_by_verify_where_opening_looked_at_sizes_alone(copy: Path) -> None:
    path = copy / "ranker" / "arrays.npz"
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.write_bytes(held)
    refused(copy, "its digest differs")
    path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    opened = Bundle.open(copy, check="sizes")
    opened.verify()
    path.write_bytes(held)
    with pytest.raises(SourceError, match=r"arrays\.npz is not what was written, its digest"):
        opened.verify()


@pytest.mark.parametrize("name", [n for n in FILES if n != MANIFEST])
def test_what_cannot_be_read_is_called_damaged_also_by_the_quick_check(
    name: str, copy: Path
) -> None:
    path = copy / name
    path.write_bytes(b"\xff" * path.stat().st_size)
    refused(copy, f"{name} is not what was written, its digest differs", check="sizes")


@pytest.mark.parametrize("check", ["whole", "sizes"])
def test_a_file_that_was_copied_in_part_is_noticed(check: str, copy: Path) -> None:
    for name in names(copy):
        held = (copy / name).read_bytes()
        for part in (held[: len(held) // 2], b"", held + b"\n"):
            (copy / name).write_bytes(part)
            refused(copy, name, check=check)
        (copy / name).write_bytes(held)


@pytest.mark.parametrize("check", ["whole", "sizes"])
def test_a_missing_file_is_noticed(check: str, copy: Path) -> None:
    for name in names(copy):
        held = (copy / name).read_bytes()
        (copy / name).unlink()
        refused(
            copy,
            "it has no bundle.json" if name == MANIFEST else f"{name} is not there",
            check=check,
        )
        (copy / name).write_bytes(held)


@pytest.mark.parametrize("name", ["note.txt", ".hidden", "ranker/model.py", "new/folder/file"])
def test_a_foreign_file_is_noticed(name: str, copy: Path) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text("x")
    refused(copy, f"{name} is not one of the bundle's files", check="sizes")


def test_links_are_refused(copy: Path, tmp_path: Path) -> None:
    for name in names(copy):
        aside = tmp_path / "aside"
        (copy / name).rename(aside)
        (copy / name).symlink_to(aside)
        refused(copy, f"{name} is a link")
        (copy / name).unlink()
        aside.rename(copy / name)
    (copy / "reranker").rename(tmp_path / "reranker")
    (copy / "reranker").symlink_to(tmp_path / "reranker")
    refused(copy, "reranker is a link")


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "ranker/../../x", "a//b", "./x", "..", "", "a\\b", MANIFEST],
)
def test_a_list_that_leaves_the_folder_is_refused(name: str, copy: Path) -> None:
    rewritten(copy, lambda told: told["files"].update({name: {"bytes": 1, "sha256": "0"}}))
    refused(copy, "which is no file inside the bundle")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("\xff", "is not valid JSON"),
        ('{"version": NaN}', "is not valid JSON"),
        ('{"version": 1, "kind": "\\ud800"}', "is not valid JSON"),
        ("[]", "it says no version"),
        ("{}", "it says no version"),
        ('{"version": "1"}', "it says no version"),
        ('{"version": true}', "it says no version"),
        ('{"version": 1}', "was edited or damaged"),
        (
            '{"version": 2}',
            "was written by a newer Wareloom .bundle version 2, this one reads 1.: upgrade",
        ),
    ],
)
def test_a_manifest_that_is_none_is_refused(text: str, message: str, copy: Path) -> None:
    (copy / MANIFEST).write_bytes(text.encode("latin-1"))
    refused(copy, message)


def test_a_file_that_cannot_be_read_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(file: Any, kind: str) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hashlib, "file_digest", denied)
    refused(copy, r"items\.parquet cannot be read: Permission denied")
    (copy / MANIFEST).unlink()
    (copy / MANIFEST).mkdir()
    refused(copy, r"bundle\.json cannot be read: Is a directory")


def test_what_is_no_plain_file_is_refused(copy: Path) -> None:
    os.mkfifo(copy / "ranker" / "pipe")
    refused(copy, "pipe is no plain file", check="sizes")


def test_there_is_no_bundle_where_there_is_none(tmp_path: Path) -> None:
    refused(tmp_path / "none", "There is no bundle at .*: no such folder")
    refused(tmp_path, r"is not a bundle, or was not copied whole: it has no bundle\.json")


EDITS: dict[str, Any] = {
    "wareloom": "9.9",
    "kind": "search",
    "created_from": {"fingerprint": "0", "meta": {}, "items": 30},
    "ranker": {"name": "ease", "settings": {}},
    "reranker": None,
    "choice": {},
    "proof": None,
    "seed": 2,
    "files": {},
    "id": "0" * 64,
}


def test_every_field_of_a_manifest_is_edited_here(copy: Path) -> None:
    assert {*EDITS, "version"} == json.loads((copy / MANIFEST).read_text()).keys()


@pytest.mark.parametrize("field", EDITS)
def test_an_edited_manifest_is_refused(field: str, copy: Path) -> None:
    told = json.loads((copy / MANIFEST).read_text())
    assert told[field] != EDITS[field]
    (copy / MANIFEST).write_text(json_text(told | {field: EDITS[field]}))
    refused(copy, r"bundle\.json was edited or damaged")


def test_a_blank_more_is_an_edit(copy: Path) -> None:
    (copy / MANIFEST).write_text((copy / MANIFEST).read_text() + " ")
    refused(copy, r"bundle\.json was edited or damaged")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda told: told.pop("choice"), "'choice'"),
        (lambda told: told.update(more=1), "'more'"),
        (lambda told: told.update(kind="other"), "'kind'"),
        (lambda told: told.update(seed="1"), "'seed'"),
        (lambda told: told["proof"].update(lift="much"), r"'proof\.lift'"),
        (lambda told: told["files"]["items.parquet"].pop("bytes"), r"items\.parquet\.bytes'"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(change: Any, where: str, copy: Path) -> None:
    rewritten(copy, change)
    refused(copy, f"does not fit version 1 of bundles at .*{where}")


def test_a_lift_may_be_a_whole_number_or_none(tmp_path: Path) -> None:
    shop, note = small_shop(), ProofNote("p", "no evidence", "None.", "ndcg@10", 0, None, None)
    written(tmp_path / "b", fitted("popularity", shop), shop, proof=note)
    assert Bundle.open(tmp_path / "b").manifest.proof == note


# Another's code, and other files


OUTSIDE = '''
import dataclasses
import sys
from wareloom.rankers.baseline.popularity import Popularity

sys.modules["ran_outside_code"] = sys

@dataclasses.dataclass(kw_only=True, eq=False)
class Mine(Popularity):
    """Another's ranker."""
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that says when it is imported."""
    (tmp_path / "code" / "outside_package").mkdir(parents=True)
    (tmp_path / "code" / "outside_package" / "__init__.py").write_text("")
    (tmp_path / "code" / "outside_package" / "mine.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))

    def forget() -> None:
        for name in ("outside_package", "outside_package.mine", "ran_outside_code"):
            sys.modules.pop(name, None)

    forget()
    yield forget
    forget()


MINE = "outside_package.mine:Mine"


def test_code_from_outside_runs_only_where_it_is_allowed(outside: Any, tmp_path: Path) -> None:
    shop = small_shop()
    made = written(tmp_path / "b", fitted(MINE, shop), shop)
    assert made.manifest.ranker.name == MINE
    outside()
    refused(tmp_path / "b", r"ranker/algorithm\.json names 'outside_package\.mine:Mine', code from")
    refused(tmp_path / "b", "code from outside", allow_code=("outside", "outside_package.other"))
    assert "outside_package.mine" not in sys.modules
    for allowed in (("outside_package",), ["x", "outside_package.mine"], "outside_package"):
        found = Bundle.open(tmp_path / "b", allow_code=allowed)
        assert type(found.ranker).__name__ == "Mine"


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("ranker/algorithm.json", lambda head: head.update(name=MINE)),
        ("reranker/algorithm.json", lambda head: head.update(name=MINE)),
        ("reranker/algorithm.json", lambda head: head["settings"].update(facet=MINE)),
        ("ranker/algorithm.json", lambda head: head["settings"].update(more={"a": [MINE]})),
        ("ranker/algorithm.json", lambda head: head["settings"].update(more={MINE: {}})),
        ("PART", lambda head: head.update(name=MINE)),
        ("PART", lambda head: head["settings"].update(embedder=MINE)),
    ],
)
def test_code_from_outside_is_found_in_parts_and_settings(
    file: str, change: Any, outside: Any, copy: Path
) -> None:
    parts = [n for n in names(copy) if n.count("/") > 1 and n.endswith("/algorithm.json")]
    file = parts[0] if file == "PART" else file
    head = json.loads((copy / file).read_text())
    change(head)
    replaced(copy, file, json_text(head))
    refused(copy, f"{file} names 'outside_package.mine:Mine', code from outside")
    assert "outside_package" not in sys.modules


def test_a_brand_is_no_package(tmp_path: Path) -> None:
    shop = small_shop()
    order = RERANKERS.make("exposure", shares={"category:Ring": 0.1})
    made = written(tmp_path / "b", fitted("popularity", shop), shop, reranker=order)
    assert Bundle.open(tmp_path / "b").id == made.id


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("ranker/algorithm.json", lambda h: h.update(family="mixer"), "it describes no ranker"),
        ("ranker/algorithm.json", lambda h: h.pop("name"), "it describes no ranker"),
        (
            "ranker/state.json",
            lambda h: h["kinds"].update(more_="array"),
            "cannot be restored: .*more_.* It was written by Wareloom",
        ),
        ("reranker/algorithm.json", lambda h: h.update(settings=[]), "it describes no reranker"),
        (
            "ranker/algorithm.json",
            lambda h: h.update(parts={"x_": [["../../..", "ranker"]]}),
            "it is no file of the bundle",
        ),
        (
            "ranker/algorithm.json",
            lambda h: h.update(parts={"x_": [3]}),
            "no pairs of name and kind",
        ),
        (
            "ranker/state.json",
            lambda h: h["kinds"].update({"../../../secret": "table"}),
            "it asks for ranker/../../../secret.parquet, which is no file of the bundle",
        ),
        ("ranker/state.json", lambda h: h.update(kinds=None), "does not say what was learned"),
        (
            "ranker/algorithm.json",
            lambda h: h.update(name="eas"),
            "by Wareloom 0.1.0, this is 0.1.0",
        ),
        (
            "reranker/algorithm.json",
            lambda h: h["settings"].update(old=1),
            "has no setting 'old'.* It was written by Wareloom",
        ),
    ],
)
def test_what_cannot_be_restored_is_said_with_the_file_or_the_version(
    file: str, change: Any, message: str, copy: Path
) -> None:
    head = json.loads((copy / file).read_text())
    change(head)
    replaced(copy, file, json_text(head))
    refused(copy, message)


def test_a_missing_extra_is_said_with_what_installs_it(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(family: Family, name: str) -> Any:
        raise MissingExtraError(
            "A neural model needs the package 'torch': pip install 'wareloom[neural]'"
        )

    monkeypatch.setattr(Family, "load", lacking)
    with pytest.raises(
        MissingExtraError, match=r"copy cannot be opened here: .*wareloom\[neural\]"
    ):
        Bundle.open(copy)


def test_an_unknown_check_is_refused(copy: Path) -> None:
    with pytest.raises(SettingError, match="check is 'half'; give 'whole' or 'sizes'"):
        Bundle.open(copy, check="half")  # type: ignore[arg-type]


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
