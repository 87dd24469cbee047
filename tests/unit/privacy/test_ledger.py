"""The ledger: written before it is spent, never overspent, not even by two at once or across kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wareloom.cli import app
from wareloom.errors import BudgetError, OutputError, SettingError, SourceError
from wareloom.privacy import ledger as module
from wareloom.privacy.accounting import Chance, Choice, Gaussian, SampledGaussian, compose
from wareloom.privacy.ledger import Ledger
from wareloom.shop import Shop

SHOP = "ab" * 32
SOURCE = str(Path(module.__file__).parents[2])


def begun(folder: Path, epsilon: float = 3.0, delta: float = 1e-6) -> Ledger:
    ledger = Ledger.open(folder, SHOP)
    ledger.allow(epsilon, delta)
    return ledger


def test_what_is_spent_is_there_again_and_adds_up(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    costs = [Gaussian(0.2), Choice(0.1), SampledGaussian(4.0, 0.01, 50), Chance(1e-8)]
    ledger.spend("hours", costs[0])
    ledger.spend("steps", *costs[1:])
    again = Ledger.open(tmp_path, SHOP)
    assert [entry.purpose for entry in again.entries()] == ["hours", "steps"]
    assert again.total() == compose(costs, 1e-6)
    assert again.id == ledger.id
    assert SHOP not in again.id


def test_ten_small_releases_do_not_dodge_the_budget(tmp_path: Path) -> None:
    ledger = begun(tmp_path, epsilon=1.0)
    small = Gaussian(0.08)
    done = 0
    while compose([small] * (done + 1), 1e-6).epsilon <= 1.0:
        Ledger.open(tmp_path, SHOP).spend("release", small)
        done += 1
    assert done > 5
    with pytest.raises(BudgetError, match=r"from ε 0\.\d+ to 1\.\d+ at δ 1e-06; the budget .* ε 1"):
        Ledger.open(tmp_path, SHOP).spend("release", small)
    assert len(ledger.entries()) == done
    # What was refused took nothing, and less still fits.
    ledger.spend("little", Gaussian(0.001))


def test_no_budget_no_spending(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="wareloom budget SHOP --epsilon E --delta D"):
        Ledger.open(tmp_path, SHOP).spend("hours", Gaussian(0.1))
    assert list(tmp_path.glob("*.jsonl")) == []


def test_a_budget_grows_by_force_alone_and_never_below_what_was_spent(tmp_path: Path) -> None:
    ledger = begun(tmp_path, epsilon=2.0)
    ledger.spend("hours", Gaussian(0.3))
    with pytest.raises(BudgetError, match="--force raises it"):
        ledger.allow(3.0, 1e-6)
    with pytest.raises(BudgetError, match="--force raises it"):
        ledger.allow(2.0, 1e-5)
    with pytest.raises(BudgetError, match=r"has spent ε 1.*cannot be allowed"):
        ledger.allow(0.5, 1e-6)
    ledger.allow(1.5, 1e-6)
    ledger.allow(3.0, 1e-6, force=True)
    assert [line["epsilon"] for line in ledger._read() if "epsilon" in line] == [2.0, 1.5, 3.0]


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 1e-6), (-1.0, 1e-6), (1.0, 0.0), (1.0, 1.0)])
def test_budgets_that_cannot_be_are_refused(tmp_path: Path, epsilon: float, delta: float) -> None:
    with pytest.raises(SettingError):
        Ledger.open(tmp_path, SHOP).allow(epsilon, delta)


def test_another_shops_ledger_is_refused(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    other = "cd" * 32
    ledger.path.rename(tmp_path / f"{other}.jsonl")
    with pytest.raises(SourceError, match="ledger of another shop"):
        Ledger.open(tmp_path, other)


def test_shops_of_the_same_users_have_one_ledger(tmp_path: Path) -> None:
    """A part of a split, or next month's log, is another shop by its bytes; its own ledger would be a new one."""
    whole, part = begun(tmp_path, epsilon=1.0), "ef" * 32
    shared = whole.share(part)
    assert shared.fingerprint == part
    shared.spend("hours", Gaussian(0.15))
    Ledger.open(tmp_path, SHOP).spend("days", Gaussian(0.15))
    with pytest.raises(BudgetError):
        Ledger.open(tmp_path, part).spend("steps", Gaussian(0.15))
    # A part of the part has it, too.
    assert Ledger.open(tmp_path, part).share("0f" * 32).total() == whole.total()
    own = Ledger.open(tmp_path, "cd" * 32)
    own.allow(1.0, 1e-6)
    with pytest.raises(BudgetError, match="has a ledger of its own"):
        whole.share("cd" * 32)
    with pytest.raises(SourceError, match="no privacy budget yet"):
        Ledger.open(tmp_path, "99" * 32).share("98" * 32)


