"""Warnings of the package on standard error while a command runs, and how it is made to say errors only."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar

from wareloom.core.logging import ROOT

hushed: ContextVar[bool] = ContextVar("wareloom_quiet", default=False)
"""Whether the command under way says errors only"""


def hush(value: bool) -> bool:
    """Take the option --quiet: what it says holds for the whole command."""
    hushed.set(value)
    return value


class _Shown(logging.Handler):
    """Writes to whatever standard error is then: bars put what is written above themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one warning, unless the command is to be quiet."""
        if sys.stderr is None or hushed.get():
            return
        line = f"warning: {record.getMessage()}"
        if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
            line = f"\x1b[33m{line}\x1b[0m"
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Show the warnings that are logged in the block."""
    handler, root = _Shown(logging.WARNING), logging.getLogger(ROOT)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
