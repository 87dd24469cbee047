"""Look at the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._extras import JOBS
from wareloom.cli._shared import AsJson, show
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wareloom.cli._extras import Job

BASE = ("numpy", "polars", "scipy", "numba", "implicit", "plotly", "pydantic")
"""What nothing works without"""


def main(
    job: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="JOB",
            help="Look at one job alone: exit code 1 where something for it is missing. "
            f"One of {', '.join(job.name for job in JOBS)}; may be given again.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what can be done here, what is missing for what else, and what installing that would add."""
    from wareloom._version import __version__

    jobs = _named(job or [])
    lacks = {one.name: one.missing() for one in jobs}
    packages = {name: _version(name) for name in BASE}
    found = {
        "wareloom": __version__,
        "machine": _machine(),
        "packages": packages,
        "jobs": {
            one.name: {
                "what": one.what,
                "there": not lacks[one.name],
                "missing": lacks[one.name],
                "install": one.command,
                "adds_mib": one.mebibytes,
            }
            for one in jobs
        },
    }
    broken = [name for name, version in packages.items() if version is None]
    show(found, as_json, _summary(found, [one for one in jobs if lacks[one.name]], broken))
    wanted = bool(job) and any(lacks.values())
    raise typer.Exit(2 if broken else 1 if wanted else 0)


def _named(names: Sequence[str]) -> list[Job]:
    """The jobs of these names, all where none is named; raises `UnknownNameError`."""
    from wareloom.errors import unknown

    known = {one.name: one for one in JOBS}
    for name in names:
        if name not in known:
            raise unknown("job", name, known)
    return [known[name] for name in names] or list(JOBS)


def _version(name: str) -> str | None:
    """The version of an installed package; None where it cannot be imported."""
    import importlib.metadata
    import importlib.util

    if importlib.util.find_spec(name) is None:
        return None
    return importlib.metadata.version(name)


def _machine() -> dict[str, Any]:
    """Python, system, cores and memory."""
    import os
    import platform

    from wareloom.core.run import physical_cores

    known = hasattr(os, "sysconf")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30 if known else None
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": physical_cores(),
        "memory_gib": memory,
    }


def _summary(found: dict[str, Any], missing: Sequence[Job], broken: Sequence[str]) -> Summary:
    """The machine, what can be done, and a line for each job that lacks something."""
    machine = found["machine"]
    memory = machine["memory_gib"]
    told = Summary(f"wareloom {found['wareloom']} on Python {machine['python']}", most=24)
    told.fact("system", machine["system"])
    told.fact("cores", machine["cores"]).fact("memory", f"{memory:.1f} GiB" if memory else "")
    told.fact("there", ", ".join(name for name, job in found["jobs"].items() if job["there"]))
    rows = [(one.name, one.what, one.command, f"{one.mebibytes:,} MiB") for one in missing]
    told.table(("missing for", "which is", "install", "adds"), rows, "job")
    if broken:
        told.warn(f"Nothing works without {', '.join(broken)}: pip install wareloom")
    return told
