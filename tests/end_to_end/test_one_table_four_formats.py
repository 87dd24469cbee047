"""A shop that is written in any of the forms that are read is read as what it is, or is refused with a sentence."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from wareloom.errors import WareloomError
from wareloom.readers import read
from written import Source, sources

EXAMPLES = int(os.environ.get("WARELOOM_EXAMPLES", "60"))
"""How many shops are written and read."""


def rows_of(table: pl.DataFrame, like: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table by the columns of `like`; a column that is not there says nothing."""
    found = table.to_dicts()
    for row in found:
        row |= {one["name"]: one["value"] for one in row.get("attributes") or []}
    return [{c: row.get(c) for c in like[0]} for row in found]


def differences(found: list[dict[str, Any]], meant: list[dict[str, Any]]) -> list[str]:
    """Where rows are not what was meant; of numbers the last bit may differ."""
    told = [] if len(found) == len(meant) else [f"{len(found)} rows, not {len(meant)}"]
    for number, (here, there) in enumerate(zip(found, meant, strict=False)):
        for column, value in there.items():
            wanted = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            if here[column] != wanted:
                told.append(f"row {number}, {column}: {here[column]!r}, not {value!r}")
    return told


def outcome(source: Source, folder: Path) -> str:
    """Read the source, and hold what came to what was meant; returns the words of a refusal."""
    for file in source.files:
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / file.name).write_bytes(file.body)
    told = dict(source.settings)
    if source.map:
        (folder / "map.toml").write_text(source.map, encoding="utf-8")
        told["map"] = str(folder / "map.toml")
    try:
        shop = read(folder / "in", to=folder / "out", on_error=source.on_error, settings=told)
    except WareloomError as error:
        return str(error)
    told = differences(rows_of(shop.table("items"), source.items), source.items)
    told += differences(rows_of(shop.table("events"), source.events), source.events)
    assert not told, "; ".join(told)
    return ""


def judged(source: Source) -> str:
    """Read the source, and check that it came as it was meant, or was refused where that is right."""
    folder = Path(tempfile.mkdtemp())
    try:
        said = outcome(source, folder)
    finally:
        shutil.rmtree(folder)
    assert said or not source.must, f"nobody could know: {source.must}"
    reasons = [*source.must, *source.may]
    assert not said or any(re.search(words, said) for words in reasons), f"refused: {said}"
    return said


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(source=sources())
def test_what_is_written_in_any_form_is_read_as_it_was_meant(source: Source) -> None:
    judged(source)
