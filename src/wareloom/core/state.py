"""What was learned, to and from a folder: JSON for plain values, npz for arrays, Parquet for tables. Never pickle."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from wareloom.core.files import beside
from wareloom.core.parse import read_json
from wareloom.errors import SourceError

__all__ = [
    "SCHEMA_VERSION",
    "flattened",
    "json_text",
    "load_state",
    "read_json",
    "save_state",
    "unflattened",
    "write_json",
    "write_whole",
]

SCHEMA_VERSION = 1
KINDS = ("array", "sparse", "table", "series", "tensors", "plain")


def json_text(value: object) -> str:
    """Lay `value` out as JSON with sorted keys and a last newline, the same text for the same value."""
    text = json.dumps(
        value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain
    )
    return text + "\n"


def write_json(path: Path, value: object) -> None:
    """Write `value` as UTF-8 JSON, the same bytes for the same value."""
    path.write_text(json_text(value), encoding="utf-8")


def write_whole(path: Path, value: object) -> None:
    """Write `value` as JSON beside `path`, and then give it the name: no half of it is ever there."""
    with beside(path) as partial:
        write_json(partial, value)


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
    """Read what `save_state` wrote; raises `SourceError` that names the file for what is damaged or leads elsewhere."""
    from scipy import sparse

    place = folder / "state.json"
    head = read_json(place)
    kinds, plain = _checked(place, head)
    state: dict[str, Any] = {}
    with _naming(folder / "arrays.npz"):
        arrays = _arrays(folder / "arrays.npz")
        for name, kind in kinds.items():
            if kind == "array":
                state[name] = arrays[name]
            elif kind == "sparse":
                parts = (arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
                shape = tuple(arrays[f"{name}.shape"])
                state[name] = sparse.csr_matrix(tuple(parts), shape=shape)
                state[name].check_format()
    for name, kind in kinds.items():
        if kind in ("table", "series", "tensors"):
            state[name] = _read(folder, name, kind)
        elif kind == "plain":
            state[name] = plain[name]
    return {name: state[name] for name in kinds}


def learned(name: object) -> bool:
    """Whether a name is one of what was learned: an identifier that ends in an underscore and begins with none."""
    return isinstance(name, str) and name.isidentifier() and name[0] != "_" and name[-1] == "_"


def inside(folder: Path, name: str) -> Path:
    """Return the file of a name in a folder; raises `SourceError` where it is a link, or leads out of the folder."""
    path = folder / name
    if Path(name).name != name or name in ("", ".", "..") or path.is_symlink():
        raise SourceError(
            f"{folder} names {name!r}, which is a link or lies outside of it: it was tampered with, make it anew."
        )
    return path


def _checked(place: Path, head: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """The kinds and the plain values that a `state.json` tells of."""
    if not isinstance(head, dict) or not isinstance(head.get("version"), int):
        raise SourceError(f"{place} does not say what was learned: make it anew.")
    if head["version"] > SCHEMA_VERSION:
        raise SourceError(
            f"{place.parent} was written by a newer Wareloom (state version {head['version']}): upgrade to read it."
        )
    kinds, plain = head.get("kinds"), head.get("plain")
    if not isinstance(kinds, dict) or not isinstance(plain, dict):
        raise SourceError(f"{place} does not say what was learned: make it anew.")
    for name, kind in kinds.items():
        if not learned(name):
            raise SourceError(
                f"{place} names {name!r}, and what was learned has a name such as 'items_': it was tampered with."
            )
        if kind not in KINDS or (kind == "plain" and name not in plain):
            raise SourceError(f"{place} tells of {name!r} wrongly (kind {kind!r}): make it anew.")
    return kinds, plain


def _read(folder: Path, name: str, kind: str) -> Any:
    """A table, a series or tensors, from the file of its name."""
    import polars as pl

    path = inside(folder, f"{name}.{'safetensors' if kind == 'tensors' else 'parquet'}")
    if not path.is_file():
        raise SourceError(f"{path} is not there: copy the folder again, whole.")
    with _naming(path):
        if kind == "tensors":
            from safetensors.numpy import load_file

            return load_file(path)
        # A name is a name here, and no pattern.
        frame = pl.read_parquet(path, glob=False)
        return frame if kind == "table" else frame.to_series()


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file it is of where a library cannot read it."""
    import polars as pl

    kinds: tuple[type[Exception], ...] = (
        pl.exceptions.PolarsError,
        zipfile.BadZipFile,
        zlib.error,
        *_of_tensors(),
    )
    try:
        yield
    except kinds as error:
        raise _damaged(path, error) from error
    except (OSError, ValueError, KeyError, EOFError, IndexError) as error:
        if isinstance(error, SourceError):
            raise
        raise _damaged(path, error) from error


def _of_tensors() -> tuple[type[Exception], ...]:
    """What safetensors raises, where it is installed."""
    if "safetensors" not in sys.modules and importlib.util.find_spec("safetensors") is None:
        return ()
    from safetensors import SafetensorError

    return (SafetensorError,)


def _damaged(path: Path, error: Exception) -> SourceError:
    said = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    why = said.strip().splitlines() or [type(error).__name__]
    return SourceError(
        f"{path} is damaged: {why[0].rstrip('.')}. Copy the folder again whole, or make it anew."
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, none where there is no such file."""
    if not inside(path.parent, path.name).exists():
        return {}
    # By its open file: of a damaged one numpy would leave its own open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
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
