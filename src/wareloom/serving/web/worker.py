"""One process that serves, forked by `wareloom serve` or begun by itself.

python -m wareloom.serving.web.worker FILE_NUMBER
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys

from threadpoolctl import threadpool_limits

from wareloom.errors import WareloomError, needed
from wareloom.serving.config import Settings, taken_up

GRACE = 8
"""Seconds in which accepted requests are finished after SIGTERM"""
WRONG, CRASHED = 2, 3
"""Exit codes: what was given is wrong; it failed"""


def prepare() -> None:
    """Import, and load compiled loops, what every process needs, so that forked ones share it.

    No thread may be begun here, as a forked process has none of them: nothing of polars is called. Libraries of linear
    algebra compute on one thread each: more would wait by spinning, which other processes' answers pay for.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threadpool_limits(int(os.environ["OMP_NUM_THREADS"]))
    needed("uvicorn", "serve", "Serving")
    needed("httptools", "serve", "Serving")
    from wareloom.serving.forms import base as forms
    from wareloom.serving.vectors import near

    forms.warm()
    near.warm()
    gc.collect()
    gc.freeze()


def run(settings: Settings, listening: socket.socket) -> int:
    """Serve from a socket that listens already until SIGTERM; returns the exit code."""
    from wareloom.serving.logs import listen

    listen(answers=settings.log_requests)
    uvicorn = needed("uvicorn", "serve", "Serving")
    from wareloom.serving.web.app import Application
    from wareloom.serving.web.protocol import patient

    try:
        application = Application(settings)
    except WareloomError as error:
        print(error, file=sys.stderr)
        return WRONG
    # What is there now stays: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    how = uvicorn.Config(
        application,
        log_level="warning",
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        backlog=2048,
        http=patient(settings.body_seconds, application.load),
    )
    with contextlib.closing(listening):
        uvicorn.Server(how).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(run(taken_up(), socket.socket(fileno=int(sys.argv[1]))))
