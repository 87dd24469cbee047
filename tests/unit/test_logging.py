"""The log: silent until somebody listens, and every record says to which run and piece it belongs."""

from __future__ import annotations

import logging as standard
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wareloom.core import logging


def test_a_program_that_sets_up_no_logging_hears_nothing() -> None:
    code = (
        "import logging as standard; from wareloom.core import logging\n"
        "logging.get('wareloom.x').warning('quiet'); logging.get().error('quiet')\n"
        "assert not standard.getLogger().handlers\n"
        "assert [type(h).__name__ for h in standard.getLogger('wareloom').handlers] == ['NullHandler']\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_records_carry_the_ids_in_force(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.get("elsewhere")
    with caplog.at_level(standard.INFO, "wareloom"):
        log.info("outside")
        with logging.within(run_id="r1"):
            with logging.within(cell="c1"):
                log.info("inside", extra={"mine": 5})
            log.info("between")
    found = [(r.name, r.getMessage(), r.run_id, r.cell) for r in caplog.records]  # type: ignore[attr-defined]
    assert found == [
        ("wareloom.elsewhere", "outside", "", ""),
        ("wareloom.elsewhere", "inside", "r1", "c1"),
        ("wareloom.elsewhere", "between", "r1", ""),
    ]
    assert caplog.records[1].mine == 5  # type: ignore[attr-defined]
    assert logging.ids() == {"run_id": "", "cell": ""}


def test_a_file_hears_its_block_and_leaves_no_trace(tmp_path: Path) -> None:
    root = standard.getLogger("wareloom")
    before = (root.level, list(root.handlers))
    log = logging.get("wareloom.x")
    path = tmp_path / "deep" / "log.txt"
    for word in ("first", "second"):
        with logging.to_file(path), logging.within("r", "c"):
            log.debug("too fine")
            log.info(word)
            standard.getLogger("wareloom.plain").warning("without ids")
        with pytest.raises(ZeroDivisionError), logging.to_file(path):
            raise ZeroDivisionError
    log.warning("afterwards")
    assert (root.level, root.handlers) == before
    lines = [line.split(" ", 2)[2] for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines == [
        "INFO wareloom.x [r/c] first",
        "WARNING wareloom.plain [/] without ids",
        "INFO wareloom.x [r/c] second",
        "WARNING wareloom.plain [/] without ids",
    ]
