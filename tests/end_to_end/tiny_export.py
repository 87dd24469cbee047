"""A tiny export of a shop, and the command line called as a person would."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl

from conftest import small_shop
from wareloom.cli import main


def write_export(folder: Path, users: int = 60) -> Path:
    """Write products.csv and events.csv of the ring, with times rounded to the day, so that some tie."""
    folder.mkdir(parents=True, exist_ok=True)
    shop = small_shop(users=users)
    events, items = (shop.table(name).drop("origin", "weight") for name in ("events", "items"))
    moved = pl.col("time").dt.truncate("1d") + pl.duration(days=19_000, hours=9)
    events.with_columns(time=moved).write_csv(folder / "events.csv")
    items.with_columns(pl.col("category").list.join(" > ")).write_csv(folder / "products.csv")
    return folder


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: Any
    out: str
    err: str


def wareloom(*words: object) -> Said:
    """Call the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    argv = mock.patch.object(sys, "argv", ["wareloom", *map(str, words)])
    code: Any = 0
    with argv, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return Said(code, out.getvalue(), err.getvalue())
