"""What all benchmarks share: where the data lie, which machine this is, and how figures are written."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import wareloom
from wareloom.core.run import physical_cores

PACKAGES = ("numpy", "scipy", "numba", "polars", "implicit")


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The parser of a benchmark with what is common to all."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--note", default="", help="what else to say of the circumstances, kept beside the figures"
    )
    return parser


def data(name: str) -> Path:
    """The folder of a data set below `WARELOOM_DATA`, else below `../shared/data`; exits where it is not there."""
    root = Path(
        os.environ.get("WARELOOM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    if not (root / name).is_dir():
        sys.exit(f"{root / name} is not there: set WARELOOM_DATA to the folder of data sets.")
    return root / name


def machine(note: str = "") -> dict[str, Any]:
    """Name the processor, cores, memory, system, date and versions."""
    about = {
        "cpu": _cpu(),
        "cores": physical_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "versions": {
            "python": platform.python_version(),
            # Of the code that runs, whatever an older installation in place says.
            "wareloom": wareloom.__version__,
            **{n: v for n in PACKAGES if (v := _version(n))},
        },
    }
    return about | {"note": note} if note else about


def peak() -> float:
    """Peak resident memory of this process, GiB; on Linux without what its parent held when it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        found = (
            line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")
        )
        return int(next(found)) / 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (
        3 if sys.platform == "darwin" else 2
    )


def write(path: Path | None, benchmark: str, about: dict[str, Any], **figures: Any) -> None:
    """Write the figures of a benchmark where a path is given."""
    if path:
        whole = {"benchmark": benchmark, "about": about, **figures}
        path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_rows(
    path: Path | None,
    benchmark: str,
    about: dict[str, Any],
    rows: list[dict[str, Any]],
    order: Sequence[str],
    key: Callable[[dict[str, Any]], Any] = lambda row: row["part"],
    **figures: Any,
) -> None:
    """Write rows in the order of their parts; of a file that is there stays what was not run again, by `key`."""
    if path and path.exists():
        again = {key(row) for row in rows}
        old = json.loads(path.read_text(encoding="utf-8"))["rows"]
        rows = [row for row in old if key(row) not in again] + rows
    rows = sorted(rows, key=lambda row: order.index(row["part"]))
    write(path, benchmark, about, **figures, rows=rows)


def told(row: dict[str, Any], width: int = 44) -> None:
    """Print a row: its part, its name, and the rest."""
    said = ", ".join(
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
        for k, v in row.items()
        if k not in ("part", "name")
    )
    print(f"{row['part']:<8} {row['name']:<{width}} {said}", flush=True)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
