"""What is not as it was written is refused by name, before anything is restored."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from bundles import names, refused, rewritten, whole_bundle
from wareloom.bundle import MANIFEST, Bundle
from wareloom.core.state import json_text
from wareloom.errors import SourceError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_bundle(tmp_path_factory.mktemp("bundle") / "whole")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(copytree(whole, tmp_path / "copy"))


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
    refused(
        tmp_path,
        r"is not a bundle, or was not copied whole: it has no bundle\.json\. Copy it again",
    )
    (tmp_path / "algorithm.json").write_text("{}")
    refused(tmp_path, r"It is a ranker that was saved alone: wareloom advise")


EDITS: dict[str, Any] = {
    "wareloom": "9.9",
    "kind": "search",
    "keeps": "private",
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
