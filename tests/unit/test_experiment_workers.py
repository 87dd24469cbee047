"""A whole experiment computed by several processes, on Ray and by a bucket: the same bytes, whoever did it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import exposures, small_shop
from search_shop import search_shop
from wareloom.core.run import Run
from wareloom.errors import WorkerError
from wareloom.experiment.engine import Bench, Engine, Told, call_of, job_of, open_study
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.clicks import ClickProofSettings
from wareloom.proof.leaderboard import LeaderboardSettings, leaderboard
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings, Recommendation
from wareloom.proof.search import QueryProofSettings
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop

NETWORK = {"epochs": 2, "embedding_size": 8, "layers": 1}


def plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def cases() -> dict[str, tuple[Any, Any, Shop]]:
    """Settings, what does them, and a shop, by kind."""
    lexical = Generator(synthesizer="lexical", screens=())
    return {
        "recommendation": (
            ProofSettings(
                seeds=2, ranker="sasrec", ranker_settings=NETWORK, baselines={"ease": {}}
            ),
            prove,
            small_shop(users=80),
        ),
        "clicks": (ClickProofSettings(seeds=2), prove, exposures(1500)[0]),
        "search": (
            QueryProofSettings(seeds=1, generator=lexical, ranker="bm25", ratios=(0.5,)),
            prove,
            search_shop(60),
        ),
        "leaderboard": (
            LeaderboardSettings(rankers={"transitions": {}, "sasrec": NETWORK}, seeds=2),
            leaderboard,
            small_shop(users=80),
        ),
    }


@pytest.mark.parametrize("kind", ["recommendation", "clicks", "search", "leaderboard"])
def test_with_others_the_result_is_the_same(kind: str, tmp_path: Path) -> None:
    settings, work, shop = cases()[kind]
    found = []
    for jobs, cache in ((1, tmp_path / "alone"), (3, tmp_path / "together")):
        run = Run(seed=3, threads=1, jobs=jobs, cache=cache)
        found.append(plain(work(shop, settings, run).data))
    assert found[0] == found[1]
    alone, together = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if path.is_file()}
        for name in ("alone", "together")
    )
    assert alone == together
    assert len(alone) >= 3


def test_on_ray_the_result_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    settings, work, shop = cases()["clicks"]
    alone = plain(work(shop, settings, Run(seed=3, threads=1)).data)
    run = Run(seed=3, threads=1, on="ray-local[2]", cache=tmp_path / "cells")
    assert plain(work(shop, settings, run).data) == alone


def test_without_a_cache_nothing_is_left_behind(tmp_path: Path) -> None:
    settings, work, shop = cases()["clicks"]
    alone = plain(work(shop, settings, Run(seed=3, threads=1)).data)
    assert plain(work(shop, settings, Run(seed=3, threads=1, jobs=2)).data) == alone
    assert list(tmp_path.iterdir()) == []


def test_a_worker_is_told_all_that_it_needs(tmp_path: Path) -> None:
    settings = ProofSettings(
        seeds=1,
        split=SplitSettings(dates=("1970-01-11", "1970-01-21")),
        ratios=(0.5,),
        baselines={},
    )  # type: ignore[arg-type]
    shop = small_shop(users=40).save(tmp_path / "shop")
    study = Recommendation(shop, settings, Run(seed=3, cache=tmp_path / "cells"))
    told = json.loads(json.dumps(job_of(study).told))
    work = open_study(told)
    cell = Cell(arm=MIXED, seed=0, ratio=0.5)
    for piece in (Told(), cell):
        work({"mode": "file", **call_of(piece)})
    bench = Bench(study, "file", str(tmp_path / "cells"))
    assert bench.pieces.get(bench.key(cell)).training["events"] > 0
    assert bench.tasks([cell, Told()]) == [], "what a worker did is found"
    (task,) = bench.tasks([Cell(arm=REAL, seed=0)])
    assert task.after == ()


def test_what_waits_for_the_leading_arm_comes_after_it(tmp_path: Path) -> None:
    settings, _, shop = cases()["recommendation"]
    study = Recommendation(shop, settings, Run(seed=3, cache=tmp_path / "cells"))
    bench = Engine(study).benches["file"]
    real, mixed = bench.tasks([Cell(arm=MIXED, seed=1, ratio=0.5)])
    assert (real.call["arm"], mixed.call["arm"]) == (REAL, MIXED)
    assert mixed.after == (real.key,)
    bench.get(Cell(arm=REAL, seed=1))
    (mixed,) = bench.tasks([Cell(arm=MIXED, seed=1, ratio=0.5)])
    assert mixed.after == ()


def test_a_damaged_cell_is_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings, work, shop = cases()["clicks"]
    run = Run(seed=3, threads=1, cache=tmp_path)
    before = plain(work(shop, settings, run).data)
    for number, path in enumerate(sorted(p for p in tmp_path.iterdir() if p.is_file())):
        whole = path.read_bytes()
        path.write_bytes(whole[:-9] if number % 2 else whole[:60] + b"x" + whole[61:])
    assert plain(work(shop, settings, run).data) == before
    assert "is damaged" in caplog.text


def helpers_of(process: int) -> list[int]:
    """Worker processes of a driver."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == process and state != "Z":
            found.append(int(name.split()[0]))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers by /proc")
