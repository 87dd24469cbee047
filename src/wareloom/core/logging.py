"""What the package says for itself: standard logging below "wareloom", silent until somebody listens.

    log = get(__name__)
    with to_file(folder / "log.txt"), within(run_id="a1b2"):
        log.info("handed out %s", label)

Records carry `run_id` and `cell`, the ids of the run and the piece they belong to, empty where there is none.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

ROOT = "wareloom"
WARNING = logging.WARNING
LAYOUT = "%(asctime)s %(levelname)s %(name)s [%(run_id)s/%(cell)s] %(message)s"

_run_id: ContextVar[str] = ContextVar("wareloom_run_id", default="")
_cell: ContextVar[str] = ContextVar("wareloom_cell", default="")

# Without it, Python would print warnings of a program that set up no logging.
logging.getLogger(ROOT).addHandler(logging.NullHandler())


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry the ids in force when they are made."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the ids to a record's own extras."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **ids()}
        return msg, kwargs


def get(name: str = ROOT) -> Log:
    """Return the logger of a module; a name outside the package is put below "wareloom"."""
    inside = name == ROOT or name.startswith(ROOT + ".")
    return Log(logging.getLogger(name if inside else f"{ROOT}.{name}"), {})


def ids() -> dict[str, str]:
    """The ids in force: "run_id" and "cell"."""
    return {"run_id": _run_id.get(), "cell": _cell.get()}


@contextlib.contextmanager
def within(run_id: str | None = None, cell: str | None = None) -> Iterator[None]:
    """Let records of the block carry these ids; None leaves an id as it is. Threads begun inside start without them."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((_run_id, run_id), (_cell, cell))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


@contextlib.contextmanager
def to_file(path: Path, level: int = logging.INFO) -> Iterator[None]:
    """Append what is logged in the block to a file, from `level` on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _heard(logging.FileHandler(path, encoding="utf-8"), level):
        yield


@contextlib.contextmanager
def to_stream(stream: TextIO, level: int = logging.INFO, layout: str = LAYOUT) -> Iterator[None]:
    """Write what is logged in the block to an open stream, from `level` on."""
    with _heard(logging.StreamHandler(stream), level, layout):
        yield


@contextlib.contextmanager
def _heard(handler: logging.Handler, level: int, layout: str = LAYOUT) -> Iterator[None]:
    root = logging.getLogger(ROOT)
    before = root.level
    handler.setLevel(level)
    # Records of plain loggers and of libraries below the name carry no ids.
    handler.setFormatter(logging.Formatter(layout, defaults={"run_id": "", "cell": ""}))
    root.addHandler(handler)
    root.setLevel(min(level, root.getEffectiveLevel()))
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()
