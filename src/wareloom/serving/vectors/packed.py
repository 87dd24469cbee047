"""Encoders laid out once for a machine as its processor wants them, in a file that all processes map.

ONNX Runtime packs the weights of products for the processor; each process would have a copy of its own. So publishing,
or the first process that opens an encoder, writes what was packed to a folder of the store's state, and all map it. The
form hangs on processor and library: its name says both, and a text whose vector was noted must be read alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from wareloom.core import logging
from wareloom.core.state import read_json, write_json
from wareloom.errors import needed

GRAPH, WEIGHTS, NOTE = "encoder.onnx", "encoder.bin", "note.json"
KEPT = 4
"""Encoders whose packed form stays: those that were opened last"""
SAME = 1e-6
"""What a number of the noted vector may differ by"""
ROOM = 1.5
"""Times the encoder's bytes that must be free for its packed form"""
WAIT = 30.0
"""Seconds that a process waits for another one that packs the same encoder"""
KNOWN = 7
"""The noted text: pieces of words 0 to 6, which every encoder has"""
log = logging.get(__name__)


class Packed(NamedTuple):
    """Where packed encoders are, and how the files of a version are known."""

    folder: Path
    digests: Mapping[str, str]
    """SHA-256 of a version's files, by their paths below it"""
    version: Path

    def place(self, encoder: Path) -> Path:
        """The folder for the encoder in a file of the version, on this machine."""
        of = self.digests[encoder.relative_to(self.version).as_posix()]
        told = f"{of} {version('onnxruntime')} {_processor()}"
        return self.folder / hashlib.sha256(told.encode()).hexdigest()[:16]


def packed_session(file: Path, place: Path) -> Any:
    """A session of an encoder on its packed form, made first where it is not there; None where there can be none.

    One process makes it, others wait.
    """
    made = None
    # For files that they cannot read or write the library raises what it likes; the plain session stays.
    with contextlib.suppress(Exception):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock"), timeout=WAIT):
            made = _opened(place)
            if made is None:
                shutil.rmtree(place, ignore_errors=True)
                _make(file, place)
                made = _opened(place)
                _tidy(place)
    if made is None:
        log.warning("%s is not packed for this machine: each process has its own copy.", file)
    return made


def plain_session(file: Path, options: Any = None) -> Any:
    """A session of an encoder in a file; raises what ONNX Runtime does."""
    runtime = needed("onnxruntime", "encode", "Reading queries")
    how = options or _options(runtime)
    return runtime.InferenceSession(str(file), how, providers=["CPUExecutionProvider"])


def vector_of(session: Any, pieces: Sequence[int]) -> np.ndarray:
    """The vector of a text cut into pieces, float32 [size]."""
    given = np.array([pieces], dtype=np.int64)
    asked = {"input_ids": given, "attention_mask": np.ones_like(given)}
    found: np.ndarray = session.run(None, asked)[0][0]
    return found


def _options(runtime: Any) -> Any:
    options = runtime.SessionOptions()
    # A process reads one query at a time; more threads would wait by spinning.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _make(file: Path, place: Path) -> None:
    need = ROOM * file.stat().st_size
    if shutil.disk_usage(place.parent).free < need:
        raise OSError(f"{place.parent} has no room for {need:.0f} bytes")
    partial = place.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        # In a process of its own: what packing leaves in memory would stay for as long as this one answers.
        words = [sys.executable, "-m", __name__, str(file), str(partial)]
        subprocess.run(words, check=True, timeout=WAIT, capture_output=True)
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def pack(file: Path, folder: Path) -> None:
    """Write the packed form of an encoder to a folder, and the vector by which it is known."""
    runtime = needed("onnxruntime", "encode", "Packing an encoder")
    how = _options(runtime)
    how.optimized_model_filepath = str(folder / GRAPH)
    for name, value in (
        ("session.optimized_model_external_initializers_file_name", WEIGHTS),
        ("session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
        ("session.save_external_prepacked_constant_initializers", "1"),
    ):
        how.add_session_config_entry(name, value)
    vector = vector_of(plain_session(file, how), range(KNOWN))
    sizes = {name: (folder / name).stat().st_size for name in (GRAPH, WEIGHTS)}
    write_json(folder / NOTE, {"bytes": sizes, "vector": [float(v) for v in vector]})


def _opened(place: Path) -> Any:
    """The session, None where a file is not as it was written or reads otherwise."""
    with contextlib.suppress(Exception):
        told = read_json(place / NOTE)
        if any(
            (place / name).is_symlink() or (place / name).stat().st_size != size
            for name, size in told["bytes"].items()
        ):
            return None
        runtime = needed("onnxruntime", "encode", "Reading queries")
        how = _options(runtime)
        # All of that was done when it was packed.
        how.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        made = plain_session(place / GRAPH, how)
        wanted = np.array(told["vector"], dtype=np.float32)
        apart = float(np.abs(vector_of(made, range(KNOWN)) - wanted).max())
        os.utime(place)
        return made if apart <= SAME else None
    return None


def _tidy(place: Path) -> None:
    """Delete packed forms that were not opened for long; who has one mapped keeps it."""
    found = [p for p in place.parent.iterdir() if (p / NOTE).is_file()]
    for old in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _processor() -> str:
    """What a processor can do, as far as it is told."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return f"{platform.machine()} {line.partition(':')[2]}"
    return f"{platform.machine()} {platform.processor()}"


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
