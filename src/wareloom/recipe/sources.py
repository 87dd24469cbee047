"""What the stage `read` reads, by the bytes of its files: a copy counts as the same, an edit as another."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from wareloom.core.files import PATHS
from wareloom.core.parse import read_json
from wareloom.core.state import write_whole
from wareloom.core.whole import digest
from wareloom.errors import SourceError
from wareloom.recipe.steps import ReadStep


def digests_of(step: ReadStep, memo: Path | None = None) -> list[tuple[str, str]]:
    """Name and SHA-256 of every file that a step reads: of its source, and of files that its settings name.

    The file `memo` keeps the digests. That of a file whose size, times of change and place on the disk stand is taken
    from there, all others are read; without it, all are. What is no file, such as a database behind an address, says
    nothing.
    """
    known = {} if memo is None else _known(memo)
    found, kept = list[tuple[str, str]](), dict[str, Any]()
    for path, name in _files(step):
        status = path.stat()
        # The second time is the system's own: whoever sets the first one back changes it.
        seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        place = str(path.resolve())
        held = known.get(place)
        own = held[1] if held is not None and held[0] == seen else digest(path)
        kept[place] = [seen, own]
        found.append((name, own))
    if memo is not None and kept != known:
        write_whole(memo, kept)
    return found


def _known(memo: Path) -> dict[str, Any]:
    """What was kept; nothing where there is nothing, or nothing that can be used."""
    with contextlib.suppress(SourceError):
        kept = read_json(memo)
        if isinstance(kept, dict) and all(
            isinstance(one, list) and len(one) == 2 and isinstance(one[1], str)
            for one in kept.values()
        ):
            return kept
    return {}


def _files(step: ReadStep) -> list[tuple[Path, str]]:
    """The files of a step, in order, each with its name below what was named."""
    named = [
        value
        for name, value in step.set.items()
        if isinstance(value, str) and value and (name in PATHS or os.sep in value)
    ]
    found = []
    for place in map(Path, [step.source, *named]):
        with contextlib.suppress(OSError, ValueError):
            if place.is_dir():
                inner = sorted(place.rglob("*"))
                found += [(p, p.relative_to(place).as_posix()) for p in inner if p.is_file()]
            elif place.is_file():
                found.append((place, place.name))
            elif "://" not in str(place):
                found += [(p, p.name) for p in sorted(place.parent.glob(place.name)) if p.is_file()]
    return found
