"""One process that serves, begun by `wareloom serve`: python -m wareloom.serving.worker FILE_NUMBER."""

from __future__ import annotations

import contextlib
import gc
import logging
import socket
import sys

from wareloom.errors import WareloomError, needed
from wareloom.serving.config import taken_up

GRACE = 8
"""Seconds in which accepted requests are finished after SIGTERM"""


def main() -> int:
    """Serve from a socket that listens already; returns the exit code."""
    settings = taken_up()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format='{"level":"%(levelname)s","said":"%(message)s"}',
    )
    uvicorn = needed("uvicorn", "serve", "Serving")
    needed("httptools", "serve", "Serving")
    try:
        from wareloom.serving.app import Application
        from wareloom.serving.protocol import patient

        application = Application(settings)
    except WareloomError as error:
        print(error, file=sys.stderr)
        return 2
    # What is there now stays: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    how = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        backlog=2048,
        http=patient(settings.body_seconds),
    )
    with contextlib.closing(socket.socket(fileno=int(sys.argv[1]))) as listening:
        uvicorn.Server(how).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
