"""How a shop lies on disk: Parquet tables, and one `shop.json` that says what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from wareloom.core.state import write_json
from wareloom.shop import schema

ROW_GROUP = 250_000
"""Rows of a row group of Parquet"""


def write_head(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write `shop.json` for the Parquet tables that lie in `folder`."""
    names = [name for name in schema.TABLES if (folder / f"{name}.parquet").exists()]
    rows = {
        name: int(pl.scan_parquet(folder / f"{name}.parquet").select(pl.len()).collect().item())
        for name in names
    }
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode())
        with (folder / f"{name}.parquet").open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    head = {
        "version": schema.VERSION,
        "meta": dict(meta),
        "tables": names,
        "rows": rows,
        "fingerprint": digest.hexdigest(),
    }
    write_json(folder / "shop.json", head)
