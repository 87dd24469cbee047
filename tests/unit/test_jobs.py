"""Several processes at one experiment: each piece is worked on once, and nothing hangs on who did it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from wareloom.experiment.cells import Cells, decisive
from wareloom.experiment.jobs import shared

from conftest import exposures, small_shop
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.experiment import jobs as jobs_module
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.clicks import ClickProofSettings
from wareloom.proof.leaderboard import LeaderboardSettings, leaderboard
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings
from wareloom.proof.search import QueryProofSettings
from wareloom.sampling.generator import Generator, Member
from wareloom.shop import Shop


def plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """The lock of the piece ["a"], in the hands of another."""
    cells = Cells(tmp_path, "base")
    with pytest.raises(ZeroDivisionError):
        cells.get(["a"], lambda: 1 // 0)
    (path,) = tmp_path.glob("*.lock")
    return path


def test_a_piece_that_another_is_at_is_passed_over_and_waited_for(
    tmp_path: Path, lock: Path
) -> None:
    cells, done = Cells(tmp_path, "base"), list[str]()

    def work(name: str) -> str:
        done.append(name)
        return name

    def piece(name: str) -> str:
        return str(cells.get([name], lambda: work(name)))

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        cells.ahead(
            [lambda: piece("a"), lambda: piece("b"), lambda: cells.get(["c"], lambda: piece("a"))]
        )
        assert done == ["b"], "what needs a piece in other hands waits, too"
        threading.Timer(0.3, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        start = time.monotonic()
        assert piece("a") == "a"
        assert time.monotonic() - start > 0.2
    assert done == ["b", "a"]
    assert not lock.exists()
    cells.ahead([lambda: piece("a"), lambda: piece("d")])
    assert done == ["b", "a", "d"]


def test_a_process_that_is_killed_holds_nothing_up(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from wareloom.experiment.cells import Cells\n"
        "Cells(Path(sys.argv[1]), 'base').get(['a'], lambda: print('at it', flush=True) or time.sleep(60))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "at it\n"
        cells = Cells(tmp_path, "base")
        cells.ahead([lambda: cells.get(["a"], lambda: pytest.fail("two at one piece"))])
        other.kill()
    assert cells.get(["a"], lambda: 7) == 7


def cases() -> dict[str, tuple[Any, Shop]]:
    network = {"epochs": 2, "embedding_size": 8, "layers": 1}
    return {
        "recommendation": (
            ProofSettings(seeds=2, ranker="sasrec", ranker_settings=network),
            small_shop(users=80),
        ),
        "clicks": (ClickProofSettings(seeds=2), exposures(1500)[0]),
        "leaderboard": (
            LeaderboardSettings(rankers={"transitions": {}, "sasrec": network}),
            small_shop(users=80),
        ),
    }


@pytest.mark.parametrize("kind", ["recommendation", "clicks", "leaderboard"])
def test_with_others_the_result_is_the_same(kind: str, tmp_path: Path) -> None:
    settings, shop = cases()[kind]
    work: Any = leaderboard if kind == "leaderboard" else prove
    found = []
    for jobs, cache in ((1, tmp_path / "alone"), (3, tmp_path / "together"), (2, None)):
        found.append(
            plain(work(shop, settings, Run(seed=3, threads=1, jobs=jobs, cache=cache)).data)
        )
    assert found[0] == found[1] == found[2]
    alone, together = (
        {path.name for path in (tmp_path / name).glob("*.*")} for name in ("alone", "together")
    )
    assert alone == together
    assert not [name for name in together if name.endswith((".lock", ".partial"))]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Where `note` writes."""

    name: str


def note(shop: Shop, where: Folder, run: Run) -> None:
    """Say who is there, and stay."""
    mine = Path(where.name) / f"{os.getpid()}.json"
    mine.with_suffix(".partial").write_text(plain([shop.fingerprint, asdict(run)]))
    mine.with_suffix(".partial").rename(mine)
    time.sleep(60)


def wait_for(folder: Path, count: int) -> list[Path]:
    until = time.monotonic() + 60
    while len(found := sorted(folder.glob("*.json"))) < count:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that are begun find this module, too."""
    paths = [
        str(Path(__file__).parent),
        str(Path(__file__).parents[1]),
        os.environ.get("PYTHONPATH", ""),
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.mark.usefixtures("importable")
def test_the_others_are_told_what_to_do_and_end_with_the_block(tmp_path: Path) -> None:
    shop, run = (
        small_shop(),
        Run(seed=5, threads=8, jobs=3, quiet=False, watch=lambda step, values: None),
    )
    with shared(note, shop, Folder(name=str(tmp_path)), run) as own:
        assert (own.threads, own.jobs, own.quiet) == (2, 1, False)
        assert own.cache is not None
        files = wait_for(tmp_path, 2)
        for file in files:
            fingerprint, theirs = json.loads(file.read_text())
            assert fingerprint == shop.fingerprint
            assert theirs == json.loads(plain(asdict(own.with_(quiet=True, watch=None))))
    assert not any(alive(int(file.stem)) for file in files)
    assert not own.cache.parent.exists()


@pytest.mark.usefixtures("importable")
def test_the_others_end_when_the_first_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, test_jobs as t; from conftest import small_shop; from wareloom.core.run import Run\n"
        "with t.shared(t.note, small_shop(), t.Folder(name=sys.argv[1]), Run(jobs=2)): t.time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as first:
        (file,) = wait_for(tmp_path, 1)
        first.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while alive(int(file.stem)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_alone_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_start", lambda told: pytest.fail("a process was begun"))
    run = Run(threads=4)
    with shared(note, small_shop(), Folder(name=""), run) as own:
        assert own is run


@pytest.mark.parametrize(
    "settings",
    [
        ProofSettings(
            generator=Generator(
                members=(Member(synthesizer="markov", settings={"structure": "chain"}, share=2.0),)
            ),
            shares=(0.5, 1.0),
            split=SplitSettings(by="leave-last-out"),
        ),
        QueryProofSettings(
            generator=Generator(synthesizer="attributes", settings={"typos": 0.1}, screens=()),
            ranker="two_stage",
            ranker_settings={"members": ("bm25",), "member_settings": {"bm25": {"k1": 1.0}}},
            labelled=0,
            queries=5,
            effect=None,
        ),
    ],
    ids=["recommendation", "search"],
)
def test_settings_are_told_whole(settings: Any) -> None:
    again = configure(type(settings), json.loads(json.dumps(asdict(settings))))
    assert plain(decisive(again)) == plain(decisive(settings))
    assert plain(asdict(again)) == plain(asdict(settings))
