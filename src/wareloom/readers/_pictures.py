"""A folder of pictures as the table images."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
AT_ONCE = 64 << 20
"""Bytes of pictures that are held at once"""


def pictures(folder: str, intake: Intake) -> pl.LazyFrame:
    """Read the pictures of a folder: `ID.jpg`, or `ID/any name.jpg` where a product has several.

    The ids are as they are written, the order that of the names. Raises `SourceError` where there is no picture, or one
    that cannot be read.
    """
    root = Path(folder)
    files = sorted(
        path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()
    )
    if not files:
        raise SourceError(
            f"images={folder}: there is no picture ({', '.join(ENDINGS)}); name a folder that has some."
        )
    parts: list[Path] = []
    ids, data, size = list[str](), list[bytes](), 0
    for path in files:
        try:
            data.append(path.read_bytes())
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
        ids.append(path.stem if path.parent == root else path.relative_to(root).parts[0])
        size += len(data[-1])
        if size >= AT_ONCE or path == files[-1]:
            parts.append(intake.folder / f"pictures-{len(parts)}.parquet")
            pl.DataFrame({"item_id": ids, "image": data}).write_parquet(parts[-1])
            ids, data, size = [], [], 0
    intake.files[root.name] = sum(path.stat().st_size for path in files)
    return pl.scan_parquet(parts, glob=False)
