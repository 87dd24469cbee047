"""The table of labels that lies beside photos: which class each shows."""

from __future__ import annotations

import io
from collections.abc import Mapping

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake
from wareloom.readers._encodings import remedy
from wareloom.readers._pictures import plain

NAMES = {
    "image": (
        "image",
        "file",
        "filename",
        "file_name",
        "path",
        "image_id",
        "picture",
        "photo",
        "id",
        "文件名",
        "文件",
        "图片",
        "照片",
    ),
    "class": ("label", "class", "category", "kind", "类别", "分类", "类目", "标签"),
    "split": ("split", "set", "part", "fold", "集合"),
    "item": (
        "item_id",
        "item",
        "product_id",
        "product",
        "sku",
        "商品id",
        "商品编号",
        "商品",
        "货号",
    ),
}
"""What the columns of a table of labels may be called"""
SPLITS = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
SPLITS |= {"validation": "validation", "dev": "validation", "test": "test", "testing": "test"}
"""Names of folders that hold a part, and what it is called here"""


def labels_of(others: Mapping[str, bytes], encoding: str, intake: Intake) -> pl.DataFrame:
    """The table of labels: image, class, split, item and the rest, cells as text; raises `SourceError`."""
    name, data = next(iter(sorted(others.items(), key=lambda pair: pair[0].count("/"))))
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        raise SourceError(
            f"{name}: there is no encoding {encoding!r}; take utf-8 or gb18030."
        ) from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{name} is not {encoding.upper()}. {remedy(data)}") from error
    # A semicolon or tab is what parts a header that has more of it than of commas.
    head = text.partition("\n")[0]
    separator = max((",", ";", "\t"), key=head.count)
    try:
        frame = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False, separator=separator)
    except pl.exceptions.PolarsError as error:
        raise SourceError(
            f"{name} is no table of labels ({str(error).splitlines()[0]}): give columns image and label, with commas."
        ) from error
    intake.files[name] = len(data)
    low = {column.strip().lower(): column for column in frame.columns}
    chosen: dict[str, str] = {}
    for what, known in NAMES.items():
        found = next((low[k] for k in known if k in low and low[k] not in chosen.values()), None)
        if found is not None:
            chosen[what] = found
    for what in ("image", "class"):
        if what not in chosen:
            raise SourceError(
                f"{name} has no column for the {what}; it has {', '.join(frame.columns)}. Call one "
                f"{' or '.join(NAMES[what][:3])}."
            )
    intake.columns[name] = {c: f"images.{w}" for w, c in chosen.items()}
    rest = [c for c in frame.columns if c not in chosen.values()]
    cells = [pl.col(c).str.strip_chars().replace("", None).alias(w) for w, c in chosen.items()]
    made = frame.with_row_index("row", offset=2).select("row", *cells, *rest)
    made = made.with_columns(pl.col("image").map_elements(plain, return_dtype=pl.String))
    if "split" in made.columns:
        low_split = pl.col("split").str.to_lowercase()
        made = made.with_columns(low_split.replace(SPLITS).alias("split"))
    return made.with_columns(file=pl.lit(name))
