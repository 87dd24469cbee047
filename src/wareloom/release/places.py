"""Where what is measured on real users is written, and where a key may not lie."""

from __future__ import annotations

from pathlib import Path

from wareloom.core.files import landing
from wareloom.errors import InputError


def inside_of(to: str | Path) -> Path:
    """The file of what was measured on real users: beside what leaves, never in it."""
    place = landing(to)
    return place.with_name(f"{place.name}.inside.json")


def check_key(path: Path, *folders: Path) -> None:
    """Raise `InputError` where a key lies in one of some folders: who passes the folder on passes the key on."""
    place = path.resolve()
    for folder in folders:
        if folder.resolve() in place.parents:
            raise InputError(
                f"The key {path} lies in {folder}: keep it in another place. A folder that is passed on takes it along."
            )
