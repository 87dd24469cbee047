"""Maps that cannot be meant, or take nothing: one sentence that names the entry, the value and the remedy."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.errors import InputError, SchemaError, SettingError, SourceError
from wareloom.readers import read
from wareloom.readers._map import KEYS, load

FILE = 'file = "orders.csv"\ntable = "events"\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "orders.csv").write_text(
        'user_id,sku,date,price,more\nu,a,2024-01-01,1.5,"{""x"": [{""y"": 1}]}"\nv,b,2024-01-02,2,\n'
    )
    (folder / "items.jsonl").write_text(
        '{"item_id":"a","title":"A"}\n{"item_id":"b","title":"B"}\n'
    )
    return folder


def mapped(source: Path, text: str) -> Any:
    (source.parent / "map.toml").write_text(text)
    return read(source, to=source.parent / "shop", settings={"map": f"{source.parent}/map.toml"})


WRONG = [
    ('file = "orders.csv"\ntable = ["events"]', "number 1: table is \\['events'\\]"),
    ('file = "orders.csv"\ntable = "event"', "no table 'event'. Did you mean 'events'"),
    ('file = 5\ntable = "events"', "file is 5, and should be text"),
    ('file = "../orders.csv"\ntable = "events"', "no file is called '../orders.csv'"),
    (FILE + "colums = {}", "'colums' is not known. Did you mean 'columns'"),
    (FILE + "columns = { item_id = 5 }", "columns: item_id is 5, and should be text"),
    (FILE + "columns = { item_id = { a = 1 } }", "columns: item_id is {'a': 1}"),
    (FILE + 'columns = { item_id = "" }', "columns: item_id is ''"),
    (FILE + "columns = { context = [1] }", "columns: context is 1"),
    (FILE + 'columns = { item_id = ["sku", "price"] }', "takes the name of one column"),
    (FILE + 'constants = { event = "bought" }', "constants, event: 'bought' is not known"),
    (FILE + "constants = { value = nan }", "constants: value is nan"),
    (FILE + "constants = { value = [1] }", "constants: value is \\[1\\]"),
    (
        FILE + 'columns = { value = "price" }\nconstants = { value = 3 }',
        "value is the column 'price' and the constant '3'; take one out",
    ),
    (FILE + "events = { a = 1 }", "events: a is 1"),
    (FILE + "each = 5", "each is 5"),
    (
        FILE + 'each = "price"',
        "orders.csv has no list 'price', which the map names as each. It has",
    ),
    (FILE + 'each = "more.q"', "orders.csv has no list 'more.q'"),
    (FILE + 'columns = { item_id = "more..y" }', "lacks the column 'more..y'"),
    (FILE + 'keep = { sku = ["zzz"] }', "leave none of its rows: 'sku' has 'a', 'b'"),
    (FILE + 'drop = { sku = ["a", "b"] }', "leave none of its rows: 'sku' has 'a', 'b'"),
    (FILE + "keep = { sku = [] }", "keep: sku is \\[\\]"),
    (FILE + "keep = { sku = { a = 1 } }", "keep: sku is {'a': 1}"),
    (FILE + 'time_format = "xyz"', "time_format='xyz' says no year"),
    (FILE + 'time_format = "%d.%m.%Y"', "'2024-01-01' is not a time in the form %d.%m.%Y"),
    (FILE + 'separator = "\\n"', "separator='\\\\n' has to be one plain character"),
    (FILE + 'query = "select 1"', "file says how a file is written, and this entry has a query"),
    ('query = "select 1"\ntable = "events"', "a query is for a database; name a file here"),
    (FILE + "[[table]]\n" + FILE, "number 2 says the same as number 1"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_a_map_cannot_mean(source: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        mapped(source, f"[[table]]\n{text}\n")
    assert "\n" not in str(caught.value)
    assert not (source.parent / "shop").exists()


def test_a_map_that_is_no_file(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read(source, to=tmp_path / "shop", settings={"map": str(source)})


def test_one_file_is_events_and_users(source: Path) -> None:
    more = '[[table]]\nfile = "orders.csv"\ntable = "users"\n'
    shop = mapped(source, f"[[table]]\n{FILE}{more}")
    assert shop.table("events")["value"].to_list() == [1.5, 2.0]
    assert shop.table("users")["user_id"].to_list() == ["u", "v"]


def test_tabs_may_be_said_in_words(source: Path) -> None:
    (source / "orders.csv").write_text("who\tsku\nu\ta, b\n")
    (source / "items.jsonl").unlink()
    text = f'[[table]]\n{FILE}separator = "tab"\ncolumns = {{ user_id = "who" }}\n'
    assert mapped(source, text).table("events")["item_id"].to_list() == ["a, b"]


DAYS = {
    "day1.jsonl": [{"user": "u", "kind": "order", "lines": [{"sku": "a"}, {"sku": "b"}]}],
    "day2.jsonl": [{"user": "u", "kind": "visit"}],
    "day3.jsonl": [{"user": "v", "kind": "visit", "lines": [{"sku": "b"}]}],
}


def test_a_day_without_what_is_kept_is_no_fault(source: Path) -> None:
    for path in source.iterdir():
        path.unlink()
    for name, rows in DAYS.items():
        (source / name).write_text("\n".join(map(json.dumps, rows)))
    text = (
        '[[table]]\nfile = "day*"\ntable = "events"\neach = "lines"\nkeep = { kind = ["order"] }\n'
        'columns = { user_id = "user", item_id = "lines.sku" }\n'
    )
    assert mapped(source, text).table("events")["item_id"].to_list() == ["a", "b"]
    said = json.loads((source.parent / "shop" / "read.json").read_text())["said"]
    assert any("day2.jsonl has no list 'lines'" in words for words in said)
    assert any("day3.jsonl: keep and drop" in words for words in said)
    with pytest.raises(SchemaError, match=r"day1\.jsonl: keep and drop"):
        mapped(source, text.replace("order", "orders"))


NAMES = st.sampled_from(["event", "value", "sku"])
VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["sku", "events"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*KEYS, "tabel"]), VALUES, max_size=4))
def test_any_map_is_taken_or_refused_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, raw: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(tomli_w.dumps({"table": [{"table": "events"} | raw]}))
    with contextlib.suppress(SettingError):
        load(str(path))
