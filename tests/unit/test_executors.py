"""Executors: the same result wherever it is computed, whoever dies on the way."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import executor_work
from executor_work import alive, begun, compute, expected, job, one, tasks, wait_until, workers
from wareloom.errors import OutputError, SettingError, WorkerError
from wareloom.experiment.executors import RETRIES, Job, Task, executor_for


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_same_bytes_here_and_in_processes(tmp_path: Path, jobs: int) -> None:
    assert compute(executor_for("", jobs, tmp_path / "logs"), tmp_path, tasks(12)) == expected(12)
    assert sorted(begun(tmp_path)) == sorted(expected(12))
    assert (set(workers(tmp_path)) == {os.getpid()}) is (jobs == 1)
    assert not any(alive(process) for process in set(workers(tmp_path)) - {os.getpid()})
    assert list((tmp_path / "logs").glob("*")) == []


def test_nothing_to_do_begins_nothing(tmp_path: Path) -> None:
    broken = Job("no.such.module:function", {})
    for jobs in (1, 2):
        executor_for("local", jobs, tmp_path / "logs").run(broken, [], lambda task: None)
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_ours_comes_out_as_it_is(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(SettingError) as caught:
        compute(executor_for("local", jobs, tmp_path), tmp_path, one("refuse"))
    assert type(caught.value) is SettingError
    assert str(caught.value) == "Shop: size is 0; give 1 or more."


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_opener_that_is_none_is_said(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(SettingError, match=r"'executor_work:closed' is no opener"):
        executor_for("local", jobs, tmp_path).run(
            Job("executor_work:closed", {}), one(""), lambda task: None
        )


def test_any_other_error_is_a_crash_with_its_traceback_and_log(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        compute(executor_for("local", 2, tmp_path / "logs"), tmp_path, one("crash"))
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert "the one crashed" in text
    assert "KeyError: 'no such column'" in text
    assert 'raise KeyError("no such column")' in text
    (kept,) = (tmp_path / "logs").iterdir()
    assert str(kept) in text
    assert "KeyError" in kept.read_text()
    assert set(begun(tmp_path)) == {"one"}
    assert len(begun(tmp_path)) == 1


def test_a_worker_that_always_dies_is_tried_again_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wareloom")
    with pytest.raises(
        WorkerError, match=r"The worker of the one died 3 times \(exit code 7\)"
    ) as e:
        compute(executor_for("local", 2, tmp_path / "logs"), tmp_path, one("die"))
    assert len(begun(tmp_path)) == RETRIES + 1
    kept = list((tmp_path / "logs").iterdir())
    assert len(kept) == RETRIES + 1
    assert all("last words" in path.read_text() for path in kept)
    assert any(str(path) in str(e.value) for path in kept)
    assert str(e.value).endswith("last words")
    said = [record.getMessage() for record in caplog.records]
    assert said.count("handed out the one") == 3
    assert said.count("the one is tried again") == 2


def test_a_worker_that_prints_disturbs_nothing(tmp_path: Path) -> None:
    assert compute(executor_for("local", 2, tmp_path), tmp_path, one("print")) == {"one": b"5"}


def test_a_place_for_logs_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Cannot write logs of workers"):
        compute(executor_for("local", 2, tmp_path / "file"), tmp_path, one(""))


def test_what_a_worker_began_ends_with_it(tmp_path: Path) -> None:
    compute(executor_for("local", 2, tmp_path), tmp_path, one("begin"))
    (path,) = (tmp_path / "marks").glob("begun-*")
    wait_until(lambda: not alive(int(path.name[6:])), 5)


def test_tasks_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    circle = [Task("a", {}, ("b",)), Task("b", {}, ("a",))]
    with pytest.raises(
        SettingError, match=r"wait for each other: a after b after a|b after a after b"
    ):
        executor_for("", 1, tmp_path).run(job(tmp_path), circle, lambda task: None)


def test_workers_killed_at_random_change_nothing(tmp_path: Path) -> None:
    leaves, kills, dice = 36, 20, random.Random(5)
    killed: list[str] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < kills and not over.wait(dice.random() * 0.2):
            for path in dice.sample(
                found := list((tmp_path / "marks").glob("now.*[0-9]")), len(found)
            ):
                key, process = path.read_text(), int(path.name.split(".")[1])
                if key not in killed and alive(process):
                    os.kill(process, signal.SIGKILL)
                    killed.append(key)
                    break

    (tmp_path / "marks").mkdir()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = compute(executor_for("local", 3, tmp_path / "logs"), tmp_path, tasks(leaves, 0.3))
    finally:
        over.set()
        killer.join()
    assert len(killed) >= kills // 2
    assert found["top"] == str(4000 + sum(i * i for i in range(leaves))).encode()
    assert len(found) == leaves + 5
    assert len(begun(tmp_path)) <= leaves + 5 + len(killed)
    assert not any(alive(process) for process in workers(tmp_path))


def test_a_killed_driver_leaves_nothing_running_and_its_results(tmp_path: Path) -> None:
    command = [sys.executable, executor_work.__file__, str(tmp_path), "local", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment) as driver:
        wait_until(lambda: len(list((tmp_path / "store").glob("leaf*"))) >= 3)
        driver.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(alive(process) for process in workers(tmp_path)), 10)
    there = {path.name: path.read_bytes() for path in (tmp_path / "store").glob("[!.]*")}
    assert 3 <= len(there) < 25
    before = begun(tmp_path)
    found = compute(executor_for("local", 2, tmp_path / "logs"), tmp_path, tasks(20, 0.2))
    assert found["top"] == str(4000 + sum(i * i for i in range(20))).encode()
    assert found | there == found
    again = sorted(begun(tmp_path))
    for key in before:
        again.remove(key)
    assert sorted(again) == sorted(found.keys() - there.keys())


@pytest.mark.parametrize(
    "on", ["lokal", "ray", "ray-local[0]", "ray-local[]", "ray://here", "ssh://x:1"]
)
def test_a_wrong_place_is_refused_with_near_names(tmp_path: Path, on: str) -> None:
    with pytest.raises(SettingError, match="Known: local, ray-local") as caught:
        executor_for(on, 1, tmp_path)
    assert repr(on) in str(caught.value)
    assert ("Did you mean 'local'" in str(caught.value)) or on != "lokal"
