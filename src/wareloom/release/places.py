"""Where what is measured on real users is written."""

from __future__ import annotations

from pathlib import Path

from wareloom.core.files import landing


def inside_of(to: str | Path) -> Path:
    """The file of what was measured on real users: beside what leaves, never in it."""
    place = landing(to)
    return place.with_name(f"{place.name}.inside.json")