def lines_of(ledger: Ledger) -> list[bytes]:
    return ledger.path.read_bytes().splitlines(keepends=True)


def test_every_byte_that_is_changed_is_noticed(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    ledger.spend("hours", Gaussian(0.3))
    ledger.spend("days", Gaussian(0.2))
    held = ledger.path.read_bytes()
    for place in range(0, len(held) - 1, 7):
        changed = bytearray(held)
        changed[place] ^= 1
        ledger.path.write_bytes(bytes(changed))
        with pytest.raises(SourceError):
            Ledger.open(tmp_path, SHOP)
    ledger.path.write_bytes(held)
    Ledger.open(tmp_path, SHOP)


@pytest.mark.parametrize("how", ["last line", "middle line", "order", "empty", "newline", "gone"])
def test_lines_that_are_taken_away_are_noticed(tmp_path: Path, how: str) -> None:
    ledger = begun(tmp_path)
    for purpose in ("hours", "days", "steps"):
        ledger.spend(purpose, Gaussian(0.2))
    lines = lines_of(ledger)
    kept = {
        "last line": lines[:-1],
        "middle line": [*lines[:3], *lines[4:]],
        "order": [*lines[:2], lines[3], lines[2], lines[4]],
        "empty": [],
        "newline": [*lines[:-1], lines[-1][:-9]],
    }
    if how == "gone":
        ledger.path.unlink()
    else:
        ledger.path.write_bytes(b"".join(kept[how]))
    with pytest.raises(SourceError):
        Ledger.open(tmp_path, SHOP).spend("more", Gaussian(0.1))


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_cut_short_was_not_spent_and_harms_nothing(tmp_path: Path, cut: int) -> None:
    ledger = begun(tmp_path)
    ledger.spend("hours", Gaussian(0.2))
    before = ledger.path.read_bytes()
    head = ledger._head().read_bytes()
    ledger.spend("days", Gaussian(0.2))
    whole = ledger.path.read_bytes()
    # A crash in the middle of a write: a piece of the line, and the head not yet moved.
    ledger.path.write_bytes(whole[: len(before) + cut])
    ledger._head().write_bytes(head)
    again = Ledger.open(tmp_path, SHOP)
    assert [entry.purpose for entry in again.entries()] == ["hours"]
    again.spend("days", Gaussian(0.3))
    again.spend("steps", Gaussian(0.1))
    last = Ledger.open(tmp_path, SHOP)
    assert [entry.purpose for entry in last.entries()] == ["hours", "days", "steps"]
    assert sum(bool(line.get("torn")) for line in last._read()) == 1


def test_a_line_whose_head_was_not_written_counts_as_spent(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    head = ledger._head().read_bytes()
    ledger.spend("hours", Gaussian(0.2))
    ledger._head().write_bytes(head)
    assert [entry.purpose for entry in Ledger.open(tmp_path, SHOP).entries()] == ["hours"]


SPENDER = """
import sys, time
from wareloom.errors import BudgetError
from wareloom.privacy.accounting import Gaussian
from wareloom.privacy.ledger import Ledger
ledger = Ledger.open(sys.argv[1], sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
try:
    for number in range(10_000):
        ledger.spend(f"{sys.argv[3]} {number}", Gaussian(0.08))
        print(number, flush=True)
        time.sleep(float(sys.argv[4]))
except BudgetError:
    print("refused", flush=True)
"""


def spender(folder: Path, name: str, pause: float = 0.0) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": SOURCE}
    return subprocess.Popen(
        [sys.executable, "-c", SPENDER, str(folder), SHOP, name, str(pause)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"


def test_two_processes_at_once_never_pass_the_budget(tmp_path: Path) -> None:
    ledger = begun(tmp_path, epsilon=2.0)
    both = [spender(tmp_path, name, 0.03) for name in "ab"]
    for process in both:
        ready(process)
    for process in both:
        go(process)
    said = [process.communicate(timeout=60)[0].split() for process in both]
    assert all(words[-1] == "refused" for words in said)
    entries = ledger.entries()
    assert len(entries) == sum(len(words) - 1 for words in said)
    assert min(len(words) for words in said) > 1  # both did spend
    assert ledger.total().epsilon <= 2.0
    assert compose([Gaussian(0.08, len(entries) + 1)], 1e-6).epsilon > 2.0


def test_what_a_killed_process_was_told_is_spent_stays_spent(tmp_path: Path) -> None:
    begun(tmp_path, epsilon=50.0)
    told = 0
    for attempt in range(4):
        with spender(tmp_path, str(attempt)) as process:
            ready(process)
            go(process)
            assert process.stdout
            process.stdout.readline()
            time.sleep(0.013 * (attempt + 1))
            process.send_signal(signal.SIGKILL)
            # Not `communicate`: it would lose what `readline` has read ahead.
            told += 1 + len(process.stdout.read().split())
        entries = Ledger.open(tmp_path, SHOP).entries()
        # One spending may be on the disk and its process dead before it could tell.
        assert told <= len(entries) <= told + attempt + 1
    Ledger.open(tmp_path, SHOP).spend("after", Gaussian(0.05))
    assert told > 4


def test_a_mechanism_is_not_run_where_its_spending_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = begun(tmp_path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="Nothing is spent that is not written down"):
        ledger.spend("hours", Gaussian(0.1))


def test_the_command_sets_and_shows(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARELOOM_LEDGERS", str(tmp_path / "ledgers"))
    folder = tmp_path / "shop"
    kept = shop.save(folder)
    run = CliRunner().invoke
    assert "no privacy budget yet" in run(app, ["budget", str(folder)]).output
    done = run(app, ["budget", str(folder), "--epsilon", "2", "--delta", "1e-6", "--json"])
    assert json.loads(done.output)["budget"] == {"epsilon": 2.0, "delta": 1e-6}
    Ledger.open(tmp_path / "ledgers", kept.fingerprint).spend("hours", Gaussian(0.1))
    # A copy of the shop has the same ledger.
    kept.save(tmp_path / "copy")
    told = json.loads(run(app, ["budget", str(tmp_path / "copy"), "--json"]).output)
    assert told["entries"][0]["purpose"] == "hours"
    assert 0 < told["spent"]["epsilon"] < 1
    part = shop.with_tables(events=shop.table("events").head(50)).save(tmp_path / "part")
    shared = run(app, ["budget", str(tmp_path / "part"), "--same-as", str(folder), "--json"])
    assert json.loads(shared.output)["entries"] == told["entries"]
    assert part.fingerprint != kept.fingerprint
    half = run(app, ["budget", str(folder), "--epsilon", "2"])
    assert isinstance(half.exception, SettingError)
    more = run(app, ["budget", str(folder), "--epsilon", "9", "--delta", "1e-6"])
    assert isinstance(more.exception, BudgetError)
