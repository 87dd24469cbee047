"""What was learned, to and from a folder: JSON for plain values, npz for arrays, Parquet for tables. Never pickle."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from wareloom.errors import SourceError

SCHEMA_VERSION = 1


def json_text(value: object) -> str:
    """Lay `value` out as JSON with sorted keys and a last newline, the same text for the same value."""
    text = json.dumps(
        value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain
    )
    return text + "\n"


def write_json(path: Path, value: object) -> None:
    """Write `value` as UTF-8 JSON, the same bytes for the same value."""
    path.write_text(json_text(value), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one raises `SourceError` that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path} is not there.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path} is not valid JSON: {error}. Was its writing cut short?"
        ) from error


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the values of `state` below `folder`, each in the format its type asks for.

    Arrays and sparse matrices go to `arrays.npz`, frames and series to `NAME.parquet`, dictionaries of arrays to
    `NAME.safetensors`, all else to `state.json`.
    """
    import polars as pl
    from scipy import sparse

    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            arrays[name], kinds[name] = value, "array"
        elif sparse.issparse(value):
            matrix = value.tocsr()
            arrays |= {
                f"{name}.data": matrix.data,
                f"{name}.indices": matrix.indices,
                f"{name}.indptr": matrix.indptr,
            }
            arrays[f"{name}.shape"], kinds[name] = np.asarray(matrix.shape), "sparse"
        elif isinstance(value, pl.DataFrame | pl.Series):
            frame = value.to_frame(name) if isinstance(value, pl.Series) else value
            frame.write_parquet(folder / f"{name}.parquet")
            kinds[name] = "series" if isinstance(value, pl.Series) else "table"
        elif (
            isinstance(value, dict)
            and value
            and all(isinstance(v, np.ndarray) for v in value.values())
        ):
            from safetensors.numpy import save_file

            save_file(value, folder / f"{name}.safetensors")
            kinds[name] = "tensors"
        else:
            plain[name], kinds[name] = value, "plain"
    if arrays:
        # Sorted, so that what was read back and is written again has the same bytes.
        np.savez(folder / "arrays.npz", allow_pickle=False, **dict(sorted(arrays.items())))
    write_json(folder / "state.json", {"version": SCHEMA_VERSION, "kinds": kinds, "plain": plain})


def load_state(folder: Path) -> dict[str, Any]:
    """Read what `save_state` wrote."""
    import polars as pl
    from scipy import sparse

    head = read_json(folder / "state.json")
    if head["version"] > SCHEMA_VERSION:
        raise SourceError(
            f"{folder} was written by a newer Wareloom (state version {head['version']}): upgrade to read it."
        )
    arrays = _arrays(folder / "arrays.npz")
    state: dict[str, Any] = {}
    for name, kind in head["kinds"].items():
        if kind == "array":
            state[name] = arrays[name]
        elif kind == "sparse":
            parts = (arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"])
            state[name] = sparse.csr_matrix(parts, shape=tuple(arrays[f"{name}.shape"]))
        elif kind in ("table", "series"):
            frame = pl.read_parquet(folder / f"{name}.parquet")
            state[name] = frame if kind == "table" else frame.to_series()
        elif kind == "tensors":
            from safetensors.numpy import load_file

            state[name] = load_file(folder / f"{name}.safetensors")
        else:
            state[name] = head["plain"][name]
    return state


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, none where there is no such file."""
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as held:
        return dict(held)


def _plain(value: object) -> object:
    """Turn numpy scalars, paths and dates into what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def flattened(name: str, value: Any) -> dict[str, np.ndarray]:
    """Lay a tuple of arrays and tuples out as attributes of what was learned, by names that begin with `name`."""
    if not isinstance(value, tuple):
        return {f"{name}_": value}
    parts = [flattened(f"{name}_{field}", part) for field, part in value._asdict().items()]  # type: ignore[attr-defined]
    return {key: array for part in parts for key, array in part.items()}


def unflattened(kind: Any, name: str, of: object) -> Any:
    """Put a tuple of type `kind` that `flattened` laid out together again from the attributes of an object."""
    if not issubclass(kind, tuple):
        return getattr(of, f"{name}_")
    return kind(*(unflattened(part, f"{name}_{field}", of) for field, part in _hints(kind).items()))


_hints = cache(get_type_hints)
