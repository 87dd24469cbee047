"""What is nested is reached by a map wherever it stands: in JSON, in Parquet, in cells of text, in a database."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.errors import SchemaError
from wareloom.readers import read

ORDERS: list[dict[str, Any]] = [
    {
        "who": {"ids": ["x", "u1"], "name": 'A "quoted" name, with a comma'},
        "at": "2024-03-01T10:00:00Z",
        "cart": {"no": "o1", "lines": [{"sku": "M", "n": 2}, {"sku": "007", "n": None}]},
    },
    {"who": {"ids": ["x", "u2"]}, "at": "2024-03-02T10:00:00Z", "cart": {"no": "o2", "lines": []}},
    {
        "who": {"ids": ["x", "u3"]},
        "at": "2024-03-03T10:00:00Z",
        "cart": {"no": "o3", "lines": [{"sku": "C", "n": 1}]},
    },
]
MAP = """
[[table]]
FILE
table = "events"
each = "cart.lines"
keep = { "cart.no" = ["o1", "o2", "o3"] }
[table.columns]
user_id = "who.ids.1"
session_id = "cart.no"
time = "at"
item_id = "cart.lines.sku"
quantity = "cart.lines.n"
"""
EVENTS = [
    ("u1", "o1", "M", 2.0),
    ("u1", "o1", "007", None),
    ("u3", "o3", "C", 1.0),
]


def written(folder: Path, kind: str) -> tuple[str, str]:
    """The orders in one form; returns the source, and how the map names it."""
    path = folder / f"orders.{kind.partition(' ')[0]}"
    rows = [{k: json.dumps(v) if isinstance(v, dict) else v for k, v in o.items()} for o in ORDERS]
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, ORDERS)))
    elif kind == "parquet":
        pl.DataFrame(ORDERS).write_parquet(path)
    elif kind == "parquet of text":
        pl.DataFrame(rows).write_parquet(path)
    elif kind == "parquet of half text":
        # The cart is a record, and its lines are text.
        half = [o | {"cart": o["cart"] | {"lines": json.dumps(o["cart"]["lines"])}} for o in ORDERS]
        pl.DataFrame(half).write_parquet(path)
    elif kind == "csv of python":
        pl.DataFrame([{k: str(v) for k, v in o.items()} for o in ORDERS]).write_csv(path)
    elif kind == "tsv":
        # As databases dump it: quote signs mean nothing.
        lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    elif kind == "sqlite":
        connection = sqlite3.connect(path)
        connection.execute("create table orders (who text, at text, cart text)")
        connection.executemany("insert into orders values (:who, :at, :cart)", rows)
        connection.commit()
        connection.close()
        return f"sqlite:///{path}", 'query = "orders"'
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return str(path), f'file = "{path.name}"'


KINDS = [
    "jsonl", "parquet", "parquet of text", "parquet of half text", "csv", "csv of python", "tsv", "sqlite",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_paths_lead_into_every_form(tmp_path: Path, kind: str) -> None:
    source, named = written(tmp_path, kind)
    (tmp_path / "map.toml").write_text(MAP.replace("FILE", named))
    shop = read(source, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    events = shop.table("events")
    assert events.select("user_id", "session_id", "item_id", "quantity").rows() == EVENTS
    assert [t.day for t in events["time"]] == [1, 1, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_no_row_has_is_refused(tmp_path: Path, kind: str) -> None:
    source, named = written(tmp_path, kind)
    (tmp_path / "map.toml").write_text(MAP.replace("FILE", named).replace("lines.sku", "lines.id"))
    with pytest.raises(SchemaError, match=r"lacks the column 'cart\.lines\.id'"):
        read(source, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})


@pytest.mark.parametrize("kind", ["jsonl", "parquet of text", "csv"])
def test_two_tables_of_one_file_each_with_its_own_list(tmp_path: Path, kind: str) -> None:
    rows = [
        {"user": "u1", "asked": "mug", "basket": [{"sku": "M"}, {"sku": "C"}], "shown": ["M"]},
        {"user": "u2", "asked": "tea", "basket": [{"sku": "C"}], "shown": ["C", "M"]},
    ]
    path = tmp_path / f"log.{kind.partition(' ')[0]}"
    flat = [{k: json.dumps(v) if isinstance(v, list) else v for k, v in r.items()} for r in rows]
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif kind == "csv":
        pl.DataFrame(flat).write_csv(path)
    else:
        pl.DataFrame(flat).write_parquet(path)
    parts = (
        'each = "basket"\ncolumns = { user_id = "user", item_id = "basket.sku" }',
        'each = "shown"\ncolumns = { user_id = "user", item_id = "shown" }\n'
        'constants = { event = "view_item_list" }',
    )
    text = "".join(f'[[table]]\nfile = "{path.name}"\ntable = "events"\n{p}\n' for p in parts)
    text += f'[[table]]\nfile = "{path.name}"\ntable = "searches"\n'
    text += 'columns = { query = "asked", user_id = "user" }\n'
    (tmp_path / "map.toml").write_text(text)
    shop = read(path, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    assert shop.table("events").select("user_id", "item_id", "event").rows() == [
        ("u1", "M", "purchase"),
        ("u1", "C", "purchase"),
        ("u2", "C", "purchase"),
        ("u1", "M", "view_item_list"),
        ("u2", "C", "view_item_list"),
        ("u2", "M", "view_item_list"),
    ]
    assert shop.table("searches")["query"].to_list() == ["mug", "tea"]
