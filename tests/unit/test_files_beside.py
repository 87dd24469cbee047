"""Files written beside and renamed, and a lock on a folder: one holder at a time, none that outlives its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wareloom.core.files import beside, locked
from wareloom.errors import OutputError

HOLD = (
    "import sys, time; from pathlib import Path; from wareloom.core.files import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def test_another_process_is_refused_at_once_until_the_holder_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "shop"
    command = [sys.executable, "-c", HOLD, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(OutputError, match=r"shop is being written by another process"),
            locked(folder),
        ):
            pytest.fail("held twice")
        with locked(folder.with_name("other")):
            pass
        holder.kill()
    assert not folder.exists()
    with locked(folder):
        assert (folder.parent / ".shop.lock").exists()


def test_a_block_that_fails_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "a"):
        raise ZeroDivisionError
    with locked(tmp_path / "a"), pytest.raises(OutputError), locked(tmp_path / "a"):
        pytest.fail("held twice")


def test_a_place_that_cannot_be_locked_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Cannot lock"), locked(tmp_path / "file" / "a"):
        pytest.fail("held in a file")


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "made" / "kept.txt"
    with beside(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with beside(path) as partial:
        partial.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"

    def break_off() -> None:
        with beside(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["kept.txt"]
