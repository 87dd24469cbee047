"""Encoders laid out once for a machine as its processor wants them, in a file that all processes map.

ONNX Runtime packs the weights of products for the processor; each process would have a copy of its own. So the first
process that opens an encoder writes what was packed to a folder of the store's state, and all of them map it. The form
hangs on processor and library: the file's name says both, and a text whose vector was noted must be read alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from wareloom.core import logging
from wareloom.core.state import read_json, write_json

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


def packed_session(
    runtime: Any, file: Path, options: Callable[[], Any], place: Path, read: Callable[[Any], Any]
) -> Any:
    """A session of an encoder on its packed form, made first where it is not there; None where there can be none.

    `read`: from a session to the vector of the noted text, float32 [size]. One process makes it, others wait.
    """
    made = None
    # For files that they cannot read or write the library raises what it likes; the plain session stays.
    with contextlib.suppress(Exception):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock"), timeout=WAIT):
            made = _opened(runtime, options, place, read)
            if made is None:
                shutil.rmtree(place, ignore_errors=True)
                _make(runtime, file, options, place, read)
                made = _opened(runtime, options, place, read)
                _tidy(place)
    if made is None:
        log.warning("%s is not packed for this machine: each process has its own copy.", file)
    return made


def _make(
    runtime: Any, file: Path, options: Callable[[], Any], place: Path, read: Callable[[Any], Any]
) -> None:
    need = ROOM * file.stat().st_size
    if shutil.disk_usage(place.parent).free < need:
        raise OSError(f"{place.parent} has no room for {need:.0f} bytes")
    partial = place.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        how = options()
        how.optimized_model_filepath = str(partial / GRAPH)
        for name, value in (
            ("session.optimized_model_external_initializers_file_name", WEIGHTS),
            ("session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
            ("session.save_external_prepacked_constant_initializers", "1"),
        ):
            how.add_session_config_entry(name, value)
        plain = runtime.InferenceSession(str(file), how, providers=["CPUExecutionProvider"])
        vector = read(plain)
        del plain
        sizes = {name: (partial / name).stat().st_size for name in (GRAPH, WEIGHTS)}
        write_json(partial / NOTE, {"bytes": sizes, "vector": [float(v) for v in vector]})
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _opened(
    runtime: Any, options: Callable[[], Any], place: Path, read: Callable[[Any], Any]
) -> Any:
    """The session, None where a file is not as it was written or reads otherwise."""
    how = options()
    # All of that was done when it was packed.
    how.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with contextlib.suppress(Exception):
        told = read_json(place / NOTE)
        if any(
            (place / name).is_symlink() or (place / name).stat().st_size != size
            for name, size in told["bytes"].items()
        ):
            return None
        made = runtime.InferenceSession(str(place / GRAPH), how, providers=["CPUExecutionProvider"])
        apart = float(np.abs(read(made) - np.array(told["vector"], dtype=np.float32)).max())
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
