"""What a process says to its operator: a line of JSON each, with the request that it is about, and nothing of shoppers.

Of an error its type and its places in the code are told, never its text: that may hold a query, an id or a key.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import sys
import traceback
from contextvars import ContextVar
from types import TracebackType
from typing import Any

REQUEST: ContextVar[str] = ContextVar("wareloom_request", default="")
"""The id of the request that is being answered"""
HEADER = b"x-request-id"
PLACES = 12
"""Places in the code, at most, that are told of an error"""
requests = logging.getLogger("wareloom.serving.requests")
"""A line for each answer, where that is asked for"""


class AsJson(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, request and what was said; of an error its type and where it was raised."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        told: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname,
        }
        if request := getattr(record, "request", "") or REQUEST.get():
            told["request"] = request
        told["said"] = record.getMessage()
        told |= getattr(record, "answer", {})
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
            places = traceback.extract_tb(record.exc_info[2])[-PLACES:]
            told["at"] = [f"{one.filename}:{one.lineno} {one.name}" for one in places]
        return json.dumps(told)


def listen(*, answers: bool = False) -> None:
    """Write warnings and errors of this process to stderr, and, where that is wished, a line for each answer."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    requests.setLevel(logging.INFO if answers else logging.WARNING)


class Failure(contextlib.AbstractContextManager["Failure"]):
    """Catches what nobody expected, so that it is counted, logged with its request and answered."""

    failed = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Log an error; what ends the process is not held up."""
        if not isinstance(error, Exception):
            return False
        self.failed = True
        logging.getLogger(__name__).error("A request failed.", exc_info=(type(error), error, trace))
        return True
