"""What `wareloom doctor` says is missing for which job, beside what the package's extras bring."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wareloom.cli import app
from wareloom.cli._extras import JOBS
from wareloom.errors import UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
DEVELOPING = {"test", "bench", "docs"}


def asked(*words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and text of `wareloom doctor`."""
    runner = CliRunner()
    told = runner.invoke(app, ["doctor", *words, "--json"])
    said = runner.invoke(app, ["doctor", *words])
    return told.exit_code, json.loads(told.stdout), said.stdout


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Modules that are not installed, as far as `find_spec` tells."""
    gone: list[str] = []
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in gone else real(name, *rest)
    )
    return gone


def test_every_extra_has_a_job_and_every_job_an_extra() -> None:
    assert {job.extra for job in JOBS} == set(EXTRAS) - DEVELOPING
    assert len({job.name for job in JOBS}) == len(JOBS)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_the_extra_brings_what_the_job_needs(job: Any) -> None:
    names = {"PIL": "pillow", "mlflow": "mlflow-skinny", "argon2": "argon2-cffi"}
    wanted = {names.get(module, module).replace("_", "-") for module in job.modules}
    brought: set[str] = set()
    todo = [job.extra]
    while todo:
        for line in EXTRAS[todo.pop()]:
            name, _, _ = line.replace("=", " ").replace(">", " ").partition(" ")
            if name.startswith("wareloom["):
                todo.append(name[len("wareloom[") : -1])
            brought.add(name.partition("[")[0].replace("_", "-"))
    assert wanted <= brought


def test_the_page_lists_every_extra_with_its_weight() -> None:
    page = (ROOT / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
    for job in JOBS:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{job.extra}` |"))
        assert f"{job.mebibytes:,} MiB" in row


def test_what_is_missing_is_named_with_its_command_and_weight(without: list[str]) -> None:
    without.append("lightgbm")
    code, told, said = asked()
    assert code == 0
    assert told["jobs"]["trees"] | {"what": ""} == {
        "what": "",
        "there": False,
        "missing": ["lightgbm"],
        "install": "pip install 'wareloom[learned]'",
        "adds_mib": 10,
    }
    line = next(line for line in said.splitlines() if "lambdamart" in line)
    assert "pip install 'wareloom[learned]'" in line
    assert "10 MiB" in line


def test_a_job_that_is_asked_for_decides_the_exit_code(without: list[str]) -> None:
    without.append("lightgbm")
    assert asked("--for", "trees")[0] == 1
    code, told, _ = asked("--for", "images")
    assert code == 0
    assert list(told["jobs"]) == ["images"]


def test_a_base_package_that_is_missing_is_an_error(without: list[str]) -> None:
    without.append("implicit")
    code, told, said = asked()
    assert code == 2
    assert told["packages"]["implicit"] is None
    assert "Nothing works without implicit" in said


def test_an_unknown_job_is_answered_with_near_ones() -> None:
    failed = CliRunner().invoke(app, ["doctor", "--for", "serch"])
    assert isinstance(failed.exception, UnknownNameError)
    assert "Did you mean 'search'" in str(failed.exception)
