"""Kills, full disks and a clock set back: nothing half-written, nothing lost, the same bytes after another go.

`WARELOOM_KILLS=60 pytest tests/end_to_end/test_interrupted.py` stops more of them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_export import wareloom, write_export

from interrupted import commands, digest, killed, prepared, ran, small_disk

NAMES = ("read", "clean", "synth", "train", "prove", "compare")
GOING_ON = ("tune", "run")
"""What goes on in its folder by the same call: finished pieces stay there"""
EVERY = (*NAMES, "split", "features", "mix", *GOING_ON)
KILLS = int(os.environ.get("WARELOOM_KILLS", "20"))
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and mounts of POSIX")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def right(place: Path) -> dict[str, str]:
    return prepared(place)


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(KILLS))
def test_a_command_that_is_killed(
    trial: int, place: Path, right: dict[str, str], tmp_path: Path
) -> None:
    number = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)[trial // len(NAMES) % 3]
    killed(NAMES[trial % len(NAMES)], number, random.Random(trial), place, right, tmp_path)


@pytest.mark.parametrize("name", EVERY)
def test_a_full_disk(name: str, place: Path, right: dict[str, str], tmp_path: Path) -> None:
    command = commands(place)[name]
    try:
        with small_disk(tmp_path / "disk", 8 << 10) as disk:
            to, filler = disk / "made", disk / "filler"
            words = [*command.words, "--to", to]
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, (8 << 20) - (8 << 10))
            said = wareloom(*words)
            assert said.code == 2, said.err
            assert "No space left" in said.err
            assert "Traceback" not in said.err
            assert name in GOING_ON or not to.exists()
            assert [p for p in disk.rglob(".*") if "partial" in p.name or ".old-" in p.name] == []
            filler.unlink()
            ran(wareloom(*words, *command.resumed))
            assert digest(to) == right[name]
            if name == "prove" or name in GOING_ON:
                return
            # What was there before stays, whole, where the next does not fit.
            with filler.open("wb") as file:
                free = os.statvfs(disk)
                os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (8 << 10))
            said = wareloom(*words, *command.resumed)
            assert said.code == 2, said.err
            assert digest(to) == right[name]
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


@pytest.mark.parametrize("name", NAMES)
def test_a_clock_that_is_set_back(
    name: str, place: Path, right: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, to = commands(place)[name], tmp_path / "made"
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() - 400 * 86400.0)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - 400 * 86400 * 10**9)
    ran(wareloom(*command.words, "--to", to))
    for path in tmp_path.rglob("*"):
        os.utime(path, (2e9, 2e9))
    ran(wareloom(*command.words, "--to", to, *command.resumed))
    assert digest(to) == right[name]


def test_a_job_resumes_by_any_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_export(tmp_path / "data" / "export")
    (tmp_path / "link").symlink_to("data/export")
    (tmp_path / "recipe.toml").write_text(
        'stages = ["read", "clean", "split"]\n[read]\nsource = "data/export"\n'
    )
    ran(wareloom("run", "recipe.toml", "--to", "job"))
    before = {p: p.stat().st_ino for p in (tmp_path / "job").rglob("*.parquet")}
    (tmp_path / "alias").symlink_to("job")
    for recipe, to, source in (
        ("./recipe.toml", "./job/", None),
        (str(tmp_path / "recipe.toml"), str(tmp_path / "job"), str(tmp_path / "data" / "export")),
        ("data/../recipe.toml", "alias", "link"),
        ("recipe.toml", "data/../job", "./data/export/"),
    ):
        more = ["--source", source] if source else []
        said = wareloom("run", recipe, "--to", to, "--resume", *more)
        ran(said)
        assert said.err.count("done before") == 3, said.err
    assert {p: p.stat().st_ino for p in (tmp_path / "job").rglob("*.parquet")} == before


def test_a_job_reads_anew_what_was_edited_alone(tmp_path: Path) -> None:
    """By bytes: a touched file and a copy in its place are the same, an edit is seen though size and time are not."""
    export = write_export(tmp_path / "export")
    source, words = (
        export / "events.csv",
        ("run", tmp_path / "recipe.toml", "--to", tmp_path / "job"),
    )
    (tmp_path / "recipe.toml").write_text('stages = ["read", "clean"]\n[read]\nsource = "export"\n')
    ran(wareloom(*words))
    held = source.read_bytes()

    def done() -> int:
        said = wareloom(*words)
        ran(said)
        return said.err.count("done before")

    assert done() == 2
    os.utime(source, (2e9, 2e9))
    assert done() == 2
    source.unlink()
    source.write_bytes(held)
    assert done() == 2
    (tmp_path / "job" / ".sources.json").write_text("{")
    assert done() == 2
    before, line = source.stat(), held.splitlines()[1]
    changed = line.replace(line.split(b",")[0], b"x" * len(line.split(b",")[0]), 1)
    source.write_bytes(held.replace(line, changed, 1))
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.stat().st_size == before.st_size
    assert done() == 0
    assert done() == 2
    source.write_bytes(held)
    assert done() == 0
    assert [p.name for p in (tmp_path / "job").glob(".*.partial-*")] == []


@pytest.mark.parametrize("place_of", ["cache", "to"])
def test_a_disk_that_only_reads(
    place_of: str, place: Path, right: dict[str, str], tmp_path: Path
) -> None:
    try:
        with small_disk(tmp_path / "disk", 1 << 10) as disk:
            done = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True)
            assert done.returncode == 0, done.stderr
            words = commands(place)["prove"].words
            where = {"cache": tmp_path / "cells", "to": tmp_path / "proof", place_of: disk / "x"}
            said = wareloom(*words, "--to", where["to"], "--cache", where["cache"])
            assert said.code == 2, said.err
            assert "Read-only file system" in said.err
            assert str(disk) in said.err
            assert not (tmp_path / "proof").exists()
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


@pytest.mark.parametrize("name", EVERY)
def test_a_folder_that_only_reads(
    name: str, place: Path, right: dict[str, str], tmp_path: Path
) -> None:
    """A new result, a result in the place of an old one, and a folder in the place of one that is missing."""
    try:
        with small_disk(tmp_path / "disk", 8 << 10) as disk:
            shutil.copytree(place / "right" / name, disk / "old")
            before = sorted(disk.rglob("*"))
            done = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True)
            assert done.returncode == 0, done.stderr
            command = commands(place)[name]
            for to, more in (
                (disk / "x", ()),
                (disk / "deep" / "x", ()),
                (disk / "old", command.resumed),
            ):
                said = wareloom(*command.words, "--to", to, *more)
                assert said.code == 2, said.err
                (line,) = [one for one in said.err.splitlines() if not one.startswith("warning: ")]
                assert line.startswith("error: "), line
                assert "read-only file system" in line.lower(), line
            assert sorted(disk.rglob("*")) == before
            assert digest(disk / "old") == right[name]
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


def test_a_name_that_is_no_utf8(place: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    name = os.path.join(os.fsencode(tmp_path / "folder"), b"events\xff.csv")
    shutil.copy(place / "export" / "events.csv", name)
    said = wareloom("read", tmp_path / "folder", "--to", tmp_path / "shop")
    assert said.code == 2, said.err
    assert "no UTF-8" in said.err
    assert "Traceback" not in said.err
