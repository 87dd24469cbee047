"""Importing and asking for help stay quick, because they load nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "transformers", "polars", "numpy", "scipy", "numba", "plotly", "implicit", "sklearn", "pydantic")
IMPORT = "import sys, wareloom; dir(wareloom); wareloom.__version__\n"
HELP = """
import sys
sys.argv = ["wareloom", "--help"]
from wareloom.cli import main
try:
    main()
except SystemExit:
    pass
"""


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("code", [IMPORT, HELP], ids=["import", "help"])
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert python(f"{code}print(sorted(set({HEAVY}) & set(sys.modules)))").splitlines()[-1] == "[]"


def test_no_public_name_loads_torch() -> None:
    every = f"{IMPORT}for name in wareloom.__all__: getattr(wareloom, name)\n"
    assert python(f"{every}print('torch' in sys.modules)").strip() == "False"


def test_importing_takes_less_than_a_tenth_of_a_second() -> None:
    """Inside an interpreter that has started already."""
    timed = "import time; start = time.perf_counter()\nimport wareloom\nprint(time.perf_counter() - start)"
    assert min(float(python(timed)) for _ in range(5)) < 0.1


def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    """From the start of the interpreter to its end, as a person waits for it."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "wareloom", "--help"], capture_output=True, check=True)
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.3