def test_workers_killed_at_random_moments_change_nothing(tmp_path: Path) -> None:
    """Twenty kills over two proofs at most: the bytes of a proof that nobody disturbed."""
    settings, work, shop = cases()["recommendation"]
    shop = shop.save(tmp_path / "shop")
    alone = plain(work(shop, settings, Run(seed=3, threads=1)).data)
    moments, killed = random.Random(7), 0
    stop = threading.Event()

    def killer() -> None:
        nonlocal killed
        while not stop.wait(moments.uniform(0.3, 2.0)) and killed < 20:
            if helpers := helpers_of(os.getpid()):
                try:
                    os.kill(moments.choice(helpers), signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    continue

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        for turn in range(2):
            for _ in range(12):
                run = Run(seed=3, threads=1, jobs=2, cache=tmp_path / f"cells{turn}")
                # A task whose workers were killed three times in a row ends the run; it goes on when called again.
                with contextlib.suppress(WorkerError):
                    found = plain(work(shop, settings, run).data)
                    assert found == alone
                    break
            else:
                pytest.fail("never came to an end")
    finally:
        stop.set()
        thread.join()
    assert killed >= 3
    until = time.monotonic() + 10
    while helpers_of(os.getpid()) and time.monotonic() < until:
        time.sleep(0.1)
    left = helpers_of(os.getpid())
    assert left == [], [Path(f"/proc/{pid}/cmdline").read_text() for pid in left]


def test_a_driver_that_is_killed_leaves_no_worker_and_its_cells(tmp_path: Path) -> None:
    settings, work, shop = cases()["recommendation"]
    shop.save(tmp_path / "shop")
    code = (
        "import sys; from pathlib import Path; import test_experiment_workers as t\n"
        "settings, work, _ = t.cases()['recommendation']\n"
        "run = t.Run(seed=3, threads=1, jobs=2, cache=Path(sys.argv[1]) / 'cells')\n"
        "work(t.Shop.open(Path(sys.argv[1]) / 'shop'), settings, run)"
    )
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
    own = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    driver = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=own)
    cells = tmp_path / "cells"
    until = time.monotonic() + 120
    while time.monotonic() < until and driver.poll() is None:
        if cells.is_dir() and len([p for p in cells.iterdir() if p.is_file()]) >= 3:
            break
        time.sleep(0.05)
    helpers = helpers_of(driver.pid)
    driver.kill()
    driver.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in helpers):
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in helpers)
    kept = len([p for p in cells.iterdir() if p.is_file()])
    assert kept >= 3
    run = Run(seed=3, threads=1, cache=cells)
    assert plain(work(Shop.open(tmp_path / "shop"), settings, run).data) == plain(
        work(Shop.open(tmp_path / "shop"), settings, Run(seed=3, threads=1)).data
    )
