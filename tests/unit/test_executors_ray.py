"""Ray as an executor: the same bytes, and nothing left behind whatever is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import executor_work
from executor_work import alive, begun, compute, expected, one, tasks, wait_until, workers
from wareloom.errors import MissingExtraError, OutputError, ServiceError, SettingError, WorkerError
from wareloom.experiment.executors import _ray, executor_for

ON = "ray-local[2]"
# A Ray that has lost its own notices it in two seconds instead of fifteen.
NOTICE = (
    "RAY_health_check_initial_delay_ms=500",
    "RAY_health_check_period_ms=500",
    "RAY_health_check_timeout_ms=500",
    "RAY_health_check_failure_threshold=3",
)
MINE = f"WARELOOM_TEST_OF_RAY={uuid.uuid4().hex}"
"""What all processes that begin here have in their environment"""


@pytest.fixture(scope="module", autouse=True)
def marked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for setting in (MINE, *NOTICE):
            patch.setenv(*setting.split("="))
        yield


def rays() -> set[int]:
    """Process ids of all parts of Rays that were begun here."""
    return {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/environ")
        if MINE.encode() in _read(path)
        and b"ray" in _read(path.with_name("cmdline"))
        and alive(int(path.parent.name))
    }


def folders() -> set[Path]:
    """The folders of these Rays."""
    lines = (_read(Path(f"/proc/{process}/cmdline")).decode() for process in rays())
    return {Path(name) for line in lines for name in re.findall(r"/tmp/wl-ray-\w+", line)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_ray.OnRay]:
    """Two processes of one Ray for all tests here, of which nothing is left afterwards."""
    with _ray.OnRay("local", 2, tmp_path_factory.mktemp("ray") / "logs") as held:
        yield held
        left = folders()
    assert left
    wait_until(lambda: not rays(), 10)
    assert not any(folder.exists() for folder in left)


def run(executor: _ray.OnRay, folder: Path, listed: list[executor_work.Task]) -> dict[str, bytes]:
    """Compute; where this machine is too busy to start a Ray twice in its time, nothing is tested."""
    try:
        return compute(executor, folder, listed)
    except ServiceError as error:
        if "no answer within" in str(error):
            pytest.skip(str(error))
        raise


def test_the_same_bytes_on_ray_and_an_error_of_ours_as_it_is(
    tmp_path: Path, executor: _ray.OnRay
) -> None:
    assert run(executor, tmp_path, tasks(12)) == expected(12)
    assert sorted(begun(tmp_path)) == sorted(expected(12))
    assert os.getpid() not in workers(tmp_path)
    assert len(list(executor.logs.iterdir())) == 1
    with pytest.raises(SettingError) as caught:
        run(executor, tmp_path, one("refuse"))
    assert type(caught.value) is SettingError
    assert str(caught.value) == "Shop: size is 0; give 1 or more."


def test_any_other_error_is_a_crash_with_its_traceback_and_logs(
    tmp_path: Path, executor: _ray.OnRay
) -> None:
    with pytest.raises(WorkerError) as caught:
        run(executor, tmp_path, one("crash"))
    assert "the one crashed" in str(caught.value)
    assert "KeyError: 'no such column'" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    (kept,) = (path for path in executor.logs.iterdir() if path.is_dir())
    assert str(kept) in str(caught.value)
    assert list(kept.glob("worker-*.err"))


def test_a_worker_of_rays_that_dies_is_tried_again(tmp_path: Path, executor: _ray.OnRay) -> None:
    listed = tasks(4, does="die once")
    assert run(executor, tmp_path, listed) == expected(4)
    assert sorted(begun(tmp_path)) == sorted(
        [*expected(4), *(key for key in expected(4) if key.startswith("leaf"))]
    )


def test_a_raylet_that_is_killed_is_replaced_once(tmp_path: Path, executor: _ray.OnRay) -> None:
    killed, over = threading.Event(), threading.Event()

    def kill() -> None:
        while len(list((tmp_path / "store").glob("leaf*"))) < 2:
            if over.wait(0.02):
                return
        for process in rays():
            if "raylet/raylet" in _read(Path(f"/proc/{process}/cmdline")).decode().split("\0")[0]:
                os.kill(process, signal.SIGKILL)
                killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = run(executor, tmp_path, tasks(12, 0.5))
    finally:
        over.set()
        killer.join()
    assert killed.is_set()
    assert found == expected(12)


def test_a_killed_driver_leaves_no_ray_behind(tmp_path: Path) -> None:
    others = rays(), folders()
    command = [sys.executable, executor_work.__file__, str(tmp_path), ON, "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment) as driver:
        wait_until(
            lambda: driver.poll() is not None or list((tmp_path / "store").glob("leaf*")), 150
        )
        begun_here = rays() - others[0], folders() - others[1]
        driver.send_signal(signal.SIGKILL)
    assert all(begun_here)
    wait_until(lambda: not rays() & begun_here[0], 10)
    wait_until(lambda: not any(alive(process) for process in workers(tmp_path)), 10)
    assert not any(folder.exists() for folder in begun_here[1])
    found = compute(executor_for("local", 2, tmp_path / "logs"), tmp_path, tasks(20))
    assert found == expected(20)


def fake(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package "ray" before the real one, for the gateway."""
    (folder / "ray").mkdir()
    (folder / "ray" / "__init__.py").write_text(body)
    monkeypatch.syspath_prepend(str(folder))


def test_a_ray_that_cannot_start_is_said_in_one_sentence_after_one_more_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, "def init(**settings): raise RuntimeError('no room in shm')", monkeypatch)
    with pytest.raises(ServiceError, match="could not be started") as caught:
        compute(executor_for(ON, 1, tmp_path / "logs"), tmp_path, tasks(4))
    assert caught.value.exit_code == 2
    assert "RuntimeError: no room in shm" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(list((tmp_path / "logs").iterdir())) == _ray.STARTS


def test_a_ray_that_does_not_answer_is_ended_with_all_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import os, subprocess, sys, time, pathlib\n"
        "def init(**settings):\n"
        "    other = subprocess.Popen(['sleep', '100'])\n"
        f"    (pathlib.Path({str(tmp_path)!r}) / f'pid-{{other.pid}}').touch()\n"
        "    time.sleep(100)\n"
    )
    fake(tmp_path, body, monkeypatch)
    monkeypatch.setattr(_ray, "WAIT", 2.0)
    start = time.monotonic()
    with pytest.raises(ServiceError, match="no answer within 2 s"):
        compute(executor_for("ray://far.example:10001", 1, tmp_path / "logs"), tmp_path, tasks(4))
    assert time.monotonic() - start < 30
    begun_by_ray = [int(path.name[4:]) for path in tmp_path.glob("pid-*")]
    assert len(begun_by_ray) == _ray.STARTS
    wait_until(lambda: not any(alive(process) for process in begun_by_ray), 5)


def test_a_place_for_logs_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    made: list[Path] = []

    def make(**told: str) -> str:
        made.append(tmp_path / "ray")
        made[0].mkdir()
        return str(made[0])

    monkeypatch.setattr(_ray.tempfile, "mkdtemp", make)
    with pytest.raises(OutputError, match="Cannot write logs of workers"):
        compute(executor_for(ON, 1, tmp_path / "file"), tmp_path, one(""))
    assert [path.exists() for path in made] == [False]


def test_without_ray_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ray.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wareloom\[cluster\]'"):
        executor_for(ON, 1, tmp_path)
