"""The command `attack`: its table, its JSON, its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from attacked import renamed, wide
from wareloom.attacks import AttackReport


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shops")
    members = wide(120, 1, "m")
    for name, shop in (
        ("real", members),
        ("held", wide(120, 2, "h")),
        ("copies", renamed(members)),
        ("honest", renamed(wide(120, 3, "o"))),
    ):
        shop.save(place / name)
    tables = place / "tables"
    tables.mkdir()
    members.table("items").select("item_id").write_parquet(tables / "items.parquet")
    rows = renamed(members).table("events").select("user_id", "item_id", "event", "time")
    rows.write_parquet(tables / "events.parquet")
    return place


def attack(folder: Path, synth: str, *more: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "wareloom", "attack", "real", synth, "--holdout", "held"]
    return subprocess.run([*words, *more], cwd=folder, capture_output=True, text=True, check=False)


def test_copies_are_refused_with_a_table(folder: Path) -> None:
    done = attack(folder, "copies", "--only", "sets,pairs,dcr", "--to", "report.json")
    assert done.returncode == 1, done.stderr
    assert "The worst of 2 attacks, " in done.stdout
    assert "not evidence of privacy" in done.stdout
    assert (
        "The upper end is above 0.55 for sets, pairs: this may not leave."
        in done.stdout.replace("pairs, sets", "sets, pairs")
    )
    kept = json.loads((folder / "report.json").read_text())
    assert (kept["passes"], kept["most"]) == (False, 0.55)
    assert AttackReport.from_json(kept).worst.area.value == 1.0


def test_an_honest_shop_passes_a_bar_that_so_few_users_can_show(folder: Path) -> None:
    """With 120 users the interval is wide: the default bar cannot be shown to hold."""
    done = attack(folder, "honest", "--only", "sets,pairs", "--most", "0.75", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["passes"]
    assert told["caught"] == []
    assert told["users"]["members"] == 120


def test_tables_of_any_tool_are_read(folder: Path) -> None:
    done = attack(folder, "tables", "--only", "sets", "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["worst"] == "sets"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--only", "rythm"], "No attack is called 'rythm'. Did you mean 'rhythm'?"),
        (["--only", "sets", "--set", "pairs.window=3"], "--set pairs.window must name one of sets"),
        (["--only", "pairs", "--set", "pairs.window=0"], "window"),
    ],
)
def test_what_cannot_be_asked_is_refused(folder: Path, more: list[str], said: str) -> None:
    done = attack(folder, "honest", *more)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_holdout_of_members_is_refused(folder: Path) -> None:
    words = [sys.executable, "-m", "wareloom", "attack", "real", "honest", "--holdout", "real"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nobody could tell them from members" in done.stderr
