"""Importing and asking for help stay quick, because they load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "polars",
    "numpy",
    "scipy",
    "numba",
    "plotly",
    "jinja2",
    "implicit",
    "sklearn",
    "pydantic",
)
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
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("code", [IMPORT, HELP], ids=["import", "help"])
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert python(f"{code}print(sorted(set({HEAVY}) & set(sys.modules)))").splitlines()[-1] == "[]"


def test_no_public_name_loads_torch() -> None:
    every = f"{IMPORT}for name in wareloom.__all__: getattr(wareloom, name)\n"
    assert python(f"{every}print('torch' in sys.modules)").strip() == "False"


@pytest.mark.parametrize(("code", "most"), [(IMPORT, 120), (HELP, 300)], ids=["import", "help"])
def test_few_modules_are_loaded(code: str, most: int) -> None:
    """The seconds stand in `benchmarks/speed.py`: on a loaded machine they say nothing."""
    assert int(python(f"{code}print(len(sys.modules))").splitlines()[-1]) < most
