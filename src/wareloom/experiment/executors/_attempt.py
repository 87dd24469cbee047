"""A job opened and a task tried, wherever that is; and errors that travel as JSON."""

from __future__ import annotations

import importlib
import json
import time
import traceback
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from wareloom.core import logging
from wareloom.errors import SettingError, WareloomError
from wareloom.experiment.executors._line import Job

Work = Callable[[dict[str, Any]], None]
LINES = 12
"""Last lines of a traceback or a log that an error shows"""


def opened(job: Job) -> Work:
    """Call the job's opener. Raises `SettingError` where there is no such function."""
    module, _, name = job.opener.partition(":")
    opener = getattr(importlib.import_module(module), name, None)
    if not callable(opener):
        raise SettingError(f"{job.opener!r} is no opener; give package.module:function.")
    work: Work = opener(job.told)
    return work


@lru_cache(maxsize=1)
def _opened_last(opener: str, told: str) -> Work:
    # One only: an open job holds a shop in memory.
    return opened(Job(opener, json.loads(told)))


def attempt(opener: str, told: str, key: str, call: dict[str, Any]) -> dict[str, Any]:
    """Try one task of a job, which stays open for the next; `told`: as JSON text.

    Returns {"seconds": …} or, where Wareloom raised an error, {"raised": …} for `again`. All else goes through.
    """
    start = time.monotonic()
    try:
        with logging.within(cell=key):
            _opened_last(opener, told)(call)
    except WareloomError as error:
        kinds = [
            f"{kind.__module__}:{kind.__qualname__}"
            for kind in type(error).__mro__
            if issubclass(kind, WareloomError)
        ]
        trace = "".join(traceback.format_exception(error))
        return {"raised": {"kinds": kinds, "message": str(error), "trace": trace}}
    return {"seconds": time.monotonic() - start}


def again(raised: dict[str, Any]) -> WareloomError:
    """The error that `attempt` wrote down: same class, same message, and the worker's traceback as a note."""
    for name in raised["kinds"]:
        module, _, own = name.partition(":")
        try:
            kind: Any = importlib.import_module(module)
            for part in own.split("."):
                kind = getattr(kind, part)
        except (ImportError, AttributeError):
            continue  # a class made inside a function, or in a module that only the worker has
        error: WareloomError = kind.__new__(kind, raised["message"])
        error.add_note("In the worker:\n" + raised["trace"])
        return error
    raise AssertionError(raised)


def tail(text: str) -> str:
    """The last lines of a text."""
    return "\n".join(text.rstrip().splitlines()[-LINES:])
