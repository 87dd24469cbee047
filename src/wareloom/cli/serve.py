"""Serve a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AllowCode, AsJson, Quiet, show
from wareloom.cli._summary import Summary

Redis = Annotated[
    str,
    typer.Option(
        help="Remember shoppers in this Redis, which several machines may share: redis://HOST:6379/0."
    ),
]
Events = Annotated[
    str,
    typer.Option(
        help="Keep events here, which several machines may share: postgresql://USER@HOST/NAME, or kafka://HOST:PORT/TOPIC."
    ),
]
Versions = Annotated[
    str, typer.Option(help="Take versions and slots from s3://BUCKET/PREFIX, and follow it.")
]
Spool = Annotated[
    float, typer.Option(help="MB of events that may wait on this disk while that is gone.")
]
HostName = Annotated[
    list[str] | None,
    typer.Option("--host-name", help="A name under which it is asked; may be given again."),
]
Expiry = Annotated[float, typer.Option(help="Days of silence after which a shopper is forgotten.")]
SessionEvents = Annotated[
    int, typer.Option("--session-events", help="Events that are remembered of each.")
]
LogRequests = Annotated[
    bool,
    typer.Option(
        "--log-requests",
        help="Log a line of JSON for each answer; none says who asked, or what for.",
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Look whether it could be served, and end.")]
CompactEvery = Annotated[
    float, typer.Option("--compact-every", help="Seconds between compactions; 0: none.")
]


def main(
    store: Annotated[Path, typer.Argument(help="The store.")],
    host: Annotated[
        str, typer.Option(help="Address; one that others reach wants keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes that answer side by side.")] = 1,
    host_name: HostName = None,
    sessions: Annotated[int, typer.Option(help="Shoppers that are remembered.")] = 1 << 16,
    session_events: SessionEvents = 50,
    expiry: Expiry = 30.0,
    redis: Redis = "",
    events: Events = "",
    versions: Versions = "",
    spool: Spool = 1024.0,
    rate: Annotated[
        int, typer.Option(help="Requests a second of one key in one process; 0: any number.")
    ] = 0,
    compact_every: CompactEvery = 300.0,
    log_requests: LogRequests = False,
    check: Check = False,
    allow_code: AllowCode = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer searches and recommendations over HTTP, and take events."""
    import sys

    from wareloom.core.settings import configure
    from wareloom.errors import needed, require

    needed("msgspec", "serve", "Serving")
    from wareloom.serving.config import Settings
    from wareloom.serving.web.supervise import checked, serve

    require("serve", "workers", workers, 1 <= workers <= 64, "1 to 64")
    require("serve", "port", port, 0 <= port <= 65535, "0 to 65535")
    asked = {"store": store, "host": host, "port": port, "sessions": sessions, "rate": rate}
    asked |= {"hosts": tuple(host_name or ()), "allow_code": tuple(allow_code or ())}
    asked |= {"events_of_session": session_events, "expiry": expiry * 86400, "redis": redis}
    asked |= {"events": events, "most_spooled": int(spool * 1e6), "versions": versions}
    settings = configure(Settings, asked | {"log_requests": log_requests})
    if check:
        names = checked(settings).names()
        summary = Summary(f"{store} can be served.", "good").fact("slots", ", ".join(names))
        show({"store": str(store), "slots": names}, as_json, summary)
        return
    serve(settings, workers, compact_every, lambda text: print(text, file=sys.stderr, flush=True))
