"""What the log knows and the source's own tables do not: its items, and users that no table of users has."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from wareloom.preparing.amounts import Marks
from wareloom.preparing.cell_forms import Given, number_form
from wareloom.preparing.identity import meet
from wareloom.preparing.staged import FILE, ITEM, UNIT_PRICE, Admitted, guarded, sink
from wareloom.preparing.values import EMPTY, Form, cell
from wareloom.shop import schema
from wareloom.shop.schema import TABLES


def derive_items(folder: Path, told: Admitted, log: pl.LazyFrame | None, given: Given) -> None:
    """Make the table of items from the log, where the source brought none, with what the log says of them."""
    path = folder / "items.parquet"
    if path.exists():
        return
    with guarded("the log"):
        items = _ids(folder, ("events", "judgments", "dialogues", "images"), "item_id")
        told.derived["items"] = len(items)
        if log is not None and (about := _described(log, told, given)) is not None:
            items = items.join(about, on="item_id", how="left", maintain_order="left")
        sink(schema.conform("items", items.lazy()), path)


def _described(log: pl.LazyFrame, told: Admitted, given: Given) -> pl.DataFrame | None:
    """What the log says of its items: the first cell of each column that is not empty, and the first price above 0."""
    found, rules = log.collect_schema(), TABLES["items"].columns
    columns = [c for c in rules if ITEM + c in found]
    if not columns:
        return None
    if FILE not in found:
        log = log.with_columns(pl.lit("events").alias(FILE))
    marks = _price_form(log, told, given) if "price" in columns else None
    log = log.select("item_id", FILE, *(pl.col(ITEM + c).alias(c) for c in columns))
    cells = [cell("item_id", rules["item_id"], found["item_id"]).value.alias("item_id")]
    for column in columns:
        dtype = found[ITEM + column]
        value = pl.col(column)
        if column == "price":
            value = cell(column, rules[column], dtype, marks).value
            value = pl.when((value > 0) & value.is_finite()).then(value)
        elif dtype == pl.String:
            value = pl.when(~value.str.strip_chars().is_in(EMPTY)).then(value)
        cells.append(value.alias(column))
    first = (
        log.select(cells)
        .drop_nulls("item_id")
        .group_by("item_id")
        .agg(pl.all().first(ignore_nulls=True))
    )
    about = first.collect(engine="streaming")
    return about.select(
        "item_id", *(cell(c, rules[c], about.schema[c]).value.alias(c) for c in columns)
    )


def _price_form(log: pl.LazyFrame, told: Admitted, given: Given) -> Form:
    """How the log writes the prices of its items: as the values made of them, where there are such."""
    form = told.forms.get("events.value")
    found = log.collect_schema()
    if found[ITEM + "price"] != pl.String:
        return None
    if UNIT_PRICE in found and isinstance(form, Marks):
        return form
    made = number_form(
        log, ITEM + "price", "The price of items in the log", money=True, given=given
    )
    return made if not made.plain or made.known else Marks(plain=False)


def complete_users(folder: Path, told: Admitted) -> None:
    """Append to the table of users those whom only the log knows, so that every user id points somewhere."""
    path = folder / "users.parquet"
    if not path.exists():
        return
    with guarded("the log"):
        ids = _ids(folder, ("events", "searches"), "user_id")
        users = pl.read_parquet(path, glob=False)
        lost = ids.join(users.select("user_id"), on="user_id", how="anti")["user_id"].sort()
        if len(lost) and (edit := meet("the log", "user_id", lost, users, told)) is not None:
            _renamed(folder, edit)
            ids = _ids(folder, ("events", "searches"), "user_id")
        new = ids.join(users.select("user_id"), on="user_id", how="anti").sort("user_id")
        if len(new):
            told.derived["users"] = len(new)
            both = pl.concat([users, schema.conform("users", new.lazy()).collect()], how="diagonal")
            sink(both.lazy(), path)


def _renamed(folder: Path, edit: pl.Expr) -> None:
    """Write the users of the log anew, as the table of users has them."""
    for name in ("events", "searches"):
        path = folder / f"{name}.parquet"
        if path.exists() and "user_id" in pl.scan_parquet(path, glob=False).collect_schema():
            beside = path.with_suffix(".renamed")
            sink(pl.scan_parquet(path, glob=False).with_columns(edit), beside)
            beside.replace(path)


def _ids(folder: Path, tables: tuple[str, ...], column: str) -> pl.DataFrame:
    """Distinct values of a column over some tables, sorted."""
    frames = []
    for name in tables:
        if (folder / f"{name}.parquet").exists():
            scan = pl.scan_parquet(folder / f"{name}.parquet", glob=False)
            if column in scan.collect_schema():
                frames.append(scan.select(column).drop_nulls().unique())
    if not frames:
        return pl.DataFrame({column: []}, schema={column: pl.String})
    return pl.concat(frames).unique().sort(column).collect()
