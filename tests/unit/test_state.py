"""What was learned goes to a folder and comes back the same, and nothing is ever pickled."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from scipy import sparse

from wareloom.core.state import load_state, read_json, save_state, write_json
from wareloom.errors import SourceError

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NUMBERS = scalar_dtypes().filter(lambda dtype: dtype.kind in "biuf")


@settings(deadline=None, max_examples=50)
@given(array=arrays(NUMBERS, array_shapes(min_dims=0, max_dims=3, min_side=0)), plain=PLAIN)
def test_arrays_and_plain_values_come_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, plain: Any
) -> None:
    folder = tmp_path_factory.mktemp("state")
    save_state(folder, {"array_": array, "plain_": plain})
    found = load_state(folder)
    assert found["array_"].dtype == array.dtype
    np.testing.assert_array_equal(found["array_"], array)
    assert found["plain_"] == plain


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_sparse_matrices_come_back(kind: str, dtype: Any, tmp_path: Path) -> None:
    whole = sparse.random(20, 7, 0.2, format=kind, random_state=0) * 10
    matrix = whole.astype(dtype)
    save_state(tmp_path, {"matrix_": matrix, "none_": sparse.csr_matrix((3, 4), dtype=dtype)})
    found = load_state(tmp_path)
    assert found["matrix_"].dtype == dtype
    np.testing.assert_array_equal(found["matrix_"].toarray(), matrix.toarray())
    assert found["none_"].shape == (3, 4)


def test_tables_and_series_come_back(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "name": ["ä", None, "商品"],
            "time": [datetime(2024, 1, 1), None, datetime(2024, 1, 2, 3, 4, 5, 6)],
            "path": [["a", "b"], [], None],
        }
    )
    save_state(
        tmp_path,
        {"table_": table, "series_": table["name"].rename("other"), "empty_": table.clear()},
    )
    found = load_state(tmp_path)
    assert found["table_"].equals(table)
    assert found["table_"].schema == table.schema
    assert found["series_"].to_list() == table["name"].to_list()
    assert found["empty_"].schema == table.schema


def test_the_same_state_is_the_same_bytes(tmp_path: Path) -> None:
    state = {
        "a_": np.arange(5),
        "b_": {"y": 1, "x": [2.5]},
        "c_": sparse.eye_array(3),
        "d_": pl.Series([1, 2]),
    }
    for name, items in (("one", state.items()), ("two", reversed(state.items()))):
        save_state(tmp_path / name, dict(items))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["arrays.npz", "d_.parquet", "state.json"]
    assert (tmp_path / "one" / "state.json").read_bytes() == (
        tmp_path / "two" / "state.json"
    ).read_bytes()
    save_state(tmp_path / "three", state)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "three" / file).read_bytes()


def test_objects_are_refused_rather_than_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        save_state(tmp_path / "a", {"array_": np.array([{}], dtype=object)})
    with pytest.raises(TypeError, match="set cannot be written as JSON"):
        save_state(tmp_path / "b", {"plain_": {1, 2}})
    with pytest.raises(ValueError, match="Out of range float"):
        save_state(tmp_path / "c", {"plain_": float("nan")})


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path, {"a_": 1})
    head = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps(head | {"version": head["version"] + 1}))
    with pytest.raises(
        SourceError, match=r"written by a newer Wareloom \(state version 2\): upgrade to read it"
    ):
        load_state(tmp_path)


def test_json_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.json is not there"):
        read_json(tmp_path / "nothing.json")
    for text in (b'{"a": [1, 2', b"\xff\xfe"):
        (tmp_path / "broken.json").write_bytes(text)
        with pytest.raises(
            SourceError, match=r"broken\.json is not valid JSON.*Was its writing cut short"
        ):
            read_json(tmp_path / "broken.json")


def test_json_knows_numpy_paths_and_dates(tmp_path: Path) -> None:
    value = {
        "n": np.int64(3),
        "x": np.float32(0.5),
        "p": Path("a") / "b",
        "t": datetime(2024, 1, 2),
        "name": "Müller",
    }
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == {
        "n": 3,
        "x": 0.5,
        "p": "a/b",
        "t": "2024-01-02T00:00:00",
        "name": "Müller",
    }
    assert "Müller".encode() in (tmp_path / "v.json").read_bytes()
