"""Fixtures shared by all tests: small shops made by hand, and the real data where it is at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Workers of pytest-xdist that all take every core spend most of their time waiting for each other: each keeps to its
# share of the cores. A test of threads asks for two by name and gets them, on however few cores; so does Polars.
if os.environ.get("PYTEST_XDIST_WORKER") and hasattr(os, "sched_setaffinity"):
    WORKER, WORKERS = (
        int(os.environ["PYTEST_XDIST_WORKER"][2:]),
        int(os.environ["PYTEST_XDIST_WORKER_COUNT"]),
    )
    if share := sorted(os.sched_getaffinity(0))[WORKER::WORKERS]:
        os.sched_setaffinity(0, share)
for variable, value in {
    "OMP_WAIT_POLICY": "PASSIVE",
    "NUMBA_NUM_THREADS": "2",
    "POLARS_MAX_THREADS": "2",
}.items():
    os.environ.setdefault(variable, value)

import pytest  # noqa: E402

pytest.register_assert_rewrite("wareloom.testing")

from wareloom.shop import Shop  # noqa: E402
from wareloom.testing.shops import exposures, small_shop  # noqa: E402, F401


class Lazy(dict):
    """Values made when first asked for: what no test that runs needs is not made."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, name: str) -> Any:
        self[name] = value = self.make(name)
        return value


def data_folder() -> Path | None:
    """The folder of real data sets, or None."""
    named = os.environ.get("WARELOOM_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("no real data: set WARELOOM_DATA to its folder")
    return folder


@pytest.fixture
def shop() -> Shop:
    return small_shop()
